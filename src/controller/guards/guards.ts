/**
 * The capability `spec.guard`: writes one policy for each profile that asks for it, the outer boundary of its namespaces.
 *
 * A guard is compiled from all profiles, as each of those that share its namespaces allows flows there. It is widened before
 * NetworkPolicies change (`widened`), and narrowed once these are in place. Each write follows a live list of the profiles
 * (I4). A guard whose peers are unresolved, or that has become too large, stays as it is (I3).
 */
import type { RestrictedPolicy, SegmentationProfile } from '../../api/profile.ts';
import { type NamespaceItem, type PolicyItem, type ProfileItem } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import type { GuardCarrier } from '../../engines/guards/carrier.ts';
import type { PriorityRange } from '../../engines/guards/priority.ts';
import {
  isAborted,
  isCollectionMissing,
  isForbidden,
  isNotFound,
  isPermissionMissing,
} from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { StoreChange } from '../../kube/watch/store.ts';
import { type Clock, type Random, sleep } from '../../util/clock.ts';
import { errorMessage } from '../../util/error-message.ts';
import type { Capability, CapabilityReport } from '../capability.ts';
import type { GuardInputs, GuardSupport } from '../guard-support.ts';
import { KeyQueue, type Outcome, Priority, type Retry } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import type { Records } from '../records.ts';
import { compileInputs, dependentOf, profileOfDependent } from './inputs.ts';
import { type OnObjectWrite, SchemaTooOldError } from '../engines/objects.ts';
import { GuardObjects } from './objects.ts';
import { ForeignPolicies } from './foreign-policies.ts';
import { StagedGuards } from './staged.ts';
import { auditedStanding, guardModeOf, reportOf, stalled, type Standing, waiting } from './standing.ts';
import { Turns } from './turns.ts';
import { GuardWriter } from './writer.ts';

export interface GuardsOptions {
  readonly carrier: GuardCarrier;
  readonly priorities: PriorityRange;
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly records: Records;
  readonly clock: Clock;
  readonly random: Random;
  /** All guards are listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  /** True while namespaces wait for their reconcile. */
  readonly isBusy: () => boolean;
  /** Called after each write. */
  readonly onWrite: OnObjectWrite;
  /** Called for each failure of the watch. */
  readonly onWatchError: (resource: string, error: unknown) => void;
  readonly onRetry: (retry: Retry<string>) => void;
}

/** Milliseconds until the foreign policies of a guard are read again. */
const INTERVAL_MS = 5 * 60_000;
/** Milliseconds until caches are expected to have what a live read has shown, or policies to be in place. */
const SOON_MS = 1000;
/** Milliseconds after which a guard is narrowed or removed, even if NetworkPolicies or inputs are missing. */
const LONGEST_WIDE_MS = 60_000;
/** Milliseconds that NetworkPolicies wait for guards at most. */
const LONGEST_WAIT_MS = 10_000;
/** Milliseconds in which changes of namespaces and foreign policies are one. */
const DELAY_MS = 2000;

/** An input has not been read. Most inputs bring the profile back, and at the latest this. */
const UNREAD: Outcome = { kind: 'again', afterMs: 5000, priority: Priority.backfill };

/** Policies are held. Most that ends it brings the profile back, but not a revision that can be read again. */
const HELD: Outcome = { kind: 'again', afterMs: 60_000, priority: Priority.backfill };

interface Judged {
  /** The uid and generation of the profile that is judged. */
  readonly of: string;
  readonly standing: Standing;
  readonly restricted: readonly RestrictedPolicy[] | undefined;
}

export class Guards implements Capability, GuardSupport {
  readonly guard: GuardSupport = this;
  readonly #options: GuardsOptions;
  readonly #objects: GuardObjects;
  readonly #writer: GuardWriter;
  readonly #foreign: ForeignPolicies;
  /** Undefined if the carrier has no staged form. */
  readonly #staged: StagedGuards | undefined;
  readonly #queue: KeyQueue<string>;
  readonly #turns = new Turns();
  readonly #judged = new Map<string, Judged>();
  /** Since when a guard waits to be narrowed or removed, by profile; monotonic milliseconds. */
  readonly #wideSince = new Map<string, number>();
  /** Profiles whose guard could not be written or deleted when it was tried last, as the permission is missing. */
  readonly #refused = new Set<string>();
  #inputs: GuardInputs | undefined;
  #onReport: (profile: string) => void = () => {};

