/**
 * The passages that the NetworkPolicies of a namespace ask for, and the permits for them. Pure.
 *
 * An AuthorizationPolicy selects pods by equality of labels, and takes identities by namespace and ServiceAccount, and single
 * ports. A rule that needs more can't be said exactly: it is left out with the reason, as a coarser one would be wider.
 */
import type { LabelSelector, StringMap } from '../../../api/meta.ts';
import {
  LABEL_EXCEPTION,
  LABEL_NAMESPACE_NAME,
  LABEL_PROFILE,
  LABEL_SERVICE_ACCOUNT,
} from '../../../api/names.ts';
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../../api/network-policy.ts';
import { PROXY_METRICS_RULE } from '../../../policy/baseline.ts';
import type { NamespaceFacts } from '../../../policy/facts.ts';
import { noteText, notesOf } from '../../../policy/notes.ts';
import { isTransitionalCover } from '../../../policy/planning/transition.ts';
import { rulesOf } from '../../../policy/semantics/normalize.ts';
import { canonicalSelector, matches } from '../../../policy/semantics/selector.ts';
import { isTunnel } from '../../../policy/tunnels.ts';
import { MAX_RANGE } from '../authorization.ts';
import { MAX_ITEMS } from '../policy.ts';
import { allowsTunnel, ofTCP } from './ports.ts';
import type { WantedPassage } from './choose.ts';
import {
  type Entrance,
  type Identity,
  type Passage,
  type Permit,
  type Ports,
  type Source,
  withName,
} from './passages.ts';

export interface TunnelContext {
  /** The port on which the mesh carries all connections. */
  readonly port: number;
  /** The first part of all identities; undefined if they have several. */
  readonly trustDomain: string | undefined;
  /** All namespaces: those that a selector means are named in identities. */
  readonly namespaces: readonly NamespaceFacts[];
  /** True if connections come from a waypoint, and not from the pods that open them. */
  readonly hasWaypoint?: boolean;
}

/** The ingress policies of a profile in the namespace. */
export interface ProfilePolicies {
  readonly profile: string;
  /**
   * True if the profile asks for entrances. Otherwise only those count that rules open by themselves.
   */
  readonly isAsking: boolean;
  readonly policies: readonly NetworkPolicy[];
}

/** A rule that can't be said exactly. */
export interface Unsayable {
  readonly profile: string;
  /** The exception that the rule is of; absent for a rule of the profile. */
  readonly exception?: string | undefined;
  readonly rule: string;
  readonly entrance: Entrance;
  /** Why, and what to write instead. */
  readonly message: string;
  /** True if the rule opens the tunnel's port by itself. */
  readonly isOpen: boolean;
}

export interface Wanted {
  readonly passages: readonly WantedPassage[];
  readonly unsayable: readonly Unsayable[];
}

export function wantedPassages(profiles: readonly ProfilePolicies[], context: TunnelContext): Wanted {
  const passages: WantedPassage[] = [];
  const unsayable: Unsayable[] = [];
  for (const { rule, policy, profile, isAsking } of profiles.flatMap(rulesIn)) {
    const reached = portsOf(rule.ports, context.port);
    if (reached === 'none' || (!reached.opensTunnel && !isAsking)) continue;
    const { ports, opensTunnel } = reached;
    for (const source of sourcesOf(rule.peers, policy.metadata.namespace ?? '')) {
      const entrance = { pods: policy.spec.podSelector ?? {}, source };
      const permit = 'message' in reached ? reached : permitFor({ ...entrance, ports }, context);
      const named = { profile, rule: rule.name, exception: policy.metadata.labels?.[LABEL_EXCEPTION] };
      if ('message' in permit)
        unsayable.push({ ...named, entrance, message: permit.message, isOpen: opensTunnel });
      // A rule that no namespace matches needs no entrance. One for every port stands for itself in the policies all the same.
      else if (opensTunnel || permit.identity.namespaces.length > 0)
        passages.push({ ...entrance, ports, permit, ...named, needsEntrance: !opensTunnel });
    }
  }
  return { passages, unsayable };
}

/**
 * The rules of a profile's policies, with the names of the rules that they were written for. The rule for the ports of sidecars and
 * gateways needs no passage: entrances leave out their pods, and no other pod serves these ports.
 */
function rulesIn({ policies, ...profile }: ProfilePolicies) {
  return policies.flatMap((policy) => {
    const notes = notesOf(policy);
    return rulesOf(policy.spec, 'Ingress').flatMap((rule, index) => {
      const note = notes[index];
      if (note?.rule === PROXY_METRICS_RULE) return [];
      const name = note === undefined ? policy.metadata.name : noteText(note);
      return [{ rule: { ...rule, name }, policy, ...profile }];
    });
  });
}

/**
 * The entrances of observed policies by rules that open the tunnel's port by themselves. Those of other profiles are left out:
 * what their policies allow is theirs.
 *
 * @param profiles by name
 */
export function openRulesOf(
  observed: readonly NetworkPolicy[],
  profiles: Pick<ReadonlySet<string>, 'has'>,
  port: number,
): Entrance[] {
  return openEntrances(policiesOf(observed, profiles), port);
}

