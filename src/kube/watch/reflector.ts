/**
 * Keeps a sink equal to a collection of the API server: lists it, watches it, and recovers from failures of
 * connections, servers and permissions.
 *
 * - The list is streamed (KEP-3157) if the server offers that, and read in pages otherwise. It is always consistent.
 * - A watch that breaks resumes from its last revision. The reflector lists again if that revision is gone, if watches
 *   from it fail repeatedly, or if the schema of the kind may have changed.
 * - Silence for `stallMs` is a failure. Failures back off exponentially; they never end `run`.
 * - The sink keeps its items while the server can't be read, and an empty list needs a second one that agrees.
 */
import { sleep } from '../../util/clock.ts';
import type { Clock, Random } from '../../util/clock.ts';
import { backoffMs } from '../../util/backoff.ts';
import { ApiError, classify, isCollectionMissing, isGone, isTooLargeResourceVersion } from '../errors.ts';
import { listPages, readInitialEvents, selectorsOf } from './list.ts';
import type { Listing, StreamedListing } from './list.ts';
import type { Item, Sink } from './store.ts';
import type { ReadObject } from '../http/binary-format.ts';
import type { Transport } from '../http/transport.ts';
import { parseWatchEvent } from './watch-event.ts';
import type { Query } from '../http/wire.ts';

export interface ReflectorOptions<T extends Item> {
  readonly transport: Transport;
  /** Path of the collection. */
  readonly path: string;
  /** Limits the collection to some objects: `metadata.name=NAME` is all that RBAC can allow by name. */
  readonly fieldSelector?: string;
  /** Limits the collection to objects with these labels. */
  readonly labelSelector?: string;
  /** Makes the item that the sink keeps of an object. Called once for each object. */
  readonly project: (raw: object) => T;
  /** Reads the objects of lists and events in the binary format. */
  readonly readObject?: ReadObject | undefined;
  readonly sink: Sink<T>;
  readonly clock: Clock;
  readonly random: Random;
  /** Longest silence of a watch, milliseconds; default 90 000: the server sends a bookmark about every minute. */
  readonly stallMs?: number;
  /**
   * Time between lists that guard against lost events, milliseconds; a list comes at the end of a watch. 0, the
   * default: never.
   */
  readonly relistMs?: number;
  /**
   * True for a custom resource whose form matters: after a watch that ended before its timeout, the reflector lists. The API
   * server ends the watches of a changed CRD, whose objects may have another form at the same revision.
   */
  readonly schemaMayChange?: boolean;
  /** Called for each failure, with the milliseconds until the next attempt. Must not throw. */
  readonly onError?: (error: unknown, retryInMs: number) => void;
  /** Called after each list that was delivered to the sink. */
  readonly onList?: (list: ListInfo) => void;
  /** Called when the server begins to answer a watch. */
  readonly onOpen?: () => void;
}

export interface ListInfo {
  readonly items: number;
  readonly resourceVersion: string;
  readonly how: 'streamed' | 'paged';
  /** Milliseconds from the first request to the delivery. */
  readonly durationMs: number;
}

const STALL_MS = 90_000;
/**
 * Begins about as client-go does. The cap is lower: this is one client, and the sink is stale until the next attempt.
 */
const BACKOFF = { initialMs: 1_000, maxMs: 12_000 };
/** Longest wait for a permission or a CRD, milliseconds: they appear while a person watches the operator start. */
const WAITING_MAX_MS = 5_000;
/**
 * A watch that was open for so long was healthy, even without events: the backoff of a later failure starts anew.
 * Milliseconds.
 */
const HEALTHY_MS = 1_000;
/** A watch that the server ends earlier has failed: without a backoff it would be repeated at once. Milliseconds. */
const SHORTEST_WATCH_MS = 1_000;
/** Bounds of a watch's timeout, seconds, as client-go's. It is random, so that replicas do not reconnect together. */
const WATCH_SECONDS = { least: 300, most: 600 };
/** Failures in a row of watches from one revision, after which the reflector lists. */
const FAILURES_BEFORE_LIST = 5;
/** Like FAILURES_BEFORE_LIST, for answers that a repeated watch would probably get again. */
const BAD_ANSWERS_BEFORE_LIST = 2;

