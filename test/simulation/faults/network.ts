// What lies between the replicas and the API server: requests and watches that take their time, and that fail.
import { ApiError } from '../../../src/kube/errors.ts';
import { PAGE_SIZE } from '../../../src/kube/resource.ts';
import type { Request, Transport, WatchRequest } from '../../../src/kube/http/transport.ts';
import { EPOCH, type Scheduler } from '../schedule/scheduler.ts';
import { type Dice } from '../../faults/model.ts';
import { answerOf } from '../server/answer.ts';
import type { Answer, Server } from '../server/server.ts';
import { delayOf, FAIR, type Fate, fateOf, STATUS_REASONS, type Weather } from './weather.ts';
import { WatchSession } from '../watch-session.ts';

/** Told of what passes, for the trace and the judge. */
export interface NetworkObserver {
  /** A replica sends a request. */
  onSend(replica: string, request: Request): void;
  /** The server carried it out. `sent` is when the replica sent it, by the simulation's clock. */
  onHandled(replica: string, request: Request, answer: Answer, sent: number): void;
  /** Anything else that is worth a line. */
  onNote(line: string): void;
}

/** What a reconcile lists, and no reflector. */
const POLICIES_OF_ONE = /\/namespaces\/[^/]+\/networkpolicies$/;
/**
 * What was given up, or whose sender died, may still be carried out for so long, milliseconds: then the API server knows
 * that the connection is closed, and drops what it has not begun.
 */
const LATE_MS = 100;
const DEFAULT_TIMEOUT = 30_000; // ms, as in src/kube/http/transport.ts

export class Network {
  weather: Weather = FAIR;
  /** Requests that are not at their end, whether or not somebody waits for them. */
  inFlight = 0;
  readonly scheduler: Scheduler;
  readonly server: Server;
  readonly roll: Dice;
  readonly observer: NetworkObserver;

  constructor(scheduler: Scheduler, server: Server, roll: Dice, observer: NetworkObserver) {
    this.scheduler = scheduler;
    this.server = server;
    this.roll = roll;
    this.observer = observer;
  }

  /** Until when a process does not run, by replica. */
  readonly #frozen = new Map<string, number>();

  freeze(replica: string, until: number): void {
    this.#frozen.set(replica, until);
  }

