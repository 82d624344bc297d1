/**
 * Compiles a profile to the NetworkPolicies of one namespace. Pure and deterministic: equal profiles and facts give
 * equal policies, byte for byte. Caches only save time; policies may share parts, which nobody changes.
 *
 * Shapes that widely used engines get wrong are not written: no policy with rules covers both directions, and an ipBlock
 * with `except` has a rule of its own.
 */
import type { LabelSelector } from '../api/meta.ts';
import { endLabel } from '../api/names.ts';
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import { baselineRules, keptProbes, meshRules, webhookRules } from './baseline.ts';
import type { ExtensionPolicy, ExtensionRule } from './extensions.ts';
import type { ClusterFacts, NamespaceFacts } from './facts.ts';
import { ConnectionSide, type SidePolicy } from './connections/sides.ts';
import { type LastKnown, NOTHING_KNOWN } from './peers/last-known.ts';
import type { Unresolved } from './peers/resolution.ts';
import { PolicyTemplate } from './policy-template.ts';
import type { RuleNote } from './notes.ts';
import { type NotedRule, PreparedRule, type SourceRule, type UnresolvedPeer } from './rules.ts';
import { NOTHING, selectorKey } from './semantics/selector.ts';
import { byObjectName } from '../util/order.ts';

export type { RuleNote } from './notes.ts';
export type { LastKnown } from './peers/last-known.ts';
export type { UnresolvedPeer } from './rules.ts';

export interface Compiled {
  /** Sorted by name. */
  readonly policies: readonly NetworkPolicy[];
  /** The extensions that the network engine carries beside the policies; sorted by name. */
  readonly extensions: readonly ExtensionPolicy[];
  /** Each peer of each rule once. */
  readonly unresolved: readonly UnresolvedPeer[];
  /** The names of the profile's connections of which an end lies in the namespace. */
  readonly connections: readonly string[];
}

/**
 * The policies that `profile` desires in `namespace`, and the peers that are unresolved there.
 *
 * @param lastKnown undefined if it was not read back yet
 */
export function compile(
  profile: SegmentationProfile,
  namespace: NamespaceFacts,
  cluster: ClusterFacts,
  lastKnown?: LastKnown,
): Compiled {
  const { defaultDeny, allows, sides } = prepared(profile);
  const context: Context = { namespace, cluster, lastKnown: lastKnown ?? NOTHING_KNOWN, unresolved: [] };
  const found = baselineIn(profile, namespace, cluster, lastKnown);
  const connected = sides.flatMap((side) => {
    const policies = side.rules.in(namespace);
    return policies.length > 0 ? [{ side, policies }] : [];
  });
  const ofConnections = connected.flatMap(({ side, policies }) =>
    side.isIsolated ? policies.flatMap((policy) => allowOf(side, policy, context) ?? []) : [],
  );
  const policies = [defaultDeny.in(namespace, [])];
  const extensions: ExtensionPolicy[] = [];
  const templates =
    found.length + ofConnections.length === 0 ? allows : merged([...allows, ...found, ...ofConnections]);
  for (const { policy, direction, rules } of templates) {
    const noted: NotedRule[] = [];
    const extended: ExtensionRule[] = [];
    const retained: RuleNote[] = [];
    for (const rule of rules) {
      if (!rule.isIn(namespace)) continue;
      const compiled = rule.compile({
        namespace,
        cluster,
        lastKnown: (name, peer) => context.lastKnown.rules(policy.name, direction, name, peer),
      });
      noted.push(...compiled.noted);
      context.unresolved.push(...compiled.unresolved);
      extended.push(...compiled.extensions);
      retained.push(...compiled.retained);
    }
    // Without rules the policy would isolate its pods and allow nothing, as the default-deny does already.
    if (noted.length > 0) policies.push(policy.in(namespace, noted));
    if (extended.length + retained.length > 0)
      extensions.push(policy.extension(namespace, { rules: extended, unresolved: retained }));
  }
  return {
    policies: policies.sort(byObjectName),
    extensions: extensions.sort(byObjectName),
    unresolved: context.unresolved,
    connections: [...new Set(connected.map(({ side }) => side.rules.name))],
  };
}

/** The baseline's rules that depend on the namespace or the cluster. */
function baselineIn(
  profile: SegmentationProfile,
  namespace: NamespaceFacts,
  cluster: ClusterFacts,
  lastKnown: LastKnown | undefined,
): AllowTemplate[] {
  const { baseline, isolation } = profile.spec;
  return isolation.flatMap((direction) => {
    const isIngress = direction === 'Ingress';
    const kept = isIngress ? allowsOf(profile, direction, keptProbes(baseline, cluster)) : [];
    return [
      ...allowsOf(profile, direction, [
        ...(isIngress ? webhookRules(baseline, namespace, cluster) : []),
        ...meshRules(profile.spec, namespace, cluster, direction),
      ]),
      ...kept.filter((each) => lastKnown === undefined || wasKnown(each, lastKnown)),
    ];
  });
}

/** True if a rule of the policy has a last known form. */
function wasKnown({ policy, direction, rules }: AllowTemplate, lastKnown: LastKnown): boolean {
  return rules.some((rule) => rule.wasKnown((...peer) => lastKnown.rules(policy.name, direction, ...peer)));
}

/** The parameters of a compilation, and the unresolved peers that it has met. */
interface Context {
  readonly namespace: NamespaceFacts;
  readonly cluster: ClusterFacts;
  readonly lastKnown: LastKnown;
  readonly unresolved: UnresolvedPeer[];
}