  constructor(options: GuardsOptions) {
    const { clock, random, onRetry, carrier } = options;
    const onChange = () => this.#addAll(Priority.drift);
    this.#options = options;
    this.#objects = new GuardObjects({ ...options, onChange });
    const { staging } = carrier;
    this.#staged = staging && new StagedGuards({ ...options, staging, objects: this.#objects, onChange });
    this.#writer = new GuardWriter({
      ...options,
      objects: this.#objects,
      stagedPriorities: (profile) => this.#staged?.prioritiesOfOthers(profile) ?? [],
      onPlaced: () => this.#addAllLater(),
    });
    this.#foreign = new ForeignPolicies(options);
    // Guards are written in turn, so that no two profiles take the same priority.
    this.#queue = new KeyQueue({
      concurrency: 1,
      clock,
      random,
      identify: (name) => name,
      observer: { onRetry },
    });
  }

  connect(inputs: GuardInputs): void {
    this.#inputs = inputs;
  }

  lead(onReport: (profile: string) => void): void {
    const { clusterState, records } = this.#options;
    this.#onReport = onReport;
    clusterState.profiles.subscribe((change) => this.#profileChanged(change));
    clusterState.namespaces.subscribe((change) => this.#namespaceChanged(change));
    clusterState.policies.subscribe((change) => this.#policyChanged(change));
    records.subscribe((profile) => {
      if (this.#wideSince.has(profile)) this.#queue.addAfter(profile, SOON_MS, Priority.drift);
    });
    this.#addAll(Priority.live);
    this.#objects.start();
    this.#staged?.start();
    this.#queue.start((name, signal) => this.#reconcile(name, signal));
  }

  async stop(): Promise<void> {
    await Promise.all([this.#queue.close(), this.#objects.stop(), this.#staged?.stop()]);
  }

  factsChanged(dependent: string): boolean {
    const profile = profileOfDependent(dependent);
    if (profile !== undefined) this.#add(profile);
    return profile !== undefined;
  }

  additionsChanged(): void {
    this.#addAll(Priority.live);
  }

  async widened(signal: AbortSignal): Promise<void> {
    const ending = new AbortController();
    const limit = sleep(this.#options.clock, LONGEST_WAIT_MS, AbortSignal.any([signal, ending.signal]));
    await Promise.race([this.#turns.ended(), limit]);
    ending.abort();
  }

  isJudged(profile: SegmentationProfile): boolean {
    return !asksForGuard(profile) || this.#judged.get(profile.metadata.name)?.of === identityOf(profile);
  }

  report(profile: SegmentationProfile): CapabilityReport | undefined {
    if (!asksForGuard(profile)) return undefined;
    const judged = this.#judged.get(profile.metadata.name);
    if (judged?.of !== identityOf(profile))
      return reportOf(waiting('Progressing', 'the guard is being compiled'), undefined);
    return reportOf(judged.standing, judged.restricted);
  }

  isReleased(profile: SegmentationProfile): boolean {
    const { name } = profile.metadata;
    if (this.#staged?.isReleased(name) === false) return false;
    // Without permission or a CRD nothing can be removed: the garbage collector deletes what has an owner.
    const isRemovable = this.#objects.state.kind === 'available' && !this.#refused.has(name);
    return !isRemovable || this.#objects.of(name).length === 0;
  }

  #add(profile: string, priority: Priority = Priority.live): void {
    this.#turns.request(profile);
    this.#queue.add(profile, priority);
  }

  /** Adds the profiles that have a guard, or are to have one. */
  #addAll(priority: Priority): void {
    for (const { profile } of this.#options.clusterState.profiles.values())
      if (this.#isConcerned(profile)) this.#add(profile.metadata.name, priority);
  }

  #isConcerned(profile: SegmentationProfile): boolean {
    const { name } = profile.metadata;
    const written = [this.#objects.of(name), this.#staged?.of(name) ?? []];
    return asksForGuard(profile) || written.some((objects) => objects.length > 0);
  }

  /** Each profile may allow flows in the namespaces of each guard. */
  #profileChanged({ old, new: next }: StoreChange<ProfileItem>): void {
    if (intentOf(old) === intentOf(next)) return;
    const name = (next ?? old)?.key ?? '';
    this.#add(name);
    this.#addAll(Priority.live);
  }

  #namespaceChanged({ old, new: next }: StoreChange<NamespaceItem>): void {
    if (JSON.stringify(old?.labels) === JSON.stringify(next?.labels)) return;
    this.#addAllLater();
  }

  #policyChanged({ old, new: next }: StoreChange<PolicyItem>): void {
    const isForeign = [old, next].some((item) => item?.profile === undefined && item?.ownerUids.length === 0);
    if (isForeign) this.#addAllLater();
  }

  #addAllLater(): void {
    for (const { profile } of this.#options.clusterState.profiles.values())
      if (asksForGuard(profile)) this.#queue.addAfter(profile.metadata.name, DELAY_MS, Priority.backfill);
  }

  async #reconcile(name: string, signal: AbortSignal): Promise<Outcome> {
    const endTurn = this.#turns.begin(name);
    const profile = this.#options.clusterState.profile(name);
    try {
      if (profile === undefined) return this.#forget(name);
      return await this.#converge(profile, endTurn, signal);
    } catch (error) {
      if (isAborted(error)) return givenUp(error, signal);
      if (profile === undefined) return DONE;
      // The CRD may be back before its watch has seen that it was gone.
      if (isCollectionMissing(error)) return retry(error);
      if (isNotFound(error)) return DONE;
      return this.#fail(profile, error);
    } finally {
      endTurn();
    }
  }

  #forget(name: string): Outcome {
    this.#inputs?.sources.unsubscribe(dependentOf(name));
    this.#judged.delete(name);
    this.#wideSince.delete(name);
    this.#refused.delete(name);
    this.#writer.forget(name);
    return DONE;
  }

  async #converge(profile: SegmentationProfile, endTurn: () => void, signal: AbortSignal): Promise<Outcome> {
    const { name } = profile.metadata;
    const mode = guardModeOf(profile);
    const { state } = this.#objects;
    if (mode === 'Audit') return this.#audit(profile, signal);
    if (mode === 'Disabled') {
      if (!(await this.#writer.remove(profile, signal))) return { kind: 'again', afterMs: SOON_MS };
      this.#refused.delete(name);
      await this.#staged?.remove(profile, signal);
      this.#onReport(name);
      return this.#forget(name);
    }
    if (state.kind !== 'available') {
      // Before the first list nothing is said: the status of the process before this one stays (I6).
      if (state.kind === 'unknown') return DONE;
      return this.#settle(profile, stalled(state.reason, state.message), DONE);
    }
    const compiled = this.#compile(profile);
    if (compiled === undefined) return UNREAD;
    const result = await this.#writer.write(profile, compiled, {
      signal,
      onWidened: endTurn,
      mayNarrow: () => this.#mayNarrow(profile),
    });
    if (result.kind === 'outdated') return { kind: 'again', afterMs: SOON_MS };
    if (result.kind === 'wide') {
      const message = 'the guard is narrowed once the NetworkPolicies are in place';
      return this.#settle(profile, waiting('Progressing', message), { kind: 'again', afterMs: SOON_MS });
    }
    this.#wideSince.delete(name);
    this.#refused.delete(name);
    const restricted = await this.#foreign.restricted(profile, compiled.guard, result.directions, signal);
    const outcome = compiled.guard.held === undefined ? this.#later() : HELD;
    const failed = await this.#replaceStaged(profile, result.standing, signal);
    return this.#settle(profile, result.standing, failed ?? outcome, restricted);
  }

  /** Removes the staged guard once one that enforces stands, or would deny nothing. @returns the outcome if that has failed */
  async #replaceStaged(
    profile: SegmentationProfile,
    { reason }: Standing,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    if (this.#objects.of(profile.metadata.name).length === 0 && reason !== 'GuardOpen') return undefined;
    try {
      await this.#staged?.remove(profile, signal);
      return undefined;
    } catch (error) {
      if (isAborted(error)) throw error;
      return retry(error);
    }
  }

  /**
   * Nothing is denied: the guard is staged, if its kind can be, and the policies of others are compared with it. A guard that
   * enforces goes once the staged one stands, if that can be written.
   */
  async #audit(profile: SegmentationProfile, signal: AbortSignal): Promise<Outcome> {
    if (this.#staged?.isPending === true) return UNREAD;
    const { name } = profile.metadata;
    const compiled = this.#compile(profile);
    const made = compiled && this.#options.carrier.compile(compiled.guard);
    // An input is mostly being read. Until then the guard that enforces stays, but not for long.
    const mayWait = this.#staged !== undefined && this.#objects.of(name).length > 0;
    if (compiled === undefined && mayWait && !this.#isOverdue(name)) return UNREAD;
    const staged =
      compiled !== undefined && made?.kind === 'compiled'
        ? await this.#staged?.stage(profile, { ...compiled, made }, signal)
        : undefined;
    const isWritable = this.#objects.state.kind === 'available';
    if (isWritable && !(await this.#writer.remove(profile, signal)))
      return { kind: 'again', afterMs: SOON_MS };
    this.#wideSince.delete(name);
    if (compiled === undefined || made === undefined) return UNREAD;
    const outcome = staged?.kind === 'failed' ? retry(staged.error) : this.#later();
    if (made.kind === 'too-large')
      return this.#settle(profile, stalled('GuardTooLarge', made.message), outcome);
    const directions = this.#writer.deniedDirections(made, compiled.guard);
    const restricted = await this.#foreign.restricted(profile, compiled.guard, directions, signal);
    const standing = this.#writer.openStanding(made) ?? auditedStanding(staged);
    return this.#settle(profile, standing, outcome, restricted);
  }

  /** The guard; undefined if an input is missing, whose arrival brings the profile back. */
  #compile(profile: SegmentationProfile) {
    if (this.#inputs === undefined) return undefined;
    const guard = compileInputs(profile, this.#options.clusterState, this.#inputs);
    return guard && { guard };
  }

  /** True if no NetworkPolicy of the profile is still to be written, or none can be for long. */
  #mayNarrow(profile: SegmentationProfile): boolean {
    const { clusterState, records, isBusy } = this.#options;
    const { name, generation = 0 } = profile.metadata;
    const results = records.resultsOf(name);
    const isPending = (namespace: NamespaceItem) => {
      const result = results.get(namespace.key);
      if (result === undefined || result.generation !== generation) return true;
      return result.state === 'pending' && result.failure?.kind !== 'waiting';
    };
    const isSettled =
      !isBusy() &&
      [...clusterState.namespaces.values()].every(
        (each) => clusterState.relation(profile, each) !== 'enforce' || !isPending(each),
      );
    return isSettled || this.#isOverdue(name);
  }

  /** True if the guard has waited for longer than anything may hold it up. */
  #isOverdue(profile: string): boolean {
    const { clock } = this.#options;
    const since = this.#wideSince.get(profile) ?? clock.monotonic();
    this.#wideSince.set(profile, since);
    return clock.monotonic() - since > LONGEST_WIDE_MS;
  }

  #fail(profile: SegmentationProfile, error: unknown): Outcome {
    const { carrier } = this.#options;
    // The state of the objects says it, until they may be written again.
    if (error instanceof SchemaTooOldError) return DONE;
    if (isForbidden(error)) {
      this.#refused.add(profile.metadata.name);
      const message = errorMessage(error);
      this.#settle(
        profile,
        isPermissionMissing(error)
          ? stalled('NotInstalled', `${message}; the permission comes with ${carrier.component}`)
          : waiting('Failed', message),
        DONE,
      );
      return retry(error);
    }
    this.#settle(profile, waiting('Failed', errorMessage(error)), DONE);
    return retry(error);
  }

  #settle(
    profile: SegmentationProfile,
    standing: Standing,
    outcome: Outcome,
    restricted?: readonly RestrictedPolicy[],
  ): Outcome {
    const { name } = profile.metadata;
    this.#judged.set(name, { of: identityOf(profile), standing, restricted });
    this.#onReport(name);
    return outcome;
  }

  #later(): Outcome {
    const afterMs = Math.ceil(INTERVAL_MS * (1 + this.#options.random() / 10));
    return { kind: 'again', afterMs, priority: Priority.backfill };
  }
}

function asksForGuard({ spec }: SegmentationProfile): boolean {
  return (spec.guard?.mode ?? 'Disabled') !== 'Disabled';
}

function identityOf({ metadata: { uid, generation } }: SegmentationProfile): string {
  return `${uid} ${generation}`;
}

/** The parts of a profile that guards depend on, as one text. */
function intentOf(item: ProfileItem | undefined): string | undefined {
  if (item === undefined) return undefined;
  const { metadata, status } = item.profile;
  return JSON.stringify([item.uid, metadata.generation, metadata.deletionTimestamp, status?.rollout]);
}
