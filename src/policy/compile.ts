/**
 * Compiles a profile to the NetworkPolicies of one namespace. Pure and deterministic: equal profiles and facts give
 * equal policies, byte for byte. Caches only save time; policies may share parts, which nobody changes.
 *
 * Shapes that widely used engines get wrong are not written: no policy with rules covers both directions, and an ipBlock
 * with `except` has a rule of its own.
 */
import type { LabelSelector, ObjectMeta, OwnerReference } from '../api/meta.ts';
import {
  ANNOTATION_RULES,
  API_VERSION,
  KIND,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  LABEL_RULE,
  MANAGER,
  policyName,
  type NamedRole,
} from '../api/names.ts';
import {
  DIRECTIONS,
  type NetworkPolicy,
  type NetworkPolicySpec,
  type PolicyType,
} from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import { baselineRules, webhookRules } from './baseline.ts';
import type { ClusterFacts, NamespaceFacts } from './facts.ts';
import { type DirectionRule, withRules } from './semantics/normalize.ts';
import { type NotedRule, PreparedRule, type SourceRule, unique, type UnresolvedPeer } from './rules.ts';
import { selectorKey } from './semantics/selector.ts';
import { byObjectName } from '../util/order.ts';

export type { RuleNote } from './notes.ts';
export type { UnresolvedPeer } from './rules.ts';

export interface Compiled {
  /** Sorted by name. */
  readonly policies: readonly NetworkPolicy[];
  /** Each peer of each rule once. */
  readonly unresolved: readonly UnresolvedPeer[];
}

/**
 * The rules that a policy carried so far for a peer that is unresolved now; empty if nothing is known. `policy` is the
 * name that the policy was compiled with, also where it exists under an alternative name.
 */
export type LastKnown = (
  policy: string,
  direction: PolicyType,
  rule: string,
  peer: string,
) => readonly DirectionRule[];

const nothingKnown: LastKnown = () => [];

/** The policies that `profile` desires in `namespace`, and the peers that are unresolved there. */
export function compile(
  profile: SegmentationProfile,
  namespace: NamespaceFacts,
  cluster: ClusterFacts,
  lastKnown: LastKnown = nothingKnown,
): Compiled {
  const { defaultDeny, allows } = prepared(profile);
  const webhooks = profile.spec.isolation.includes('Ingress')
    ? allowsOf(profile, 'Ingress', webhookRules(profile.spec.baseline, namespace, cluster))
    : [];
  const unresolved: UnresolvedPeer[] = [];
  const policies = [defaultDeny.in(namespace, [])];
  for (const allow of [...allows, ...webhooks]) {
    const noted: NotedRule[] = [];
    for (const rule of allow.rules) {
      const compiled = rule.compile(namespace, cluster, (name, peer) =>
        lastKnown(allow.policy.name, allow.direction, name, peer),
      );
      noted.push(...compiled.noted);
      unresolved.push(...compiled.unresolved);
    }
    // Without rules the policy would isolate its pods and allow nothing, as the default-deny does already.
    if (noted.length > 0) policies.push(allow.policy.in(namespace, noted));
  }
  return { policies: policies.sort(byObjectName), unresolved };
}

interface PreparedProfile {
  readonly defaultDeny: PolicyTemplate;
  readonly allows: readonly AllowTemplate[];
}

/** A policy with rules, all of one direction. */
interface AllowTemplate {
  readonly policy: PolicyTemplate;
  readonly direction: PolicyType;
  readonly rules: readonly PreparedRule[];
}

/** The parts of a profile's policies that are the same in every namespace. Cached: an edited profile is another value. */
function prepared(profile: SegmentationProfile): PreparedProfile {
  let known = preparations.get(profile);
  if (known === undefined) preparations.set(profile, (known = prepare(profile)));
  return known;
}

const preparations = new WeakMap<SegmentationProfile, PreparedProfile>();

