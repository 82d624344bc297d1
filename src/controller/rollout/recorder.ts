/** Records the revisions of profiles, one at a time, and deletes those that nothing needs any more. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isAborted, isAlreadyExists } from '../../kube/errors.ts';
import type { Next } from '../../rollout/advance.ts';
import type { Clock, Random } from '../../util/clock.ts';
import { KeyQueue, type Outcome, Priority, type Retry } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import { type Problem, recordProblem } from './problems.ts';
import type { RecordedRevisions } from './revisions.ts';

export interface RevisionRecorderOptions {
  readonly revisions: RecordedRevisions;
  readonly clusterState: ClusterState;
  /** The operator's own namespace. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly random: Random;
  /** The next state of a rollout, with the revision that has to be recorded first. */
  readonly next: (profile: SegmentationProfile) => Next;
  /** Called with the name of a profile of which a revision was recorded, or could not be. */
  readonly onReport: (profile: string) => void;
  /** Called when a revision could not be recorded, and is tried again. */
  readonly onRetry: (retry: Retry<string>) => void;
}

/** Milliseconds until the watch is expected to show what a request has shown. */
const STALE_INTERVAL_MS = 1000;

export class RevisionRecorder {
  readonly #options: RevisionRecorderOptions;
  /** A key is the name of a profile. */
  readonly #queue: KeyQueue<string>;
  /** Why a revision of a profile could not be recorded. */
  readonly #problems = new Map<string, Problem>();

  constructor(options: RevisionRecorderOptions) {
    const { clock, random, onRetry } = options;
    this.#options = options;
    this.#queue = new KeyQueue({
      concurrency: 1,
      clock,
      random,
      identify: (name) => name,
      observer: { onRetry },
    });
  }

  start(): void {
    this.#queue.start((name, signal) => this.#record(name, signal));
  }

  stop(): Promise<void> {
    return this.#queue.close();
  }

  /** Has the revision of a profile recorded that it needs next. */
  enqueue(profile: string): void {
    this.#queue.add(profile, Priority.live);
  }

  /** Why the last revision of the profile could not be recorded; undefined if it could. */
  problem(profile: string): Problem | undefined {
    return this.#problems.get(profile);
  }

  /** Forgets a profile that is gone, or has no rollout any more. */
  forget(profile: string): void {
    this.#problems.delete(profile);
  }

  async #record(name: string, signal: AbortSignal): Promise<Outcome> {
    const { clusterState, revisions, next, namespace, onReport } = this.#options;
    const profile = clusterState.profile(name);
    if (profile?.spec.rollout === undefined || profile.metadata.deletionTimestamp !== undefined) {
      this.#problems.delete(name);
      return DONE;
    }
    const { state, record } = next(profile);
    if (record === undefined) {
      // An earlier attempt may have recorded the revision, and not received the answer.
      if (this.#problems.delete(name)) onReport(name);
      return DONE;
    }
    try {
      await revisions.record(profile, record, signal);
      this.#problems.delete(name);
      onReport(name);
      const used = new Set([record, state.revision, ...state.inForce.map(({ revision }) => revision)]);
      await revisions.prune(profile, used, signal);
      return DONE;
    } catch (error) {
      if (isAborted(error)) return givenUp(error, signal);
      // The watch will show it.
      if (isAlreadyExists(error)) return { kind: 'again', afterMs: STALE_INTERVAL_MS };
      this.#problems.set(name, recordProblem(error, namespace));
      onReport(name);
      return retry(error);
    }
  }
}