/** Runs once: create another one to start again. */
export class Reflector<T extends Item> {
  /** Resolves when the first list is delivered. Stays pending if `run` ends before; never rejects. */
  readonly synced: Promise<void>;
  readonly #options: ReflectorOptions<T>;
  readonly #resolveSynced: () => void;
  #hasSynced = false;
  #lastContact: number;
  /** When the server began to answer the current watch; undefined before that. Monotonic milliseconds. */
  #openedAt: number | undefined;
  /** Revision from which the next watch starts; undefined if a list is needed. */
  #revision: string | undefined;
  /** False once the server refused to stream a list. */
  #offersStreaming = true;
  #listedAt = 0;
  /** When the server is to end the current watch. Monotonic milliseconds. */
  #endsAt = 0;
  /** True once the current watch has delivered an event or bookmark. */
  #hasReceived = false;
  /** Revision from which to resume the watch that a due list interrupted, should the list fail. */
  #interruptedRevision: string | undefined;
  /** True after a due list has failed: the next one waits until the watch has delivered an event or bookmark. */
  #isListPostponed = false;
  /** True if the sink may have items, so that an empty list needs confirmation. */
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

  /**
   * When the server last answered or sent something; at first, when the reflector was created. Monotonic milliseconds.
   */
  get lastContact(): number {
    return this.#lastContact;
  }

  /** Lists and watches until `signal` is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#openedAt = undefined;
      this.#hasReceived = false;
      try {
        if (this.#isListDue) [this.#interruptedRevision, this.#revision] = [this.#revision, undefined];
        if (this.#revision !== undefined) await this.#watch(this.#revision, signal);
        // After a failure the two kinds of list alternate, in case only one of them is broken.
        else if (this.#offersStreaming && this.#failures % 2 === 0) await this.#streamList(signal);
        else await this.#pagedList(signal);
      } catch (error) {
        if (signal.aborted) return;
        await this.#recover(error, signal);
      }
    }
  }

  /** Watches from `revision` until the server ends the watch. */
  async #watch(revision: string, signal: AbortSignal): Promise<void> {
    const started = this.#options.clock.monotonic();
    for await (const events of this.#events({ resourceVersion: revision }, signal))
      this.#deliver(events, signal);
    this.#ended(started);
  }