interface PreparedProfile {
  readonly defaultDeny: PolicyTemplate;
  /** The templates of policies that allow, one for each. */
  readonly allows: readonly AllowTemplate[];
  readonly sides: readonly PreparedSide[];
}

/** A policy with rules, all of one direction. */
interface AllowTemplate {
  readonly policy: PolicyTemplate;
  readonly direction: PolicyType;
  readonly rules: readonly PreparedRule[];
}

/** One side of a connection, with the templates of its policies. */
interface PreparedSide {
  readonly rules: ConnectionSide;
  /** False if the profile does not isolate the direction: the side is only looked at to see if it is used. */
  readonly isIsolated: boolean;
  /** @param end tells the policies of the side apart */
  readonly template: (podSelector: LabelSelector, end?: string) => PolicyTemplate;
}

/** The parts of a profile's policies that are the same in every namespace. Cached: an edited profile is another value. */
function prepared(profile: SegmentationProfile): PreparedProfile {
  let known = preparations.get(profile);
  if (known === undefined) preparations.set(profile, (known = prepare(profile)));
  return known;
}

const preparations = new WeakMap<SegmentationProfile, PreparedProfile>();

function prepare(profile: SegmentationProfile): PreparedProfile {
  const { isolation, baseline, ingress = [], egress = [], connections = [] } = profile.spec;
  const rules = {
    Ingress: ingress.map(({ from, ...rule }): SourceRule => ({ ...rule, direction: 'Ingress', peers: from })),
    Egress: egress.map(({ to, ...rule }): SourceRule => ({ ...rule, direction: 'Egress', peers: to })),
  };
  const isolated = DIRECTIONS.filter((direction) => isolation.includes(direction));
  return {
    defaultDeny: new PolicyTemplate(profile, { role: 'default-deny', policyTypes: isolated }),
    allows: merged(
      isolated.flatMap((direction) =>
        allowsOf(profile, direction, [...baselineRules(baseline, direction), ...rules[direction]]),
      ),
    ),
    sides: connections.flatMap((connection) =>
      DIRECTIONS.map((direction) => ({
        rules: new ConnectionSide(connection, direction),
        isIsolated: isolated.includes(direction),
        template: templatesOf(profile, direction, connection.name),
      })),
    ),
  };
}

/** Rules for all pods share one policy, which then changes atomically; each other rule has a policy of its own. */
function allowsOf(
  profile: SegmentationProfile,
  direction: PolicyType,
  sources: readonly SourceRule[],
): AllowTemplate[] {
  const ownPolicy = ({ name, podSelector }: SourceRule) =>
    podSelector === undefined || selectorKey(podSelector) === '{}' ? undefined : name;
  const role = roleOf(direction);
  return [...Map.groupBy(sources, ownPolicy)].map(([rule, group]) => {
    const podSelector = rule === undefined ? {} : (group[0]?.podSelector ?? {});
    return {
      policy: new PolicyTemplate(profile, { role, policyTypes: [direction], rule, podSelector }),
      direction,
      rules: group.map((source) => new PreparedRule(source)),
    };
  });
}

/** The templates of one side of a connection, cached: its pods are the same in most namespaces. */
function templatesOf(
  profile: SegmentationProfile,
  direction: PolicyType,
  rule: string,
): PreparedSide['template'] {
  const templates = new Map<string, PolicyTemplate>();
  return (podSelector, end) => {
    const isForAll = selectorKey(podSelector) === '{}';
    const key = `${JSON.stringify(podSelector)} ${end}`;
    let template = templates.get(key);
    if (template === undefined) {
      const names = isForAll ? {} : { rule, ...(end !== undefined && { end: endLabel(end) }) };
      const options = { role: roleOf(direction), policyTypes: [direction], podSelector, ...names };
      templates.set(key, (template = new PolicyTemplate(profile, options)));
    }
    return template;
  };
}

/** The policy of one side of a connection; undefined if no pod is there, or if it never was known which. */
function allowOf(
  { rules: side, template }: PreparedSide,
  { pods, end, rules }: SidePolicy,
  { namespace, cluster, lastKnown, unresolved }: Context,
): AllowTemplate | undefined {
  const { name: rule, direction } = side;
  if (pods.kind === 'selector') return { policy: template(pods.podSelector, end), direction, rules: rules() };
  const resolved = side.resolve(pods.peer, namespace, cluster);
  if (resolved.kind === 'outside') return undefined;
  const report = ({ reason, message }: Unresolved, hasLastKnown: boolean) =>
    unresolved.push({
      direction,
      rule,
      end: direction === 'Ingress' ? 'to' : 'from',
      peer: pods.key,
      reason,
      message,
      hasLastKnown,
    });
  if (resolved.kind === 'pods') {
    if (resolved.missing !== undefined) report(resolved.missing, false);
    return { policy: template(resolved.podSelector, end), direction, rules: rules(resolved.ports) };
  }
  const { name } = template(NOTHING, end);
  const last = lastKnown.selection(name, direction);
  report(resolved, last !== undefined);
  return last && { policy: template(last.podSelector, end), direction, rules: rules(last.ports) };
}

/** Rules for one policy together: connections between all pods of namespaces share it with other rules. */
function merged(allows: readonly AllowTemplate[]): AllowTemplate[] {
  return [...Map.groupBy(allows, ({ policy }) => policy.name).values()].flatMap((group) => {
    const [first] = group;
    return first === undefined ? [] : [{ ...first, rules: group.flatMap(({ rules }) => rules) }];
  });
}

function roleOf(direction: PolicyType): 'ingress' | 'egress' {
  return direction === 'Ingress' ? 'ingress' : 'egress';
}
