/**
 * Keeps the admission bindings that profiles ask for: gather, decide, write, and learn by a probe when the API server
 * has taken them up. One key of the work queue, for all profiles: the API server takes up all bindings at once.
 *
 * What removes a protection waits for its end to be in force: a default-deny goes only when no gate that looks for it
 * can still refuse a pod (`holds`).
 */
import type { KubeObject, LabelSelector } from '../api/meta.ts';
import { LABEL_PROFILE, policyName } from '../api/names.ts';
import type { SegmentationProfile, WideningPolicy } from '../api/profile.ts';
import { classify, isAborted, isCollectionMissing, isForbidden, isNotFound } from '../kube/errors.ts';
import type { Resource } from '../kube/resource.ts';
import {
  type AdmissionBinding,
  type AdmissionPolicy,
  bindingKey,
  isOurs,
  POLICY_NAMES,
} from '../policy/admission/binding.ts';
import { gateOf, wantsGate } from '../policy/admission/gate.ts';
import { limitsTenants, protectionOf, tenantLimitOf, wantsProtection } from '../policy/admission/protect.ts';
import { stateOf } from '../policy/admission/probe.ts';
import { wideningOf } from '../policy/admission/widening.ts';
import { matches } from '../policy/selector.ts';
import type { Probe } from './admission-probe.ts';
import { type AdmissionPolicyObject, missingPolicy } from './admission-policies.ts';
import { type AdmissionReport, type Problem, problemOf, reportOf } from './admission-report.ts';
import { type NamespaceItem, projectProfile } from './observed.ts';
import { DONE, retry } from './outcome.ts';
import type { Outcome } from './queue.ts';
import type { Results } from './results.ts';
import type { World } from './world.ts';

export interface AdmissionOptions {
  readonly world: World;
  readonly results: Results;
  readonly bindings: Resource<AdmissionBinding>;
  readonly admissionPolicies: Resource<AdmissionPolicyObject>;
  /** The name by which the API server knows this operator. */
  readonly account: (signal: AbortSignal) => Promise<string>;
  readonly profiles: Resource<SegmentationProfile>;
  readonly probe: Probe;
  /** Bindings are wanted, or there: from now on their changes matter. */
  readonly onNeeded: () => void;
  /** What bindings there are, whosever. */
  readonly onRead: (bindings: readonly KubeObject[]) => void;
  /** What is reported of the profile may have changed. */
  readonly onReport: (profile: string) => void;
  /** Nothing holds the policies of the namespace any more. */
  readonly onRelease: (namespace: string) => void;
}

/** How soon the API server is asked again whether it has taken the bindings up: it does so every second. Milliseconds. */
const PROBE_INTERVAL = 100;
/** How soon something that a person has to bring is looked for again, in milliseconds. */
const MISSING_INTERVAL = 1_000;

export class Admission {
  readonly #options: AdmissionOptions;
  /** Selectors of gates that the API server may have in force, by profile. */
  readonly #gates = new Map<string, LabelSelector[]>();
  /** Namespaces whose default-deny waits for the end of a gate. */
  readonly #held = new Set<string>();
  /** Namespaces that a gate does not cover yet, by profile; undefined: too many of them for a gate. */
  readonly #leftOut = new Map<string, readonly string[] | undefined>();
  readonly #problems = new Map<string, Problem>();
  /** The bindings have been looked at, or can't be. */
  #looked = false;
  /** No profile asked for anything, and there was no binding: nothing need be read until one asks. */
  #isUnused = false;
  /** The state of the bindings that is in force, by the probe. */
  #inForce: string | undefined;
  #settled = false;
  /** Generations of the profiles whose bindings make up the state in force. */
  readonly #generations = new Map<string, number | undefined>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * Whether a gate of the profile may still refuse pods in the namespace for want of its default-deny. If so, the
   * namespace is told by `onRelease` when that has ended.
   */
  holds(profile: string, namespace: NamespaceItem): boolean {
    const held = !this.#looked || this.#covers(profile, namespace);
    if (held) this.#held.add(namespace.key);
    return held;
  }

  /** Whether what is in force has been found out, or why not: before, a status of the last process stands (I6). */
  get isJudged(): boolean {
    return this.#inForce !== undefined || this.#problems.size > 0 || this.#asking().length === 0;
  }