function prepare(profile: SegmentationProfile): PreparedProfile {
  const { isolation, baseline, ingress = [], egress = [] } = profile.spec;
  const rules = {
    Ingress: ingress.map(({ from, ...rule }): SourceRule => ({ ...rule, direction: 'Ingress', peers: from })),
    Egress: egress.map(({ to, ...rule }): SourceRule => ({ ...rule, direction: 'Egress', peers: to })),
  };
  const isolated = DIRECTIONS.filter((direction) => isolation.includes(direction));
  return {
    defaultDeny: new PolicyTemplate(profile, { role: 'default-deny', policyTypes: isolated }),
    allows: isolated.flatMap((direction) =>
      allowsOf(profile, direction, [...baselineRules(baseline, direction), ...rules[direction]]),
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
  const role = direction === 'Ingress' ? 'ingress' : 'egress';
  return [...Map.groupBy(sources, ownPolicy)].map(([rule, group]) => {
    const podSelector = rule === undefined ? {} : (group[0]?.podSelector ?? {});
    return {
      policy: new PolicyTemplate(profile, { role, policyTypes: [direction], rule, podSelector }),
      direction,
      rules: group.map((source) => new PreparedRule(source)),
    };
  });
}

interface TemplateOptions {
  readonly role: NamedRole;
  readonly policyTypes: readonly PolicyType[];
  /** The rule that has the policy to itself. */
  readonly rule?: string | undefined;
  readonly podSelector?: LabelSelector;
}

/** One policy of a profile, without its namespace and rules. */
class PolicyTemplate {
  readonly name: string;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #owners: readonly OwnerReference[] | undefined;
  readonly #spec: NetworkPolicySpec;
  /** The content that was compiled last: in most namespaces a policy has the same rules. */
  #last:
    | { noted: readonly NotedRule[]; spec: NetworkPolicySpec; annotations: ObjectMeta['annotations'] }
    | undefined;

  constructor(profile: SegmentationProfile, { role, policyTypes, rule, podSelector = {} }: TemplateOptions) {
    const { name } = profile.metadata;
    this.name = policyName(name, role, rule);
    this.#labels = {
      [LABEL_MANAGED_BY]: MANAGER,
      [LABEL_PROFILE]: name,
      [LABEL_ROLE]: role,
      ...(rule !== undefined && { [LABEL_RULE]: rule }),
    };
    this.#owners = ownerReferences(profile);
    this.#spec = { podSelector, policyTypes };
  }

  /** The policy in `namespace` with these rules, which are of its one direction; without rules it only isolates. */
  in(namespace: NamespaceFacts, noted: readonly NotedRule[]): NetworkPolicy {
    if (this.#last === undefined || !isSameList(this.#last.noted, noted))
      this.#last = { noted, ...this.#content(noted) };
    const { spec, annotations } = this.#last;
    return {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {
        name: this.name,
        namespace: namespace.name,
        labels: this.#labels,
        ...(annotations && { annotations }),
        ...(this.#owners && { ownerReferences: this.#owners }),
      },
      spec,
    };
  }

  #content(noted: readonly NotedRule[]): { spec: NetworkPolicySpec; annotations: ObjectMeta['annotations'] } {
    const [direction] = this.#spec.policyTypes ?? [];
    if (noted.length === 0 || direction === undefined) return { spec: this.#spec, annotations: undefined };
    const distinct = unique(noted, ({ identity }) => identity);
    const notes = distinct.map(({ source, firstNote, note }, index) =>
      distinct[index - 1]?.source === source ? note : firstNote,
    );
    return {
      spec: withRules(
        this.#spec,
        direction,
        distinct.map(({ rule }) => rule),
      ),
      annotations: { [ANNOTATION_RULES]: `[${notes.join(',')}]` },
    };
  }
}

/** Absent under Retain, so that the garbage collector leaves the policies when the profile is deleted. */
function ownerReferences({ spec, metadata }: SegmentationProfile): OwnerReference[] | undefined {
  const { name, uid } = metadata;
  if (spec.deletionPolicy === 'Retain' || uid === undefined) return undefined;
  return [{ apiVersion: API_VERSION, kind: KIND, name, uid, controller: true, blockOwnerDeletion: false }];
}

function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
