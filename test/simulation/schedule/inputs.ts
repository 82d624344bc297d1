/**
 * The operator's inputs (profiles, namespace labels, cluster facts): every value that they had since the round began, and
 * the policies that each combination of values asks for. The operator watches each kind by itself, so it may act on any
 * combination.
 */
import type { SegmentationException } from '../../../src/api/exception.ts';
import type { StringMap } from '../../../src/api/meta.ts';
import { LABEL_ROLE } from '../../../src/api/names.ts';
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { endpointFacts, nodeFacts, serviceFacts } from '../../../src/cluster-state/peer-sources/facts.ts';
import { CLUSTER_DEFAULTS } from '../../../src/options/cluster-defaults.ts';
import { compile, type Compiled, type LastKnown } from '../../../src/policy/compile.ts';
import { lastKnownFrom, NOTHING_KNOWN } from '../../../src/policy/peers/last-known.ts';
import { type EngineFacts, NO_ENGINE } from '../../../src/policy/extensions.ts';
import { type MeshFacts, NO_MESH } from '../../../src/policy/mesh.ts';
import type { ClusterFacts, ServiceFacts } from '../../../src/policy/facts.ts';
import { isolates } from '../../../src/policy/semantics/normalize.ts';
import { PROFILES } from './actions.ts';
import { ClockWindow } from './clock-window.ts';
import { type Combination, type ProfileForm, selects } from './combination.ts';
import { exceptionsInForce } from './exception-policies.ts';
import { Forms, isHeldPolicy } from './forms.ts';
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

/** A profile's form with a text that is equal for equal forms. */
interface KnownForm {
  readonly id: string;
  readonly form: ProfileForm;
}

let ids = 0;

export class Inputs {
  readonly #values = new Map<string, Value<unknown>[]>();
  readonly #facts = new Map<string, ClusterFacts>();
  readonly forms = new Forms();
  /** The facts of the network engine that the operator may have. Others compile to the same policies as one of these. */
  engines: readonly EngineFacts[] = [NO_ENGINE];
  /** The facts that it has now. */
  engine: EngineFacts = NO_ENGINE;
  /** The facts of the mesh that the operator may have, and those that it has now. */
  meshes: readonly MeshFacts[] = [NO_MESH];
  mesh: MeshFacts | undefined;
  /** The times that the clock of the leader has shown in this round. */
  readonly clock = new ClockWindow();
  #version = 0;

  /** Changes with the values of inputs, and with the verdicts on exceptions. */
  get version(): string {
    return `${this.#version} ${this.clock.version}`;
  }

  /** Records the value of an input from now on. */
  record(input: string, value: unknown, time: number): void {
    this.#version += 1;
    const values = this.#values.get(input) ?? initial(input);
    values.push({ since: time, id: ids++, value });
    this.#values.set(input, values);
  }

  /** The operator has seen all changes: from now on only the current values count. */
  forgetPast(): void {
    this.#version += 1;
    for (const [input, values] of this.#values) {
      const last = values.at(-1)!;
      // Retained policies are foreign from now on.
      const value = isProfileValue(last.value) ? { profile: last.value.profile } : last.value;
      this.#values.set(input, [{ ...last, value }]);
    }
    this.#facts.clear();
    this.clock.forgetPast();
  }

  /** All combinations of the values that were valid at some time since `from`. */
  combinations(namespace: string, from = Number.NEGATIVE_INFINITY): Combination[] {
    const combined: Combination[] = [];
    const labelled = this.#valid<StringMap | undefined>(`labels ${namespace}`, from);
    for (const labels of labelled) {
      const [ps = [], qs = []] = PROFILES.map((name) =>
        this.#forms(name, from, { namespace, labels, labelled }),
      );
      for (const facts of this.#factValues(from))
        for (const { exceptions, now, id } of this.#exceptionValues(namespace, from))
          for (const first of ps)
            for (const second of qs)
              combined.push({
                profiles: [first.form, second.form],
                labels: labels.value,
                facts: facts.value,
                exceptions,
                now,
                intent: `${labels.id} ${first.id} ${second.id} ${id}`,
                key: `${labels.id} ${facts.key} ${first.id} ${second.id} ${id}`,
              });
    }
    return combined;
  }

  /** The forms that a profile had in a namespace with these labels; equal ones are one. */
  #forms(
    name: string,
    from: number,
    {
      namespace,
      labels,
      labelled,
    }: {
      readonly namespace: string;
      readonly labels: Value<StringMap | undefined>;
      readonly labelled: readonly Value<StringMap | undefined>[];
    },
  ): KnownForm[] {
    const forms = new Map<string, KnownForm>();
    const add = (id: string, form: ProfileForm) => forms.has(id) || forms.set(id, { id, form });
    const formOf = (profile: SegmentationProfile | undefined, of = labels.value) =>
      this.forms.in(profile, { name: namespace, labels: of ?? NO_LABELS });
    for (const { id, since, value } of this.#valid<ProfileValue>(`profile ${name}`, from)) {
      const { profile: asItIs, retained } = value;
      const own = formOf(asItIs);
      add(own.key ?? `${id}`, { asItIs, ...own });
      // Without `spec.rollout` the profile is for all namespaces at once; a guard does not wait for the end of its last rollout.
      if (asItIs?.status?.rollout !== undefined && asItIs.spec.rollout === undefined)
        add(`${id} at once`, { asItIs, profile: asItIs, isHeld: false });
      if (retained === undefined) continue;
      // Retained policies follow the labels that the namespace had when the profile was deleted.
      for (const then of labelled.filter((each) => each.since <= since)) {
        const { profile, isHeld } = formOf(retained, then.value);
        add(`${id} ${then.id}`, { ...own, asItIs, retained: profile, isHeld, labels: then.value });
      }
    }
    return [...forms.values()];
  }

  /** The exceptions of a namespace, each time with an instant of every time between two of their ends. */
  #exceptionValues(namespace: string, from: number) {
    const values = this.#valid<readonly SegmentationException[] | undefined>(`exceptions ${namespace}`, from);
    return values.flatMap(({ id, value: exceptions = [] }) =>
      this.clock
        .instants(exceptions, from === Number.POSITIVE_INFINITY)
        .map((now) => ({ exceptions, now, id: exceptions.length === 0 ? '' : `${id} ${now}` })),
    );
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

  /** The pairs of facts of engine and mesh. */
  #detected(from: number): readonly (readonly [EngineFacts, MeshFacts])[] {
    if (from === Number.POSITIVE_INFINITY) return [[this.engine, this.mesh ?? this.meshes[0] ?? NO_MESH]];
    return this.engines.flatMap((engine) => this.meshes.map((mesh) => [engine, mesh] as const));
  }

