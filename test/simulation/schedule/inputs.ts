/**
 * The operator's inputs (profiles, namespace labels, cluster facts): every value that they had since the round began, and
 * the policies that each combination of values asks for. The operator watches each kind by itself, so it may act on any
 * combination.
 */
import type { StringMap } from '../../../src/api/meta.ts';
import { LABEL_ROLE } from '../../../src/api/names.ts';
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { endpointFacts, nodeFacts, serviceFacts } from '../../../src/cluster-state/peer-sources/facts.ts';
import { CLUSTER_DEFAULTS } from '../../../src/options/cluster-defaults.ts';
import { compile, type Compiled, type LastKnown } from '../../../src/policy/compile.ts';
import { NO_ENGINE } from '../../../src/policy/extensions.ts';
import { NO_MESH } from '../../../src/policy/mesh.ts';
import type { ClusterFacts, ServiceFacts } from '../../../src/policy/facts.ts';
import { NOTHING_KNOWN } from '../../../src/policy/peers/last-known.ts';
import { isolates } from '../../../src/policy/semantics/normalize.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import { PROFILES } from './plan.ts';
import { DNS_SERVICE } from './users.ts';
import type { Stored } from '../server/kinds.ts';

/** A value of an input, valid from `since` until the next value. */
interface Value<T> {
  readonly since: number;
  readonly id: number;
  readonly value: T;
}

export interface ProfileValue {
  readonly profile: SegmentationProfile | undefined;
  /** The profile before it was deleted under Retain: its policies stay. */
  readonly retained?: SegmentationProfile;
  /** The labels of the namespace at that time. */
  readonly labels?: StringMap;
}

/** A value of each input of a namespace. */
export interface Combination {
  readonly profiles: readonly ProfileValue[];
  /** Undefined if the namespace does not exist. */
  readonly labels: StringMap | undefined;
  readonly facts: ClusterFacts;
  /** Equal for equal combinations. */
  readonly key: string;
}

let ids = 0;

export class Inputs {
  readonly #values = new Map<string, Value<unknown>[]>();
  readonly #facts = new Map<string, ClusterFacts>();

  /** Records the value of an input from now on. */
  record(input: string, value: unknown, time: number): void {
    const values = this.#values.get(input) ?? initial(input);
    values.push({ since: time, id: ids++, value });
    this.#values.set(input, values);
  }

  /** The operator has seen all changes: from now on only the current values count. */
  forgetPast(): void {
    for (const [input, values] of this.#values) {
      const last = values.at(-1)!;
      // Retained policies are foreign from now on.
      const value = isProfileValue(last.value) ? { profile: last.value.profile } : last.value;
      this.#values.set(input, [{ ...last, value }]);
    }
    this.#facts.clear();
  }