  /** True if `relistMs` have passed since the last list, although a watch could resume. */
  get #isListDue(): boolean {
    const { clock, relistMs = 0 } = this.#options;
    return relistMs > 0 && !this.#isListPostponed && clock.monotonic() - this.#listedAt >= relistMs;
  }

  /** Runs a watch that begins with the contents of the collection. */
  async #streamList(signal: AbortSignal): Promise<void> {
    const started = this.#options.clock.monotonic();
    const events = this.#events({ sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }, signal);
    try {
      if (!(await this.#takeInitialEvents(events, { started, signal }))) return;
      for await (const later of events) this.#deliver(later, signal);
      this.#ended(started);
    } finally {
      await events.return();
    }
  }

  /**
   * Takes the contents that a watch begins with. By itself, so that nothing holds the list while the watch goes on.
   *
   * @returns false if a paged list was taken instead
   */
  async #takeInitialEvents(
    events: Events,
    { started, signal }: { readonly started: number; readonly signal: AbortSignal },
  ): Promise<boolean> {
    const list = await this.#initialEvents(events, signal);
    if (list === undefined || this.#isSuspect(list)) {
      await events.return();
      await this.#pagedList(signal, list);
      return false;
    }
    this.#replace(list, 'streamed', started);
    this.#deliver(list.laterEvents, signal);
    return true;
  }

  /** The streamed list; undefined if the server does not offer one, or is silent. */
  async #initialEvents(events: Events, signal: AbortSignal): Promise<StreamedListing<T> | undefined> {
    try {
      const list = await readInitialEvents(events, this.#options.project, this.#options.path);
      if (list === undefined) this.#offersStreaming = false;
      return list;
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError)) throw error;
      // 400 or 422, depending on version and feature gate: the server will never stream.
      if (error.status === 400 || error.status === 422) this.#offersStreaming = false;
      else if (error.reason !== 'Stalled') throw error;
      return undefined;
    }
  }

  /** @param before a list that was read just before: if it was empty, the paged list confirms it */
  async #pagedList(signal: AbortSignal, before?: Listing<T>): Promise<void> {
    const { clock } = this.#options;
    const started = clock.monotonic();
    const source = { ...this.#options, onPage: () => this.#contact() };
    let list = await listPages(source, signal);
    if (before === undefined && this.#isSuspect(list)) list = await listPages(source, signal);
    this.#replace(list, 'paged', started);
  }

  /** True for a list that would remove all items at once (invariant I4). */
  #isSuspect(list: Listing<T>): boolean {
    return list.items.length === 0 && this.#mayHoldItems;
  }

  async *#events(query: Query, signal: AbortSignal): Events {
    const { transport, path, clock, random, stallMs = STALL_MS, readObject } = this.#options;
    const { least, most } = WATCH_SECONDS;
    const timeoutSeconds = Math.floor(least + random() * (most - least));
    this.#endsAt = clock.monotonic() + timeoutSeconds * 1000;
    const full = {
      ...query,
      ...selectorsOf(this.#options),
      watch: true,
      allowWatchBookmarks: true,
      timeoutSeconds,
    };
    const onOpen = () => {
      this.#contact();
      this.#openedAt = this.#lastContact;
      this.#options.onOpen?.();
    };
    const watch = { path, query: full, signal, stallMs, onOpen, readObject };
    for await (const events of transport.watch(watch)) {
      if (signal.aborted) return;
      this.#contact();
      this.#hasReceived = true;
      yield events;
    }
  }

  /** @throws ApiError for a value that is no event, after those before it */
  #deliver(values: readonly unknown[], signal: AbortSignal): void {
    const { path, project, sink } = this.#options;
    for (const value of values) {
      if (signal.aborted) return;
      const event = parseWatchEvent({ method: 'WATCH', path }, value);
      if (event.type === 'DELETED') sink.remove(project(event.object));
      else if (event.type !== 'BOOKMARK') {
        this.#mayHoldItems = true;
        sink.upsert(project(event.object));
      }
      this.#advance(event.resourceVersion);
    }
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
    this.#interruptedRevision = undefined;
    this.#isListPostponed = false;
    this.#failures = 0;
    this.#badAnswers = 0;
  }

  #contact(): void {
    this.#lastContact = this.#options.clock.monotonic();
  }

  /** Called when the server ended a watch. @throws ApiError if it ended too early */
  #ended(started: number): void {
    if (this.#mayHaveOtherSchema) this.#revision = undefined;
    const lasted = this.#options.clock.monotonic() - started;
    if (lasted >= SHORTEST_WATCH_MS) return;
    const { path } = this.#options;
    const message = `the server ended the watch after ${Math.round(lasted)} ms`;
    throw new ApiError({ method: 'WATCH', path, status: 0, reason: 'Transport', message });
  }

  /** True after a watch that was open and ended before its timeout, if that says that the kind may have another schema. */
  get #mayHaveOtherSchema(): boolean {
    const { clock, schemaMayChange = false } = this.#options;
    return schemaMayChange && this.#openedAt !== undefined && clock.monotonic() < this.#endsAt;
  }

  /** Decides how to continue after a failure, and waits for the backoff. */
  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, random, onError, stallMs = STALL_MS } = this.#options;
    const healthy = this.#openedAt !== undefined && clock.monotonic() - this.#openedAt >= HEALTHY_MS;
    this.#attempts = healthy ? 1 : this.#attempts + 1;
    let delay = backoffMs(this.#attempts, BACKOFF, random);
    if (classify(error) === 'waiting') delay = Math.min(delay, WAITING_MAX_MS);
    if (error instanceof ApiError && error.retryAfterMs !== undefined)
      delay = Math.max(delay, Math.min(error.retryAfterMs, stallMs));
    const revision = this.#interruptedRevision;
    this.#interruptedRevision = undefined;
    if (this.#mustList(error)) {
      // A revision may expire during a healthy watch: the list need not wait.
      if (isGone(error) && healthy) delay = 0;
      this.#revision = undefined;
    } else if (revision !== undefined) {
      this.#revision = revision;
      this.#isListPostponed = true;
    }
    onError?.(error, delay);
    await sleep(clock, delay, signal);
  }

  #mustList(error: unknown): boolean {
    if (isGone(error) || isCollectionMissing(error) || isTooLargeResourceVersion(error)) return true;
    if (this.#mayHaveOtherSchema) return true;
    // A server sends nothing, not even bookmarks, from a revision that it has not reached (after a restored backup).
    const isSilent = this.#openedAt !== undefined && !this.#hasReceived;
    if (isSilent && error instanceof ApiError && error.reason === 'Stalled') return true;
    // The server is overloaded, and a list costs more than the watch.
    if (this.#revision !== undefined && error instanceof ApiError && error.status === 429) return false;
    this.#failures += 1;
    if (isBadAnswer(error)) this.#badAnswers += 1;
    return this.#failures >= FAILURES_BEFORE_LIST || this.#badAnswers >= BAD_ANSWERS_BEFORE_LIST;
  }
}

/** The events of a watch, those that came together at a time. */
type Events = AsyncGenerator<readonly unknown[], void, undefined>;

/** True for an answer with which a watch can't continue, and for failures to process the answer. */
function isBadAnswer(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true;
  return error.status !== 0 && ![401, 403].includes(error.status);
}