  isFrozen(replica: string): boolean {
    return (this.#frozen.get(replica) ?? 0) > this.scheduler.time;
  }

  /** Runs what a replica does once it can: at once, unless it is frozen. */
  whenAwake(replica: string, run: () => void): void {
    const left = (this.#frozen.get(replica) ?? 0) - this.scheduler.time;
    if (left > 0) this.scheduler.after(left, () => this.whenAwake(replica, run));
    else run();
  }

  link(replica: string): Link {
    return new Link(replica, this);
  }
}

/** The connections of one replica. */
export class Link implements Transport {
  readonly replica: string;
  readonly #network: Network;
  readonly #sessions = new Set<WatchSession>();
  /** By path: the present watch; undefined while there is none though one is wanted. */
  readonly #watched = new Map<string, WatchSession | undefined>();
  /** Of the lists that were asked for, by the signal that ends the asking and by path. */
  readonly #listings = new WeakMap<AbortSignal, Map<string, Listing>>();
  /** When its process died: nobody hears of anything any more. */
  #died: number | undefined;

  constructor(replica: string, network: Network) {
    this.replica = replica;
    this.#network = network;
  }

  /** The process dies. What it has sent may still arrive. */
  kill(): void {
    this.#died = this.#network.scheduler.time;
    for (const session of this.#sessions) session.abandon();
    this.#sessions.clear();
  }

  /** Breaks some of the watches, or leaves them half-open; picked by number. */
  disturb(choice: number, how: 'cut' | 'hang'): void {
    const sessions = [...this.#sessions];
    const session = sessions[choice % Math.max(1, sessions.length)];
    if (session === undefined) return;
    this.#network.observer.onNote(`${how} watch ${this.replica} ${session.path}`);
    if (how === 'cut') session.cut();
    else session.hang();
  }

  request<T>(request: Request): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (this.#died !== undefined) return promise;
    const { scheduler, server, roll, observer, weather } = this.#network;
    const { method, path, signal, timeoutMs = DEFAULT_TIMEOUT } = request;
    const fail = (reason: 'Transport' | 'Timeout' | 'Aborted', message: string) =>
      end(() => reject(new ApiError({ status: 0, reason, message, method, path })));
    let isOpen = true;
    let givenUp = 0;
    // Whatever comes first decides; the rest comes too late.
    const end = (settle: () => void) => {
      if (!isOpen) return;
      isOpen = false;
      givenUp = scheduler.time;
      timer.cancel();
      signal?.removeEventListener('abort', abort);
      if (this.#died === undefined) settle();
    };
    const abort = () => fail('Aborted', 'given up');
    const timer = scheduler.after(timeoutMs, () =>
      this.#network.whenAwake(this.replica, () =>
        fail('Timeout', `no complete answer came within ${timeoutMs} ms`),
      ),
    );
    if (signal?.aborted) {
      abort();
      return promise;
    }
    signal?.addEventListener('abort', abort, { once: true });
    const sent = scheduler.time;
    observer.onSend(this.replica, request);
    // It may have died of it.
    if (this.#died !== undefined) return promise;
    // What is sent is text: later changes of the objects do not reach the server.
    const call = {
      method,
      path,
      query: request.query,
      body: request.body === undefined ? undefined : JSON.parse(JSON.stringify(request.body)),
    };
    const drawn = fateOf(weather, method !== 'GET', roll);
    const listing = isListing(request) ? this.#listingOf(request) : undefined;
    const isForged = listing !== undefined && mayForge(request, listing) && roll(100) < weather.forged;
    const arrivesLate = roll(2) === 0;
    this.#network.inFlight += 1;
    const delay = delayOf(weather, roll);
    // The server drops what takes longer than it was told to.
    const limit = Number.parseInt(String(request.query?.['timeout'] ?? ''), 10) * 1000;
    const fate: Fate = delay > limit ? { kind: 'refused', status: 504, committed: false } : drawn;
    scheduler.after(delay > limit ? limit : delay, () => {
      const since = isOpen ? this.#died : givenUp;
      if (since !== undefined && !(arrivesLate && scheduler.time - since < LATE_MS)) {
        this.#network.inFlight -= 1;
        return;
      }
      let answer: Answer | undefined;
      if (fate.kind === 'answered' || fate.committed) {
        answer = server.handle(call, this.replica);
        observer.onHandled(this.replica, request, answer, sent);
        if (isForged) answer = forged(answer);
      }
      if (fate.kind !== 'answered') observer.onNote(`${told(fate)} ${this.replica} ${method} ${path}`);
      scheduler.after(delayOf(weather, roll), () => {
        this.#network.inFlight -= 1;
        this.#network.whenAwake(this.replica, () => {
          if (fate.kind === 'lost') return fail('Transport', 'connection reset');
          const result = fate.kind === 'refused' ? refusal(fate.status) : answer!;
          const now = EPOCH + scheduler.time;
          end(() => {
            try {
              const value = answerOf(request, result, now);
              if (listing !== undefined) note(listing, value as List, isForged);
              resolve(value as T);
            } catch (error) {
              reject(error);
            }
          });
        });
      });
    });
    return promise;
  }

  watch(request: WatchRequest): AsyncIterable<unknown> {
    const session = new WatchSession(this.replica, request, this.#network, (items) => {
      const listing = this.#listingOf(request);
      if (listing !== undefined) listing.holds = items > 0;
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
      // Nobody wants it any more; perhaps only while the next attempt is waited for.
      if (signal.aborted) forget();
      else signal.addEventListener('abort', forget, { once: true });
    });
  }

  /** Whether every watch stands and has delivered all there is. */
  get hears(): boolean {
    return [...this.#watched.values()].every((session) => session?.isUpToDate);
  }

  /** Of whoever asks for a path, as told by the signal. */
  #listingOf({ path, signal }: Request | WatchRequest): Listing | undefined {
    if (signal === undefined) return undefined;
    let listings = this.#listings.get(signal);
    if (listings === undefined) this.#listings.set(signal, (listings = new Map()));
    let listing = listings.get(path);
    if (listing === undefined) listings.set(path, (listing = { holds: false, isForged: false }));
    return listing;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What became of the latest list of a collection. */
interface Listing {
  /** It had something in it: whoever has it will not believe an empty one at once. */
  holds: boolean;
  /** It was said to be empty. Not twice in a row, which would be believed. */
  isForged: boolean;
}

/** Of a whole collection. */
function isListing({ method, path, query }: Request): boolean {
  if (method !== 'GET' || query?.['limit'] !== PAGE_SIZE || query['labelSelector'] !== undefined)
    return false;
  return !POLICIES_OF_ONE.test(path);
}

/** A reflector's list once it holds something, and one that serves as evidence. */
function mayForge({ timeoutMs }: Request, { holds, isForged }: Listing): boolean {
  // Only reflectors say how long a page may take.
  return !isForged && (holds || timeoutMs === undefined);
}

function note(listing: Listing, { items }: List, isForged: boolean): void {
  listing.isForged = isForged;
  if (!isForged && items !== undefined) listing.holds = items.length > 0;
}

function forged(answer: Answer): Answer {
  return {
    status: 200,
    body: { ...answer.body, items: [], metadata: { ...(answer.body as List).metadata, continue: '' } },
  };
}

interface List {
  readonly metadata: object;
  readonly items?: readonly object[];
}

function refusal(code: Extract<Fate, { kind: 'refused' }>['status']): Answer {
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    reason: STATUS_REASONS[code],
    message: 'simulated',
    code,
  };
  return { status: code, body: status, ...(code === 429 && { retryAfter: '1' }) };
}

function told(fate: Exclude<Fate, { kind: 'answered' }>): string {
  const when = fate.committed ? 'after' : 'before';
  return fate.kind === 'lost' ? `lost ${when} commit` : `${fate.status} ${when} commit`;
}
