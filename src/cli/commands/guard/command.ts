/** `guard`: what the guards of profiles pass, and the policies of others that they take something from. */
import { formatPorts } from '../../../analysis/model/ports.ts';
import { TooManyLinksError } from '../../../analysis/reach/reach.ts';
import { CLUSTER_NETWORK_POLICY } from '../../../engines/cluster-network-policy/carrier.ts';
import type { GuardPass, PortRange } from '../../../policy/guard/guard.ts';
import type { GuardedLink } from '../../../snapshot/guards/changes.ts';
import { cutsOf, type FlowsOfGuard, type GuardCuts } from '../../../snapshot/guards/cuts.ts';
import { type Bypass, type BypassesOfGuard, bypassesOf } from '../../../snapshot/guards/bypasses.ts';
import { carrierOf, guardsOf, type SnapshotGuard } from '../../../snapshot/guards/guards.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { counted, shortList } from '../../../util/list-text.ts';
import { groupText } from '../../reach/model.ts';
import type { Command } from '../../shell/command.ts';
import { EXIT } from '../../shell/failure.ts';
import { table, toJson, toYaml } from '../../shell/output.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { peersText } from '../../shell/text.ts';
import { ONLY_NETWORK_POLICIES } from '../../snapshot/load.ts';
import { profilesNamed } from '../../snapshot/select.ts';
import { unreadCaveats } from '../explain/caveats.ts';
import { dependsText, layerObjectText } from '../explain/layer-text.ts';

/** Flows between workloads that a table lists at most. */
const MAX_SHOWN = 20;

export const guard: Command = {
  name: 'guard',
  summary: 'what the guards of profiles pass, and the policies of others that they restrict',
  usage: '[PROFILE ...]',
  words: [0, Number.POSITIVE_INFINITY],
  description: [
    'A guard denies what no profile allows in the selected namespaces, whatever NetworkPolicies of others allow. Shows\n' +
      'what the guard of each profile passes, and the NetworkPolicies of others from which it takes something: under\n' +
      '`guard.mode: Enforce` it does, and otherwise it would. Below are the flows between workloads that the guard cuts,\n' +
      'whichever kind of policy allows them. Read this before you switch a guard on.',
    'Policies that are asked before a guard may accept flows that it denies: these are listed too, with the flows that pass.',
    'Exits with 0 if no guard changes what others decide, and no policy before it lets pass what it denies; with 1 otherwise,\n' +
      'where nobody can tell, or if a guard would deny nothing.',
  ],
  examples: [
    { what: 'what the guards of all profiles would restrict', line: 'guard' },
    { what: 'with all that the guard of a profile passes', line: 'guard shop -o wide' },
    { what: 'the guard of a profile on disk, in the cluster', line: 'guard -f shop.yaml --cluster' },
  ],
  flags: [ONLY_NETWORK_POLICIES],
  formats: ['table', 'wide', 'json', 'yaml', 'name'],
  takes: { cluster: true, namespaces: false },
  completes: 'profiles',
  async run({ words, format, flags, terminal, load }) {
    const snapshot = await load({ forLayers: true });
    const isLayered = !flags.has(ONLY_NETWORK_POLICIES.name);
    const profiles = profilesNamed(snapshot, words);
    const all = guardsOf(snapshot);
    const guards = all.filter(({ profile }) => profiles.includes(profile));
    if (isLayered) for (const each of unreadCaveats(snapshot)) terminal.warn(each);
    noteKind(snapshot, terminal);
    const { cuts, bypasses } = changesIn({ guards, all }, snapshot, { isLayered, terminal });
    const flowsOf = (each: SnapshotGuard) => cuts?.of.get(each);
    const bypassesOfGuard = (each: SnapshotGuard) => bypasses?.get(each)?.of;
    if (format === 'json' || format === 'yaml') {
      const document = { guards: guards.map((each) => valueOf(each, flowsOf(each), bypassesOfGuard(each))) };
      terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    } else if (format === 'name') {
      for (const { restricted } of guards)
        for (const { namespace, name } of restricted)
          terminal.print(`networkpolicy.networking.k8s.io/${name} -n ${namespace}`);
    } else {
      for (const [index, each] of guards.entries()) {
        if (index > 0) terminal.print('');
        show(each, { wide: format === 'wide', terminal });
        showFlows(each, flowsOf(each), { wide: format === 'wide', terminal });
        showBypasses(bypasses?.get(each), { wide: format === 'wide', terminal });
      }
      if (cuts !== undefined && cuts.dependsOn.length > 0)
        terminal.note(`what a guard may change ${dependsText(cuts.dependsOn)}`);
    }
    const isQuiet = (each: SnapshotGuard) =>
      changesNothing(each, flowsOf(each)) && (bypassesOfGuard(each) ?? []).length === 0;
    return guards.every(isQuiet) ? EXIT.yes : EXIT.no;
  },
};

