/**
 * Records Events (events.k8s.io/v1) about objects, for `kubectl describe` and `kubectl events`.
 *
 * Guarantees: recording costs no request and never waits or throws; memory is bounded; frequent occurrences make few
 * Events. Occurrences with the same object, type, reason and action form a group. They are collected for a second and
 * then reported in one Event; the group's next Event waits twice as long as its last, up to five minutes, until no
 * occurrence has come for six. An Event with the same note as the last continues that Event's series instead. All
 * Events about an object share a token bucket.
 *
 * Caveat: Events may be lost, when the API server is away for minutes or the process dies. Nothing depends on them.
 *
 * client-go's tools/events counts repetitions under the note of the first Event. Here the note summarises the collected
 * occurrences: the API allows no change of an Event's note.
 */
import { type Clock, type Random, sleep, type Timer } from '../../util/clock.ts';
import { TokenBucket } from './token-bucket.ts';
import { ApiError, isAborted, isNotFound } from '../errors.ts';
import { microTime } from '../micro-time.ts';
import type { Resource } from '../resource.ts';
import { EVENT_NAMESPACE, type EventType, type KubeEvent, type Regarding } from './event.ts';
import { type OccurrenceFacts, type OccurrenceSummary, Summariser } from './summary.ts';

/** The identity of a group of occurrences. */
export interface OccurrenceGroup {
  readonly regarding: Regarding;
  readonly type: EventType;
  /** CamelCase, at most 128 characters. */
  readonly reason: string;
  /** The action that was taken or failed: CamelCase, at most 128 characters. */
  readonly action: string;
}

/** Something that deserves an Event. */
export interface Occurrence extends OccurrenceGroup, OccurrenceFacts {
  /**
   * Delay of the Event, milliseconds; a second by default. A longer one is for conditions that may be over in a moment,
   * and are withdrawn then.
   */
  readonly delayMs?: number;
  /** Writes the Event's note, which is cut at 1024 bytes. The latest occurrence of a group is asked for it. */
  readonly note: (summary: OccurrenceSummary) => string;
}

/** The outcome of reporting an occurrence or a group of them. `dropped` is final. */
export type EventResult = 'created' | 'continued' | 'dropped';

export interface EventRecorderOptions {
  readonly events: Pick<Resource<KubeEvent>, 'create' | 'patch'>;
  /** Name of the controller. */
  readonly controller: string;
  /** The process of the controller, at most 128 characters. */
  readonly instance: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly onResult?: (result: EventResult) => void;
  /** Called when a request failed. */
  readonly onError?: (error: unknown) => void;
}

const DEFAULT_DELAY_MS = 1000;
const MAX_INTERVAL_MS = 5 * 60_000;
/** A group without occurrences for so long is forgotten; as client-go's finishTime. */
const IDLE_MS = 6 * 60_000;
/** Longest series: by default, the API server keeps an Event for an hour after its last change. */
const MAX_SERIES_MS = 30 * 60_000;
/** Burst of the spam filter in client-go's tools/record. It refills one token in five minutes, this one in a minute. */
const BURST = 25;
const REFILL_MS = 60_000;
const MAX_GROUPS = 1000;
/** client-go's maxTriesPerEvent and defaultSleepDuration. */
const MAX_TRIES = 12;
const RETRY_MS = 10_000;
/** Longest time that `close` spends on the remaining Events, milliseconds. */
const CLOSE_MS = 2000;
/** NoteLengthLimit of the API server's validation. */
const MAX_NOTE_BYTES = 1024;

interface Group {
  readonly key: string;
  /** Occurrences since the last Event; undefined if there are none. */
  collected: Summariser | undefined;
  latest: Occurrence;
  /**
   * `idle`: the timer forgets the group. `waiting`: the timer makes the group due. `due`: its Event is queued or being
   * written.
   */
  state: 'idle' | 'waiting' | 'due';
  timer: Timer | undefined;
  /** Shortest time from the last Event to the next, milliseconds. */
  intervalMs: number;
  /** When the last Event was written, monotonic milliseconds. */
  reportedAt: number;
  lastEvent: ReportedEvent | undefined;
}

