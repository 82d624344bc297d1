/**
 * Keeps the admission bindings that profiles ask for: gather, decide, write, and learn by a probe when the API server
 * has taken them up. One key of the work queue, for all profiles: the API server takes up all bindings at once.
 *
 * What removes a protection waits for its end to be in force: a default-deny goes only when no gate that looks for it
 * can still refuse a pod (`holds`).
 */
import type { KubeObject } from '../../api/meta.ts';
import { policyName } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { classify, isAborted, isCollectionMissing, isForbidden } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import {
  type AdmissionBinding,
  type AdmissionPolicy,
  isOwnBinding,
  POLICY_NAMES,
} from '../../policy/admission/binding.ts';
import { gateOf, wantsGate } from '../../policy/admission/gate.ts';
import {
  limitsTenants,
  protectionOf,
  tenantLimitOf,
  wantsProtection,
} from '../../policy/admission/protect.ts';
import { stateOf } from '../../policy/admission/probe.ts';
import { AdmissionBindings, type AdmissionBindingsOptions, ours, profileOf } from './bindings.ts';
import { Gates, selectorOf } from './gates.ts';
import { type AdmissionPolicyObject, missingPolicy } from './policies.ts';
import type { Probe } from './probe.ts';
import {
  type AdmissionReport,
  PROBE_FAILURES,
  type AdmissionFailure,
  failureOf,
  reportOf,
  wideningPolicies,
} from './report.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import type { Outcome } from '../queue/key-queue.ts';
import type { Results } from '../results.ts';