  /** What the profile's status is to say of it; undefined where it asks for nothing. */
  report(profile: SegmentationProfile): AdmissionReport | undefined {
    const { name } = profile.metadata;
    if (!asks(profile)) return undefined;
    // One that is merely on its way is not worth a report: it has no result yet, or one without a failure.
    const refused = this.#selected(profile).filter(
      (namespace) =>
        this.#options.results.of(name).get(namespace.key)?.failure !== undefined &&
        !this.#isDenied(name, namespace) &&
        this.#covers(name, namespace),
    );
    const report = reportOf({
      profile,
      problem: this.#problems.get(name),
      settled: this.#settled && this.#generations.get(name) === profile.metadata.generation,
      leftOut: this.#leftOut.has(name) ? this.#leftOut.get(name) : [],
      refused: wantsGate(profile) ? refused.map(({ key }) => key) : [],
    });
    const limits = (profile.spec.admission?.tenantPolicies ?? 'Any') !== 'Any';
    return limits ? { ...report, widening: this.#widening(profile) } : report;
  }

  /** Policies of others in the selected namespaces that allow more than the profile would admit now. */
  #widening(profile: SegmentationProfile): WideningPolicy[] {
    const { world } = this.#options;
    return this.#selected(profile)
      .flatMap(({ key }) => [...world.policies.byNamespace(key)])
      .flatMap((item) => {
        const allows = world.ownerOf(item) === undefined ? wideningOf(profile, item.reach) : undefined;
        return allows === undefined ? [] : [{ namespace: item.namespace, name: item.name, allows }];
      })
      .sort((a, b) => order(a.namespace, b.namespace) || order(a.name, b.name));
  }

  async reconcile(signal: AbortSignal): Promise<Outcome> {
    try {
      return await this.#reconcile(signal);
    } catch (error) {
      if (isAborted(error)) return DONE;
      // A conflict or a dropped connection says nothing of what is in force.
      if (classify(error) !== 'retry') this.#fail(problemOf(error));
      if (!isForbidden(error) && !isCollectionMissing(error)) return retry(error);
      // No permission, no bindings: nothing that this operator could hold or release.
      this.#look();
      return this.#asking().length > 0 ? { kind: 'again', afterMs: MISSING_INTERVAL } : DONE;
    }
  }

  async #reconcile(signal: AbortSignal): Promise<Outcome> {
    const { bindings, probe, onNeeded } = this.#options;
    if (this.#isUnused && this.#asking().length === 0) return DONE;
    const { items } = await bindings.listAll({ signal });
    this.#options.onRead(items);
    const standing = new Map(items.map((each) => [each.metadata.name, each]));
    const probing = standing.get(POLICY_NAMES.probe);
    standing.delete(POLICY_NAMES.probe);
    for (const each of ours(standing)) this.#note(each);
    this.#look();
    const asking = this.#asking();
    // Nothing is asked for, nothing stands, and nothing that stood can still refuse a pod: the probe rests.
    this.#isUnused = asking.length === 0 && ours(standing).length === 0 && this.#gates.size === 0;
    if (this.#isUnused) return DONE;
    onNeeded();

    const missing = await this.#missing(asking, signal);
    if (missing !== undefined) {
      this.#fail(missing);
      return { kind: 'again', afterMs: MISSING_INTERVAL };
    }
    this.#problems.clear();
    const desired = this.#desired(asking, standing);
    if (!(await this.#remove(desired, standing, signal))) return { kind: 'again', afterMs: 1000 };
    // Until the probe was answered once, the API server may not follow the NetworkPolicies that a gate looks for: a
    // first gate would refuse pods where all is well.
    const writable = desired.filter(
      ({ metadata }) => this.#inForce !== undefined || standing.has(metadata.name),
    );
    for (const binding of writable) await this.#put(binding, standing, signal);

    const state = stateOf(ours(standing));
    this.#settled = state === this.#inForce && writable.length === desired.length;
    if (state === this.#inForce) {
      this.#tell(asking);
      return DONE;
    }
    const answer = await probe.ask(state, probing, signal);
    if (answer !== 'inForce') {
      const trouble = TROUBLES[answer];
      if (trouble === undefined) this.#tell();
      else this.#fail(trouble);
      return { kind: 'again', afterMs: trouble === undefined ? PROBE_INTERVAL : MISSING_INTERVAL };
    }
    this.#inForce = state;
    this.#gates.clear();
    for (const each of ours(standing)) this.#note(each);
    this.#settled = writable.length === desired.length;
    this.#release();
    this.#tell(asking);
    return this.#settled ? DONE : { kind: 'again', afterMs: 0 };
  }

  #desired(
    asking: readonly SegmentationProfile[],
    standing: ReadonlyMap<string, AdmissionBinding>,
  ): AdmissionBinding[] {
    const { protectedNamespaces } = this.#options.world;
    return [
      ...this.#gatesFor(asking.filter(wantsGate), standing),
      ...asking.filter(wantsProtection).map(protectionOf),
      ...asking.filter(limitsTenants).map((profile) => tenantLimitOf(profile, protectedNamespaces)),
    ];
  }

  #gatesFor(
    asking: readonly SegmentationProfile[],
    standing: ReadonlyMap<string, AdmissionBinding>,
  ): AdmissionBinding[] {
    this.#leftOut.clear();
    return asking.flatMap((profile) => {
      const { name } = profile.metadata;
      const current = standing.get(`${name}.${POLICY_NAMES.gate}`);
      const own = current && isOurs(current) ? current : undefined;
      const selected = this.#selected(profile).map((namespace) => ({
        name: namespace.key,
        labels: namespace.labels,
        denied: this.#isDenied(name, namespace),
      }));
      const { protectedNamespaces } = this.#options.world;
      const gate = gateOf(profile, selected, protectedNamespaces, selectorOf(own));
      this.#leftOut.set(name, gate?.leftOut);
      return gate?.binding ?? own ?? [];
    });
  }

  /** Takes away what no profile asks for any more, after live reads that confirm it; false where they do not. */
  async #remove(
    desired: readonly AdmissionBinding[],
    standing: Map<string, AdmissionBinding>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const wanted = new Set(desired.map(({ metadata }) => metadata.name));
    for (const { metadata } of ours(standing).filter((each) => !wanted.has(each.metadata.name))) {
      if (!(await this.#isCurrent(metadata.labels?.[LABEL_PROFILE] ?? '', signal))) return false;
      const { name, uid, resourceVersion } = metadata;
      const preconditions = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
      try {
        await this.#options.bindings.delete(name, undefined, { preconditions, signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      standing.delete(name);
    }
    return true;
  }

  /** Whether the profile is live what it is in the cache. What was read replaces what was known. */
  async #isCurrent(name: string, signal: AbortSignal): Promise<boolean> {
    const { world, profiles } = this.#options;
    const known = world.profile(name)?.metadata;
    try {
      const live = await profiles.get(name, undefined, { signal });
      const { uid, generation, deletionTimestamp } = live.metadata;
      const same =
        known?.uid === uid &&
        known?.generation === generation &&
        known?.deletionTimestamp === deletionTimestamp;
      if (!same) world.profiles.upsert(projectProfile(live));
      return same;
    } catch (error) {
      // Gone for certain, whether or not the watch has said so.
      if (isNotFound(error)) return true;
      throw error;
    }
  }

  async #put(
    binding: AdmissionBinding,
    standing: Map<string, AdmissionBinding>,
    signal: AbortSignal,
  ): Promise<void> {
    const { bindings } = this.#options;
    const { name, labels } = binding.metadata;
    const current = standing.get(name);
    if (current !== undefined && !isOurs(current)) {
      const message = `the binding ${name} is somebody else's: remove it`;
      this.#problems.set(labels?.[LABEL_PROFILE] ?? '', { reason: 'NameTaken', message, stalled: true });
      return;
    }
    if (current !== undefined && bindingKey(current) === bindingKey(binding)) return;
    // For a profile that is gone (the watch may not have said so yet) the garbage collector would take it at once.
    if (current === undefined && !(await this.#isOwned(binding, signal))) return;
    this.#note(binding);
    if (current === undefined) {
      standing.set(name, await bindings.create(binding, { signal }));
      return;
    }
    const { uid, resourceVersion } = current.metadata;
    const metadata = {
      ...binding.metadata,
      ...(uid && { uid }),
      ...(resourceVersion && { resourceVersion }),
    };
    standing.set(name, await bindings.replace({ ...binding, metadata }, { signal }));
  }

  /** Whether the profile that the binding is for exists. */
  async #isOwned({ metadata }: AdmissionBinding, signal: AbortSignal): Promise<boolean> {
    try {
      const name = metadata.labels?.[LABEL_PROFILE] ?? '';
      const { uid } = (await this.#options.profiles.get(name, undefined, { signal })).metadata;
      return metadata.ownerReferences?.some((owner) => owner.uid === uid) ?? false;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async #missing(asking: readonly SegmentationProfile[], signal: AbortSignal): Promise<Problem | undefined> {
    const wanted: AdmissionPolicy[] = [
      ...(asking.some(wantsGate) ? (['gate'] as const) : []),
      ...(asking.some(wantsProtection) ? (['protect'] as const) : []),
      ...(asking.some(limitsTenants) ? (['tenantPolicies'] as const) : []),
    ];
    if (wanted.length === 0) return undefined;
    return missingPolicy([...wanted, 'probe'], this.#options, signal);
  }

  #asking(): SegmentationProfile[] {
    return [...this.#options.world.profiles.values()].map(({ profile }) => profile).filter(asks);
  }

  #selected(profile: SegmentationProfile): NamespaceItem[] {
    const { world } = this.#options;
    return [...world.namespaces.values()].filter((namespace) => world.selects(profile, namespace));
  }

  /** Whether the profile's default-deny is known to stand in the namespace, as a gate looks for it. */
  #isDenied(profile: string, { key }: NamespaceItem): boolean {
    const { world, results } = this.#options;
    if (results.of(profile).get(key)?.state === 'enforced') return true;
    const deny = world.policies.get(`${key}/${policyName(profile, 'default-deny')}`);
    return deny !== undefined && deny.profile === profile && !deny.isPartial;
  }

  #covers(profile: string, { labels }: NamespaceItem): boolean {
    return this.#gates.get(profile)?.some((selector) => matches(selector, labels)) ?? false;
  }

  /** The binding is, or is about to be, where the API server finds it. */
  #note(binding: AdmissionBinding): void {
    const profile = binding.metadata.labels?.[LABEL_PROFILE];
    const selector = selectorOf(binding);
    if (binding.spec.policyName !== POLICY_NAMES.gate || profile === undefined || selector === undefined)
      return;
    this.#gates.set(profile, [...(this.#gates.get(profile) ?? []), selector]);
  }

  #look(): void {
    if (this.#looked) return;
    this.#looked = true;
    this.#release();
  }

  #release(): void {
    const held = [...this.#held];
    this.#held.clear();
    for (const namespace of held) this.#options.onRelease(namespace);
  }

  /** Nothing can be done for any profile. */
  #fail(problem: Problem): void {
    for (const { metadata } of this.#asking()) this.#problems.set(metadata.name, problem);
    this.#settled = false;
    this.#tell();
  }

  /** @param done profiles whose bindings are as they should be now */
  #tell(done: readonly SegmentationProfile[] = []): void {
    for (const { metadata } of done) this.#generations.set(metadata.name, metadata.generation);
    for (const { metadata } of this.#asking()) this.#options.onReport(metadata.name);
  }
}

