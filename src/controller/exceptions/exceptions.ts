/**
 * The capability `spec.exceptions`: SegmentationExceptions open flows of their namespace until they expire.
 *
 * The policies of exceptions are planned and written together with the profile's own by the reconcile of the namespace. This
 * file says which exceptions are in force, and has a namespace reconciled when that changes: by an event, or by the clock.
 *
 * Guarantees
 * - A verdict depends on the exceptions, the profiles, and the wall clock at that moment. The wall clock is read again every
 *   minute, so a step of the clock, forth or back, is followed within a minute.
 * - Before a policy opens anything, the exception is read live once in that form (I4).
 * - While exceptions can't be read, those in force stay in force until the end that is noted on their policies (I3), and no
 *   longer.
 */
import type { SegmentationException } from '../../api/exception.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import {
  exceptionOf,
  type NamespaceItem,
  type PolicyItem,
  type ProfileItem,
} from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isAborted, isNotFound } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';
import { EXCEPTION_PLURAL } from '../../api/names.ts';
import { Resource } from '../../kube/resource.ts';
import type { StoreChange } from '../../kube/watch/store.ts';
import { isGranting } from '../../policy/exceptions/grant.ts';
import { judge, type Verdict } from '../../policy/exceptions/judge.ts';
import type { Clock, Random, Timer } from '../../util/clock.ts';
import { errorMessage } from '../../util/error-message.ts';
import { replacing } from '../../util/merge-patch.ts';
import type { Capability, CapabilityReport } from '../capability.ts';
import {
  type Added,
  type AdditionContext,
  type MissingInput,
  type PolicyAdditions,
  together,
} from '../namespace/additions.ts';
import { KeyQueue, type Outcome, Priority, type Retry } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import type { Records } from '../records.ts';
import { CompiledExceptions } from './compiled.ts';
import { HeldForms } from './held.ts';
import { type ExceptionItem, EXCEPTIONS, notedEnd, projectException } from './items.ts';
import { exceptionsReport } from './report.ts';
import { nextMoment, noticeBy } from './schedule.ts';
import { ExceptionSource } from './source.ts';
import { exceptionStatus, NOT_COMPILED, sameStatus, type StatusInput } from './status.ts';
import { type ExceptionCounts, countVerdicts } from './tally.ts';

export interface ExceptionsOptions {
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  /** The results of namespaces. */
  readonly records: Pick<Records, 'resultsOf'>;
  readonly clock: Clock;
  readonly random: Random;
  /** All exceptions are listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  /** Called when a status is judged that differs from the stored one. */
  readonly onStatus: (exception: SegmentationException, status: SegmentationException['status']) => void;
  /** Called when exceptions can't be read. */
  readonly onError: (error: unknown) => void;
  /** Called when an exception fails for a reason that may pass, and is tried again. */
  readonly onRetry: (retry: Retry<string>) => void;
}

/** Statuses that are written at once. */
const CONCURRENCY = 2;
/** Longest time between two readings of the wall clock, in milliseconds. */
const RECHECK_MS = 60_000;
/** How long policies may take to be written or deleted before the status says so, in milliseconds. */
const SETTLE_MS = 1000;
/** Milliseconds between two looks at exceptions whose policies are not in place. */
const UNSETTLED_MS = 2000;
/** The exception that is being confirmed enqueues the namespace. */
const UNCONFIRMED: MissingInput = { resource: EXCEPTION_PLURAL, error: undefined };
const NOTHING: Added = { policies: [], extensions: [], unresolved: [] };