/** Says by which kind guards are judged, if nothing names it and it is not the default one. */
function noteKind(snapshot: Snapshot, terminal: Terminal): void {
  const { kind } = carrierOf(snapshot);
  if (snapshot.guard === undefined && kind !== CLUSTER_NETWORK_POLICY.kind)
    terminal.note(
      `guards are taken for objects of kind ${kind}; guard in the file of --config names another one`,
    );
}

/** True if the guard denies something, and changes no flow that others decide about. */
function changesNothing({ restricted, directions }: SnapshotGuard, flows: FlowsOfGuard = NO_FLOWS): boolean {
  const { cuts, opens, unclear } = flows;
  return directions.size > 0 && [restricted, cuts, opens, unclear].every(({ length }) => length === 0);
}

const NO_FLOWS: FlowsOfGuard = { cuts: [], opens: [], unclear: [] };

function show(
  { profile, mode, guard: { directions }, made, restricted, directions: denied }: SnapshotGuard,
  { wide, terminal }: { readonly wide: boolean; readonly terminal: Terminal },
): void {
  const { paint } = terminal;
  terminal.print(`${paint.bold(`Guard of profile ${profile.metadata.name}`)} (mode ${mode})`);
  if (made.kind === 'too-large') terminal.warn(made.message);
  else
    for (const { direction, rules } of made.open)
      terminal.warn(
        `${direction} is not guarded: ${rules.join(', ')} allow everyone on every port, or on one by its name`,
      );
  for (const { unresolved } of directions)
    for (const { rule, peer, message } of unresolved)
      terminal.warn(
        `rule ${rule}: ${peer} is not resolved, and nothing is denied in its direction: ${message}`,
      );
  if (wide) {
    const rows = directions.flatMap(({ direction, passes }) =>
      passes.map((pass) => [direction, peerText(pass), portsText(pass.ports), pass.rules.join(', ')]),
    );
    terminal.print(table(['DIRECTION', 'PASSES', 'PORTS', 'FOR'], rows).map((line) => `  ${line}`));
  }
  if (restricted.length === 0) {
    if (denied.size > 0) terminal.print('  restricts no policy of others');
    return;
  }
  const verb = mode === 'Enforce' ? 'restricts' : 'would restrict';
  terminal.print(`  ${verb} ${counted(restricted.length, 'policy', 'policies')} of others:`);
  const rows = restricted.map(({ namespace, name, message }) => [namespace, name, message]);
  terminal.print(table(['NAMESPACE', 'NAME', 'WHAT IT ALLOWS BEYOND'], rows).map((line) => `  ${line}`));
}

interface Changes {
  readonly cuts: GuardCuts;
  readonly bypasses: ReadonlyMap<SnapshotGuard, BypassesOfGuard>;
}

/**
 * The flows that guards change, and those that pass although they deny them; nothing, after a warning, if they are too many to
 * compare. NetworkPolicies are asked after every guard.
 */
