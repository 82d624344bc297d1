/** The memory of one profile between its reconciles. No I/O. */
import type { NamespaceResult } from '../results.ts';

/** Shortest time between two looks at the status of one profile, in milliseconds. */
const STATUS_INTERVAL = 500;
/** The interval while namespaces are certainly pending: somebody who watches the counts sees them change. Milliseconds. */
const PROGRESS_INTERVAL = 2000;
/** Most of the time that goes into judging one status, which looks at all namespaces of the profile at once. */
const STATUS_SHARE = 1 / 50;
/** Changes within this time are judged together; milliseconds. */
const SHORTEST_DELAY = 20;

export class ProfileRecord {
  readonly #results = new Map<string, NamespaceResult>();
  /** The latest result. Namespaces with equal results share one object. */
  #latest: NamespaceResult | undefined;
  /** The uid of the profile that this process has read live, and found as it was cached. */
  confirmedUid: string | undefined;
  /** True once this process has judged the status: until then, the status of the process before it stays. */
  hasJudgedStatus = false;
  /** When the status was judged last; monotonic milliseconds. */
  #judgedAt = Number.NEGATIVE_INFINITY;
  /** How long that took, in milliseconds. */
  #judgingMs = 0;
  /** Namespaces that were pending when the status was judged last. */
  #pending = 0;
  /** Results since then. */
  #resultsSince = 0;

  /** Namespaces in which policies of the profile, as it was before its deletion, are being written. */
  readonly #enforcing = new Set<string>();
  /** True while it is decided if the profile, which is being deleted, can go: no enforcement begins meanwhile. */
  isReleasing = false;
  /** True if the deletion of the profile waits for the end of these writes. */
  #isReleaseWaiting = false;

  /** The results of the last reconcile of each namespace. */
  get results(): ReadonlyMap<string, NamespaceResult> {
    return this.#results;
  }

  /** How long to wait with judging the status after a change, in milliseconds. @param now monotonic milliseconds */
  statusDelay(now: number): number {
    // Each pending namespace needs at least one result: with fewer, the profile can't be Ready yet.
    const pace = this.#resultsSince < this.#pending ? PROGRESS_INTERVAL : STATUS_INTERVAL;
    const interval = Math.max(pace, this.#judgingMs / STATUS_SHARE);
    return Math.max(SHORTEST_DELAY, this.#judgedAt + interval - now);
  }

  /** The status is judged now. @param now monotonic milliseconds */
  beginJudging(now: number): void {
    this.#judgedAt = now;
  }

  /** The status was judged in this time, and counts so many pending namespaces. */
  endJudging(durationMs: number, pending: number): void {
    this.#judgingMs = durationMs;
    this.#pending = pending;
    this.#resultsSince = 0;
  }

  /** A namespace was reconciled. */
  setResult(namespace: string, result: NamespaceResult): void {
    if (this.#latest === undefined || !isSameResult(this.#latest, result)) this.#latest = result;
    this.#results.set(namespace, this.#latest);
    this.#resultsSince += 1;
  }

  /** @returns true if there was a result */
  deleteResult(namespace: string): boolean {
    return this.#results.delete(namespace);
  }

  beginEnforcing(namespace: string): void {
    this.#enforcing.add(namespace);
  }

  /** @returns true if the deletion of the profile waited for it, and waits for no other namespace */
  endEnforcing(namespace: string): boolean {
    this.#enforcing.delete(namespace);
    if (!this.#isReleaseWaiting || this.#enforcing.size > 0) return false;
    this.#isReleaseWaiting = false;
    return true;
  }

  /**
   * True if no namespace gets policies of the profile as it was before its deletion. A write that is under way when the
   * profile goes would leave policies to the garbage collector, which deletes them in any order (I2).
   */
  isReleasable(): boolean {
    this.#isReleaseWaiting = this.#enforcing.size > 0;
    return !this.#isReleaseWaiting;
  }
}

/** True if the results are equal and have nothing to look at: failures and unresolved peers are not compared. */
function isSameResult(a: NamespaceResult, b: NamespaceResult): boolean {
  return (
    a.generation === b.generation &&
    a.revision === b.revision &&
    a.state === b.state &&
    a.desired === b.desired &&
    a.applied === b.applied &&
    isUneventful(a) &&
    isUneventful(b) &&
    a.connections.length === b.connections.length &&
    a.connections.every((name, index) => name === b.connections[index])
  );
}

function isUneventful({ failure, unresolved, conflicts }: NamespaceResult): boolean {
  return failure === undefined && unresolved.length === 0 && conflicts.length === 0;
}
