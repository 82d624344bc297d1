/** Confirms exceptions by live reads before their policies open anything (I4), and writes their status. */
import type { SegmentationException } from '../../api/exception.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isAborted, isNotFound } from '../../kube/errors.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';
import type { Resource } from '../../kube/resource.ts';
import type { Verdict } from '../../policy/exceptions/judge.ts';
import type { Clock, Random, Timer } from '../../util/clock.ts';
import { replacing } from '../../util/merge-patch.ts';
import { KeyQueue, type Outcome, Priority, type Retry } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import type { Records } from '../records.ts';
import { WriteConflicts } from '../write-conflicts.ts';
import type { CompiledExceptions } from './compiled.ts';
import { type ExceptionItem, formOf, projectException } from './items.ts';
import { hasPoliciesOf } from './policies.ts';
import { noticeOf } from './schedule.ts';
import type { ExceptionSource } from './source.ts';
import { exceptionStatus, NOT_COMPILED, sameStatus, type StatusInput } from './status.ts';
import type { Verdicts } from './verdicts.ts';

export interface ExceptionStatusesOptions {
  readonly exceptions: Resource<SegmentationException>;
  readonly source: ExceptionSource;
  readonly clusterState: ClusterState;
  /** The results of namespaces. */
  readonly records: Pick<Records, 'resultsOf'>;
  readonly verdicts: Verdicts;
  readonly compiled: CompiledExceptions;
  readonly clock: Clock;
  readonly random: Random;
  /** Called with the namespace of an exception that was read live, or is found to be gone. */
  readonly onRead: (namespace: string) => void;
  /** Called when a status is judged that differs from the stored one. */
  readonly onStatus: (exception: SegmentationException, status: SegmentationException['status']) => void;
  /** Called when an exception fails for a reason that may pass, and is tried again. */
  readonly onRetry: (retry: Retry<string>) => void;
}

/** Statuses that are written at once. */
const CONCURRENCY = 2;
/** How long policies may take to be written or deleted before the status says so, in milliseconds. */
const SETTLE_MS = 1000;
/** Milliseconds between two looks at exceptions whose policies are not in place. */
const UNSETTLED_MS = 2000;

export class ExceptionStatuses {
  readonly #options: ExceptionStatusesOptions;
  /** Keys of exceptions. */
  readonly #queue: KeyQueue<string>;
  /** Since when the policies of an exception are not in place, in monotonic milliseconds, by the key of the exception. */
  readonly #unsettled = new Map<string, number>();
  readonly #conflicts = new WriteConflicts();
  #timer: Timer | undefined;

  constructor(options: ExceptionStatusesOptions) {
    const { clock, random, onRetry } = options;
    this.#options = options;
    this.#queue = new KeyQueue({
      concurrency: CONCURRENCY,
      clock,
      random,
      identify: (key) => key,
      observer: { onRetry },
    });
  }

  start(): void {
    this.#queue.start((key, signal) => this.#reconcile(key, signal));
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#queue.close();
  }

  /** @param key of an exception that is to be confirmed, or whose status may have changed */
  enqueue(key: string): void {
    this.#queue.add(key, Priority.live);
  }

  /** @param key of an exception that is gone */
  forget(key: string): void {
    this.#unsettled.delete(key);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const { source, clusterState, verdicts, onRead } = this.#options;
    const item = source.items.get(key);
    if (item === undefined || !source.isRead) return DONE;
    try {
      const namespace = clusterState.namespaces.get(item.exception.metadata.namespace ?? '');
      const verdict = namespace && verdicts.in(namespace).get(item);
      if (verdict === undefined) return DONE;
      if (verdict.kind === 'in-force' && !verdicts.isConfirmed(item)) {
        await this.#confirm(item, signal);
        return DONE;
      }
      return await this.#reconcileStatus(item, verdict, signal);
    } catch (error) {
      if (isAborted(error)) return givenUp(error, signal);
      if (!isNotFound(error)) return retry(error);
      source.items.forget(item.key, item.uid);
      onRead(item.exception.metadata.namespace ?? '');
      return DONE;
    }
  }

  /** Reads the exception live, and has its flows opened if it is as it is cached. @throws ApiError */
  async #confirm(item: ExceptionItem, signal: AbortSignal): Promise<void> {
    const { exceptions, source, verdicts, onRead } = this.#options;
    const { uid, exception } = item;
    const { name, namespace = '' } = exception.metadata;
    const live = await exceptions.get(name, namespace, { signal });
    const isSame = formOf(live.metadata.uid ?? '', live) === formOf(uid, exception);
    if (!isSame) {
      source.items.upsertLive(projectException(live));
      return;
    }
    verdicts.confirm(item);
    onRead(namespace);
  }

  /** @throws ApiError */
  async #reconcileStatus(item: ExceptionItem, verdict: Verdict, signal: AbortSignal): Promise<Outcome> {
    const { clusterState, compiled: compilations } = this.#options;
    const { name, namespace = '' } = item.exception.metadata;
    const hasPolicies = hasPoliciesOf(clusterState, namespace, name);
    const compiled = compilations.stateOf(item, verdict, hasPolicies);
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
    this.#timer ??= this.#options.clock.schedule(UNSETTLED_MS, () => {
      this.#timer = undefined;
      for (const key of this.#unsettled.keys()) this.enqueue(key);
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
    { exception }: ExceptionItem,
    { verdict, policies }: Pick<StatusInput, 'verdict' | 'policies'>,
    signal: AbortSignal,
  ): Promise<void> {
    const { exceptions, source, clock, onStatus } = this.#options;
    const { name, namespace = '' } = exception.metadata;
    const notice = noticeOf(exception, verdict, clock.now());
    const now = new Date(clock.now());
    const obstacle = this.#obstacleOf(namespace, verdict);
    const status = exceptionStatus({ exception, verdict, policies, obstacle, notice, now });
    if (sameStatus(exception.status, status)) return;
    const body = { metadata: preconditionsOf(exception), status: replacing(exception.status, status) };
    const patched = await this.#conflicts.following(
      exception,
      () => exceptions.patch(name, namespace, body, { subresource: 'status', signal }),
      async () => {
        source.items.upsertLive(projectException(await exceptions.get(name, namespace, { signal })));
      },
    );
    onStatus(exception, status);
    source.items.observe(projectException(patched));
  }
}

/** True if the status does not say yet how the exception stands, or says that its policies are still to be written. */
function isUnreported({ exception: { metadata, status } }: ExceptionItem): boolean {
  const inForce = status?.conditions?.find(({ type }) => type === 'InForce');
  return status?.observedGeneration !== metadata.generation || inForce?.reason === 'Progressing';
}