/** The policies of profiles, apart from tunnels and covers. @param profiles by name */
export function policiesOf(
  observed: readonly NetworkPolicy[],
  profiles: Pick<ReadonlySet<string>, 'has'>,
): NetworkPolicy[] {
  return observed.filter(
    (each) =>
      profiles.has(each.metadata.labels?.[LABEL_PROFILE] ?? '') &&
      !isTunnel(each) &&
      !isTransitionalCover(each),
  );
}

/** The entrances of observed covers, under which every pod reaches the pods that nothing else isolates. */
export function coversOf(observed: readonly NetworkPolicy[], port: number): Entrance[] {
  return openEntrances(observed.filter(isTransitionalCover), port);
}

function openEntrances(policies: readonly NetworkPolicy[], port: number): Entrance[] {
  return policies.flatMap(({ metadata, spec }) =>
    rulesOf(spec, 'Ingress').flatMap(({ peers, ports }) => {
      const reached = portsOf(ports, port);
      if (reached === 'none' || !reached.opensTunnel) return [];
      const pods = spec.podSelector ?? {};
      return sourcesOf(peers, metadata.namespace ?? '').map((source) => ({ pods, source }));
    }),
  );
}

/** The permit for exactly these connections, or why there is none. */
export function permitFor(
  { pods, source, ports }: Passage,
  { trustDomain, namespaces, hasWaypoint }: TunnelContext,
): Permit | { readonly message: string } {
  const selected = canonicalSelector(pods);
  if (hasWaypoint === true) return { message: WAYPOINT };
  if (selected.matchExpressions !== undefined)
    return { message: 'an AuthorizationPolicy selects pods by matchLabels alone: write its podSelector so' };
  const names = namesOf(canonicalSelector(source.namespaces), namespaces);
  if (names.length > MAX_ITEMS && names !== 'any')
    return { message: `it means more than ${MAX_ITEMS} namespaces, and an AuthorizationPolicy names them` };
  const account = canonicalSelector(source.pods).matchLabels?.[LABEL_SERVICE_ACCOUNT];
  const isTold = account !== undefined && trustDomain !== undefined && names !== 'any';
  const identity: Identity = { namespaces: names, ...(isTold && { account }) };
  return { pods: selected, identity, ports };
}

const WAYPOINT =
  'the namespace has a waypoint (label istio.io/use-waypoint), and connections come under its identity: remove the label, or ' +
  'hold the ports by policies of the waypoint';

interface Reached {
  readonly ports: Ports;
  /** True if the rule also allows the tunnel's port itself: then it allows every port. */
  readonly opensTunnel: boolean;
}

function portsOf(
  ports: readonly NetworkPolicyPort[] | undefined,
  tunnel: number,
): Reached | (Reached & { readonly message: string }) | 'none' {
  const tcp = ofTCP(ports);
  if (tcp.length === 0) return 'none';
  if (allowsTunnel(ports, tunnel)) return { ports: 'every', opensTunnel: true };
  const numbers = new Set<number>();
  let message: string | undefined;
  for (const { port, endPort } of tcp) {
    if (typeof port !== 'number') {
      message = `an AuthorizationPolicy takes numbers for ports: write that of port ${port}`;
      continue;
    }
    const last = endPort ?? port;
    if (last - port >= MAX_RANGE)
      message = `an AuthorizationPolicy lists ports one by one: write ranges of at most ${MAX_RANGE}, or no ports at all`;
    else for (let number = port; number <= last; number++) numbers.add(number);
  }
  const reached = { ports: numbers, opensTunnel: false };
  if (numbers.size > MAX_ITEMS) message = `an AuthorizationPolicy lists at most ${MAX_ITEMS} ports`;
  return message === undefined ? reached : { ...reached, message };
}

/** The pods among the peers. Addresses mean sources out of the mesh, which come on the ports themselves. */
function sourcesOf(peers: readonly NetworkPolicyPeer[] | undefined, own: string): Source[] {
  if (peers === undefined) return [{ namespaces: {}, pods: {} }];
  return peers.flatMap(({ ipBlock, namespaceSelector, podSelector = {} }) =>
    ipBlock === undefined ? [{ namespaces: namespaceSelector ?? withName(own), pods: podSelector }] : [],
  );
}

/** The namespaces that a canonical selector means: the named ones, or those that match now. */
function namesOf(selector: LabelSelector, namespaces: readonly NamespaceFacts[]): readonly string[] | 'any' {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  const requirements = Object.keys(matchLabels).length + matchExpressions.length;
  if (requirements === 0) return 'any';
  const name = matchLabels[LABEL_NAMESPACE_NAME];
  const listed = matchExpressions.find(
    ({ key, operator }) => key === LABEL_NAMESPACE_NAME && operator === 'In',
  );
  const named = name === undefined ? listed?.values : [name];
  if (named !== undefined && requirements === 1) return named;
  return namespaces.filter(({ labels }) => matches(selector, labels)).map((each) => each.name);
}

/** The labels of each namespace; of one that does not exist yet, its name. */
export function labelsIn(namespaces: readonly NamespaceFacts[]): (name: string) => StringMap {
  const byName = new Map(namespaces.map(({ name, labels }) => [name, labels]));
  return (name) => byName.get(name) ?? { [LABEL_NAMESPACE_NAME]: name };
}
