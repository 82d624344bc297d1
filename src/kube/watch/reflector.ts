/**
 * Keeps a sink the same as a collection of the API server: lists it, watches it, and goes on doing so through whatever
 * happens to connections, servers and permissions.
 *
 * - The list is streamed (KEP-3157) where the server offers that, and read in pages elsewhere. It is always consistent.
 * - A watch that breaks resumes from its last revision. A list follows where that revision is gone, or where watches
 *   from it fail again and again.
 * - Nothing received for `stallMs` is a failure. Failures back off exponentially; they never end `run`.
 * - What the sink holds stays while nothing can be read, and an empty list is believed only when a second one agrees.
 */
import { sleep } from '../../util/clock.ts';
import type { Clock, Random } from '../../util/clock.ts';
import { backoffMs } from '../../util/backoff.ts';
import { ApiError, classify, isCollectionMissing, isGone, isTooLargeResourceVersion } from '../errors.ts';
import { listPages, readInitialEvents } from './list.ts';
import type { Listing } from './list.ts';
import type { Item, Sink } from './store.ts';
import type { Parse, Transport } from '../http/transport.ts';
import { parseWatchEvent, peekWatchEvent } from './watch-event.ts';
import type { WatchEvent } from './watch-event.ts';
import type { Query } from '../http/wire.ts';

export interface ReflectorOptions<T extends Item> {
  readonly transport: Transport;
  /** Path of the collection. */
  readonly path: string;
  /** What is kept of an object as it is on the wire; called once for each, at once. */
  readonly project: (raw: object) => T;
  /** How the lines of a watch are read, instead of JSON.parse. */
  readonly parse?: Parse;
  readonly sink: Sink<T>;
  readonly clock: Clock;
  readonly random: Random;
  /** Longest silence of a watch, milliseconds; default 90 000, as the server sends a bookmark about every minute. */
  readonly stallMs?: number;
  /** A new list this often, at the end of a watch, against events lost on the way, milliseconds; default: never. */
  readonly relistMs?: number;
  /** A failure, and the milliseconds until the next attempt. Must not throw. */
  readonly onError?: (error: unknown, retryInMs: number) => void;
  /** A list was delivered: the first one, or one that a failure made necessary. */
  readonly onList?: (list: ListInfo) => void;
}

export interface ListInfo {
  readonly items: number;
  readonly resourceVersion: string;
  readonly how: 'streamed' | 'paged';
  /** Milliseconds from the first request to its delivery. */
  readonly durationMs: number;
}

const STALL_MS = 90_000;
/** About as client-go begins; capped earlier, since we are one client, and blind until the next attempt. */
const BACKOFF = { initialMs: 1_000, maxMs: 12_000 };
/** Longest wait for a permission or a CRD: these appear while somebody watches the operator start. Milliseconds. */
const WAITING_MAX_MS = 5_000;
/**
 * A watch that was open for this long was healthy, whether or not anything happened on it: what fails afterwards begins
 * the backoff anew. Milliseconds.
 */
const HEALTHY_MS = 1_000;
/** A watch that the server ends earlier than this is a failure, or it would be asked for again without pause. Milliseconds. */
const SHORTEST_WATCH_MS = 1_000;
/** Bounds of a watch's own timeout, seconds, as client-go has them: spread, so that replicas do not reconnect together. */
const WATCH_SECONDS = { least: 300, most: 600 };
/** Failures in a row at one revision, after which a list is tried instead. */
const FAILURES_BEFORE_LIST = 5;
/** The same where the server did answer, but with something that the same question may well get again. */
const BAD_ANSWERS_BEFORE_LIST = 2;

