/**
 * A simple model of the API server for one kind: a log of revisions, a watch that reads it, and lists that are taken at
 * one moment and arrive at another. For the property test of Store.
 */
import assert from 'node:assert/strict';
import { Store } from '../../../src/kube/watch/store.ts';
import type { StoreChange, Item } from '../../../src/kube/watch/store.ts';

interface Event {
  readonly type: 'upsert' | 'remove';
  readonly item: Item;
}

type Answer =
  | { readonly kind: 'written' | 'read'; readonly item: Item }
  | { readonly kind: 'deleted'; readonly item: Item };

/** An action of the model. Plain data, so that a counterexample can be read. */
export type Step =
  | { readonly do: 'write' | 'delete'; readonly key: string; readonly own: boolean }
  | { readonly do: 'read'; readonly key: string }
  | { readonly do: 'answer' | 'repeat'; readonly which: number }
  | { readonly do: 'watch'; readonly count: number }
  | { readonly do: 'swap' | 'beginList' | 'endList' };

export class World {
  readonly store = new Store<Item>();
  readonly #server = new Map<string, Item>();
  readonly #log: Event[] = [];
  #revision = 0;
  #uids = 0;
  /** Index in the log up to which events were delivered to the store. */
  #cursor = 0;
  #list: { items: Item[]; revision: number; cursor: number } | undefined;
  readonly #answers: Answer[] = [];
  /** Revisions that answers to writes and live reads reported to the store, by uid. */
  readonly #told = new Map<string, Answer>();
  /** Newest revision of each uid that the store has shown. */
  readonly #shown = new Map<string, number>();
  /** The contents as known to a subscriber. */
  readonly #followed = new Map<string, Item>();
  readonly changes: StoreChange<Item>[] = [];

  constructor() {
    this.store.subscribe((change) => {
      this.changes.push(change);
      if (change.old)
        assert.deepEqual(
          this.#followed.get(change.old.key),
          change.old,
          'a change begins where the last ended',
        );
      if (change.old) this.#followed.delete(change.old.key);
      if (change.new) this.#followed.set(change.new.key, change.new);
    });
  }

  run(step: Step): void {
    switch (step.do) {
      case 'write':
        return this.write(step.key, step.own);
      case 'delete':
        return this.delete(step.key, step.own);
      case 'read':
        return this.read(step.key);
      case 'answer':
        return this.answer(step.which);
      case 'repeat':
        return this.repeat(step.which);
      case 'watch':
        return this.watch(step.count);
      case 'swap':
        return this.swap();
      case 'beginList':
        return this.beginList();
      case 'endList':
        return this.endList();
    }
  }

  write(key: string, own: boolean): void {
    this.#revision += 1;
    const uid = this.#server.get(key)?.uid ?? `uid-${++this.#uids}`;
    const item = { key, uid, resourceVersion: String(this.#revision) };
    this.#server.set(key, item);
    this.#log.push({ type: 'upsert', item });
    if (own) this.#answers.push({ kind: 'written', item });
  }

  delete(key: string, own: boolean): void {
    const held = this.#server.get(key);
    if (held === undefined) return;
    this.#revision += 1;
    const item = { ...held, resourceVersion: String(this.#revision) };
    this.#server.delete(key);
    this.#log.push({ type: 'remove', item });
    if (own) this.#answers.push({ kind: 'deleted', item });
  }

  /** The server carries out a live read, whose answer comes later. */
  read(key: string): void {
    const item = this.#server.get(key);
    if (item !== undefined) this.#answers.push({ kind: 'read', item });
  }

  /** An answer to one of our own writes, or to a live read, arrives. */
  answer(which: number): void {
    const [answer] = this.#answers.splice(which % Math.max(1, this.#answers.length), 1);
    if (answer === undefined) return;
    this.#told.set(answer.item.uid, answer);
    if (answer.kind === 'written') this.store.observe(answer.item);
    else if (answer.kind === 'read') this.store.upsertLive(answer.item);
    else this.store.forget(answer.item.key, answer.item.uid);
  }

  /** The watch delivers the next events, unless a list has begun. */
  watch(count: number): void {
    if (this.#list !== undefined) return;
    for (let i = 0; i < count && this.#cursor < this.#log.length; i++)
      this.#deliver(this.#log[this.#cursor++]);
  }

  /** The next two events arrive in the wrong order. */
  swap(): void {
    if (this.#list !== undefined || this.#cursor + 2 > this.#log.length) return;
    this.#deliver(this.#log[this.#cursor + 1]);
    this.#deliver(this.#log[this.#cursor]);
    this.#cursor += 2;
  }

  /** The watch delivers an old event again. */
  repeat(which: number): void {
    if (this.#list === undefined && this.#cursor > 0) this.#deliver(this.#log[which % this.#cursor]);
  }

  /** The watch breaks and the server takes a list, which arrives with endList. */
  beginList(): void {
    this.#list ??= { items: [...this.#server.values()], revision: this.#revision, cursor: this.#log.length };
  }

  endList(): void {
    if (this.#list === undefined) return;
    const { items, revision, cursor } = this.#list;
    this.#list = undefined;
    this.#cursor = cursor;
    this.store.replace(items, String(revision));
  }

  check(): void {
    const held = [...this.store.values()];
    assert.equal(held.length, this.store.size);
    assert.deepEqual(
      new Map(held.map((item) => [item.key, item])),
      this.#followed,
      'changes tell the contents',
    );
    for (const item of held) {
      assert.equal(this.store.get(item.key), item);
      const revision = Number(item.resourceVersion);
      assert.ok(revision >= (this.#shown.get(item.uid) ?? 0), `${item.key} went back to ${revision}`);
      this.#shown.set(item.uid, revision);
    }
    for (const { kind, item } of this.#told.values()) {
      const shown = this.store.get(item.key);
      if (kind === 'deleted') assert.notEqual(shown?.uid, item.uid, `${item.key} came back after our delete`);
      else if (this.#server.get(item.key)?.uid === item.uid) {
        assert.equal(shown?.uid, item.uid, `${item.key} is not there although we wrote or read it`);
        assert.ok(
          Number(shown?.resourceVersion) >= Number(item.resourceVersion),
          `${item.key}: our write or live read is undone`,
        );
      }
    }
  }

  /** All answers and events arrive: the store must equal the server. */
  settle(answersFirst: boolean): void {
    const answers = () => {
      while (this.#answers.length > 0) this.answer(0);
    };
    if (answersFirst) answers();
    this.endList();
    this.watch(this.#log.length);
    answers();
    this.check();
    assert.deepEqual(new Map([...this.store.values()].map((item) => [item.key, item])), this.#server);
  }

  #deliver(event: Event | undefined): void {
    if (event === undefined) return;
    if (event.type === 'remove') return this.store.remove(event.item);
    this.store.upsert(event.item);
  }
}
