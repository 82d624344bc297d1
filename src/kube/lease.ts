/**
 * Leader election by a coordination.k8s.io/v1 Lease, so that one replica writes at a time.
 *
 * Guarantees: two replicas lead at the same time only if the rates of their monotonic clocks differ by more than
 * leaseDuration / renewDeadline. Wall clocks may be wrong by any amount: no replica compares a time in the Lease with
 * its own clock. Each measures for how long it has seen the Lease unchanged (as client-go's leaderelection).
 *
 * Caveats: the monotonic clock of a suspended machine stands still, which is such a difference in rates. A replica that
 * starts takes a Lease that was deleted or emptied by hand, though its holder may not know yet. A request that was sent
 * before leadership ended can still arrive. For all of these cases, writes carry preconditions.
 */
import type { KubeObject } from '../api/meta.ts';
import { sleep } from '../util/clock.ts';
import type { Clock, Random } from '../util/clock.ts';
import { isAlreadyExists, isConflict, isNotFound } from './errors.ts';
import { microTime } from './micro-time.ts';
import type { Resource, ResourceKind } from './resource.ts';

export const LEASES: ResourceKind = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  namespaced: true,
};

export interface Lease extends KubeObject {
  readonly spec?: LeaseSpec;
}

export interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  /** RFC 3339 with microseconds. */
  readonly acquireTime?: string;
  /** RFC 3339 with microseconds. */
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

export interface LeaderElectorOptions {
  readonly leases: Pick<Resource<Lease>, 'get' | 'create' | 'replace'>;
  readonly namespace: string;
  readonly name: string;
  /** Instance identity, unique to the process: two processes with the same one would both lead. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  /**
   * Time after the last renewal in which no other replica takes the Lease, milliseconds, whole seconds; default 15 000.
   */
  readonly leaseDurationMs?: number;
  /** Time after which a leader that can't renew stops leading, milliseconds; default 10 000. */
  readonly renewDeadlineMs?: number;
  /** Time between two attempts to acquire or renew, milliseconds; default 2 000. */
  readonly retryPeriodMs?: number;
  /**
   * Called when another client wrote the Lease while this replica leads, so that it must be read before the renewal.
   */
  readonly onSlowPath?: () => void;
  /** Called when an attempt failed. A write conflict with another replica is no failure. */
  readonly onError?: (error: unknown) => void;
  /** Called when another replica is first seen to hold the Lease, and when the holder changes. */
  readonly onNewLeader?: (identity: string) => void;
}

/** client-go's bound of the jitter, which its check of the options includes. */
const JITTER = 1.2;
/** Attempts to release the Lease; each one after the first follows a write conflict. */
const RELEASE_TRIES = 3;

export class LeaderElector {
  readonly #options: LeaderElectorOptions;
  readonly #clock: Clock;
  readonly #leaseDurationMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryPeriodMs: number;
  /** The Lease as last read or written. */
  #lease: Lease | undefined;
  /** When `#lease` was first seen, or when the renewal that wrote it began; monotonic, milliseconds. */
  #seenAt = 0;
  /** End of the time in which this replica may lead without another renewal; monotonic, milliseconds. */
  #leadsUntil = Number.NEGATIVE_INFINITY;
  /** The holder that was last reported to `onNewLeader`, or this replica. */
  #knownHolder: string | undefined;