/** Runs once: make a new one to start again. */
export class Reflector<T extends Item> {
  /** Resolved at the first delivered list. Stays pending if `run` ends before; it never rejects. */
  readonly synced: Promise<void>;
  readonly #options: ReflectorOptions<T>;
  readonly #resolveSynced: () => void;
  #hasSynced = false;
  #lastContact: number;
  /** When the server began to answer the latest watch; undefined while it has not. */
  #opened: number | undefined;
  /** Where the next watch begins; undefined: with a list. */
  #revision: string | undefined;
  /** False once the server refused a streamed list. */
  #streams = true;
  #listedAt = 0;
  /** Something came on the present watch. */
  #told = false;
  /** Where the watch would go on if the list that was due should fail. */
  #interrupted: string | undefined;
  /** The list that was due has failed: not again before the watch has told something. */
  #putOff = false;
  /** Whether the sink may hold something, so that an empty list needs confirmation. */
  #mayHoldItems = false;
  /** Attempts in a row that failed before a watch was healthy, for the backoff. */
  #attempts = 0;
  /** Failures in a row without an event or bookmark. */
  #failures = 0;
  #badAnswers = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#lastContact = options.clock.monotonic();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.synced = promise;
    this.#resolveSynced = resolve;
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** When something last came from the server (before that: when this was made), on the monotonic clock, milliseconds. */
  get lastContact(): number {
    return this.#lastContact;
  }

  /** Lists and watches until `signal` is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#opened = undefined;
      this.#told = false;
      try {
        if (this.#isListDue) [this.#interrupted, this.#revision] = [this.#revision, undefined];
        if (this.#revision !== undefined) await this.#watch(this.#revision, signal);
        // After a failure the two ways take turns, so that what breaks one of them does not keep us blind.
        else if (this.#streams && this.#failures % 2 === 0) await this.#streamList(signal);
        else await this.#pagedList(signal);
      } catch (error) {
        if (signal.aborted) return;
        await this.#recover(error, signal);
      }
    }
  }

  /** Watches from `revision` until the server ends it. */
  async #watch(revision: string, signal: AbortSignal): Promise<void> {
    const started = this.#options.clock.monotonic();
    for await (const event of this.#events({ resourceVersion: revision }, signal)) this.#deliver(event);
    this.#ended(started);
  }

