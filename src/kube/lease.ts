/**
 * Leader election by a coordination.k8s.io/v1 Lease, so that one replica writes at a time.
 *
 * Guarantees: two replicas lead at once only if their monotonic clocks run at rates that differ by more than
 * leaseDuration / renewDeadline. Clocks may be wrong by any amount: nobody compares a time in the Lease with a clock of
 * its own; what counts is for how long a replica has itself seen the Lease unchanged (as client-go's leaderelection).
 *
 * Caveats: the monotonic clock of a machine that is suspended stands still, so that it is one of these clocks. Whoever
 * starts anew takes a Lease that was deleted or emptied by hand, though its holder may not know yet. A request that is
 * already on its way when leadership ends can still arrive. In all of these cases writes carry preconditions.
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
  /** Unique to this process: two that share it would both lead. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  /** For how long others leave the Lease alone after its last renewal, milliseconds, whole seconds; default 15 000. */
  readonly leaseDurationMs?: number;
  /** For how long a leader that can't renew goes on, milliseconds; default 10 000. */
  readonly renewDeadlineMs?: number;
  /** Between two attempts to acquire or renew, milliseconds; default 2 000. */
  readonly retryPeriodMs?: number;
  /** While leading, the Lease was found written by somebody else, and had to be read before it could be renewed. */
  readonly onSlowPath?: () => void;
  /** An attempt failed. A conflict with another replica is no failure. */
  readonly onError?: (error: unknown) => void;
  /** Somebody else holds the Lease; called when that becomes known and when it changes. */
  readonly onNewLeader?: (identity: string) => void;
}

/** Jitter bound of client-go, which its option check includes. */
const JITTER = 1.2;
/** How often a Lease is given back that turns out to be newer than it was known. */
const RELEASE_TRIES = 3;

export class LeaderElector {
  readonly #options: LeaderElectorOptions;
  readonly #clock: Clock;
  readonly #leaseDurationMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryPeriodMs: number;
  /** The Lease as it was last seen. */
  #lease: Lease | undefined;
  /** When it was first seen so, or when our successful renewal began; monotonic, milliseconds. */
  #seenAt = 0;
  /** Until when we may lead without another renewal; monotonic, milliseconds. */
  #leadsUntil = Number.NEGATIVE_INFINITY;
  #announced: string | undefined;

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
   * Whether we lead at this very moment. To be asked just before a write: after a pause of the whole process (SIGSTOP, a
   * machine that had no time for it) it is false at once, before any timer has run.
   */
  get leading(): boolean {
    return this.leadsForMs > 0;
  }