function changesIn(
  { guards, all }: { readonly guards: readonly SnapshotGuard[]; readonly all: readonly SnapshotGuard[] },
  snapshot: Snapshot,
  { isLayered, terminal }: { readonly isLayered: boolean; readonly terminal: Terminal },
): Partial<Changes> {
  terminal.progress('working out who may talk to whom');
  try {
    const cuts = cutsOf(guards, snapshot, { isLayered });
    if (!isLayered) return { cuts };
    return { cuts, bypasses: new Map(guards.map((each) => [each, bypassesOf(each, all, snapshot)])) };
  } catch (error) {
    if (!(error instanceof TooManyLinksError)) throw error;
    terminal.warn('the flows that guards cut are not listed: so many workloads may talk to each other');
    return {};
  } finally {
    terminal.progress('');
  }
}

function showFlows(
  { mode }: SnapshotGuard,
  { cuts, opens, unclear }: FlowsOfGuard = NO_FLOWS,
  options: { readonly wide: boolean; readonly terminal: Terminal },
): void {
  const [cut, open] = mode === 'Enforce' ? ['cuts', 'opens'] : ['would cut', 'would open'];
  const flows = (list: readonly GuardedLink[]) => `${counted(list.length, 'flow')} between workloads`;
  showList(`${cut} ${flows(cuts)} that other policies allow`, cuts, options);
  showList(`${open} ${flows(opens)} that policies deny which are asked after it in its tier`, opens, options);
  showList(`may change ${flows(unclear)} about which other policies can't be evaluated`, unclear, options);
}

function showBypasses(
  { of, notCompared }: BypassesOfGuard = { of: [], notCompared: [] },
  options: { readonly wide: boolean; readonly terminal: Terminal },
): void {
  const { terminal } = options;
  if (of.length > 0) {
    const [policies, accept] = [counted(of.length, 'policy', 'policies'), of.length === 1 ? 'lets' : 'let'];
    terminal.print(`  ${policies} asked before it ${accept} flows pass that it denies:`);
  }
  for (const { policy, flows, unclear, parts } of of) {
    const name = layerObjectText(policy);
    showList(`${name} lets ${counted(flows.length, 'flow')} pass`, flows, options);
    const depends = parts.length === 0 ? '' : `, as a part can't be evaluated: ${parts.join(', ')}`;
    showList(`${name} may let ${counted(unclear.length, 'flow')} pass${depends}`, unclear, options);
  }
  if (notCompared.length > 0)
    terminal.warn(`asked before the guard, and not compared: ${shortList(notCompared.map(layerObjectText))}`);
}

function showList(
  head: string,
  list: readonly GuardedLink[],
  { wide, terminal }: { readonly wide: boolean; readonly terminal: Terminal },
): void {
  if (list.length === 0) return;
  terminal.print(`  ${head}:`);
  const shown = wide ? list : list.slice(0, MAX_SHOWN);
  const rows = shown.map(({ from, to, ports }) => [groupText(from), groupText(to), formatPorts(ports)]);
  terminal.print(...table(['FROM', 'TO', 'PORTS'], rows).map((line) => `  ${line}`));
  const more = list.length - shown.length;
  if (more > 0) terminal.print(`  and ${more} more, which -o wide lists`);
}

function peerText({ peer }: GuardPass): string {
  if (peer.kind === 'everyone') return 'everyone';
  if (peer.kind === 'pods') return peersText([peer]);
  const { cidr, except } = peer;
  return peersText([{ ipBlock: { cidr, ...(except.length > 0 && { except }) } }]);
}

function portsText(ports: readonly PortRange[] | undefined): string {
  if (ports === undefined) return 'all';
  return ports
    .map(({ protocol, from, to }) => `${protocol} ${from === to ? from : `${from}-${to}`}`)
    .join(', ');
}

function valueOf(
  { profile, mode, guard: { subject, directions }, made, restricted }: SnapshotGuard,
  flows: FlowsOfGuard | undefined,
  bypasses: readonly Bypass[] | undefined,
): object {
  return {
    profile: profile.metadata.name,
    mode,
    subject,
    ...(made.kind === 'too-large' && { problem: made.message }),
    directions: directions.map(({ direction, passes, unresolved }) => ({
      direction,
      isOpen: made.kind === 'compiled' && made.open.some((each) => each.direction === direction),
      passes,
      unresolved,
    })),
    restricted,
    ...flows,
    ...(bypasses && { bypasses }),
  };
}