const TROUBLES: Partial<Record<Awaited<ReturnType<Probe['ask']>>, Problem>> = {
  ignored: {
    reason: 'NotTakenUp',
    message:
      'the API server does not take the bindings up: is its admission plugin ValidatingAdmissionPolicy disabled, or ' +
      'config/admission changed?',
    stalled: true,
  },
  stopped: {
    reason: 'CacheStopped',
    message:
      'the API server no longer follows the NetworkPolicies that gates look for: restart it ' +
      '(docs/admission.md#a-cache-that-stopped)',
    stalled: true,
  },
};

/** Whether the profile asks for anything that needs a binding, at least once its mode is Enforce. */
function asks({ spec, metadata }: SegmentationProfile): boolean {
  const { gate = 'Disabled', protect = 'Disabled', tenantPolicies = 'Any' } = spec.admission ?? {};
  const some = gate !== 'Disabled' || protect !== 'Disabled' || tenantPolicies !== 'Any';
  return some && metadata.deletionTimestamp === undefined;
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function ours(bindings: ReadonlyMap<string, AdmissionBinding>): AdmissionBinding[] {
  return [...bindings.values()].filter(isOurs);
}

function selectorOf(binding: AdmissionBinding | undefined): LabelSelector | undefined {
  return binding?.spec.matchResources?.namespaceSelector;
}
