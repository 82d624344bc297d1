/** Caveats of verdicts: facts about the ends and the profiles that policies alone do not show. Pure. */
import type { Pod } from '../../../analysis/cluster.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { rulesOf } from '../../../policy/semantics/normalize.ts';
import { rolloutNotes } from '../../snapshot/rollout-notes.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { listText } from '../../../util/list-text.ts';
import { AMBIENT } from '../../../engines/istio/mesh-config.ts';
import { matches } from '../../../policy/semantics/selector.ts';
import { LAYER_KNOWN_KINDS } from '../../../snapshot/objects.ts';
import { guardCaveats } from './guard-caveats.ts';
import type { CaveatInput } from './caveat-input.ts';

export function caveats(input: CaveatInput): string[] {
  const { answers, snapshot, policies, asEnforced, isLayered } = input;
  const ends = answers.flatMap(({ from, to }) => [from, to]);
  const namespaces = new Set(ends.flatMap(({ namespace }) => namespace ?? []));
  const isFromOutside = answers.some(
    ({ from }) => from.endpoint.kind === 'external' && from.endpoint.node === undefined,
  );
  const addresses = addressCaveat(
    ends.flatMap(({ pods }) => pods),
    policies.filter(({ metadata }) => namespaces.has(metadata.namespace ?? '')),
  );
  return [
    ...(isFromOutside
      ? ['traffic from outside may arrive with the address of a load balancer or a node instead of its own']
      : []),
    ...(addresses === undefined ? [] : [addresses]),
    ...(isLayered ? unreadCaveats(snapshot) : engineCaveats(snapshot, namespaces, asEnforced)),
    ...guardCaveats(input),
    ...(isLayered ? [] : ambientCaveats(input)),
    ...rolloutNotes(snapshot, (name) => namespaces.has(name)),
    ...meshCaveats(snapshot, namespaces, input),
    ...(snapshot.isObserved && !asEnforced ? profileCaveats(snapshot, namespaces) : []),
  ];
}

/** The kinds of policies that could not be read, with what to do about it. */
export function unreadCaveats({ unread }: Snapshot): string[] {
  const kinds = new Set(LAYER_KNOWN_KINDS.map(({ kind }) => kind));
  return [...unread].flatMap(([kind, reason]) =>
    kinds.has(kind) ? [`${reason}, or judge by NetworkPolicies alone (--only-network-policies)`] : [],
  );
}

/** The flows that the network engine's own policies allow in these namespaces, for verdicts by NetworkPolicies alone. */
function engineCaveats(snapshot: Snapshot, namespaces: ReadonlySet<string>, asEnforced: boolean): string[] {
  const intents = snapshot
    .intents()
    .filter(
      ({ namespace, relation }) => namespaces.has(namespace.name) && (asEnforced || relation === 'enforce'),
    );
  return intents.flatMap(({ profile, namespace, compiled, extensions }) => {
    const peers = compiled.extensions.flatMap(({ rules }) => rules.map(({ note }) => note.peer ?? note.rule));
    const carried = `the network engine's own policies of profile ${profile.metadata.name} in ${namespace.name}`;
    if (extensions.length > 0)
      return [`${carried} allow more than this verdict knows: ${listText([...new Set(peers)])}`];
    const condition = profile.status?.conditions?.find(({ type }) => type === 'EngineReady');
    const isCarried = condition !== undefined && condition.reason !== 'NoEngine';
    return isCarried && snapshot.isObserved
      ? [`${carried} may allow more: name the engine in the file of --config to see what`]
      : [];
  });
}

/** The mesh denies connections that NetworkPolicies allow. Without its objects, verdicts do not know them. */
function meshCaveats(
  snapshot: Snapshot,
  namespaces: ReadonlySet<string>,
  { asEnforced, isLayered }: CaveatInput,
): string[] {
  const isKnown = (snapshot.isObserved && !asEnforced) || snapshot.facts.mesh()?.kind === 'available';
  if (isLayered && isKnown) return [];
  return snapshot.intents().flatMap(({ profile, namespace, relation }) => {
    const { authorization, mtls } = profile.spec.mesh ?? {};
    const isInForce = namespaces.has(namespace.name) && (asEnforced || relation === 'enforce');
    if (!isInForce || (authorization !== 'Enforce' && mtls !== 'Strict')) return [];
    return [
      `in ${namespace.name}, the mesh denies connections to pods with sidecars by identity, as profile ${profile.metadata.name} asks: ` +
        'a flow that is allowed here passes only if its source has the identity',
    ];
  });
}

/** In ambient mode, one port carries all connections between members of the mesh. */
function ambientCaveats({ answers, snapshot }: CaveatInput): string[] {
  const { namespaceSelector, port } = AMBIENT;
  const labels = new Map(snapshot.namespaces.map((each) => [each.name, each.labels]));
  const names = answers
    .filter((answer) => answer.port.port !== port && answer.port.protocol === 'TCP')
    .flatMap(({ to }) => to.namespace ?? [])
    .filter((name) => matches(namespaceSelector, labels.get(name) ?? {}));
  return [...new Set(names)].map(
    (name) =>
      `${name} is in ambient mode: this verdict is for connections beside the mesh; those of members arrive on port ${port} (--port ${port})`,
  );
}

/** Profiles of these namespaces that enforce nothing yet, or not all. */
function profileCaveats(snapshot: Snapshot, namespaces: ReadonlySet<string>): string[] {
  const intents = snapshot.intents().filter(({ namespace }) => namespaces.has(namespace.name));
  const audited = intents
    .filter(({ relation }) => relation === 'audit')
    .map(
      ({ profile, namespace, staged }) =>
        `profile ${profile.metadata.name} selects ${namespace.name} under Audit and enforces nothing yet; --as-enforced shows what it would do` +
        (staged.length > 0 ? ', and so do the flow logs of the network engine, by staged policies' : ''),
    );
  const unready = snapshot.profiles.flatMap((profile) => {
    const ready = profile.status?.conditions?.find(({ type }) => type === 'Ready');
    const isConcerned = intents.some((each) => each.profile === profile);
    return isConcerned && ready?.status === 'False'
      ? [`profile ${profile.metadata.name} is not Ready: ${ready.message}`]
      : [];
  });
  return [...audited, ...unready];
}

/** A caveat if pods have no addresses, so that the ipBlocks of these policies match none of them. */
export function addressCaveat(pods: readonly Pod[], policies: readonly NetworkPolicy[]): string | undefined {
  if (pods.every(({ ips }) => ips.length > 0) || !policies.some(hasIPBlock)) return undefined;
  return 'pods of manifests have no addresses yet, so a rule with an ipBlock matches none of them; in a cluster it may';
}

function hasIPBlock({ spec }: NetworkPolicy): boolean {
  return (['Ingress', 'Egress'] as const).some((direction) =>
    rulesOf(spec, direction).some(({ peers = [] }) => peers.some(({ ipBlock }) => ipBlock !== undefined)),
  );
}