interface ReportedEvent {
  readonly namespace: string;
  readonly name: string;
  readonly note: string;
  /** Monotonic milliseconds. */
  readonly createdAt: number;
  count: number;
}

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #groups = new Map<string, Group>();
  /** Token buckets by uid of the object. */
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #due = new Set<Group>();
  readonly #closing = new AbortController();
  #writing: Promise<void> | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** Number of groups that are remembered. */
  get size(): number {
    return this.#groups.size;
  }

  record(occurrence: Occurrence): void {
    if (this.#closing.signal.aborted) return;
    const key = keyOf(occurrence);
    const group = this.#groups.get(key) ?? this.#newGroup(key, occurrence);
    if (group === undefined) {
      this.#options.onResult?.('dropped');
      return;
    }
    group.latest = occurrence;
    (group.collected ??= new Summariser()).add(occurrence);
    if (group.state === 'idle') this.#schedule(group);
  }

  /** Drops the occurrences of a group that were not reported yet. True if there were any. */
  withdraw(of: OccurrenceGroup): boolean {
    const group = this.#groups.get(keyOf(of));
    if (group?.state !== 'waiting') return false;
    group.collected = undefined;
    this.#becomeIdle(group);
    return true;
  }

  /** Reports the collected occurrences at once, for two seconds at most; later ones are ignored. Never rejects. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    for (const group of this.#groups.values()) {
      group.timer?.cancel();
      if (group.collected !== undefined) this.#due.add(group);
    }
    const timeout = sleep(this.#options.clock, CLOSE_MS).then(() => this.#due.clear());
    this.#write();
    await Promise.race([this.#writing, timeout]);
    this.#groups.clear();
  }

  /** Undefined if there are too many groups and none of them is idle. */
  #newGroup(key: string, occurrence: Occurrence): Group | undefined {
    if (this.#groups.size >= MAX_GROUPS) {
      const idle = [...this.#groups.values()].find(({ state }) => state === 'idle');
      if (idle === undefined) return undefined;
      this.#forget(idle);
    }
    const group: Group = {
      key,
      latest: occurrence,
      collected: undefined,
      state: 'idle',
      timer: undefined,
      intervalMs: 0,
      reportedAt: Number.NEGATIVE_INFINITY,
      lastEvent: undefined,
    };
    this.#groups.set(key, group);
    return group;
  }

  /** Makes the group due after its delay and interval, and when the object's bucket has a token. */
  #schedule(group: Group): void {
    const { clock } = this.#options;
    const wake = (afterMs: number): void => {
      group.timer = clock.schedule(afterMs, () => {
        const waitMs = this.#bucket(group.latest.regarding.uid).take();
        if (waitMs > 0) return wake(waitMs);
        group.state = 'due';
        this.#due.add(group);
        this.#write();
      });
    };
    group.timer?.cancel();
    group.state = 'waiting';
    const nextAt = group.reportedAt + group.intervalMs;
    wake(Math.max(group.latest.delayMs ?? DEFAULT_DELAY_MS, nextAt - clock.monotonic()));
  }

  #becomeIdle(group: Group): void {
    group.timer?.cancel();
    group.state = 'idle';
    group.timer = this.#options.clock.schedule(IDLE_MS, () => this.#forget(group));
  }

  #bucket(uid: string): TokenBucket {
    let bucket = this.#buckets.get(uid);
    if (bucket === undefined) {
      this.#buckets.set(uid, (bucket = new TokenBucket(this.#options.clock, BURST, REFILL_MS)));
    }
    return bucket;
  }

  #forget(group: Group): void {
    group.timer?.cancel();
    this.#groups.delete(group.key);
    const { uid } = group.latest.regarding;
    if (![...this.#groups.keys()].some((key) => key.startsWith(`${uid} `))) this.#buckets.delete(uid);
  }

  /** Writes due Events one after the other: they are the least important of our requests. */
  #write(): void {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeAll(): Promise<void> {
    for (const group of this.#due) {
      this.#due.delete(group);
      const { collected, latest } = group;
      group.collected = undefined;
      if (collected === undefined) continue;
      const note = cut(latest.note(collected.summary()));
      const result = await this.#report(group, latest, note);
      this.#options.onResult?.(result);
      group.reportedAt = this.#options.clock.monotonic();
      group.intervalMs = Math.min(Math.max(2 * group.intervalMs, 2 * DEFAULT_DELAY_MS), MAX_INTERVAL_MS);
      if (this.#closing.signal.aborted) continue;
      this.#becomeIdle(group);
      // Occurrences that were recorded during the request.
      if (group.collected !== undefined) this.#schedule(group);
    }
  }

  async #report(group: Group, occurrence: Occurrence, note: string): Promise<EventResult> {
    const { clock, random, onError } = this.#options;
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#attempt(group, occurrence, note);
      } catch (error) {
        // This replica does not lead, or is shutting down.
        if (isAborted(error)) return 'dropped';
        onError?.(error);
        if (!isTransient(error) || tries >= MAX_TRIES || this.#closing.signal.aborted) return 'dropped';
      }
      // Other due Events wait as well: while the server does not answer, they would fail too.
      await sleep(clock, RETRY_MS * (0.75 + 0.5 * random()), this.#closing.signal);
    }
  }

  async #attempt(group: Group, occurrence: Occurrence, note: string): Promise<EventResult> {
    const { lastEvent } = group;
    if (lastEvent?.note === note && this.#options.clock.monotonic() - lastEvent.createdAt < MAX_SERIES_MS) {
      if (await this.#continue(lastEvent)) return 'continued';
    }
    group.lastEvent = await this.#create(occurrence, note);
    return 'created';
  }

  /** Adds a repetition to the Event's series. False if the API server has the Event no longer. */
  async #continue(event: ReportedEvent): Promise<boolean> {
    const { events, clock } = this.#options;
    const series = { count: event.count + 1, lastObservedTime: microTime(clock.now()) };
    try {
      await events.patch(event.name, event.namespace, { series });
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
    event.count += 1;
    return true;
  }

  async #create(occurrence: Occurrence, note: string): Promise<ReportedEvent> {
    const { events, controller, instance, clock } = this.#options;
    const { regarding, type, reason, action } = occurrence;
    const eventTime = microTime(clock.now());
    const name = `${regarding.name}.${this.#uniqueSuffix()}`;
    const { namespace = EVENT_NAMESPACE } = regarding;
    await events.create({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { namespace, name },
      eventTime,
      reportingController: controller,
      reportingInstance: instance.slice(0, 128),
      type,
      reason,
      action,
      regarding,
      note,
    });
    return { namespace, name, note, createdAt: clock.monotonic(), count: 1 };
  }

  /** Unique by time and, for two processes that report at the same moment, by chance. */
  #uniqueSuffix(): string {
    const { clock, random } = this.#options;
    const chance = Math.floor(random() * 2 ** 32).toString(16);
    return clock.now().toString(16) + chance.padStart(8, '0');
  }
}

function keyOf({ regarding, type, reason, action }: OccurrenceGroup): string {
  return [regarding.uid, type, reason, action].join(' ');
}

/** True if the same request may succeed later. */
function isTransient(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  const { status, reason } = error;
  return status === 0 ? reason !== 'Credentials' && reason !== 'Malformed' : status >= 500 || status === 429;
}

/** Cuts a note to MAX_NOTE_BYTES of UTF-8, at the end of a character. */
function cut(note: string): string {
  if (Buffer.byteLength(note) <= MAX_NOTE_BYTES) return note;
  const mark = '…';
  const bytes = Buffer.from(note).subarray(0, MAX_NOTE_BYTES - Buffer.byteLength(mark));
  // A character that was cut in two is decoded as one replacement character at the end.
  return bytes.toString().replace(/\uFFFD$/, '') + mark;
}
