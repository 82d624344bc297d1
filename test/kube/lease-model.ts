/** Models a Lease on the API server behind a network that delays and loses messages, and hosts that pause. */
import type { Clock, Random, Timer } from '../../src/util/clock.ts';
import { ApiError } from '../../src/kube/errors.ts';
import type { LeaderElectorOptions, Lease } from '../../src/kube/lease.ts';
import type { CallOptions } from '../../src/kube/resource.ts';
import type { VirtualClock } from '../support/clocks/virtual-clock.ts';

/** A machine with its own clocks, whose process can be paused and resumed. */
export class Host implements Clock {
  readonly #base: VirtualClock;
  readonly #offset: number;
  readonly #late: (() => void)[] = [];
  /** Change of the wall clock, milliseconds. */
  #jumped = 0;
  #paused = false;

  /** @param offset difference of its clocks from the virtual clock, milliseconds */
  constructor(base: VirtualClock, offset: number) {
    this.#base = base;
    this.#offset = offset;
  }

  now(): number {
    return this.#base.now() + this.#offset + this.#jumped;
  }

  monotonic(): number {
    return this.#base.monotonic() + this.#offset;
  }

  schedule(delay: number, callback: () => void): Timer {
    let cancelled = false;
    const timer = this.#base.schedule(delay, () => {
      if (!this.#paused) callback();
      else this.#late.push(() => (cancelled ? undefined : callback()));
    });
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  /** Sets the wall clock. */
  jump(by: number): void {
    this.#jumped += by;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const callback of this.#late.splice(0)) callback();
  }
}

export interface Network {
  /** Longest delay of a request, and of its answer, milliseconds. */
  latencyMs: number;
  /** Share of requests and of answers that are lost. */
  loss: number;
}

type Leases = LeaderElectorOptions['leases'];

export class LeaseModel {
  lease: Lease | undefined;
  hasNamespace = true;
  readonly #base: VirtualClock;
  readonly #random: Random;
  readonly #network: Network;
  #revision = 0;

  constructor(base: VirtualClock, random: Random, network: Network) {
    this.#base = base;
    this.#random = random;
    this.#network = network;
  }

  /** A client of the Lease on a host. */
  client(host: Host): Leases {
    const send = (method: string, options: CallOptions | undefined, commit: () => Lease) =>
      this.#send(host, method, options, commit);
    return {
      get: (_name, _namespace, options) => send('GET', options, () => this.#read()),
      create: (object, options) =>
        send('POST', options, () => {
          if (!this.hasNamespace) throw refused('POST', 404, 'NotFound');
          if (this.lease !== undefined) throw refused('POST', 409, 'AlreadyExists');
          return this.#write(object);
        }),
      replace: (object, options) =>
        send('PUT', options, () => {
          const current = this.#read();
          if (current.metadata.resourceVersion === object.metadata.resourceVersion)
            return this.#write(object);
          throw refused('PUT', 409, 'Conflict');
        }),
    };
  }

  #read(): Lease {
    if (this.lease === undefined) throw refused('GET', 404, 'NotFound');
    return this.lease;
  }

  #write(object: Lease): Lease {
    this.#revision += 1;
    this.lease = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#revision) } };
    return this.lease;
  }

  /** Commits a request even if its answer is lost, or comes after the caller aborted it. */
  #send(host: Host, method: string, options: CallOptions | undefined, commit: () => Lease): Promise<Lease> {
    const { latencyMs, loss } = this.#network;
    const { promise, resolve, reject } = Promise.withResolvers<Lease>();
    const give = (reason: string) => () => reject(refused(method, 0, reason));
    host.schedule(options?.timeoutMs ?? 30_000, give('Timeout'));
    if (options?.signal?.aborted) give('Aborted')();
    options?.signal?.addEventListener('abort', give('Aborted'));
    const lost = this.#random() < loss;
    const answerLost = this.#random() < loss;
    const back = this.#random() * latencyMs;
    this.#base.schedule(this.#random() * latencyMs, () => {
      if (lost) return;
      let settle: () => void;
      try {
        const lease = commit();
        settle = () => resolve(lease);
      } catch (error) {
        settle = () => reject(error);
      }
      if (!answerLost) host.schedule(back, settle);
    });
    return promise;
  }
}

function refused(method: string, status: number, reason: string): ApiError {
  return new ApiError({ method, path: '/lease', status, reason, message: reason });
}

/** Random numbers from a seed (mulberry32), so that a schedule can be replayed. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