  /** For how long we may still lead without another renewal, milliseconds; 0 when we do not. */
  get leadsForMs(): number {
    return Math.max(0, this.#leadsUntil - this.#clock.monotonic());
  }

  /**
   * One term: waits for leadership, runs `lead`, and returns when that has ended. The signal given to `lead` is aborted
   * when `signal` is, when the Lease is lost, and at the renew deadline. Whoever wants to lead again calls it again.
   *
   * The Lease is given up only after `lead` has returned, so that a successor never overlaps with what `lead` still does.
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

  /** True as the leader; false when `signal` was aborted first. */
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

  /** Below the retry period, so that a failover takes no longer than that and the lease duration. */
  #untilNextAttempt(): number {
    const pause = this.#retryPeriodMs * (0.75 + 0.25 * this.#options.random());
    const left = this.#expiry() - this.#clock.monotonic();
    return left > 0 ? Math.min(pause, left + 50 * this.#options.random()) : pause;
  }

  /** Renews until `signal` is aborted or leadership is lost. Never rejects. */
  async #renew(signal: AbortSignal): Promise<void> {
    // The deadline is a timer of its own: a renewal that hangs must not delay it.
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
   * Tries once to become, or to stay, the holder.
   *
   * @returns whether we hold the Lease; false when somebody else does
   * @throws ApiError when that is not known
   */
  async #attempt(signal: AbortSignal): Promise<boolean> {
    const { leases, namespace, name, identity } = this.#options;
    // Half of the deadline: a connection that hangs leaves time for an attempt on another.
    const call = { signal, timeoutMs: this.#renewDeadlineMs / 2 };
    // The present as it was when we asked: the server's answer may take a while, and others count from its commit.
    const asked = this.#clock.monotonic();
    const stamp = microTime(this.#clock.now());
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: this.#leaseDurationMs / 1000,
      renewTime: stamp,
    };
    try {
      // While we lead, nobody else writes it: what we wrote last is what it is, and one request does.
      if (!this.leading || this.#lease === undefined) await this.#observe(call);
      const current = this.#lease;
      if (current === undefined) {
        const metadata = { namespace, name };
        const created = { ...spec, acquireTime: stamp, leaseTransitions: 0 };
        const object = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec: created };
        this.#hold(await leases.create(object, call), asked);
        return true;
      }
      if (this.#isTaken()) return false;
      const taken =
        current.spec?.holderIdentity === identity
          ? {}
          : { acquireTime: stamp, leaseTransitions: (current.spec?.leaseTransitions ?? 0) + 1 };
      const next = { ...current, spec: { ...current.spec, ...spec, ...taken } };
      this.#hold(await leases.replace(next, call), asked);
      return true;
    } catch (error) {
      // That it is not found when it is made means that its namespace does not exist.
      const isGone = isNotFound(error) && error.method !== 'POST';
      if (!isConflict(error) && !isAlreadyExists(error) && !isGone) throw error;
      // Somebody was faster, or deleted it: who holds it is for the next attempt to see, which reads it.
      if (isGone) this.#lease = undefined;
      if (!this.leading) return false;
      this.#options.onSlowPath?.();
      await this.#observe(call);
      return this.#lease?.spec?.holderIdentity === identity ? this.#attempt(signal) : false;
    }
  }

  /** Reads the Lease; the time counts from now if it is not as it was. */
  async #observe(call: { signal: AbortSignal; timeoutMs: number }): Promise<void> {
    const { leases, namespace, name } = this.#options;
    let lease: Lease | undefined;
    try {
      lease = await leases.get(name, namespace, call);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      // Deleted by hand: its holder, who may not know yet, keeps the time that it has.
      if (this.#isTaken()) return;
    }
    if (lease?.metadata.resourceVersion !== this.#lease?.metadata.resourceVersion) {
      this.#seenAt = this.#clock.monotonic();
    }
    this.#lease = lease;
    this.#announce(lease?.spec?.holderIdentity);
  }

  #announce(holder: string | undefined): void {
    if (holder === undefined || holder === '' || holder === this.#announced) return;
    this.#announced = holder;
    if (holder !== this.#options.identity) this.#options.onNewLeader?.(holder);
  }

  #hold(lease: Lease, asked: number): void {
    this.#lease = lease;
    this.#seenAt = asked;
    this.#leadsUntil = asked + this.#renewDeadlineMs;
    this.#announced = this.#options.identity;
  }

  /** When the Lease as we see it runs out, monotonic milliseconds. One that does not say so lasts as long as ours. */
  #expiry(): number {
    const seconds = this.#lease?.spec?.leaseDurationSeconds;
    return this.#seenAt + (seconds === undefined ? this.#leaseDurationMs : seconds * 1000);
  }

  /** Whether somebody else holds it, and it has not run out. */
  #isTaken(): boolean {
    const holder = this.#lease?.spec?.holderIdentity;
    if (!holder || holder === this.#options.identity) return false;
    return this.#clock.monotonic() < this.#expiry();
  }

  /** Lets the next one lead at once, unless somebody already does. Never rejects. */
  async #release(): Promise<void> {
    const held = this.#lease;
    this.#leadsUntil = Number.NEGATIVE_INFINITY;
    this.#lease = undefined;
    try {
      await this.#giveBack(held);
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) this.#options.onError?.(error);
    }
  }

  async #giveBack(held: Lease | undefined): Promise<void> {
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
        // A renewal that was given up has arrived all the same, or somebody else has taken it.
        lease = await leases.get(name, namespace, call);
      }
    }
  }

  #report(error: unknown, signal: AbortSignal): void {
    if (!signal.aborted) this.#options.onError?.(error);
  }
}