export class Exceptions implements Capability, PolicyAdditions {
  readonly #options: ExceptionsOptions;
  readonly #source: ExceptionSource;
  readonly #exceptions: Resource<SegmentationException>;
  /** Keys of exceptions. */
  readonly #queue: KeyQueue<string>;
  readonly #compiled: CompiledExceptions;
  readonly #heldForms: HeldForms;
  /** The exceptions that were read live, by key, each with its uid and generation. */
  readonly #confirmed = new Map<string, string>();
  /** The verdicts of each namespace as one text, by namespace. */
  readonly #judged = new Map<string, string>();
  /** Namespaces that wait for the first read of exceptions. */
  readonly #waiting = new Set<string>();
  /** Since when the policies of an exception are not in place, in monotonic milliseconds, by the key of the exception. */
  readonly #unsettled = new Map<string, number>();
  #onReport: (profile: string) => void = () => {};
  #onAdditions: (namespace: string) => void = () => {};
  #timer: Timer | undefined;
  #unsettledTimer: Timer | undefined;
  /** When the wall clock was read for all exceptions, in monotonic milliseconds. */
  #tickedAt = 0;

  constructor(options: ExceptionsOptions) {
    const { transport, clusterState, clock, random, resyncMs, onError, onRetry } = options;
    this.#options = options;
    this.#source = new ExceptionSource({
      transport,
      clock,
      random,
      resyncMs,
      onError,
      onRead: () => this.#readAnew(),
    });
    this.#exceptions = new Resource(transport, EXCEPTIONS);
    this.#compiled = new CompiledExceptions(clusterState);
    this.#heldForms = new HeldForms(clusterState);
    this.#queue = new KeyQueue({
      concurrency: CONCURRENCY,
      clock,
      random,
      identify: (key) => key,
      observer: { onRetry },
    });
  }

  get additions(): PolicyAdditions {
    return this;
  }

  lead(
    onReport: (profile: string) => void,
    _onIntent: (namespace: string) => void,
    onAdditions: (namespace: string) => void,
  ): void {
    const { clusterState } = this.#options;
    this.#onReport = onReport;
    this.#onAdditions = onAdditions;
    clusterState.profiles.subscribe((change) => this.#profileChanged(change));
    clusterState.namespaces.subscribe(({ old, new: next }) => this.#touch((next ?? old)?.key ?? ''));
    clusterState.policies.subscribe((change) => this.#policyChanged(change));
    this.#source.items.subscribe((change) => this.#exceptionChanged(change));
    if (this.#granting().length > 0) this.#source.start();
    else void this.#source.startIfServed();
    this.#closeOverdue();
    this.#queue.start((key, signal) => this.#reconcile(key, signal));
    this.#tick();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#unsettledTimer?.cancel();
    await Promise.all([this.#queue.close(), this.#source.stop()]);
  }

  isJudged(profile: SegmentationProfile): boolean {
    if (!isGranting(profile) || this.#source.error !== undefined) return true;
    return this.#source.isRead && !this.#namespaces().some((each) => this.#isBeingRead(each));
  }

  report(profile: SegmentationProfile): CapabilityReport | undefined {
    if (!isGranting(profile)) return undefined;
    const { name } = profile.metadata;
    const inForce = [...this.#verdicts()].filter(
      ([, verdict]) => verdict.kind === 'in-force' && verdict.profile.metadata.name === name,
    );
    return exceptionsReport(this.#source, inForce.length);
  }

  /** The policies of exceptions are removed together with those of the profile. */
  isReleased(): boolean {
    return true;
  }

  /** A rollout may have changed which form of a profile is in force, which is no event of an exception. */
  begin(namespace: NamespaceItem): void {
    if (this.#source.isRead) this.#follow(namespace.key, this.#verdictsIn(namespace));
  }

  missing(profiles: readonly SegmentationProfile[], namespace: NamespaceItem): MissingInput | undefined {
    if (!profiles.some(isGranting)) return undefined;
    if (this.#source.isRead) return this.#isAwaited(namespace) ? UNCONFIRMED : undefined;
    const { key } = namespace;
    const now = this.#options.clock.now();
    const { error } = this.#source;
    // Until the first answer, an exception may be in force whose policies are still to be written.
    const mayBeInForce =
      error === undefined || [...this.#policiesOfExceptions(key)].some((item) => notedEnd(item) > now);
    if (!mayBeInForce) return undefined;
    if (!this.#waiting.has(key)) {
      this.#waiting.add(key);
      this.#schedule();
    }
    return { resource: EXCEPTION_PLURAL, error: error === undefined ? undefined : errorMessage(error) };
  }

  of(profile: SegmentationProfile, namespace: NamespaceItem, context: AdditionContext): Added {
    if (!isGranting(profile) || !this.#source.isRead) return NOTHING;
    const added = [...this.#verdictsIn(namespace)].flatMap(([item, verdict]) => {
      if (verdict.kind !== 'in-force' || verdict.profile.metadata.name !== profile.metadata.name) return [];
      const { compiled, isChanged } = this.#compiled.compile(item, verdict, { namespace, ...context });
      if (isChanged) this.#queue.add(item.key, Priority.live);
      const { end: until } = verdict;
      if (this.#isConfirmed(item)) return [{ ...compiled, until }];
      // Nothing opens before the exception is confirmed; what is open already stays.
      const policies = compiled.policies.filter((each) => this.#compiled.exists(each, item));
      return [{ ...compiled, policies, extensions: policies.length > 0 ? compiled.extensions : [], until }];
    });
    return added.length === 0 ? NOTHING : together(added);
  }

  /** For metrics: how many exceptions there are by state; undefined until they were read. */
  sample(): ExceptionCounts | undefined {
    if (!this.#source.isRead) return undefined;
    const hasPolicies = ({ exception: { metadata } }: ExceptionItem) =>
      this.#hasPolicies(metadata.namespace ?? '', metadata.name);
    return countVerdicts(this.#verdicts(), this.#options.clock.now(), hasPolicies);
  }

  #granting(): SegmentationProfile[] {
    return [...this.#options.clusterState.profiles.values()].map(({ profile }) => profile).filter(isGranting);
  }

  /** Empty while it is only being read which revision of a profile the namespace has: the status stays as it is until then. */
  #verdictsIn(namespace: NamespaceItem): Map<ExceptionItem, Verdict> {
    const { clusterState, clock } = this.#options;
    const items = new Map<SegmentationException, ExceptionItem>();
    for (const item of this.#source.items.byNamespace(namespace.key)) items.set(item.exception, item);
    if (items.size === 0 || this.#isBeingRead(namespace)) return new Map();
    // A rollout holds a profile also in namespaces that it has nothing to do with.
    const inForce = clusterState.concerned(namespace).flatMap((profile) => {
      const { relation, profile: form } = clusterState.inForce(profile, namespace);
      if (relation === 'none') return [];
      return [relation === 'held' ? this.#heldForms.formIn(form, namespace.key) : form];
    });
    const verdicts = new Map<ExceptionItem, Verdict>();
    for (const [exception, verdict] of judge(items.keys(), inForce, clock.now())) {
      const item = items.get(exception);
      if (item !== undefined) verdicts.set(item, verdict);
    }
    return verdicts;
  }

  #isBeingRead(namespace: NamespaceItem): boolean {
    const { clusterState } = this.#options;
    return clusterState
      .concerned(namespace)
      .some((each) => clusterState.inForce(each, namespace).isBeingRead);
  }

  /**
   * True if an exception in force is still to be confirmed. Its policies are not written before that, and until they are, what
   * a profile isolates or ceases to allow would cut its flows (I2).
   */
  #isAwaited(namespace: NamespaceItem): boolean {
    return [...this.#verdictsIn(namespace)].some(
      ([item, verdict]) => verdict.kind === 'in-force' && !this.#isConfirmed(item),
    );
  }

  *#verdicts(): Generator<readonly [ExceptionItem, Verdict]> {
    for (const namespace of this.#namespaces()) yield* this.#verdictsIn(namespace);
  }

  /** The namespaces that have exceptions. */
  #namespaces(): NamespaceItem[] {
    const names = new Set(
      [...this.#source.items.values()].map(({ exception }) => exception.metadata.namespace),
    );
    return [...names].flatMap((name) => this.#options.clusterState.namespaces.get(name ?? '') ?? []);
  }

  *#policiesOfExceptions(namespace: string): Generator<PolicyItem> {
    for (const item of this.#options.clusterState.policies.byNamespace(namespace)) {
      // A policy without cached content may be one, and then its end is unknown too.
      if (exceptionOf(item) !== undefined || (item.profile !== undefined && item.content === undefined))
        yield item;
    }
  }

  #hasPolicies(namespace: string, exception: string): boolean {
    for (const item of this.#options.clusterState.policies.byNamespace(namespace))
      if (exceptionOf(item) === exception) return true;
    return false;
  }

  #isConfirmed({ key, uid, exception }: ExceptionItem): boolean {
    return this.#confirmed.get(key) === formOf(uid, exception);
  }

  /** Has the namespaces reconciled first in which an exception ended while no operator ran. */
  #closeOverdue(): void {
    if (this.#granting().length === 0) return;
    const now = this.#options.clock.now();
    for (const item of this.#options.clusterState.policies.values())
      if (exceptionOf(item) !== undefined && notedEnd(item) <= now) this.#onAdditions(item.namespace);
  }

  #profileChanged({ old, new: next }: StoreChange<ProfileItem>): void {
    const grants = [old, next].some((item) => item !== undefined && isGranting(item.profile));
    if (!grants) return this.#touchRefused();
    this.#source.start();
    for (const namespace of this.#namespaces()) this.#touch(namespace.key);
  }

  /** A profile that grants no exception may be the reason of a refusal. */
  #touchRefused(): void {
    const { items } = this.#source;
    const namespaces = new Set(
      [...items.values()].map(({ exception }) => exception.metadata.namespace ?? ''),
    );
    for (const namespace of namespaces) this.#touch(namespace);
  }

  #policyChanged({ old, new: next }: StoreChange<PolicyItem>): void {
    for (const item of [old, next]) {
      const exception = item && exceptionOf(item);
      if (exception !== undefined) this.#queue.add(`${item?.namespace}/${exception}`, Priority.live);
    }
  }

  #exceptionChanged({ old, new: next, origin }: StoreChange<ExceptionItem>): void {
    const item = next ?? old;
    if (item === undefined) return;
    if (next === undefined) {
      this.#confirmed.delete(item.key);
      this.#unsettled.delete(item.key);
      this.#compiled.forget(item.key);
    }
    if (origin === 'own') return;
    this.#queue.add(item.key, Priority.live);
    this.#touch(item.exception.metadata.namespace ?? '');
    this.#schedule();
  }

  /** All exceptions were read, or can't be. */
  #readAnew(): void {
    for (const namespace of this.#waiting) this.#onAdditions(namespace);
    this.#waiting.clear();
    for (const { key } of this.#source.items.values()) this.#queue.add(key, Priority.live);
    for (const profile of this.#granting()) this.#onReport(profile.metadata.name);
    this.#tick();
  }

  /** Judges the exceptions of a namespace again, and has it reconciled if a verdict has changed. */
  #touch(namespace: string): void {
    // Until all are read, the namespace would be reconciled without some of them.
    if (!this.#source.isRead) return;
    const item = this.#options.clusterState.namespaces.get(namespace);
    const verdicts = item === undefined ? new Map<ExceptionItem, Verdict>() : this.#verdictsIn(item);
    if (this.#follow(namespace, verdicts)) this.#onAdditions(namespace);
  }

  /** Reports the exceptions of a namespace if a verdict has changed; returns if one has. */
  #follow(namespace: string, verdicts: ReadonlyMap<ExceptionItem, Verdict>): boolean {
    const judged = [...verdicts].map(([each, verdict]) => this.#textOf(each, verdict)).join('\n');
    if (judged === (this.#judged.get(namespace) ?? '')) return false;
    if (judged === '') this.#judged.delete(namespace);
    else this.#judged.set(namespace, judged);
    for (const each of verdicts.keys()) this.#queue.add(each.key, Priority.live);
    for (const profile of this.#granting()) this.#onReport(profile.metadata.name);
    return true;
  }

  #textOf(item: ExceptionItem, verdict: Verdict): string {
    const profile = 'profile' in verdict ? verdict.profile.metadata.name : undefined;
    const end = 'end' in verdict ? verdict.end : undefined;
    // The reason of a refusal can change while it stays one.
    const message = 'message' in verdict ? verdict.message : undefined;
    const { exception, uid, key } = item;
    const { generation } = exception.metadata;
    const isConfirmed = this.#isConfirmed(item);
    return JSON.stringify([key, uid, generation, verdict.kind, profile, end, message, isConfirmed]);
  }

  /** Reads the wall clock, follows what has ended, and waits for the next moment. */
  #tick(): void {
    this.#tickedAt = this.#options.clock.monotonic();
    for (const namespace of this.#namespaces()) this.#touch(namespace.key);
    for (const [item, verdict] of this.#verdicts())
      if (this.#noticeOf(item, verdict) !== item.exception.status?.notice)
        this.#queue.add(item.key, Priority.live);
    // The end that is noted on the policies of a waiting namespace may have come.
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const namespace of waiting) this.#onAdditions(namespace);
    this.#schedule();
  }

  /** Waits for the next moment. Events do not put off the next reading of the wall clock. */
  #schedule(): void {
    const { clock } = this.#options;
    const now = clock.now();
    const moments = [...this.#verdicts()].flatMap(
      ([{ exception }, verdict]) => nextMoment(exception, verdict, now) ?? [],
    );
    const noted = [...this.#waiting].flatMap((namespace) =>
      [...this.#policiesOfExceptions(namespace)].map(notedEnd).filter((end) => end > now),
    );
    const recheckMs = this.#tickedAt + RECHECK_MS - clock.monotonic();
    const leftMs = Math.min(...moments, ...noted) - now;
    this.#timer?.cancel();
    this.#timer = clock.schedule(Math.max(Math.min(leftMs, recheckMs), 1), () => this.#tick());
  }

  #noticeOf({ exception }: ExceptionItem, verdict: Verdict): ReturnType<typeof noticeBy> {
    if (verdict.kind === 'expired') return 'Ended';
    if (verdict.kind !== 'in-force') return undefined;
    return noticeBy(
      verdict.end,
      this.#options.clock.now(),
      Date.parse(exception.metadata.creationTimestamp ?? ''),
    );
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const item = this.#source.items.get(key);
    if (item === undefined || !this.#source.isRead) return DONE;
    try {
      const namespace = this.#options.clusterState.namespaces.get(item.exception.metadata.namespace ?? '');
      const verdict = namespace && this.#verdictsIn(namespace).get(item);
      if (verdict === undefined) return DONE;
      if (verdict.kind === 'in-force' && !this.#isConfirmed(item)) {
        await this.#confirm(item, signal);
        return DONE;
      }
      return await this.#reconcileStatus(item, verdict, signal);
    } catch (error) {
      if (isAborted(error)) return givenUp(error, signal);
      if (!isNotFound(error)) return retry(error);
      this.#source.items.forget(item.key, item.uid);
      this.#touch(item.exception.metadata.namespace ?? '');
      return DONE;
    }
  }

  /** Reads the exception live, and has its flows opened if it is as it is cached (I4). @throws ApiError */
  async #confirm({ key, uid, exception }: ExceptionItem, signal: AbortSignal): Promise<void> {
    const { name, namespace = '' } = exception.metadata;
    const live = await this.#exceptions.get(name, namespace, { signal });
    const isSame = formOf(live.metadata.uid ?? '', live) === formOf(uid, exception);
    if (!isSame) {
      this.#source.items.upsertLive(projectException(live));
      return;
    }
    this.#confirmed.set(key, formOf(uid, exception));
    this.#touch(namespace);
  }

  /** @throws ApiError */
  async #reconcileStatus(item: ExceptionItem, verdict: Verdict, signal: AbortSignal): Promise<Outcome> {
    const { name, namespace = '' } = item.exception.metadata;
    const hasPolicies = this.#hasPolicies(namespace, name);
    const compiled = this.#compiled.stateOf(item, verdict, hasPolicies);
    // The reconcile of the namespace compiles the exception, and enqueues it then, unless something holds it up.
    if (compiled === undefined && (hasPolicies || !isUnreported(item))) return DONE;
    const policies = compiled ?? NOT_COMPILED;
    const leftMs = policies.isInPlace ? 0 : this.#patienceLeft(item.key);
    if (leftMs > 0) return { kind: 'again', afterMs: leftMs };
    if (policies.isInPlace) this.#unsettled.delete(item.key);
    await this.#writeStatus(item, { verdict, policies }, signal);
    return DONE;
  }

  /** Milliseconds until policies that are not in place are worth a status: usually they are written by then. */
  #patienceLeft(key: string): number {
    const now = this.#options.clock.monotonic();
    const since = this.#unsettled.get(key) ?? now;
    this.#unsettled.set(key, since);
    this.#watchUnsettled();
    return since + SETTLE_MS - now;
  }

  /** Looks again as long as policies are not in place: something else may hold them up by then. */
  #watchUnsettled(): void {
    if (this.#unsettled.size === 0) return;
    this.#unsettledTimer ??= this.#options.clock.schedule(UNSETTLED_MS, () => {
      this.#unsettledTimer = undefined;
      for (const key of this.#unsettled.keys()) this.#queue.add(key, Priority.live);
      this.#watchUnsettled();
    });
  }

  /** Why the policies of the namespace can't be written, if that is known. */
  #obstacleOf(namespace: string, verdict: Verdict): string | undefined {
    if (verdict.kind !== 'in-force') return undefined;
    return this.#options.records.resultsOf(verdict.profile.metadata.name).get(namespace)?.failure?.message;
  }

  /** @throws ApiError */
  async #writeStatus(
    { exception, ...item }: ExceptionItem,
    { verdict, policies }: Pick<StatusInput, 'verdict' | 'policies'>,
    signal: AbortSignal,
  ): Promise<void> {
    const { name, namespace = '' } = exception.metadata;
    const notice = this.#noticeOf({ ...item, exception }, verdict);
    const now = new Date(this.#options.clock.now());
    const obstacle = this.#obstacleOf(namespace, verdict);
    const status = exceptionStatus({ exception, verdict, policies, obstacle, notice, now });
    if (sameStatus(exception.status, status)) return;
    const body = { metadata: preconditionsOf(exception), status: replacing(exception.status, status) };
    const patched = await this.#exceptions.patch(name, namespace, body, { subresource: 'status', signal });
    this.#options.onStatus(exception, status);
    this.#source.items.observe(projectException(patched));
  }
}

/** True if the status does not say yet how the exception stands, or says that its policies are still to be written. */
function isUnreported({ exception: { metadata, status } }: ExceptionItem): boolean {
  const inForce = status?.conditions?.find(({ type }) => type === 'InForce');
  return status?.observedGeneration !== metadata.generation || inForce?.reason === 'Progressing';
}

/** Equal for states of an exception with the same spec. */
function formOf(uid: string, { metadata }: SegmentationException): string {
  return `${uid} ${metadata.generation} ${metadata.deletionTimestamp ?? ''}`;
}