  readonly #factsIds = new Map<EngineFacts | MeshFacts, number>();

  #idOf(facts: EngineFacts | MeshFacts): number {
    const id = this.#factsIds.get(facts) ?? this.#factsIds.size;
    this.#factsIds.set(facts, id);
    return id;
  }

  #factValues(from: number): { key: string; value: ClusterFacts }[] {
    const made: { key: string; value: ClusterFacts }[] = [];
    for (const service of this.#valid<Stored | undefined>('service', from))
      for (const slices of this.#valid<readonly Stored[] | undefined>('slices', from))
        for (const nodes of this.#valid<readonly Stored[] | undefined>('nodes', from))
          for (const [engine, mesh] of this.#detected(from)) {
            const key = `${service.id},${slices.id},${nodes.id},${this.#idOf(engine)},${this.#idOf(mesh)}`;
            let value = this.#facts.get(key);
            if (value === undefined) {
              const objects = {
                service: service.value,
                slices: slices.value ?? [],
                nodes: nodes.value ?? [],
              };
              this.#facts.set(key, (value = factsOf(objects, engine, mesh)));
            }
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

/** The Service of the mesh's control plane. */
const ISTIOD: ServiceFacts = serviceFacts({
  spec: { selector: { app: 'istiod' }, ports: [{ port: 15_012, protocol: 'TCP' }] },
});
const DNS: ServiceFacts = serviceFacts({ spec: DNS_SERVICE });

function factsOf(
  {
    service,
    slices,
    nodes,
  }: {
    readonly service: Stored | undefined;
    readonly slices: readonly Stored[];
    readonly nodes: readonly Stored[];
  },
  engine: EngineFacts,
  mesh: MeshFacts,
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
      if (mesh.kind !== 'none' && namespace === 'istio-system') return ISTIOD;
      return namespace === 'kube-system' && name === 'kube-dns' ? DNS : undefined;
    },
    labelledDNS: () => undefined,
    endpoints: (namespace, name) =>
      namespace === 'b' ? endpoints.filter((each) => each.service === name) : [],
    nodes: () => nodes.map((each) => nodeFacts(each as never)),
    serviceCIDRs: () => [],
    webhookServices: () => [],
    // The model serves no admission policies that label the pods of an account.
    serviceAccount: () => ({
      failure: { reason: 'Unsupported', message: 'not served' },
      unlabelled: 0,
      mislabelled: 0,
    }),
    engine: () => engine,
    mesh: () => mesh,
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

function isEnforced(profile: SegmentationProfile, namespace: string, labels: StringMap): boolean {
  const { spec, metadata } = profile;
  if (metadata.deletionTimestamp !== undefined && spec.deletionPolicy !== 'Retain') return false;
  return spec.mode !== 'Audit' && selects(profile, namespace, labels);
}

/**
 * The policies that all profiles ask for, with those of exceptions, and retained ones of deleted profiles.
 *
 * @param base the policies from which last known peers are read, and those of held profiles kept
 * @param required leaves out postponed directions and retained policies: the rest must exist
 */
export function policiesOf(
  combination: Combination,
  namespace: string,
  base: readonly NetworkPolicy[],
  { required = false } = {},
): NetworkPolicy[] {
  const lastKnown = lastKnownFrom(base);
  const inForce = exceptionsInForce(combination, namespace, base);
  return combination.profiles.flatMap(({ profile, retained, labels, isHeld, asItIs }, index) => {
    const name = PROFILES[index] ?? '';
    const open = inForce.filter((each) => each.profile === name).flatMap(({ policies }) => policies);
    if (isHeld && !(asItIs === undefined && required))
      return [...base.filter((each) => isHeldPolicy(each, name)), ...open];
    const intent =
      asItIs === undefined && !required
        ? intentOf(retained, namespace, { ...combination, labels }, lastKnown)
        : intentOf(profile, namespace, combination, lastKnown);
    if (intent === undefined) return [];
    const policies = [...intent.policies, ...open];
    return required ? withoutDirections(policies, neverKnown(intent)) : policies;
  });
}

/** True if the policies of the combination depend on earlier ones: a peer is unresolved, or a profile is held. */
export function isUnresolved(combination: Combination, namespace: string): boolean {
  if (exceptionsInForce(combination, namespace, []).some(({ unresolved }) => unresolved.length > 0))
    return true;
  return combination.profiles.some(
    ({ profile, retained, labels, isHeld }) =>
      isHeld ||
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
