/**
 * The queue's duties, said as plainly as possible: a list of requests that is searched from end to end.
 * It does not choose what runs; it judges each start that the queue makes, and says what it still owes.
 */
import assert from 'node:assert/strict';
import type { Outcome, Priority } from '../../../src/controller/queue/key-queue.ts';
import type { BackoffLimits } from '../../../src/util/backoff.ts';

interface Wish {
  due: number;
  priority: Priority;
  /** Since when it could have run, at this priority. */
  readyAt: number | undefined;
}

interface Key {
  wish: Wish | undefined;
  running: Priority | undefined;
  failures: number;
  notBefore: number;
}

export class QueueModel {
  readonly #keys = new Map<string, Key>();
  readonly #concurrency: number;
  readonly #backoff: BackoffLimits;
  readonly #random: number;
  paused = false;
  now = 0;

  constructor(concurrency: number, backoff: BackoffLimits, random: number) {
    this.#concurrency = concurrency;
    this.#backoff = backoff;
    this.#random = random;
  }

  request(name: string, due: number, priority: Priority): void {
    const key = this.#key(name);
    const before = key.wish;
    const wish = {
      due: Math.min(before?.due ?? Infinity, due),
      priority: Math.max(before?.priority ?? 0, priority) as Priority,
      readyAt: before?.readyAt,
    };
    if (before && before.priority !== wish.priority) wish.readyAt = undefined;
    key.wish = wish;
    this.#refresh();
  }

  tick(now: number): void {
    this.now = now;
    this.#refresh();
  }

  /** The queue began to run `name`: that must be one of the runs that are owed first. */
  start(name: string): void {
    const candidates = this.owed();
    assert.ok(
      candidates.includes(name),
      `${name} began at ${this.now}, but what is due next is ${JSON.stringify(candidates)}: ${this.toString()}`,
    );
    const key = this.#key(name);
    key.running = key.wish?.priority;
    key.wish = undefined;
  }

  finish(name: string, outcome: Outcome): void {
    const key = this.#key(name);
    const priority = key.running;
    assert.ok(priority, `${name} was not running`);
    key.running = undefined;
    if (outcome.kind === 'retry') {
      key.failures += 1;
      const { initialMs, maxMs } = this.#backoff;
      const wait = Math.min(maxMs, initialMs * 2 ** (key.failures - 1)) * (0.5 + this.#random / 2);
      key.notBefore = this.now + (outcome.retryAfterMs ?? 0);
      this.request(name, this.now + wait, 20);
      return;
    }
    key.failures = 0;
    if (outcome.kind === 'again')
      this.request(name, this.now + outcome.afterMs, outcome.priority ?? priority);
    this.#refresh();
  }

  /** The keys of which the next run must be: all that are equally urgent and equally long ready. */
  owed(): string[] {
    if (this.paused || this.running.length >= this.#concurrency) return [];
    const ready = [...this.#keys].flatMap(([name, { wish }]) =>
      wish?.readyAt === undefined ? [] : [{ name, priority: wish.priority, readyAt: wish.readyAt }],
    );
    const highest = Math.max(...ready.map(({ priority }) => priority));
    const urgent = ready.filter(({ priority }) => priority === highest);
    const oldest = Math.min(...urgent.map(({ readyAt }) => readyAt));
    return urgent.filter(({ readyAt }) => readyAt === oldest).map(({ name }) => name);
  }

  get running(): string[] {
    return [...this.#keys].flatMap(([name, key]) => (key.running === undefined ? [] : [name]));
  }

  /** When a wait ends next. */
  get nextDue(): number | undefined {
    const dues = [...this.#keys.values()].flatMap(({ wish, notBefore, running }) =>
      wish && wish.readyAt === undefined && running === undefined ? [Math.max(wish.due, notBefore)] : [],
    );
    return dues.length === 0 ? undefined : Math.min(...dues);
  }

  count(): { ready: number; waiting: number; running: number } {
    const keys = [...this.#keys.values()];
    const running = keys.filter((key) => key.running !== undefined).length;
    const ready = keys.filter((key) => key.wish?.readyAt !== undefined).length;
    return {
      running,
      ready,
      waiting: keys.filter((key) => key.wish && key.running === undefined).length - ready,
    };
  }

  toString(): string {
    return JSON.stringify([...this.#keys]);
  }

  #key(name: string): Key {
    let key = this.#keys.get(name);
    if (!key)
      this.#keys.set(name, (key = { wish: undefined, running: undefined, failures: 0, notBefore: 0 }));
    return key;
  }

  #refresh(): void {
    for (const { wish, running, notBefore } of this.#keys.values()) {
      if (!wish || running !== undefined || wish.readyAt !== undefined) continue;
      if (Math.max(wish.due, notBefore) <= this.now) wish.readyAt = this.now;
    }
  }
}
