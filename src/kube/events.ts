/**
 * Events (events.k8s.io/v1) about cluster-scoped objects, for `kubectl describe` and `kubectl events`.
 *
 * Guarantees: recording costs no request and never waits or throws; memory is bounded; what happens often makes few
 * Events. Like occurrences (same object, type, reason and action) are gathered for a second, and then told in one
 * Event; the next one of the same kind waits twice as long as the last, up to five minutes, until none has come for
 * six. One that would say the same as the last continues its series instead. All Events about an object share a token
 * bucket.
 *
 * Caveat: Events may be lost, when the API server is away for minutes or the process dies. Nothing depends on them.
 *
 * Where client-go's tools/events counts repetitions under the text of the first, here the text tells what was gathered:
 * the API allows no change of an Event's note.
 */
import type { KubeObject } from '../api/meta.ts';
import { type Clock, type Random, sleep, type Timer } from '../util/clock.ts';
import { ApiError, isAborted, isNotFound } from './errors.ts';
import { type Gathered, Gathering, type Part } from './event-series.ts';
import { microTime } from './micro-time.ts';
import type { Resource, ResourceKind } from './resource.ts';
import { TokenBucket } from '../util/token-bucket.ts';

export const EVENTS: ResourceKind = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  namespaced: true,
};

/** Where the API wants Events about objects that have no namespace (ValidateEventCreate). */
export const EVENT_NAMESPACE = 'default';

export type EventType = 'Normal' | 'Warning';

/** What an Event is about; a cluster-scoped object. */
export interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

export interface KubeEvent extends KubeObject {
  readonly eventTime: string;
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly type: EventType;
  readonly reason: string;
  readonly action: string;
  readonly regarding: Regarding;
  readonly note: string;
  /** How often the same was told, if more than once. */
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
}

/** Something worth an Event. */
export interface Occurrence extends Part {
  readonly regarding: Regarding;
  readonly type: EventType;
  /** CamelCase, at most 128 characters. */
  readonly reason: string;
  /** What was done or failed, the same. */
  readonly action: string;
  /** How long to gather before it is told, milliseconds; a second by default. For what may be over in a moment. */
  readonly gatherMs?: number;
  /** The text for everything gathered; that of the latest occurrence is asked. Cut at 1024 bytes. */
  readonly note: (gathered: Gathered) => string;
}

/** What became of an attempt to tell: `dropped` is for good. */
export type EventResult = 'created' | 'continued' | 'dropped';

export interface EventRecorderOptions {
  readonly events: Pick<Resource<KubeEvent>, 'create' | 'patch'>;
  /** The name of the controller; `instance` which process of it, at most 128 characters. */
  readonly controller: string;
  readonly instance: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly onResult?: (result: EventResult) => void;
  /** A request failed. */
  readonly onError?: (error: unknown) => void;
}

const GATHER_MS = 1000;
const MAX_INTERVAL_MS = 5 * 60_000;
/** As client-go's finishTime. */
const FINISH_MS = 6 * 60_000;
/** A series is not continued beyond this: its Event lives for an hour by default, from its last change. */
const MAX_SERIES_MS = 30 * 60_000;
/** As the spam filter of client-go's tools/record, which refills one in five minutes. */
const BURST = 25;
const REFILL_MS = 60_000;
const MAX_KINDS = 1000;
/** As client-go's maxTriesPerEvent and defaultSleepDuration. */
const MAX_TRIES = 12;
const RETRY_MS = 10_000;
/** For all that is told at the end, milliseconds. */
const LAST_WORDS_MS = 2000;
/** core/validation NoteLengthLimit. */
const MAX_NOTE_BYTES = 1024;