export interface AdmissionOptions extends AdmissionBindingsOptions {
  readonly results: Results;
  readonly admissionPolicies: Resource<AdmissionPolicyObject>;
  /** The name by which the API server knows this operator. */
  readonly account: (signal: AbortSignal) => Promise<string>;
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
  readonly #bindings: AdmissionBindings;
  readonly #gates: Gates;
  /** Namespaces that a gate does not cover yet, by profile; undefined: too many of them for a gate. */
  readonly #leftOut = new Map<string, readonly string[] | undefined>();
  readonly #failures = new Map<string, AdmissionFailure>();
  /** No profile asked for anything, and there was no binding: nothing need be read until one asks. */
  #isUnused = false;
  /** The state of the bindings that is in force, by the probe. */
  #inForce: string | undefined;
  #settled = false;
  /** Generations of the profiles whose bindings make up the state in force. */
  readonly #generations = new Map<string, number | undefined>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#gates = new Gates(options.onRelease);
    this.#bindings = new AdmissionBindings(options, (binding) => this.#gates.note(binding));
  }

  /**
   * Whether a gate of the profile may still refuse pods in the namespace for want of its default-deny. If so, the
   * namespace is told by `onRelease` when that has ended.
   */
  holds(profile: string, namespace: NamespaceItem): boolean {
    return this.#gates.holds(profile, namespace);
  }

  /** Whether what is in force has been found out, or why not: before, a status of the last process stands (I6). */
  get isJudged(): boolean {
    return this.#inForce !== undefined || this.#failures.size > 0 || this.#asking().length === 0;
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
        this.#gates.covers(name, namespace),
    );
    const report = reportOf({
      profile,
      failure: this.#failures.get(name),
      settled: this.#settled && this.#generations.get(name) === profile.metadata.generation,
      leftOut: this.#leftOut.has(name) ? this.#leftOut.get(name) : [],
      refused: wantsGate(profile) ? refused.map(({ key }) => key) : [],
    });
    const limits = (profile.spec.admission?.tenantPolicies ?? 'Any') !== 'Any';
    return limits
      ? {
          ...report,
          widening: wideningPolicies(profile, this.#selected(profile), this.#options.clusterState),
        }
      : report;
  }

  async reconcile(signal: AbortSignal): Promise<Outcome> {
    try {
      return await this.#reconcile(signal);
    } catch (error) {
      if (isAborted(error)) return givenUp(error, signal);
      // A conflict or a dropped connection says nothing of what is in force.
      if (classify(error) !== 'retry') this.#fail(failureOf(error));
      if (!isForbidden(error) && !isCollectionMissing(error)) return retry(error);
      // No permission, no bindings: nothing that this operator could hold or release.
      this.#gates.look();
      return this.#asking().length > 0 ? { kind: 'again', afterMs: MISSING_INTERVAL } : DONE;
    }
  }

  async #reconcile(signal: AbortSignal): Promise<Outcome> {
    const { probe, onNeeded, onRead } = this.#options;
    if (this.#isUnused && this.#asking().length === 0) return DONE;
    const { items } = await this.#options.bindings.listAll({ signal });
    onRead(items);
    const standing = new Map(items.map((each) => [each.metadata.name, each]));
    const probing = standing.get(POLICY_NAMES.probe);
    standing.delete(POLICY_NAMES.probe);
    for (const each of ours(standing)) this.#gates.note(each);
    this.#gates.look();
    const asking = this.#asking();
    // Nothing is asked for, nothing stands, and nothing that stood can still refuse a pod: the probe rests.
    this.#isUnused = asking.length === 0 && ours(standing).length === 0 && this.#gates.isEmpty;
    if (this.#isUnused) return DONE;
    onNeeded();

    const missing = await this.#missing(asking, signal);
    if (missing !== undefined) {
      this.#fail(missing);
      return { kind: 'again', afterMs: MISSING_INTERVAL };
    }
    this.#failures.clear();
    const desired = this.#desired(asking, standing);
    if (!(await this.#bindings.remove(desired, standing, signal))) return { kind: 'again', afterMs: 1000 };
    // Until the probe was answered once, the API server may not follow the NetworkPolicies that a gate looks for: a
    // first gate would refuse pods where all is well.
    const writable = desired.filter(
      ({ metadata }) => this.#inForce !== undefined || standing.has(metadata.name),
    );
    for (const binding of writable) {
      const failure = await this.#bindings.put(binding, standing, signal);
      if (failure !== undefined) this.#failures.set(profileOf(binding), failure);
    }

    const state = stateOf(ours(standing));
    this.#settled = state === this.#inForce && writable.length === desired.length;
    if (state === this.#inForce) {
      this.#tell(asking);
      return DONE;
    }
    const answer = await probe.ask(state, probing, signal);
    if (answer !== 'inForce') {
      const failure = PROBE_FAILURES[answer];
      if (failure === undefined) this.#tell();
      else this.#fail(failure);
      return { kind: 'again', afterMs: failure === undefined ? PROBE_INTERVAL : MISSING_INTERVAL };
    }
    this.#inForce = state;
    this.#settled = writable.length === desired.length;
    this.#gates.replace(ours(standing));
    this.#tell(asking);
    return this.#settled ? DONE : { kind: 'again', afterMs: 0 };
  }

  #desired(
    asking: readonly SegmentationProfile[],
    standing: ReadonlyMap<string, AdmissionBinding>,
  ): AdmissionBinding[] {
    const { protectedNamespaces } = this.#options.clusterState;
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
      const own = current && isOwnBinding(current) ? current : undefined;
      const selected = this.#selected(profile).map((namespace) => ({
        name: namespace.key,
        labels: namespace.labels,
        denied: this.#isDenied(name, namespace),
      }));
      const { protectedNamespaces } = this.#options.clusterState;
      const gate = gateOf(profile, selected, protectedNamespaces, selectorOf(own));
      this.#leftOut.set(name, gate?.leftOut);
      return gate?.binding ?? own ?? [];
    });
  }

  async #missing(
    asking: readonly SegmentationProfile[],
    signal: AbortSignal,
  ): Promise<AdmissionFailure | undefined> {
    const wanted: AdmissionPolicy[] = [
      ...(asking.some(wantsGate) ? (['gate'] as const) : []),
      ...(asking.some(wantsProtection) ? (['protect'] as const) : []),
      ...(asking.some(limitsTenants) ? (['tenantPolicies'] as const) : []),
    ];
    if (wanted.length === 0) return undefined;
    return missingPolicy([...wanted, 'probe'], this.#options, signal);
  }

  #asking(): SegmentationProfile[] {
    return [...this.#options.clusterState.profiles.values()].map(({ profile }) => profile).filter(asks);
  }

  #selected(profile: SegmentationProfile): NamespaceItem[] {
    const { clusterState } = this.#options;
    return [...clusterState.namespaces.values()].filter((namespace) =>
      clusterState.selects(profile, namespace),
    );
  }

  /** Whether the profile's default-deny is known to stand in the namespace, as a gate looks for it. */
  #isDenied(profile: string, { key }: NamespaceItem): boolean {
    const { clusterState, results } = this.#options;
    if (results.of(profile).get(key)?.state === 'enforced') return true;
    const deny = clusterState.policies.get(`${key}/${policyName(profile, 'default-deny')}`);
    return deny !== undefined && deny.profile === profile && !deny.isPartial;
  }

  /** Nothing can be done for any profile. */
  #fail(failure: AdmissionFailure): void {
    for (const { metadata } of this.#asking()) this.#failures.set(metadata.name, failure);
    this.#settled = false;
    this.#tell();
  }

  /** @param done profiles whose bindings are as they should be now */
  #tell(done: readonly SegmentationProfile[] = []): void {
    for (const { metadata } of done) this.#generations.set(metadata.name, metadata.generation);
    for (const { metadata } of this.#asking()) this.#options.onReport(metadata.name);
  }
}

/** Whether the profile asks for anything that needs a binding, at least once its mode is Enforce. */
function asks({ spec, metadata }: SegmentationProfile): boolean {
  const { gate = 'Disabled', protect = 'Disabled', tenantPolicies = 'Any' } = spec.admission ?? {};
  const some = gate !== 'Disabled' || protect !== 'Disabled' || tenantPolicies !== 'Any';
  return some && metadata.deletionTimestamp === undefined;
}
