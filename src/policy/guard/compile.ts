/**
 * Compiles the guard of a profile from all profiles that may select its namespaces: each of them allows flows there, which
 * the guard has to pass. Pure.
 */
import type { LabelSelector } from '../../api/meta.ts';
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import type { Connection, NamespaceScope, Peer, SegmentationProfile } from '../../api/profile.ts';
import { baselineRules, meshRules, webhookRules } from '../baseline.ts';
import { isOutside, placeOf } from '../connections/ends.ts';
import type { ExtensionPolicy } from '../extensions.ts';
import type { ClusterFacts, NamespaceFacts } from '../facts.ts';
import { classifyPeer, resolvePeer } from '../peers/index.ts';
import { namespaceNamed } from '../peers/selectors.ts';
import type { UnresolvedPeer } from '../rules.ts';
import { rulesOf } from '../semantics/normalize.ts';
import { selectorKey } from '../semantics/selector.ts';
import { coversPass } from './cover.ts';
import { type Guard, type GuardDirection, type GuardPass, OWN_NAMESPACES, subjectOf } from './guard.ts';
import { type PassSource, type Passes, passesOf, passesOfExtension, passesOfRule } from './passes.ts';
import { areDisjoint } from './selectors.ts';
import { tunnelPort, withTunnel } from './tunnel.ts';

export interface GuardContext {
  /** The profiles that enforce, in any order. */
  readonly profiles: readonly SegmentationProfile[];
  /** The namespaces that the profile selects now: their baseline may depend on their webhooks and their mesh. */
  readonly namespaces: readonly NamespaceFacts[];
  readonly protectedNamespaces: readonly string[];
  readonly cluster: ClusterFacts;
  /** Policies in these namespaces that no rule of a profile stands for, such as those of exceptions. */
  readonly added: GuardAdditions;
}

export interface GuardAdditions {
  readonly policies: readonly NetworkPolicy[];
  readonly extensions: readonly Pick<ExtensionPolicy, 'metadata' | 'direction' | 'rules'>[];
  readonly unresolved: readonly UnresolvedPeer[];
}

export const NOTHING_ADDED: GuardAdditions = { policies: [], extensions: [], unresolved: [] };

export function compileGuard(profile: SegmentationProfile, context: GuardContext): Guard {
  const subject = subjectOf(profile, context.protectedNamespaces);
  const sharing = context.profiles.filter(({ spec }) => !areDisjoint(subject, spec.namespaceSelector));
  return {
    profile: profile.metadata.name,
    subject,
    directions: profile.spec.isolation.map((direction) =>
      compileDirection(direction, subject, { ...context, profiles: sharing }),
    ),
  };
}

function compileDirection(
  direction: PolicyType,
  subject: LabelSelector,
  { profiles, namespaces, cluster, added }: GuardContext,
): GuardDirection {
  const tunnels = new Map(
    profiles.map((profile) => [profile, tunnelPort(profile, { direction, namespaces, cluster })]),
  );
  const found: Passes[] = profiles
    .filter(({ spec }) => spec.isolation.includes(direction))
    .flatMap((profile) => {
      const sources = [
        ...sourcesOf(profile, direction, subject),
        ...namespaces.flatMap((namespace) => baselineIn(profile, namespace, { direction, cluster })),
      ];
      const port = tunnels.get(profile);
      return sources.map((source): Passes => {
        const { passes, unresolved } = passesOf(withServedPorts(source, cluster), cluster);
        return { passes: passes.map((pass) => withTunnel(pass, port)), unresolved };
      });
    });
  const tunnel = [...tunnels.values()].find((port) => port !== undefined);
  const own: GuardPass = {
    peer: { kind: 'pods', namespaceSelector: subject, podSelector: {} },
    rules: [OWN_NAMESPACES],
  };
  const passes = distinct([
    own,
    ...found.flatMap((each) => each.passes),
    ...passesOfAdditions(added, direction).map((pass) => withTunnel(pass, tunnel)),
  ]);
  const unresolved = [
    ...found.flatMap((each) => each.unresolved),
    ...added.unresolved.filter((each) => each.direction === direction),
  ];
  return { direction, passes, unresolved, podRanges: podRangesFor(direction, passes, cluster) };
}

function passesOfAdditions({ policies, extensions }: GuardAdditions, direction: PolicyType): GuardPass[] {
  return [
    ...policies.flatMap(({ metadata, spec }) =>
      rulesOf(spec, direction).flatMap((rule) => passesOfRule(metadata.name, rule)),
    ),
    ...extensions
      .filter((each) => each.direction === direction)
      .flatMap(({ metadata, rules }) => rules.flatMap((rule) => passesOfExtension(metadata.name, rule))),
  ];
}

/** The baseline's rules that depend on the namespace. */
function baselineIn(
  { spec: { baseline, mesh } }: SegmentationProfile,
  namespace: NamespaceFacts,
  { direction, cluster }: { readonly direction: PolicyType; readonly cluster: ClusterFacts },
): Source[] {
  const webhooks = direction === 'Ingress' ? webhookRules(baseline, namespace, cluster) : [];
  return [...webhooks, ...meshRules({ baseline, ...(mesh && { mesh }) }, namespace, cluster, direction)].map(
    (rule) => ({
      ...rule,
      namespace,
    }),
  );
}

