// One watch as a replica has it: events in order, each with its lag, until the stream ends, breaks or falls silent.
import { ApiError, errorOfStatus, type Status } from '../../src/kube/errors.ts';
import type { WatchRequest } from '../../src/kube/http/transport.ts';
import type { Timer } from '../../src/util/clock.ts';
import type { Network } from './faults/network.ts';
import { bookmark } from './server/read.ts';
import { routeOf } from './server/route.ts';
import { delayOf, lagOf } from './faults/weather.ts';

/** The server sends a bookmark about this often, milliseconds. */
const BOOKMARK_MS = 60_000;
/** What the operator also reads live, so that a list that lacks something is found out. */
const COMPARED = /\/(namespaces|networkpolicies|segmentationprofiles)$/;

export class WatchSession {
  readonly path: string;
  readonly #request: WatchRequest;
  readonly #network: Network;
  readonly #replica: string;
  /** Sent by the server, not yet taken by the replica. */
  readonly #arrived: unknown[] = [];
  #finish: { readonly error?: unknown } | undefined;
  #wake = Promise.withResolvers<void>();
  #unsubscribe: () => void = () => {};
  readonly #timers: Timer[] = [];
  #lastArrival = 0;
  #heard = 0;
  /** Sent, and not yet arrived. */
  #underway = 0;
  #isConnected = false;
  #isHanging = false;
  #isAbandoned = false;
  #previous: unknown;

  readonly #onListed: (items: number) => void;
  /** How many objects the list that is being streamed has so far. */
  #streamed = 0;
  /** The server has not sent all of it yet. */
  #isListing: boolean;

  /** @param onListed told how much there was, once the replica has a streamed list */
  constructor(replica: string, request: WatchRequest, network: Network, onListed: (items: number) => void) {
    this.path = request.path;
    this.#replica = replica;
    this.#request = request;
    this.#network = network;
    this.#onListed = onListed;
    this.#isListing = request.query?.['sendInitialEvents'] === true;
    this.#heard = network.scheduler.time;
  }

