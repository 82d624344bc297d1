/** The connections of one replica: requests and watches take time, and fail at the rates of the network. */
import type { Request, Transport, WatchRequest } from '../../../src/kube/http/transport.ts';
import type { Answer, Call } from '../server/server.ts';
import { Exchange, type RequestFaults } from './exchange.ts';
import { forged, isListing, Listings, mayForge } from './listings.ts';
import type { Network } from './network.ts';
import { delayOf, type Fate, fateOf } from './rates.ts';
import { WatchSession } from './watch-session.ts';
import { sentBody } from './wire.ts';

export class Link implements Transport {
  readonly replica: string;
  readonly #network: Network;
  readonly #sessions = new Set<WatchSession>();
  /** The current watch of each path; undefined between two attempts. */
  readonly #watched = new Map<string, WatchSession | undefined>();
  readonly #listings = new Listings();
  /** When the process died: it receives nothing any more. */
  #died: number | undefined;

  constructor(replica: string, network: Network) {
    this.replica = replica;
    this.#network = network;
  }

  /** The process dies. Requests that it has sent may still arrive. */
  kill(): void {
    this.#died = this.#network.scheduler.time;
    for (const session of this.#sessions) session.abandon();
    this.#sessions.clear();
  }

  /** Breaks a watch, or leaves it half-open; `choice` picks the watch. */
  disturb(choice: number, how: 'cut' | 'hang'): void {
    const sessions = [...this.#sessions];
    const session = sessions[choice % Math.max(1, sessions.length)];
    if (session === undefined) return;
    this.#network.observer.onNote(`${how} watch ${this.replica} ${session.path}`);
    if (how === 'cut') session.cut();
    else session.hang();
  }

  /** Breaks the watches of these collections. */
  cut(paths: RegExp): void {
    for (const session of this.#sessions) if (paths.test(session.path)) session.cut();
  }

  request<T>(request: Request): Promise<T> {
    if (this.#died !== undefined) return new Promise(() => {});
    const { scheduler, roll, observer, rates } = this.#network;
    const exchange = new Exchange<T>(request, this.replica, this.#network, () => this.#died);
    if (!exchange.isOpen) return exchange.promise;
    const sent = scheduler.time;
    observer.onSend(this.replica, request);
    // The observer may have killed the process.
    if (this.#died !== undefined) return exchange.promise;
    const call = callOf(request);
    const faults = this.#drawFaults(request);
    this.#network.inFlight += 1;
    scheduler.after(faults.delay, () => {
      if (exchange.isDropped(faults.arrivesLate)) {
        this.#network.inFlight -= 1;
        return;
      }
      const answer = this.#carryOut(request, call, faults, sent);
      scheduler.after(delayOf(rates, roll), () => {
        this.#network.inFlight -= 1;
        this.#network.whenAwake(this.replica, () => exchange.receive(faults, answer));
      });
    });
    return exchange.promise;
  }

  /** Draws the fate of a request. The order of the draws is part of what a seed means. */
  #drawFaults(request: Request): RequestFaults {
    const { roll, rates } = this.#network;
    const fate = fateOf(rates, request.method !== 'GET', roll);
    const listing = isListing(request) ? this.#listings.of(request) : undefined;
    const isForged = listing !== undefined && mayForge(request, listing) && roll(100) < rates.forged;
    const arrivesLate = roll(2) === 0;
    const delay = delayOf(rates, roll);
    // The server ends a request after the timeout that its query asks for. NaN if it asks for none.
    const limit = Number.parseInt(String(request.query?.['timeout'] ?? ''), 10) * 1000;
    return delay > limit
      ? { fate: TIMED_OUT, listing, isForged, arrivesLate, delay: limit }
      : { fate, listing, isForged, arrivesLate, delay };
  }

  /** Lets the server carry out the request, unless its fate is to fail before that. */
  #carryOut(
    request: Request,
    call: Call,
    { fate, isForged }: RequestFaults,
    sent: number,
  ): Answer | undefined {
    const { server, observer } = this.#network;
    let answer: Answer | undefined;
    if (fate.kind === 'answered' || fate.committed) {
      const refusal = this.#network.refusal(request.path);
      answer = refusal ? { status: 403, body: refusal } : server.handle(call, this.replica);
      observer.onHandled(this.replica, request, answer, sent);
      if (isForged) answer = forged(answer);
    }
    if (fate.kind !== 'answered')
      observer.onNote(`${textOf(fate)} ${this.replica} ${request.method} ${request.path}`);
    return answer;
  }

  watch(request: WatchRequest): AsyncIterable<readonly unknown[]> {
    const session = new WatchSession(this.replica, request, this.#network, (items) => {
      const listing = this.#listings.of(request);
      if (listing !== undefined) listing.hasItems = items > 0;
    });
    if (this.#died !== undefined) session.abandon();
    else this.#sessions.add(session);
    const { path, signal } = request;
    this.#watched.set(path, session);
    return session.values(() => {
      this.#sessions.delete(session);
      if (this.#watched.get(path) !== session) return;
      const forget = () => {
        if (this.#watched.get(path) === undefined) this.#watched.delete(path);
      };
      this.#watched.set(path, undefined);
      // The reflector stopped, perhaps while it waits for its next attempt.
      if (signal.aborted) forget();
      else signal.addEventListener('abort', forget, { once: true });
    });
  }

  /** True if every watch is connected and has delivered all its events, but for those that the server refuses. */
  get isUpToDate(): boolean {
    const { server } = this.#network;
    return [...this.#watched].every(
      ([path, session]) => session?.isUpToDate || (session === undefined && !server.serves(path)),
    );
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const TIMED_OUT: Fate = { kind: 'refused', status: 504, committed: false };

/** The request as the server reads it: later changes of its objects do not reach the server. */
function callOf(request: Request): Call {
  const { method, path, query } = request;
  return { method, path, query, body: sentBody(request) };
}

function textOf(fate: Exclude<Fate, { kind: 'answered' }>): string {
  const when = fate.committed ? 'after' : 'before';
  return fate.kind === 'lost' ? `lost ${when} commit` : `${fate.status} ${when} commit`;
}