  /** Whether it is time for a list although a watch could go on. */
  get #isListDue(): boolean {
    const { clock, relistMs = Number.POSITIVE_INFINITY } = this.#options;
    return !this.#putOff && clock.monotonic() - this.#listedAt >= relistMs;
  }

  /** A watch that begins with the present contents, and goes on as any other. */
  async #streamList(signal: AbortSignal): Promise<void> {
    const started = this.#options.clock.monotonic();
    const events = this.#events({ sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }, signal);
    try {
      const list = await this.#initialEvents(events, signal);
      if (list === undefined || this.#isSuspect(list)) {
        await events.return();
        return await this.#pagedList(signal, list);
      }
      this.#replace(list, 'streamed', started);
      for await (const event of events) this.#deliver(event);
      this.#ended(started);
    } finally {
      await events.return();
    }
  }

  /** The streamed list; undefined where the server does not offer one, or not now. */
  async #initialEvents(events: Events, signal: AbortSignal): Promise<Listing<T> | undefined> {
    try {
      const list = await readInitialEvents(events, this.#options.project, this.#options.path);
      if (list === undefined) this.#streams = false;
      return list;
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError)) throw error;
      // Refused: 400 or 422, as the version and feature gate have it; the answer will stay the same.
      if (error.status === 400 || error.status === 422) this.#streams = false;
      else if (error.reason !== 'Stalled') throw error;
      return undefined;
    }
  }

  /** @param seen a list that was read just before, which this one is to confirm if both are empty */
  async #pagedList(signal: AbortSignal, seen?: Listing<T>): Promise<void> {
    const { clock } = this.#options;
    const started = clock.monotonic();
    const source = { ...this.#options, onPage: () => this.#contact() };
    let list = await listPages(source, signal);
    if (seen === undefined && this.#isSuspect(list)) list = await listPages(source, signal);
    this.#replace(list, 'paged', started);
  }

  /** Whether a list is one that could make everything disappear at once (invariant I4). */
  #isSuspect(list: Listing<T>): boolean {
    return list.items.length === 0 && this.#mayHoldItems;
  }

  async *#events(query: Query, signal: AbortSignal): Events {
    const { transport, path, random, stallMs = STALL_MS, parse } = this.#options;
    const { least, most } = WATCH_SECONDS;
    const timeoutSeconds = Math.floor(least + random() * (most - least));
    const full = { ...query, watch: true, allowWatchBookmarks: true, timeoutSeconds };
    const onOpen = () => {
      this.#contact();
      this.#opened = this.#lastContact;
    };
    for await (const value of transport.watch({
      path,
      query: full,
      signal,
      stallMs,
      onOpen,
      peek: this.#peek,
      parse,
    })) {
      if (signal.aborted) return;
      this.#contact();
      this.#told = true;
      yield parseWatchEvent({ method: 'WATCH', path }, value);
    }
  }

  /** Most events are the echo of our own writes: what is held already is not parsed again. A list is, as a whole. */
  readonly #peek = (line: string): boolean => {
    if (this.#revision === undefined) return false;
    const head = peekWatchEvent(line);
    if (head === undefined || !this.#options.sink.confirm(head.key, head.uid, head.resourceVersion))
      return false;
    this.#mayHoldItems = true;
    this.#contact();
    this.#told = true;
    this.#advance(head.resourceVersion);
    return true;
  };

  #deliver(event: WatchEvent): void {
    const { project, sink } = this.#options;
    if (event.type === 'DELETED') sink.remove(project(event.object));
    else if (event.type !== 'BOOKMARK') {
      this.#mayHoldItems = true;
      sink.upsert(project(event.object));
    }
    this.#advance(event.resourceVersion);
  }

  #replace(list: Listing<T>, how: ListInfo['how'], started: number): void {
    const { clock, sink, onList } = this.#options;
    sink.replace(list.items, list.resourceVersion);
    this.#mayHoldItems = list.items.length > 0;
    this.#advance(list.resourceVersion);
    this.#listedAt = clock.monotonic();
    this.#hasSynced = true;
    this.#resolveSynced();
    const durationMs = this.#listedAt - started;
    onList?.({ items: list.items.length, resourceVersion: list.resourceVersion, how, durationMs });
  }

  #advance(revision: string): void {
    this.#revision = revision;
    this.#interrupted = undefined;
    this.#putOff = false;
    this.#failures = 0;
    this.#badAnswers = 0;
  }

  #contact(): void {
    this.#lastContact = this.#options.clock.monotonic();
  }

  /** The server ended a watch in order. */
  #ended(started: number): void {
    const lasted = this.#options.clock.monotonic() - started;
    if (lasted >= SHORTEST_WATCH_MS) return;
    const { path } = this.#options;
    const message = `the server ended the watch after ${Math.round(lasted)} ms`;
    throw new ApiError({ method: 'WATCH', path, status: 0, reason: 'Transport', message });
  }

  /** Decides where to go on after a failure, and waits. */
  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, random, onError, stallMs = STALL_MS } = this.#options;
    const healthy = this.#opened !== undefined && clock.monotonic() - this.#opened >= HEALTHY_MS;
    this.#attempts = healthy ? 1 : this.#attempts + 1;
    let delay = backoffMs(this.#attempts, BACKOFF, random);
    if (classify(error) === 'waiting') delay = Math.min(delay, WAITING_MAX_MS);
    if (error instanceof ApiError && error.retryAfterMs !== undefined)
      delay = Math.max(delay, Math.min(error.retryAfterMs, stallMs));
    const interrupted = this.#interrupted;
    this.#interrupted = undefined;
    if (this.#mustList(error)) {
      // An expired revision after a healthy watch is ordinary: the list need not wait.
      if (isGone(error) && healthy) delay = 0;
      this.#revision = undefined;
    } else if (interrupted !== undefined) {
      this.#revision = interrupted;
      this.#putOff = true;
    }
    onError?.(error, delay);
    await sleep(clock, delay, signal);
  }

  #mustList(error: unknown): boolean {
    if (isGone(error) || isCollectionMissing(error) || isTooLargeResourceVersion(error)) return true;
    // From a revision that it has not reached, as after a restored backup, a server tells nothing, not even bookmarks.
    const isSilent = this.#opened !== undefined && !this.#told;
    if (isSilent && error instanceof ApiError && error.reason === 'Stalled') return true;
    // It has too much to do, and a list costs it more than the watch.
    if (this.#revision !== undefined && error instanceof ApiError && error.status === 429) return false;
    this.#failures += 1;
    if (isBadAnswer(error)) this.#badAnswers += 1;
    return this.#failures >= FAILURES_BEFORE_LIST || this.#badAnswers >= BAD_ANSWERS_BEFORE_LIST;
  }
}

type Events = AsyncGenerator<WatchEvent, void, undefined>;

/** The server answered, but not so that a watch can go on; or we could not take what it said. */
function isBadAnswer(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true;
  return error.status !== 0 && ![401, 403].includes(error.status);
}
