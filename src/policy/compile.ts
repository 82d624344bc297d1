/**
 * Compiles a profile into the NetworkPolicies of one namespace. Pure and deterministic: the same profile and facts
 * give the same objects, byte for byte. (What is remembered between calls only saves time: it is used where every
 * input is the same, and objects that are handed out may share parts, which nobody changes.)
 *
 * Shapes that widely used engines get wrong are not emitted: no object with rules covers both directions, and an
 * ipBlock with `except` has a rule of its own.
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
import type { NetworkPolicy, NetworkPolicySpec, PolicyType } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import { baselineRules, webhookRules } from './baseline.ts';
import type { ClusterFacts, NamespaceFacts } from './facts.ts';
import { type DirectionRule, DIRECTIONS, withRules } from './semantics/normalize.ts';
import { type NotedRule, PreparedRule, type SourceRule, unique, type UnresolvedPeer } from './rules.ts';
import { selectorKey } from './semantics/selector.ts';
import { byObjectName } from '../util/order.ts';

export type { RuleNote, UnresolvedPeer } from './rules.ts';

export interface Compiled {
  /** Sorted by name. */
  readonly policies: readonly NetworkPolicy[];
  /** Each peer of each rule once. */
  readonly unresolved: readonly UnresolvedPeer[];
}

/**
 * The rules that an object carried so far for a peer that can't be resolved now; empty when nothing is known.
 * `object` is the name of the policy without an alternative for a taken name.
 */
export type LastKnown = (
  object: string,
  direction: PolicyType,
  rule: string,
  peer: string,
) => readonly DirectionRule[];

const nothingKnown: LastKnown = () => [];

/** The policies that `profile` wants in `namespace`, and the peers that could not be resolved. */
export function compile(
  profile: SegmentationProfile,
  namespace: NamespaceFacts,
  cluster: ClusterFacts,
  lastKnown: LastKnown = nothingKnown,
): Compiled {
  let prepared = preparations.get(profile);
  if (prepared === undefined) preparations.set(profile, (prepared = prepare(profile)));
  const webhooks = profile.spec.isolation.includes('Ingress')
    ? objectsOf(profile, 'Ingress', webhookRules(profile.spec.baseline, namespace, cluster))
    : [];
  const unresolved: UnresolvedPeer[] = [];
  const policies = [prepared.deny.in(namespace, [])];
  for (const object of [...prepared.objects, ...webhooks]) {
    const noted: NotedRule[] = [];
    for (const rule of object.rules) {
      const result = rule.compile(namespace, cluster, (name, peer) =>
        lastKnown(object.name, object.direction, name, peer),
      );
      noted.push(...result.noted);
      unresolved.push(...result.unresolved);
    }
    // A rule of its own without any peer that resolves would be an object that selects pods and allows nothing: the
    // default-deny says the same.
    if (noted.length > 0) policies.push(object.in(namespace, noted));
  }
  return { policies: policies.sort(byObjectName), unresolved };
}

interface Prepared {
  readonly deny: PolicyTemplate;
  readonly objects: readonly RuleObject[];
}

/** By the profile as it was read: an edited one is another value. */
const preparations = new WeakMap<SegmentationProfile, Prepared>();

function prepare(profile: SegmentationProfile): Prepared {
  const { isolation, baseline, ingress = [], egress = [] } = profile.spec;
  const rules = {
    Ingress: ingress.map(({ from, ...rule }): SourceRule => ({ ...rule, direction: 'Ingress', peers: from })),
    Egress: egress.map(({ to, ...rule }): SourceRule => ({ ...rule, direction: 'Egress', peers: to })),
  };
  const isolated = DIRECTIONS.filter((direction) => isolation.includes(direction));
  return {
    deny: new PolicyTemplate(profile, 'default-deny', isolated),
    objects: isolated.flatMap((direction) =>
      objectsOf(profile, direction, [...baselineRules(baseline, direction), ...rules[direction]]),
    ),
  };
}

/** Rules for all pods share one object, which then changes atomically; the others have one each. */
function objectsOf(
  profile: SegmentationProfile,
  direction: PolicyType,
  sources: readonly SourceRule[],
): RuleObject[] {
  const ofOwn = ({ name, podSelector }: SourceRule) =>
    podSelector === undefined || selectorKey(podSelector) === '{}' ? undefined : name;
  return [...Map.groupBy(sources, ofOwn)].map(
    ([rule, group]) =>
      new RuleObject(
        profile,
        direction,
        rule,
        rule === undefined ? {} : (group[0]?.podSelector ?? {}),
        group,
      ),
  );
}

/** One object of a profile, but for the namespace that it is in. */
class PolicyTemplate {
  readonly name: string;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #owners: readonly OwnerReference[] | undefined;
  readonly #spec: NetworkPolicySpec;
  /** What was made last: in most namespaces an object has the same rules. */
  #last:
    | { noted: readonly NotedRule[]; spec: NetworkPolicySpec; annotations: ObjectMeta['annotations'] }
    | undefined;

  constructor(
    profile: SegmentationProfile,
    role: NamedRole,
    policyTypes: readonly PolicyType[],
    rule?: string,
    podSelector: LabelSelector = {},
  ) {
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

  /** The object with these rules, which are of its one direction; without any it only isolates. */
  in(namespace: NamespaceFacts, noted: readonly NotedRule[]): NetworkPolicy {
    if (this.#last === undefined || !isSameList(this.#last.noted, noted))
      this.#last = { noted, ...this.#make(noted) };
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

  #make(noted: readonly NotedRule[]): { spec: NetworkPolicySpec; annotations: ObjectMeta['annotations'] } {
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

/** An object that has rules: all of one direction. */
class RuleObject extends PolicyTemplate {
  readonly direction: PolicyType;
  readonly rules: readonly PreparedRule[];

  constructor(
    profile: SegmentationProfile,
    direction: PolicyType,
    rule: string | undefined,
    podSelector: LabelSelector,
    sources: readonly SourceRule[],
  ) {
    super(profile, direction === 'Ingress' ? 'ingress' : 'egress', [direction], rule, podSelector);
    this.direction = direction;
    this.rules = sources.map((source) => new PreparedRule(source));
  }
}

/** Absent under Retain, so that the garbage collector leaves the policies when the profile goes. */
function ownerReferences({ spec, metadata }: SegmentationProfile): OwnerReference[] | undefined {
  const { name, uid } = metadata;
  if (spec.deletionPolicy === 'Retain' || uid === undefined) return undefined;
  return [{ apiVersion: API_VERSION, kind: KIND, name, uid, controller: true, blockOwnerDeletion: false }];
}

function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
