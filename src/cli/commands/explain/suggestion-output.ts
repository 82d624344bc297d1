/** Suggestions as text to paste, and as values for programs. Pure. */
import type { Pod } from '../../../analysis/cluster.ts';
import type { Remedy } from '../../../analysis/remedy/remedy.ts';
import { KIND } from '../../../api/names.ts';
import { shortList } from '../../../util/list-text.ts';
import { toYaml } from '../../shell/output.ts';
import type { Palette } from '../../shell/terminal.ts';
import type { Suggestion, SuggestionObstacle, WorkloadLabel } from './suggestions.ts';

/** A part of the text: YAML under a head. */
interface Block {
  readonly head: string;
  readonly value: object;
  readonly remedies: readonly Remedy[];
}

/** The labels, then the connections of each profile in one block, then the policies. */
export function suggestionText(suggested: readonly Suggestion[], paint: Palette): string[] {
  const remedies = suggested.map(({ remedy }) => remedy);
  const blocks = [
    ...labelBlocks(suggested.flatMap(({ labels }) => labels)),
    ...connectionBlocks(remedies.filter((remedy) => remedy.kind === 'connection')),
    ...policyBlocks(remedies.filter((remedy) => remedy.kind === 'policy')),
  ];
  return blocks.flatMap(({ head, value, remedies }) => {
    const also = alsoText(remedies);
    const lines = toYaml(value)
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`);
    return ['', paint.bold(head), '', ...lines, ...(also === '' ? [] : ['', paint.yellow(also)])];
  });
}

function labelBlocks(labels: readonly WorkloadLabel[]): Block[] {
  const byWorkload = Map.groupBy(labels, ({ workload }) => workload);
  return [...byWorkload].map(([workload, own]) => ({
    head: `First add this label to the ${isPod(workload) ? 'pod' : 'pod template of'} ${workload}, as no stable label tells its pods from others:`,
    value: Object.fromEntries(own.map(({ key, value }) => [key, value])),
    remedies: [],
  }));
}

/** True for the name of a Pod without controller, as in `shop/pod/cart`. */
function isPod(workload: string): boolean {
  return workload.split('/')[1] === 'pod';
}

function connectionBlocks(remedies: readonly Extract<Remedy, { kind: 'connection' }>[]): Block[] {
  return [...Map.groupBy(remedies, ({ profile }) => profile)].map(([profile, group]) => ({
    head: `To allow it, add this to the spec of ${KIND} ${profile}:`,
    value: { connections: group.map(({ connection }) => connection) },
    remedies: group,
  }));
}

function policyBlocks(policies: readonly Extract<Remedy, { kind: 'policy' }>[]): Block[] {
  return policies.map((remedy) => ({
    head: `To allow it, apply this NetworkPolicy in ${remedy.policy.metadata.namespace}, beside the existing ones:`,
    value: remedy.policy,
    remedies: [remedy],
  }));
}

/** Names the other pods to which the remedies apply. Empty if there are none. */
function alsoText(remedies: readonly Remedy[]): string {
  const [subjects, peers] = [
    names(remedies.flatMap(({ alsoSubjects }) => alsoSubjects)),
    names(remedies.flatMap(({ alsoPeers }) => alsoPeers)),
  ];
  const parts = [
    ...(subjects.length > 0 ? [`it also applies to ${shortList(subjects)}`] : []),
    ...(peers.length > 0 ? [`it also names ${shortList(peers)} as a peer`] : []),
  ];
  return parts.length === 0 ? '' : `Take care: ${parts.join(', and ')}; no stable label tells them apart.`;
}

function names(pods: readonly Pod[]): string[] {
  return [...new Set(pods.map(({ namespace, name }) => `${namespace}/${name}`))].sort();
}

/** A suggestion as a value for JSON and YAML. A connection comes with a JSON patch of the profile. */
export function suggestionValue({ remedy, from, to, labels }: Suggestion): object {
  const { direction, alsoSubjects, alsoPeers } = remedy;
  const common = {
    direction,
    from: from.label,
    to: to.label,
    alsoOpensFor: names([...alsoSubjects, ...alsoPeers]),
    ...(labels.length > 0 && { labels }),
  };
  if (remedy.kind === 'policy') return { ...common, networkPolicy: remedy.policy };
  const { profile, connection, changed } = remedy;
  const isFirst = (changed.spec.connections ?? []).length === 1;
  const patch = isFirst
    ? [{ op: 'add', path: '/spec/connections', value: [connection] }]
    : [{ op: 'add', path: '/spec/connections/-', value: connection }];
  return { ...common, profile, connection, patch };
}

/** Says why nothing is suggested for an end, and what to do instead. */
export function obstacleText({ obstacle, direction, own, other }: SuggestionObstacle): string {
  switch (obstacle.kind) {
    case 'no-address':
      return `only an ipBlock with the addresses of its nodes could allow ${other.label}, which is on the host network; they are not known here`;
    case 'uncarried':
      return (
        `no connection is suggested: rule ${obstacle.rule} of ${KIND} ${obstacle.profile} means the flow, and the mesh does not carry ` +
        'it; PeersResolved of the profile says why'
      );
    case 'tunnel': {
      const { port, profile, asksForTunnels } = obstacle;
      const carried = `no connection is suggested for the ${direction.toLowerCase()} of ${own.label}: port ${port} carries connections between pods of the mesh`;
      if (direction === 'Egress')
        return `${carried}, and only the destination tells their ports apart; add an egress rule to ${other.label} without ports to ${KIND} ${profile}`;
      if (asksForTunnels)
        return `${carried}, and its egress rule would have ports; add an ingress rule from ${other.label} with these ports to ${KIND} ${profile}`;
      return (
        `${carried}, and NetworkPolicies can't tell the ports behind it apart; set baseline.mesh: Allow and mesh.authorization: Enforce in ` +
        `${KIND} ${profile}, by which the mesh does, and add an ingress rule from ${other.label} with these ports`
      );
    }
    case 'open-pods':
      return (
        `no policy is suggested for the ${direction.toLowerCase()} of ${own.label}: it would isolate ` +
        `${shortList(names(obstacle.pods))}, which no stable label tells from the pods that are isolated already; ` +
        'add the rule to the policy that isolates those'
      );
  }
}