  /** @throws RangeError unless leaseDuration > renewDeadline > 1.2 x retryPeriod > 0 */
  constructor(options: LeaderElectorOptions) {
    const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2_000 } = options;
    if (options.identity === '') throw new RangeError('leader election needs an identity');
    if (!(retryPeriodMs > 0)) throw new RangeError(`the retry period (${retryPeriodMs} ms) must be positive`);
    if (!(renewDeadlineMs > JITTER * retryPeriodMs)) {
      throw new RangeError(
        `the renew deadline (${renewDeadlineMs} ms) must exceed ${JITTER} times the retry period (${retryPeriodMs} ms)`,
      );
    }
    if (!(leaseDurationMs > renewDeadlineMs)) {
      throw new RangeError(
        `the lease duration (${leaseDurationMs} ms) must exceed the renew deadline (${renewDeadlineMs} ms)`,
      );
    }
    if (leaseDurationMs % 1000 !== 0) {
      throw new RangeError(
        `the lease duration (${leaseDurationMs} ms) must be whole seconds: a Lease holds no less`,
      );
    }
    this.#options = options;
    this.#clock = options.clock;
    this.#leaseDurationMs = leaseDurationMs;
    this.#renewDeadlineMs = renewDeadlineMs;
    this.#retryPeriodMs = retryPeriodMs;
  }

  /**
   * True if this replica leads now. Ask it just before each write: after a pause of the whole process (SIGSTOP, a
   * machine without time for it) it is false at once, before any timer has fired.
   */
  get leading(): boolean {
    return this.leadsForMs > 0;
  }

  /** Remaining time in which this replica may lead without another renewal, milliseconds; 0 if it does not lead. */
  get leadsForMs(): number {
    return Math.max(0, this.#leadsUntil - this.#clock.monotonic());
  }

  /**
   * Runs one term: waits for leadership, runs `lead`, and returns when `lead` has ended. The signal given to `lead` is
   * aborted when `signal` is, when the Lease is lost, and at the renew deadline. Call it again to lead again.
   *
   * The Lease is released only after `lead` has returned, so that a successor never overlaps with it.
   *
   * @throws only what `lead` throws
   */
  async run(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (!(await this.#acquire(signal))) return;
    const term = new AbortController();
    const stopped = AbortSignal.any([signal, term.signal]);
    const renewing = this.#renew(stopped).finally(() => term.abort());
    try {
      if (this.leading && !stopped.aborted) await lead(stopped);
    } finally {
      term.abort();
      await renewing;
      await this.#release();
    }
  }

  /** True once this replica leads; false if `signal` was aborted first. */
  async #acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      try {
        if (await this.#attempt(signal)) return true;
      } catch (error) {
        this.#report(error, signal);
      }
      await sleep(this.#clock, this.#untilNextAttempt(), signal);
    }
    return false;
  }

  /** Milliseconds, at most the retry period: a failover takes no longer than that and the lease duration. */
  #untilNextAttempt(): number {
    const pause = this.#retryPeriodMs * (0.75 + 0.25 * this.#options.random());
    const left = this.#expiry() - this.#clock.monotonic();
    return left > 0 ? Math.min(pause, left + 50 * this.#options.random()) : pause;
  }

  /** Renews the Lease until `signal` is aborted or leadership is lost. Never rejects. */
  async #renew(signal: AbortSignal): Promise<void> {
    // The renew deadline has its own timer, which a renewal that hangs can't delay.
    const lost = new AbortController();
    const either = AbortSignal.any([signal, lost.signal]);
    const check = () => {
      const left = this.#leadsUntil - this.#clock.monotonic();
      if (left > 0) timer = this.#clock.schedule(left, check);
      else lost.abort();
    };
    let timer = this.#clock.schedule(0, check);
    while (!either.aborted) {
      await sleep(this.#clock, this.#retryPeriodMs, either);
      if (either.aborted) break;
      try {
        if (!(await this.#attempt(either))) lost.abort();
      } catch (error) {
        this.#report(error, either);
      }
    }
    timer.cancel();
    if (!signal.aborted) this.#leadsUntil = Number.NEGATIVE_INFINITY;
  }

  /**
   * Tries once to acquire or renew the Lease.
   *
   * @returns true if this replica holds the Lease, false if another one does
   * @throws ApiError if the holder is unknown
   */
  async #attempt(signal: AbortSignal): Promise<boolean> {
    const { leases, namespace, name, identity } = this.#options;
    // Half of the renew deadline: after a connection that hangs, there is time for an attempt on another.
    const call = { signal, timeoutMs: this.#renewDeadlineMs / 2 };
    // Our time counts from before the request: its answer may take a while, and other replicas count from its commit.
    const startedAt = this.#clock.monotonic();
    const stamp = microTime(this.#clock.now());
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: this.#leaseDurationMs / 1000,
      renewTime: stamp,
    };
    try {
      // While we lead, no other replica writes the Lease: it is as we wrote it, and needs no read before the renewal.
      if (!this.leading || this.#lease === undefined) await this.#observe(call);
      const current = this.#lease;
      if (current === undefined) {
        const metadata = { namespace, name };
        const created = { ...spec, acquireTime: stamp, leaseTransitions: 0 };
        const object = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec: created };
        this.#hold(await leases.create(object, call), startedAt);
        return true;
      }
      if (this.#isTaken()) return false;
      const taken =
        current.spec?.holderIdentity === identity
          ? {}
          : { acquireTime: stamp, leaseTransitions: (current.spec?.leaseTransitions ?? 0) + 1 };
      const next = { ...current, spec: { ...current.spec, ...spec, ...taken } };
      this.#hold(await leases.replace(next, call), startedAt);
      return true;
    } catch (error) {
      // A create that is answered with 404 means that the namespace does not exist.
      const isGone = isNotFound(error) && error.method !== 'POST';
      if (!isConflict(error) && !isAlreadyExists(error) && !isGone) throw error;
      // Another client wrote or deleted the Lease first. The next attempt reads it, and sees the holder.
      if (isGone) this.#lease = undefined;
      if (!this.leading) return false;
      this.#options.onSlowPath?.();
      await this.#observe(call);
      return this.#lease?.spec?.holderIdentity === identity ? this.#attempt(signal) : false;
    }
  }

  /** Reads the Lease. If it has changed, its duration counts from now. */
  async #observe(call: { signal: AbortSignal; timeoutMs: number }): Promise<void> {
    const { leases, namespace, name } = this.#options;
    let lease: Lease | undefined;
    try {
      lease = await leases.get(name, namespace, call);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      // Deleted by hand: the last holder may not know yet, and keeps its remaining time.
      if (this.#isTaken()) return;
    }
    if (lease?.metadata.resourceVersion !== this.#lease?.metadata.resourceVersion) {
      this.#seenAt = this.#clock.monotonic();
    }
    this.#lease = lease;
    this.#reportHolder(lease?.spec?.holderIdentity);
  }

  #reportHolder(holder: string | undefined): void {
    if (holder === undefined || holder === '' || holder === this.#knownHolder) return;
    this.#knownHolder = holder;
    if (holder !== this.#options.identity) this.#options.onNewLeader?.(holder);
  }

  #hold(lease: Lease, startedAt: number): void {
    this.#lease = lease;
    this.#seenAt = startedAt;
    this.#leadsUntil = startedAt + this.#renewDeadlineMs;
    this.#knownHolder = this.#options.identity;
  }

  /** When the Lease expires as seen from here, monotonic milliseconds. One without a duration lasts as long as ours. */
  #expiry(): number {
    const seconds = this.#lease?.spec?.leaseDurationSeconds;
    return this.#seenAt + (seconds === undefined ? this.#leaseDurationMs : seconds * 1000);
  }

  /** True if another replica holds the Lease, and it has not expired. */
  #isTaken(): boolean {
    const holder = this.#lease?.spec?.holderIdentity;
    if (!holder || holder === this.#options.identity) return false;
    return this.#clock.monotonic() < this.#expiry();
  }

  /** Releases the Lease, so that another replica can lead at once, unless one already does. Never rejects. */
  async #release(): Promise<void> {
    const held = this.#lease;
    this.#leadsUntil = Number.NEGATIVE_INFINITY;
    this.#lease = undefined;
    try {
      await this.#clearHolder(held);
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) this.#options.onError?.(error);
    }
  }

  async #clearHolder(held: Lease | undefined): Promise<void> {
    const { leases, namespace, name, identity } = this.#options;
    const call = { timeoutMs: this.#retryPeriodMs };
    const released = { holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(this.#clock.now()) };
    let lease = held;
    for (let tries = 1; lease?.spec?.holderIdentity === identity; tries += 1) {
      try {
        await leases.replace({ ...lease, spec: { ...lease.spec, ...released } }, call);
        return;
      } catch (error) {
        if (!isConflict(error) || tries === RELEASE_TRIES) throw error;
        // An aborted renewal has arrived all the same, or another replica has taken the Lease.
        lease = await leases.get(name, namespace, call);
      }
    }
  }

  #report(error: unknown, signal: AbortSignal): void {
    if (!signal.aborted) this.#options.onError?.(error);
  }
}
