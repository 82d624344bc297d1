/**
 * Reconciles the admission bindings that profiles ask for: read, decide, delete and write, and ask by a probe until the
 * API server has taken them up. One key of the work queue serves all profiles, because the API server takes up all
 * bindings at once.
 *
 * A protection is removed only after the end of what depends on it is in force: a default-deny is deleted only when no
 * gate that looks for it can still refuse a pod (`holds`).
 */
import type { KubeObject } from '../../api/meta.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import { classify, isAborted, isCollectionMissing, isForbidden } from '../../kube/errors.ts';
import { type AdmissionBinding, POLICY_NAMES, profileOf } from '../../policy/admission/binding.ts';
import { isMarked } from '../../policy/ownership.ts';
import { type Gate, wantsGate } from '../../policy/admission/gate.ts';
import { type ProbeAnswer, stateOf } from '../../policy/admission/probe.ts';
import {
  protectionOf,
  tenantLimitOf,
  wantsProtection,
  wantsTenantLimit,
} from '../../policy/admission/protect.ts';
import {
  advance,
  isFollowed,
  overdue,
  type TakeUp,
  type TakeUpEvent,
  UNKNOWN,
} from '../../policy/admission/take-up.ts';
import { workloadBindings, workloadPoliciesOf } from '../../policy/workloads/groups.ts';
import type { Clock } from '../../util/clock.ts';
import type { Outcome } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import type { Records } from '../records.ts';
import { ActiveGates } from './active-gates.ts';
import {
  AdmissionBindings,
  type AdmissionBindingsOptions,
  type ObservedBindings,
  ownBindings,
} from './bindings.ts';
import {
  askingProfiles,
  asks,
  gateFor,
  isDenied,
  limitsTenants,
  policiesFor,
  selectedNamespaces,
} from './desired.ts';
import { missingWorkloadPolicies, type PolicyCheckOptions, policyFailure } from './policies.ts';
import type { AdmissionProbe } from './probe.ts';
import {
  type AdmissionFailure,
  type AdmissionReport,
  failureOf,
  PROBE_FAILURES,
  reportOf,
  wideningPolicies,
} from './report.ts';

export interface AdmissionOptions extends AdmissionBindingsOptions, PolicyCheckOptions {
  readonly clock: Clock;
  readonly records: Pick<Records, 'resultsOf'>;
  readonly probe: AdmissionProbe;
  /** Bindings are asked for, or exist: from now on their changes matter. */
  readonly onNeeded: () => void;
  /** All ValidatingAdmissionPolicyBindings of the cluster were read. */
  readonly onRead: (bindings: readonly KubeObject[]) => void;
  /** The report of the profile may have changed. */
  readonly onReport: (profile: string) => void;
  /** `holds` was true for the namespace, and may be false now. */
  readonly onRelease: (namespace: string) => void;
}

type Unconfirmed = Exclude<ProbeAnswer, 'inForce'>;

/** The bindings as they were read. */
interface Observation {
  readonly bindings: ObservedBindings;
  readonly probe: AdmissionBinding | undefined;
}

/** The progress of a profile that asks. */
interface ProfileProgress {
  /** The profile's gate as decided last. */
  gate?: Gate;
  /** Why the profile's bindings can't be brought into force. */
  failure?: AdmissionFailure;
  /** The generation of the profile for which its bindings were last in force. */
  generation?: number | undefined;
}

/** Until the API server is asked again whether it has taken up the bindings, which it does every second. */
const PROBE_INTERVAL_MS = 100;
/** Until the operator looks again for an object that a person has to create. */
const MISSING_INTERVAL_MS = 1_000;
/** Until bindings are decided anew after a live read showed another profile than the cache. */
const STALE_INTERVAL_MS = 1_000;
/**
 * The longest time for which the probe may give an answer. The API server takes up bindings every second, and its cache of
 * parameters follows within milliseconds.
 */