  /** All combinations of the values that were valid at some time since `from`. */
  combinations(namespace: string, from = Number.NEGATIVE_INFINITY): Combination[] {
    const [p = [], q = []] = PROFILES.map((name) => this.#valid<ProfileValue>(`profile ${name}`, from));
    const combined: Combination[] = [];
    const labelled = this.#valid<StringMap | undefined>(`labels ${namespace}`, from);
    // Retained policies follow the labels that the namespace had when the profile was deleted.
    const [ps = [], qs = []] = [p, q].map((values) =>
      values.flatMap(({ id, since, value }) => {
        const then = value.retained === undefined ? [] : labelled.filter((labels) => labels.since <= since);
        return [
          { id: `${id}`, value },
          ...then.map((labels) => ({ id: `${id} ${labels.id}`, value: { ...value, labels: labels.value } })),
        ];
      }),
    );
    for (const labels of labelled)
      for (const facts of this.#factValues(from))
        for (const first of ps)
          for (const second of qs)
            combined.push({
              profiles: [first.value, second.value],
              labels: labels.value,
              facts: facts.value,
              key: `${labels.id} ${facts.key} ${first.id} ${second.id}`,
            });
    return combined;
  }

  /** The values of one input that were valid at some time since `from`. */
  values<T>(input: string, from = Number.NEGATIVE_INFINITY): T[] {
    return this.#valid<T>(input, from).map(({ value }) => value);
  }

  /** The current value of each input. */
  current(namespace: string): Combination {
    return this.combinations(namespace, Number.POSITIVE_INFINITY)[0]!;
  }

  #valid<T>(input: string, from: number): Value<T>[] {
    const values = (this.#values.get(input) ?? initial(input)) as Value<T>[];
    return values.filter(
      (_, index) =>
        (values[index + 1]?.since ?? Number.POSITIVE_INFINITY) > from || index === values.length - 1,
    );
  }

  #factValues(from: number): { key: string; value: ClusterFacts }[] {
    const made: { key: string; value: ClusterFacts }[] = [];
    for (const service of this.#valid<Stored | undefined>('service', from))
      for (const slices of this.#valid<readonly Stored[] | undefined>('slices', from))
        for (const nodes of this.#valid<readonly Stored[] | undefined>('nodes', from)) {
          const key = `${service.id},${slices.id},${nodes.id}`;
          let value = this.#facts.get(key);
          if (value === undefined)
            this.#facts.set(key, (value = factsOf(service.value, slices.value ?? [], nodes.value ?? [])));
          made.push({ key, value });
        }
    return made;
  }
}

/** The value of an input before its first change. */
function initial(input: string): Value<unknown>[] {
  return [{ since: 0, id: -1, value: input.startsWith('profile ') ? { profile: undefined } : undefined }];
}

function isProfileValue(value: unknown): value is ProfileValue {
  return typeof value === 'object' && value !== null && 'profile' in value;
}

const DNS: ServiceFacts = serviceFacts({ spec: DNS_SERVICE });

function factsOf(
  service: Stored | undefined,
  slices: readonly Stored[],
  nodes: readonly Stored[],
): ClusterFacts {
  const api = service && serviceFacts(service as never);
  const endpoints = slices.map((each) => endpointFacts(each as never));
  return {
    configuration: CLUSTER_DEFAULTS,
    isKnown: () => true,
    service: (namespace, name) => {
      if (namespace === 'a' && name === 'api') return api;
      if (namespace === 'b' && name === 'ext')
        return { type: 'ClusterIP', ports: [{ port: 443 }], clusterIPs: [] };
      return namespace === 'kube-system' && name === 'kube-dns' ? DNS : undefined;
    },
    labelledDNS: () => undefined,
    endpoints: (namespace, name) =>
      namespace === 'b' ? endpoints.filter((each) => each.service === name) : [],
    nodes: () => nodes.map((each) => nodeFacts(each as never)),
    serviceCIDRs: () => [],
    webhookServices: () => [],
    serviceAccount: () => undefined,
    engine: () => NO_ENGINE,
    mesh: () => NO_MESH,
  };
}

/** The profile intent for a namespace; undefined if the profile enforces nothing there. */
export function intentOf(
  profile: SegmentationProfile | undefined,
  namespace: string,
  { labels, facts }: Combination,
  lastKnown: LastKnown,
): Compiled | undefined {
  if (profile === undefined || labels === undefined || !isEnforced(profile, namespace, labels))
    return undefined;
  const compiled = compiledOf(profile, namespace, labels, facts);
  // Last known peers matter only to unresolved peers.
  if (compiled.unresolved.length === 0) return compiled;
  return compile(profile, { name: namespace, labels }, facts, lastKnown);
}

/** Cached by the identity of profile, namespace labels and facts, which are never changed in place; then by namespace. */
const compilations = new WeakMap<object, WeakMap<object, WeakMap<object, Map<string, Compiled>>>>();

/** Compiles without last known peers. */
function compiledOf(
  profile: SegmentationProfile,
  namespace: string,
  labels: StringMap,
  facts: ClusterFacts,
): Compiled {
  const inner = <V>(
    of: { get(key: object): V | undefined; set(key: object, value: V): unknown },
    key: object,
    made: V,
  ) => of.get(key) ?? (of.set(key, made), made);
  const byName = inner(
    inner(inner(compilations, profile, new WeakMap()), labels, new WeakMap()),
    facts,
    new Map(),
  );
  let compiled = byName.get(namespace);
  if (compiled === undefined)
    byName.set(namespace, (compiled = compile(profile, { name: namespace, labels }, facts)));
  return compiled;
}

/** True if the profile has an unresolved peer in the namespace, also in Audit. */
export function hasUnresolved(
  profile: SegmentationProfile,
  namespace: string,
  { labels = NO_LABELS, facts }: Combination,
): boolean {
  return compiledOf(profile, namespace, labels, facts).unresolved.length > 0;
}

const NO_LABELS: StringMap = {};

export function selects({ spec }: SegmentationProfile, namespace: string, labels: StringMap): boolean {
  return !(spec.excludeNamespaces ?? []).includes(namespace) && matches(spec.namespaceSelector, labels);
}

function isEnforced(profile: SegmentationProfile, namespace: string, labels: StringMap): boolean {
  const { spec, metadata } = profile;
  if (metadata.deletionTimestamp !== undefined && spec.deletionPolicy !== 'Retain') return false;
  return spec.mode !== 'Audit' && selects(profile, namespace, labels);
}

/**
 * The policies that all profiles ask for, including retained ones of deleted profiles.
 *
 * @param required leaves out postponed directions and retained policies: the rest must exist
 */
export function policiesOf(
  combination: Combination,
  namespace: string,
  lastKnown: LastKnown,
  { required = false } = {},
): NetworkPolicy[] {
  return combination.profiles.flatMap(({ profile, retained, labels }) => {
    const intent =
      profile === undefined && !required
        ? intentOf(retained, namespace, { ...combination, labels }, lastKnown)
        : intentOf(profile, namespace, combination, lastKnown);
    if (intent === undefined) return [];
    return required ? withoutDirections(intent.policies, neverKnown(intent)) : intent.policies;
  });
}

/** True if any profile has an unresolved peer in the namespace, so that its intent depends on earlier policies. */
export function isUnresolved(combination: Combination, namespace: string): boolean {
  return combination.profiles.some(({ profile, retained, labels }) =>
    [
      intentOf(profile, namespace, combination, NOTHING_KNOWN),
      intentOf(retained, namespace, { ...combination, labels }, NOTHING_KNOWN),
    ].some((intent) => intent !== undefined && intent.unresolved.length > 0),
  );
}

/** The directions with an unresolved peer that has no last known form. */
export function neverKnown({ unresolved }: Compiled): PolicyType[] {
  return DIRECTIONS.filter((direction) =>
    unresolved.some((each) => !each.hasLastKnown && each.direction === direction),
  );
}

/** The policies of a profile with postponed directions; `role` is the label of a default-deny without them. */
export function withoutDirections(
  policies: readonly NetworkPolicy[],
  directions: readonly PolicyType[],
  role = 'partial-deny',
): NetworkPolicy[] {
  return policies.flatMap((policy) => {
    const { metadata, spec } = policy;
    const policyTypes = isolates(spec).filter((type) => !directions.includes(type));
    if (policyTypes.length === isolates(spec).length) return [policy];
    if (policyTypes.length === 0) return [];
    const labels = { ...metadata.labels, [LABEL_ROLE]: role };
    return [{ ...policy, metadata: { ...metadata, labels }, spec: { ...spec, policyTypes } }];
  });
}
