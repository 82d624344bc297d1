/** A watch of a replica: events in order, each with its lag, until the stream ends, breaks or falls silent. */
import { ApiError, errorOfStatus, type Status } from '../../../src/kube/errors.ts';
import type { WatchRequest } from '../../../src/kube/http/transport.ts';
import type { Timer } from '../../../src/util/clock.ts';
import { pick } from '../../faults/model.ts';
import type { Network } from './network.ts';
import { bookmark } from '../server/read.ts';
import { routeOf } from '../server/route.ts';
import { delayOf, lagOf } from './rates.ts';
import { receivedEvent } from './wire.ts';

/** About how often the server sends a bookmark, milliseconds. */
const BOOKMARK_MS = 60_000;
/** Kinds that the operator also reads live, so that it notices if a streamed list lacks an object. */
const CONFIRMED_LIVE = /\/(namespaces|networkpolicies|segmentationprofiles)$/;

type WatchFault = 'too many requests' | 'internal error' | 'cut' | 'hang' | 'early end';
/** The order is part of what a seed means. */
const FAULTS: readonly WatchFault[] = ['too many requests', 'internal error', 'cut', 'hang', 'early end'];

export class WatchSession {
  readonly path: string;
  readonly #request: WatchRequest;
  readonly #network: Network;
  readonly #replica: string;
  /** Events that have arrived, and that the replica has not taken yet. */
  readonly #arrived: object[] = [];
  #finish: { readonly error?: unknown } | undefined;
  #wake = Promise.withResolvers<void>();
  #unsubscribe: () => void = () => {};
  readonly #timers: Timer[] = [];
  #lastArrival = 0;
  /** When the last event arrived. */
  #heard = 0;
  /** The arrivals of events that were sent, in order. An event never overtakes another one, also after a freeze. */
  readonly #inTransit: (() => void)[] = [];
  #isConnected = false;
  #isHanging = false;
  #isAbandoned = false;
  #previous: object | undefined;

  readonly #onListed: (items: number) => void;
  /** Objects of the streamed list that have arrived so far. */
  #streamed = 0;
  /** The server is still sending the streamed list. */
  #isListing: boolean;

  /** @param onListed receives the number of objects once the replica has a complete streamed list */
  constructor(replica: string, request: WatchRequest, network: Network, onListed: (items: number) => void) {
    this.path = request.path;
    this.#replica = replica;
    this.#request = request;
    this.#network = network;
    this.#onListed = onListed;
    this.#isListing = request.query?.['sendInitialEvents'] === true;
    this.#heard = network.scheduler.time;
  }

  /** The events until the stream ends, which calls `onEnd`. */
  async *values(onEnd: () => void): AsyncGenerator<readonly unknown[], void, undefined> {
    const { signal } = this.#request;
    const abort = () => this.#end({ error: this.#failure('Aborted', 'given up') });
    try {
      if (signal.aborted) throw this.#failure('Aborted', 'given up');
      signal.addEventListener('abort', abort, { once: true });
      this.#connect();
      for (;;) {
        while (this.#arrived.length > 0)
          yield this.#arrived.splice(0).map((event) => receivedEvent(this.#request, event));
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
    return (
      this.#isConnected && !this.#isHanging && this.#inTransit.length === 0 && this.#finish === undefined
    );
  }

  /** The connection breaks. */
  cut(): void {
    const error = this.#failure('Transport', 'connection reset');
    this.#network.whenAwake(this.#replica, () => this.#end({ error }));
  }

  /** The connection stays open, and no event arrives on it any more. */
  hang(): void {
    this.#isHanging = true;
    this.#unsubscribe();
  }

  /** The replica has stopped reading. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#unsubscribe();
    for (const timer of this.#timers) timer.cancel();
  }

  #connect(): void {
    const { roll, rates, server } = this.#network;
    const { query = {}, stallMs, path } = this.#request;
    this.#watchSilence(stallMs);
    const fault = roll(100) < rates.watches ? pick(roll, FAULTS) : undefined;
    this.#after(delayOf(rates, roll), () => {
      if (fault === 'too many requests') return this.#refuse({ code: 429, reason: 'TooManyRequests' });
      if (fault === 'internal error') return this.#refuse({ code: 500, reason: 'InternalError' });
      const refusal = this.#network.refusal(path);
      if (refusal !== undefined) return this.#refuse(refusal);
      const started = server.watch(
        path,
        query,
        (event) => this.#send(event),
        () => this.#after(1 + roll(100), () => this.#end({})),
      );
      if (typeof started !== 'function') return this.#refuse(started);
      this.#unsubscribe = started;
      this.#isConnected = true;
      this.#network.whenAwake(this.#replica, () => this.#isAbandoned || this.#request.onOpen?.());
      if (fault === 'cut') this.#after(roll(20_000), () => this.cut());
      if (fault === 'hang') this.#after(roll(20_000), () => this.hang());
      if (fault === 'early end') this.#after(roll(3_000), () => this.#end({}));
      this.#after(Number(query['timeoutSeconds'] ?? 1800) * 1000, () => this.#end({}));
      this.#bookmarks();
    });
    if (fault !== undefined)
      this.#network.observer.onNote(`fault ahead: ${fault} of watch ${this.#replica} ${path}`);
  }

  #bookmarks(): void {
    const { roll, server } = this.#network;
    this.#after(BOOKMARK_MS - 5_000 + roll(10_000), () => {
      this.#send(bookmark(server.storage, routeOf(this.path).kind));
      this.#bookmarks();
    });
  }

  /** Delivers an event after its lag, and never before an event that was sent earlier. */
  #send(event: object): void {
    if (this.#isHanging) return;
    const { scheduler, roll, rates, observer } = this.#network;
    if (isInitialEventsEnd(event)) this.#isListing = false;
    const mayBeLost = isChange(event) && !(this.#isListing && !CONFIRMED_LIVE.test(this.path));
    if (rates.lost > 0 && mayBeLost && roll(100) < rates.lost)
      return observer.onNote(`lost event of watch ${this.#replica} ${this.path}`);
    const at = Math.max(this.#lastArrival, scheduler.time + lagOf(rates, roll));
    this.#lastArrival = at;
    const isForged = roll(100) < rates.events;
    const arrive = () => {
      if (this.#isHanging || this.#isAbandoned) return;
      this.#heard = scheduler.time;
      this.#arrived.push(event);
      if (isInitialEventsEnd(event)) this.#onListed(this.#streamed);
      else this.#streamed += 1;
      // The previous event arrives once more, after its successor.
      if (isForged && this.#previous !== undefined && isChange(event)) this.#arrived.push(this.#previous);
      this.#previous = isChange(event) ? event : undefined;
      this.#wake.resolve();
    };
    this.#inTransit.push(arrive);
    this.#after(at - scheduler.time, () =>
      this.#network.whenAwake(this.#replica, () => this.#inTransit.shift()?.()),
    );
  }

  /** Ends the stream when no event has arrived for `stallMs`. */
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