/** A rule, or a side of a connection with its own end. */
interface Source extends PassSource {
  readonly ownEnds?: readonly Peer[];
}

/** The rules of a profile in one direction that may stand in a guarded namespace. */
function sourcesOf(
  { spec }: SegmentationProfile,
  direction: PolicyType,
  subject: LabelSelector,
): readonly Source[] {
  const { baseline, ingress = [], egress = [], connections = [] } = spec;
  const rules = direction === 'Ingress' ? ingress : egress;
  return [
    ...baselineRules(baseline, direction),
    ...rules
      .filter(({ inNamespaces }) => mayStandIn(inNamespaces, subject))
      .map((rule) => ({
        name: rule.name,
        direction,
        peers: 'from' in rule ? rule.from : rule.to,
        ...(rule.ports && { ports: rule.ports }),
      })),
    ...connections.flatMap((connection) => sideOf(connection, direction, subject)),
  ];
}

function mayStandIn(scope: NamespaceScope | undefined, subject: LabelSelector): boolean {
  const { names, selector } = scope ?? {};
  return (
    (names === undefined || !areDisjoint(subject, namespaceNamed(...names))) &&
    (selector === undefined || !areDisjoint(subject, selector))
  );
}

/** The side of a connection in the guarded namespaces; none if its own ends are all elsewhere. */
function sideOf(
  { name, from, to, ports = [] }: Connection,
  direction: PolicyType,
  subject: LabelSelector,
): Source[] {
  const [ownEnds, peers] = direction === 'Egress' ? [from, to] : [to, from];
  if (!ownEnds.some((end) => mayLieIn(end, subject))) return [];
  return [
    { name, direction, peers, ports, ...(direction === 'Ingress' && ports.length === 0 && { ownEnds }) },
  ];
}

function mayLieIn(end: Peer, subject: LabelSelector): boolean {
  if (isOutside(end)) return false;
  const place = placeOf(end);
  if (place !== undefined) return !areDisjoint(subject, namespaceNamed(place));
  if (end.namespaces !== undefined) return !areDisjoint(subject, namespaceNamed(...end.namespaces));
  return end.namespaceSelector === undefined || !areDisjoint(subject, end.namespaceSelector);
}

/** A connection to Services that lists no ports is for the ports that they serve; one to anything else is for every port. */
function withServedPorts({ ownEnds, ...source }: Source, cluster: ClusterFacts): PassSource {
  if (ownEnds === undefined) return source;
  const served = ownEnds.map((end) => servedPorts(end, cluster));
  const known = served.filter((ports) => ports !== undefined);
  return known.length < served.length ? source : { ...source, ports: known.flat() };
}

function servedPorts(end: Peer, cluster: ClusterFacts) {
  if (end.service === undefined || classifyPeer(end).kind === 'fixed') return undefined;
  const namespace = { name: end.service.namespace, labels: {} };
  const resolution = resolvePeer(end, { impliesPorts: true, namespace, cluster });
  if (resolution.kind !== 'resolved') return undefined;
  const ports = resolution.grants.map((grant) => grant.ports);
  return ports.every((each) => each !== undefined && each.length > 0)
    ? ports.flatMap((each) => each ?? [])
    : undefined;
}

/** Passes for the same, once, with the names of all their rules, and without those that a wide one has. The first one stays first. */
function distinct(passes: readonly GuardPass[]): GuardPass[] {
  const byKey = new Map<string, GuardPass>();
  for (const pass of passes) {
    const key = passKey(pass);
    const rules = new Set([...(byKey.get(key)?.rules ?? []), ...pass.rules]);
    byKey.set(key, { ...pass, rules: [...rules].sort() });
  }
  const [own, ...others] = [...byKey.values()];
  const open = others.filter(({ peer }) => peer.kind === 'everyone');
  const everything = open.find(({ ports }) => ports === undefined);
  const wide = [...(own ? [own] : []), ...(everything ? [everything] : open)];
  const rest = others.filter(({ peer }) => peer.kind !== 'everyone');
  return [...wide, ...rest.filter((pass) => !wide.some((each) => coversPass(each, pass)))];
}

function passKey({ peer, ports }: GuardPass): string {
  const text =
    peer.kind === 'pods'
      ? [selectorKey(peer.namespaceSelector), selectorKey(peer.podSelector)]
      : peer.kind === 'addresses'
        ? [peer.cidr, ...peer.except]
        : [];
  return JSON.stringify([peer.kind, text, ports]);
}

/** Only addresses as sources of ingress may turn out to be pods'. */
function podRangesFor(
  direction: PolicyType,
  passes: readonly GuardPass[],
  cluster: ClusterFacts,
): readonly string[] | undefined {
  if (direction === 'Egress' || passes.every(({ peer }) => peer.kind !== 'addresses')) return [];
  if (!cluster.isKnown({ kind: 'nodes' })) return undefined;
  const ranges = [...cluster.configuration.podCIDRs, ...cluster.nodes().flatMap(({ podCIDRs }) => podCIDRs)];
  return ranges.length === 0 ? undefined : [...new Set(ranges)].sort();
}