const PATIENCE_MS: Readonly<Record<Unconfirmed, number>> = { notYet: 15_000, parametersBehind: 5_000 };

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #bindings: AdmissionBindings;
  readonly #activeGates: ActiveGates;
  /** By profile that asks. */
  readonly #progress = new Map<string, ProfileProgress>();
  #takeUp: TakeUp<Unconfirmed> = UNKNOWN;
  /** True if no profile asked for anything and no binding existed: nothing is read until a profile asks. */
  #isUnused = false;
  /** True if all desired bindings are in force. */
  #isSettled = false;
  /** Names of the policies of config/workloads that profiles need and that are not installed. */
  #missing: ReadonlySet<string> = new Set();

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#activeGates = new ActiveGates(options.onRelease);
    this.#bindings = new AdmissionBindings(options, {
      onWrite: (binding) => {
        this.#advance({ kind: 'writing' });
        this.#activeGates.add(binding);
      },
      onDelete: () => this.#advance({ kind: 'writing' }),
    });
  }

  /**
   * True if the default-deny has to stay in the namespace, because a gate of the profile may still refuse pods for lack of
   * it. Then `onRelease` is called when to ask again.
   */
  holds(profile: string, namespace: NamespaceItem): boolean {
    return this.#activeGates.holds(profile, namespace);
  }

  /**
   * True if the operator knows what is in force, or why it can't know. Until then a profile keeps the status that the last
   * process wrote (I6).
   */
  get isJudged(): boolean {
    const isFailed = [...this.#progress.values()].some(({ failure }) => failure !== undefined);
    return isFollowed(this.#takeUp) || isFailed || this.#asking().length === 0;
  }

  /** The report for the profile's status; undefined if the profile asks for nothing. */
  report(profile: SegmentationProfile): AdmissionReport | undefined {
    const { name, generation } = profile.metadata;
    if (!asks(profile)) return undefined;
    const selected = selectedNamespaces(profile, this.#options.clusterState);
    const progress = this.#progress.get(name) ?? {};
    const report = reportOf({
      profile,
      failure: progress.failure,
      isSettled: this.#isSettled && 'generation' in progress && progress.generation === generation,
      gate: progress.gate,
      refused: wantsGate(profile) ? this.#refused(name, selected) : [],
    });
    return limitsTenants(profile)
      ? { ...report, widening: wideningPolicies(profile, selected, this.#options.clusterState) }
      : report;
  }

  async reconcile(signal: AbortSignal): Promise<Outcome> {
    try {
      return await this.#reconcile(signal);
    } catch (error) {
      if (isAborted(error)) return givenUp(error, signal);
      // A write conflict or a dropped connection says nothing of what is in force.
      if (classify(error) !== 'retry') this.#setFailure(failureOf(error));
      if (!isForbidden(error) && !isCollectionMissing(error)) return retry(error);
      // Without the permission to read bindings this operator has none: nothing is held.
      this.#activeGates.markRead();
      return this.#asking().length > 0 ? { kind: 'again', afterMs: MISSING_INTERVAL_MS } : DONE;
    }
  }

  async #reconcile(signal: AbortSignal): Promise<Outcome> {
    if (this.#isUnused && this.#asking().length === 0) return DONE;
    const observed = await this.#read(signal);
    const asking = this.#asking();
    this.#forgetOthers(asking);
    const isUnbound = ownBindings(observed.bindings).length === 0 && this.#activeGates.isEmpty;
    this.#isUnused = asking.length === 0 && isUnbound;
    if (this.#isUnused) return DONE;
    this.#options.onNeeded();

    const failure = await policyFailure(policiesFor(asking), this.#options, signal);
    if (failure !== undefined) return this.#fail(failure);
    for (const progress of this.#progress.values()) delete progress.failure;
    await this.#findMissing(asking, signal);

    const desired = this.#desired(asking, observed.bindings);
    if (!(await this.#bindings.deleteOthers(desired, observed.bindings, signal)))
      return { kind: 'again', afterMs: STALE_INTERVAL_MS };
    const isComplete = await this.#write(desired, observed.bindings, signal);
    return (await this.#confirm(observed, signal)) ? this.#settle(asking, isComplete) : this.#awaitTakeUp();
  }

  async #read(signal: AbortSignal): Promise<Observation> {
    const { items } = await this.#options.bindings.listAll({ signal });
    this.#options.onRead(items);
    const bindings: ObservedBindings = new Map(items.map((each) => [each.metadata.name, each]));
    const probe = bindings.get(POLICY_NAMES.probe);
    bindings.delete(POLICY_NAMES.probe);
    const own = ownBindings(bindings);
    for (const each of own) this.#activeGates.add(each);
    this.#activeGates.markRead();
    this.#advance({ kind: 'stored', state: stateOf(own) });
    return { bindings, probe };
  }

  /** @returns true if every desired binding could be written now, or failed by itself */
  async #write(
    desired: readonly AdmissionBinding[],
    observed: ObservedBindings,
    signal: AbortSignal,
  ): Promise<boolean> {
    // Before the first answer of the probe, the API server may not follow the NetworkPolicies that a gate looks for: a new
    // gate would refuse pods in namespaces that have their default-deny.
    const isProven = isFollowed(this.#takeUp);
    const writable = desired.filter(({ metadata }) => isProven || observed.has(metadata.name));
    for (const binding of writable) {
      const failure = await this.#bindings.write(binding, observed, signal);
      if (failure !== undefined) this.#progressOf(profileOf(binding)).failure = failure;
    }
    return writable.length === desired.length;
  }

  /** Finds the policies of config/workloads that are not installed, and sets the failure of the profiles that need them. */
  async #findMissing(asking: readonly SegmentationProfile[], signal: AbortSignal): Promise<void> {
    const needed = new Set(asking.flatMap(workloadPoliciesOf));
    const missing = await missingWorkloadPolicies(needed, this.#options, signal);
    this.#missing = new Set(missing.keys());
    for (const profile of asking) {
      const failures = workloadPoliciesOf(profile).flatMap((name) => missing.get(name) ?? []);
      if (failures[0] !== undefined) this.#progressOf(profile.metadata.name).failure = failures[0];
    }
  }

  /** Asks the probe unless the bindings are known to be in force. @returns true if they are @throws ApiError */
  async #confirm({ bindings, probe }: Observation, signal: AbortSignal): Promise<boolean> {
    const own = ownBindings(bindings);
    const state = stateOf(own);
    this.#advance({ kind: 'stored', state });
    if (this.#takeUp.stage === 'inForce') return true;
    this.#isSettled = false;
    const answer = await this.#options.probe.ask(state, probe, signal);
    this.#advance({ kind: 'answered', state, answer, nowMs: this.#options.clock.monotonic() });
    if (answer !== 'inForce') return false;
    this.#activeGates.replace(own);
    return true;
  }

  #settle(asking: readonly SegmentationProfile[], isComplete: boolean): Outcome {
    this.#isSettled = isComplete;
    for (const { metadata } of asking) this.#progressOf(metadata.name).generation = metadata.generation;
    this.#reportAll();
    if (!isComplete) return { kind: 'again', afterMs: 0 };
    return this.#missing.size > 0 ? { kind: 'again', afterMs: MISSING_INTERVAL_MS } : DONE;
  }

  #awaitTakeUp(): Outcome {
    const answer = overdue(this.#takeUp, PATIENCE_MS, this.#options.clock.monotonic());
    if (answer !== undefined) return this.#fail(PROBE_FAILURES[answer]);
    this.#reportAll();
    return { kind: 'again', afterMs: PROBE_INTERVAL_MS };
  }

  #desired(asking: readonly SegmentationProfile[], observed: ObservedBindings): AdmissionBinding[] {
    const { protectedNamespaces } = this.#options.clusterState;
    for (const progress of this.#progress.values()) delete progress.gate;
    return [
      ...asking.filter(wantsGate).flatMap((profile) => this.#gateBinding(profile, observed)),
      ...asking.filter(wantsProtection).map(protectionOf),
      ...asking.filter(wantsTenantLimit).map((profile) => tenantLimitOf(profile, protectedNamespaces)),
      ...asking
        .flatMap((profile) => workloadBindings(profile, protectedNamespaces))
        .filter(({ spec }) => !this.#missing.has(spec.policyName)),
    ];
  }

  /** The gate's binding; the observed one, if any, while too many namespaces lack their default-deny. */
  #gateBinding(profile: SegmentationProfile, observed: ObservedBindings): AdmissionBinding[] {
    const { name } = profile.metadata;
    const gate = gateFor(profile, observed, this.#options);
    this.#progressOf(name).gate = gate;
    if (gate.kind === 'bound') return [gate.binding];
    const current = observed.get(`${name}.${POLICY_NAMES.gate}`);
    return current && isMarked(current) ? [current] : [];
  }

  #asking(): SegmentationProfile[] {
    return askingProfiles(this.#options.clusterState);
  }

  /**
   * Names of the namespaces in which the gate refuses pods and the default-deny could not be written. A namespace whose
   * default-deny is on its way has no failure.
   */
  #refused(profile: string, selected: readonly NamespaceItem[]): string[] {
    const results = this.#options.records.resultsOf(profile);
    return selected
      .filter(
        (namespace) =>
          results.get(namespace.key)?.failure !== undefined &&
          !isDenied(profile, namespace, this.#options) &&
          this.#activeGates.mayRefuse(profile, namespace),
      )
      .map(({ key }) => key);
  }

  #progressOf(profile: string): ProfileProgress {
    const progress = this.#progress.get(profile) ?? {};
    this.#progress.set(profile, progress);
    return progress;
  }

  /** Forgets the profiles that no longer ask. */
  #forgetOthers(asking: readonly SegmentationProfile[]): void {
    const names = new Set(asking.map(({ metadata }) => metadata.name));
    for (const name of this.#progress.keys()) if (!names.has(name)) this.#progress.delete(name);
  }

  #advance(event: TakeUpEvent<Unconfirmed>): void {
    this.#takeUp = advance(this.#takeUp, event);
  }

  #fail(failure: AdmissionFailure): Outcome {
    this.#setFailure(failure);
    return { kind: 'again', afterMs: MISSING_INTERVAL_MS };
  }

  /** Sets the failure for every profile that asks. */
  #setFailure(failure: AdmissionFailure): void {
    for (const { metadata } of this.#asking()) this.#progressOf(metadata.name).failure = failure;
    this.#isSettled = false;
    this.#reportAll();
  }

  #reportAll(): void {
    for (const { metadata } of this.#asking()) this.#options.onReport(metadata.name);
  }
}