  /** The events, until the stream ends; `onEnd` is called then. */
  async *values(onEnd: () => void): AsyncGenerator<unknown, void, undefined> {
    const { signal } = this.#request;
    const abort = () => this.#end({ error: this.#failure('Aborted', 'given up') });
    try {
      if (signal.aborted) throw this.#failure('Aborted', 'given up');
      signal.addEventListener('abort', abort, { once: true });
      this.#connect();
      for (;;) {
        while (this.#arrived.length > 0) yield this.#arrived.shift();
        if (this.#finish !== undefined) break;
        await this.#wake.promise;
        this.#wake = Promise.withResolvers();
      }
      if ('error' in this.#finish) throw this.#finish.error;
    } finally {
      signal.removeEventListener('abort', abort);
      this.abandon();
      onEnd();
    }
  }

  get isUpToDate(): boolean {
    return this.#isConnected && !this.#isHanging && this.#underway === 0 && this.#finish === undefined;
  }

  /** The connection breaks. */
  cut(): void {
    const error = this.#failure('Transport', 'connection reset');
    this.#network.whenAwake(this.#replica, () => this.#end({ error }));
  }

  /** Nothing comes any more, and nobody says so. */
  hang(): void {
    this.#isHanging = true;
    this.#unsubscribe();
  }

  /** Nobody listens any more. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#unsubscribe();
    for (const timer of this.#timers) timer.cancel();
  }

  #connect(): void {
    const { roll, weather, server } = this.#network;
    const { query = {}, stallMs, path } = this.#request;
    this.#watchSilence(stallMs);
    const trouble = roll(100) < weather.watches ? 1 + roll(5) : 0;
    this.#after(delayOf(weather, roll), () => {
      if (trouble === 1) return this.#refuse({ code: 429, reason: 'TooManyRequests' });
      if (trouble === 2) return this.#refuse({ code: 500, reason: 'InternalError' });
      const started = server.watch(path, query, (event) => this.#send(event));
      if (typeof started !== 'function') return this.#refuse(started);
      this.#unsubscribe = started;
      this.#isConnected = true;
      this.#network.whenAwake(this.#replica, () => this.#isAbandoned || this.#request.onOpen?.());
      if (trouble === 3) this.#after(roll(20_000), () => this.cut());
      if (trouble === 4) this.#after(roll(20_000), () => this.hang());
      // In order, but far too soon.
      if (trouble === 5) this.#after(roll(3_000), () => this.#end({}));
      this.#after(Number(query['timeoutSeconds'] ?? 1800) * 1000, () => this.#end({}));
      this.#bookmarks();
    });
    if (trouble !== 0)
      this.#network.observer.onNote(`trouble ${trouble} ahead for watch ${this.#replica} ${path}`);
  }

  #bookmarks(): void {
    const { roll, server } = this.#network;
    this.#after(BOOKMARK_MS - 5_000 + roll(10_000), () => {
      this.#send(bookmark(server.storage, routeOf(this.path).kind));
      this.#bookmarks();
    });
  }

  /** Never earlier than what was sent before, unless the order is forged. */
  #send(event: unknown): void {
    if (this.#isHanging) return;
    const { scheduler, roll, weather, observer } = this.#network;
    if (isInitialEventsEnd(event)) this.#isListing = false;
    const mayBeLost = isChange(event) && !(this.#isListing && !COMPARED.test(this.path));
    if (weather.lost > 0 && mayBeLost && roll(100) < weather.lost)
      return observer.onNote(`lost event of watch ${this.#replica} ${this.path}`);
    const at = Math.max(this.#lastArrival, scheduler.time + lagOf(weather, roll));
    this.#lastArrival = at;
    const isForged = roll(100) < weather.events;
    this.#underway += 1;
    const arrive = () => {
      this.#underway -= 1;
      if (this.#isHanging || this.#isAbandoned) return;
      this.#heard = scheduler.time;
      this.#arrived.push(event);
      if (isInitialEventsEnd(event)) this.#onListed(this.#streamed);
      else this.#streamed += 1;
      // What was sent before comes once more, behind its successor.
      if (isForged && this.#previous !== undefined && isChange(event)) this.#arrived.push(this.#previous);
      this.#previous = isChange(event) ? event : undefined;
      this.#wake.resolve();
    };
    this.#after(at - scheduler.time, () => this.#network.whenAwake(this.#replica, arrive));
  }

  /** Ends the stream once nothing came for so long. */
  #watchSilence(stallMs: number): void {
    const { scheduler } = this.#network;
    const left = this.#heard + stallMs - scheduler.time;
    if (left > 0) this.#after(left, () => this.#watchSilence(stallMs));
    else {
      const error = this.#failure('Stalled', `nothing was received within ${stallMs} ms`);
      this.#network.whenAwake(this.#replica, () => this.#end({ error }));
    }
  }

  #refuse(status: Status): void {
    this.#end({ error: errorOfStatus({ method: 'WATCH', path: this.path }, status) });
  }

  #end(how: { readonly error?: unknown }): void {
    if (this.#isAbandoned) return;
    this.#finish ??= how;
    this.#wake.resolve();
  }

  #after(delay: number, run: () => void): void {
    this.#timers.push(this.#network.scheduler.after(delay, run));
  }

  #failure(reason: 'Transport' | 'Stalled' | 'Aborted', message: string): ApiError {
    return new ApiError({ status: 0, reason, message, method: 'WATCH', path: this.path });
  }
}

function isChange(event: unknown): boolean {
  const { type } = event as { type?: string };
  return type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED';
}

function isInitialEventsEnd(event: unknown): boolean {
  const { type, object } = event as { type?: string; object?: { metadata?: { annotations?: object } } };
  return type === 'BOOKMARK' && object?.metadata?.annotations !== undefined;
}