/** Occurrences of one kind, and what was told of them. */
interface Kind {
  readonly key: string;
  gathering: Gathering | undefined;
  /** The latest. */
  occurrence: Occurrence;
  /** `idle`: the timer will forget it; `armed`: it will make it due; `due`: it waits for its turn, or is being told. */
  state: 'idle' | 'armed' | 'due';
  timer: Timer | undefined;
  /** Shortest time from the last Event to the next, milliseconds. */
  interval: number;
  /** Monotonic milliseconds. */
  toldAt: number;
  told: { readonly name: string; readonly note: string; readonly since: number; count: number } | undefined;
}

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #kinds = new Map<string, Kind>();
  readonly #buckets = new Map<string, TokenBucket>();
  /** Whose time has come. */
  readonly #due = new Set<Kind>();
  readonly #closing = new AbortController();
  #writing: Promise<void> | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** How many kinds of occurrences are remembered. */
  get size(): number {
    return this.#kinds.size;
  }

  record(occurrence: Occurrence): void {
    if (this.#closing.signal.aborted) return;
    const key = keyOf(occurrence);
    const kind = this.#kinds.get(key) ?? this.#newKind(key, occurrence);
    if (kind === undefined) {
      this.#options.onResult?.('dropped');
      return;
    }
    kind.occurrence = occurrence;
    (kind.gathering ??= new Gathering()).add(occurrence);
    if (kind.state === 'idle') this.#arm(kind);
  }

  /** Takes back what was recorded of a kind and not told yet, as it is over. Returns whether there was any. */
  withdraw(of: Pick<Occurrence, 'regarding' | 'type' | 'reason' | 'action'>): boolean {
    const kind = this.#kinds.get(keyOf(of));
    if (kind?.state !== 'armed') return false;
    kind.gathering = undefined;
    this.#rest(kind);
    return true;
  }

  /** Tells what is gathered, at once and within two seconds, and nothing any more afterwards. Never rejects. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    for (const kind of this.#kinds.values()) {
      kind.timer?.cancel();
      if (kind.gathering !== undefined) this.#due.add(kind);
    }
    const enough = sleep(this.#options.clock, LAST_WORDS_MS).then(() => this.#due.clear());
    this.#write();
    await Promise.race([this.#writing, enough]);
    this.#kinds.clear();
  }

  #newKind(key: string, occurrence: Occurrence): Kind | undefined {
    if (this.#kinds.size >= MAX_KINDS) {
      const idle = [...this.#kinds.values()].find(({ state }) => state === 'idle');
      if (idle === undefined) return undefined;
      this.#forget(idle);
    }
    const kind: Kind = {
      key,
      occurrence,
      gathering: undefined,
      state: 'idle',
      timer: undefined,
      interval: 0,
      toldAt: Number.NEGATIVE_INFINITY,
      told: undefined,
    };
    this.#kinds.set(key, kind);
    return kind;
  }

  /** Sees to it that what is gathered is told, a moment from now or after the interval. */
  #arm(kind: Kind): void {
    const { clock } = this.#options;
    const wake = (afterMs: number): void => {
      kind.timer = clock.schedule(afterMs, () => {
        const wait = this.#bucket(kind.occurrence.regarding.uid).take();
        if (wait > 0) return wake(wait);
        kind.state = 'due';
        this.#due.add(kind);
        this.#write();
      });
    };
    kind.timer?.cancel();
    kind.state = 'armed';
    wake(Math.max(kind.occurrence.gatherMs ?? GATHER_MS, kind.toldAt + kind.interval - clock.monotonic()));
  }

  /** Forgets it after a while, unless something comes. */
  #rest(kind: Kind): void {
    kind.timer?.cancel();
    kind.state = 'idle';
    kind.timer = this.#options.clock.schedule(FINISH_MS, () => this.#forget(kind));
  }

  #bucket(uid: string): TokenBucket {
    let bucket = this.#buckets.get(uid);
    if (bucket === undefined) {
      this.#buckets.set(uid, (bucket = new TokenBucket(this.#options.clock, BURST, REFILL_MS)));
    }
    return bucket;
  }

  #forget(kind: Kind): void {
    kind.timer?.cancel();
    this.#kinds.delete(kind.key);
    const { uid } = kind.occurrence.regarding;
    if (![...this.#kinds.keys()].some((key) => key.startsWith(`${uid} `))) this.#buckets.delete(uid);
  }

  /** One after the other: Events are the least of what the API server has to do for us. */
  #write(): void {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeAll(): Promise<void> {
    for (const kind of this.#due) {
      this.#due.delete(kind);
      const { gathering, occurrence } = kind;
      kind.gathering = undefined;
      if (gathering === undefined) continue;
      const note = cut(occurrence.note(gathering.sum()));
      const result = await this.#tell(kind, occurrence, note);
      this.#options.onResult?.(result);
      kind.toldAt = this.#options.clock.monotonic();
      kind.interval = Math.min(Math.max(2 * kind.interval, 2 * GATHER_MS), MAX_INTERVAL_MS);
      if (this.#closing.signal.aborted) continue;
      this.#rest(kind);
      // What came meanwhile.
      if (kind.gathering !== undefined) this.#arm(kind);
    }
  }

  async #tell(kind: Kind, occurrence: Occurrence, note: string): Promise<EventResult> {
    const { clock, random, onError } = this.#options;
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#attempt(kind, occurrence, note);
      } catch (error) {
        // Not the leader, or ended.
        if (isAborted(error)) return 'dropped';
        onError?.(error);
        if (!isTransient(error) || tries >= MAX_TRIES || this.#closing.signal.aborted) return 'dropped';
      }
      // Everything waits meanwhile: with no server to tell, there is no sense in trying the next.
      await sleep(clock, RETRY_MS * (0.75 + 0.5 * random()), this.#closing.signal);
    }
  }

  async #attempt(kind: Kind, occurrence: Occurrence, note: string): Promise<EventResult> {
    const { events, controller, instance, clock, random } = this.#options;
    const time = microTime(clock.now());
    const { told } = kind;
    if (told !== undefined && told.note === note && clock.monotonic() - told.since < MAX_SERIES_MS) {
      try {
        const series = { count: told.count + 1, lastObservedTime: time };
        await events.patch(told.name, EVENT_NAMESPACE, { series });
        told.count += 1;
        return 'continued';
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
    const { regarding, type, reason, action } = occurrence;
    // Unique in time and, for two processes that tell the same at once, by chance.
    const suffix = `${clock.now().toString(16)}${Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')}`;
    const name = `${regarding.name}.${suffix}`;
    await events.create({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { namespace: EVENT_NAMESPACE, name },
      eventTime: time,
      reportingController: controller,
      reportingInstance: instance.slice(0, 128),
      type,
      reason,
      action,
      regarding,
      note,
    });
    kind.told = { name, note, since: clock.monotonic(), count: 1 };
    return 'created';
  }
}

function keyOf({ regarding, type, reason, action }: Parameters<EventRecorder['withdraw']>[0]): string {
  return [regarding.uid, type, reason, action].join(' ');
}

/** Whether the same request may succeed later. */
function isTransient(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  const { status, reason } = error;
  return status === 0 ? reason !== 'Credentials' && reason !== 'Malformed' : status >= 500 || status === 429;
}

/** At most 1024 bytes of UTF-8, whole characters. */
function cut(note: string): string {
  if (Buffer.byteLength(note) <= MAX_NOTE_BYTES) return note;
  const mark = '…';
  const bytes = Buffer.from(note).subarray(0, MAX_NOTE_BYTES - Buffer.byteLength(mark));
  // A character that was cut in two is decoded as one replacement character at the end.
  return bytes.toString().replace(/\uFFFD$/, '') + mark;
}
