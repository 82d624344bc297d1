/**
 * The known objects of one kind, from a Reflector, from the answers to our own writes, and from live reads, which may
 * arrive in any order.
 *
 * Guarantees: an object never returns to an older resourceVersion. Our writes are visible at once, and events or lists
 * from before a write or a live read do not undo it; nor do they bring back an object that we deleted. Once the watch has
 * caught up, the contents are the server's.
 *
 * Caveat: the store never concludes by itself that an object is gone. Only a deletion or a list removes it.
 */
import { compareResourceVersions } from './resource-version.ts';

/** The fields of an object that a store needs. Kinds add the fields that they keep. */
export interface Item {
  /** namespace/name, or the name alone for a cluster-scoped kind. */
  readonly key: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** The parts of the key. Without them, the store splits the key. */
  readonly namespace?: string;
  readonly name?: string;
}

/** The receiver of a Reflector's items. */
export interface Sink<T> {
  /** Replaces all items with the complete contents as of a revision. */
  replace(items: readonly T[], resourceVersion: string): void;
  /** Adds or modifies an item. May be repeated, or older than an item that was delivered before. */
  upsert(item: T): void;
  /** Removes an item; `item` is its last state, with the revision of the deletion. */
  remove(item: T): void;
}

/** A change of the contents. At least one of `old` and `new` is present. */
export interface StoreChange<T> {
  readonly old?: T;
  readonly new?: T;
  /** `own`: from the answer to our own write (`observe`, `forget`). The write's event makes no further change. */
  readonly origin: 'watch' | 'own';
}

export type StoreListener<T> = (change: StoreChange<T>) => void;

/** Observed deletions that are remembered, so that late events do not undo them. */
const REMEMBERED_DELETIONS = 4096;

export class Store<T extends Item> implements Sink<T> {
  /** Items by namespace ('' for cluster-scoped kinds), then by name. */
  readonly #items = new Map<string, Map<string, T>>();
  readonly #listeners = new Set<StoreListener<T>>();
  /** Our own writes and live reads that no event or list has confirmed yet, by key. */
  readonly #unconfirmed = new Map<string, Mark>();
  /** Our own deletions that no event or list has confirmed yet, by uid. */
  readonly #forgotten = new Map<string, Mark>();
  /** Uids deleted since the last list, oldest first. A uid is never used again, so its further events are late ones. */
  readonly #deleted = new Set<string>();
  /**
   * Revision of the last list, which decides all states that are not newer: it contained them, or they are outdated.
   */
  #listRevision = '';
  #size = 0;
  readonly #isSameForm: (a: T, b: T) => boolean;

  /**
   * @param isSameForm compares two states of one object at one resourceVersion. Objects of custom resources may change there:
   * the API server prunes and defaults what it reads by the definition of that moment. Without it, they are taken to be equal.
   */
  constructor(isSameForm: (a: T, b: T) => boolean = () => true) {
    this.#isSameForm = isSameForm;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): T | undefined {
    const [namespace, name] = split(key);
    return this.#items.get(namespace)?.get(name);
  }

  #current(item: T): T | undefined {
    const [namespace, name] = placeOf(item);
    return this.#items.get(namespace)?.get(name);
  }

  /** The objects of a namespace, in no particular order. */
  byNamespace(namespace: string): Iterable<T> {
    return this.#items.get(namespace)?.values() ?? [];
  }

  /** All objects, in no particular order. */
  values(): IteratorObject<T, undefined> {
    // Objects of a cluster-scoped kind are in one map, whose own iterator costs less than a generator.
    const [only] = this.#items.size === 1 ? this.#items.values() : [];
    return only === undefined ? this.#eachValue() : only.values();
  }

  *#eachValue(): Generator<T, undefined, undefined> {
    for (const names of this.#items.values()) for (const item of names.values()) yield item;
  }

  /**
   * Calls `listener` after every change. It should not throw: if it does, the other listeners are called all the same,
   * and the method that made the change throws the error.
   *
   * @returns ends the subscription
   */
  subscribe(listener: StoreListener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  upsert(item: T): void {
    if (this.#isDeleted(item.uid) || this.#isListed(item)) return;
    const old = this.#current(item);
    if (old !== undefined && compareResourceVersions(item.resourceVersion, old.resourceVersion) <= 0) {
      // Usually the event of our own write, which is now confirmed.
      if (item.resourceVersion === old.resourceVersion) this.#unconfirmed.delete(item.key);
      return;
    }
    this.#unconfirmed.delete(item.key);
    this.#set(item);
    this.#notify([change(old, item, 'watch')]);
  }

  /** Applies an object that was read live, apart from the watch. A list that began before does not undo it. */
  upsertLive(item: T): void {
    this.#apply(item, 'watch');
  }

  /** Applies an object from a list at `resourceVersion` like `upsertLive`, even if an equal or older list omitted it. */
  addListed(item: T, resourceVersion: string): void {
    if (this.get(item.key) !== undefined || compareResourceVersions(resourceVersion, this.#listRevision) < 0)
      return this.upsertLive(item);
    if (this.#isDeleted(item.uid)) return;
    this.#set(item);
    this.#unconfirmed.set(item.key, { listed: false });
    this.#notify([change(undefined, item, 'watch')]);
  }

  remove(item: T): void {
    this.#forgotten.delete(item.uid);
    this.#rememberDeleted(item.uid);
    const old = this.#current(item);
    if (old === undefined) return;
    const newer = compareResourceVersions(old.resourceVersion, item.resourceVersion) > 0;
    // A newer object of the same name is known already.
    if (old.uid !== item.uid && newer) return;
    this.#unset(old);
    this.#notify([change(old, undefined, 'watch')]);
  }

  replace(items: readonly T[], resourceVersion: string): void {
    const changes: StoreChange<T>[] = [];
    // An empty store has nothing that the list could omit: then the keys of a large list are not collected.
    const listed = this.#size > 0 ? new Set<string>() : undefined;
    for (const item of items) {
      // We deleted the object after this list began.
      if (this.#forgotten.get(item.uid)?.listed === false) continue;
      listed?.add(item.key);
      const old = this.#current(item);
      if (old !== undefined && this.#isNewerThanList(old, resourceVersion)) continue;
      this.#unconfirmed.delete(item.key);
      if (old !== undefined && isSameRevision(old, item) && this.#isSameForm(old, item)) continue;
      this.#set(item);
      changes.push(change(old, item, 'watch'));
    }
    for (const old of listed === undefined ? [] : this.values()) {
      if (listed?.has(old.key) || this.#isNewerThanList(old, resourceVersion)) continue;
      this.#unset(old);
      changes.push(change(old, undefined, 'watch'));
    }
    this.#deleted.clear();
    this.#listRevision = resourceVersion;
    // This list may have begun before our latest writes; the next one begins after them.
    age(this.#unconfirmed);
    age(this.#forgotten);
    this.#notify(changes);
  }

  /** Applies the answer to our own create or update at once. Its event makes no further change. */
  observe(item: T): void {
    const old = this.#current(item);
    if (old !== undefined && isSameRevision(old, item) && !this.#isSameForm(old, item)) {
      this.#set(item);
      this.#notify([change(old, item, 'own')]);
      return;
    }
    this.#apply(item, 'own');
  }

  #apply(item: T, origin: StoreChange<T>['origin']): void {
    if (this.#isDeleted(item.uid) || this.#isListed(item)) return;
    const old = this.#current(item);
    if (old !== undefined && compareResourceVersions(item.resourceVersion, old.resourceVersion) <= 0) return;
    // The object replaces one of the same name, which a list that has begun may still contain.
    if (old !== undefined && old.uid !== item.uid) this.#forgotten.set(old.uid, { listed: false });
    this.#set(item);
    this.#unconfirmed.set(item.key, { listed: false });
    this.#notify([change(old, item, origin)]);
  }

  /** Applies the answer to our own delete at once: the object with this uid is gone. */
  forget(key: string, uid: string): void {
    if (this.#deleted.has(uid)) return;
    this.#forgotten.set(uid, { listed: false });
    const old = this.get(key);
    if (old === undefined || old.uid !== uid) return;
    this.#unset(old);
    this.#notify([change(old, undefined, 'own')]);
  }

  #isListed(item: T): boolean {
    return compareResourceVersions(item.resourceVersion, this.#listRevision) <= 0;
  }

  #isDeleted(uid: string): boolean {
    return this.#forgotten.has(uid) || this.#deleted.has(uid);
  }

  /** True if we wrote `item`, or read it live, after the list of this revision, which can't contain that state. */
  #isNewerThanList(item: T, listRevision: string): boolean {
    const mark = this.#unconfirmed.get(item.key);
    if (mark === undefined || mark.listed) return false;
    return compareResourceVersions(item.resourceVersion, listRevision) > 0;
  }

  #rememberDeleted(uid: string): void {
    this.#deleted.delete(uid);
    this.#deleted.add(uid);
    if (this.#deleted.size <= REMEMBERED_DELETIONS) return;
    for (const oldest of this.#deleted) {
      this.#deleted.delete(oldest);
      return;
    }
  }

  #set(item: T): void {
    const [namespace, name] = placeOf(item);
    let names = this.#items.get(namespace);
    if (names === undefined) {
      names = new Map();
      this.#items.set(namespace, names);
    }
    const before = names.get(name);
    if (before === undefined) this.#size += 1;
    // The item replaces one of the same name, which is gone even if its deletion was not seen.
    else if (before.uid !== item.uid) this.#rememberDeleted(before.uid);
    names.set(name, item);
  }

  #unset(item: T): void {
    const [namespace, name] = placeOf(item);
    const names = this.#items.get(namespace);
    if (names?.delete(name)) this.#size -= 1;
    if (names?.size === 0) this.#items.delete(namespace);
    this.#unconfirmed.delete(item.key);
  }

  #notify(changes: readonly StoreChange<T>[]): void {
    const errors: unknown[] = [];
    for (const change of changes) {
      for (const listener of this.#listeners) {
        try {
          listener(change);
        } catch (error) {
          errors.push(error);
        }
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, `a listener failed: ${String(errors[0])}`);
  }
}

interface Mark {
  /** True once a list has come since the write. That list may have begun before it. */
  readonly listed: boolean;
}

/** Drops the marks that a list has aged before, and ages the others. */
function age(marks: Map<string, Mark>): void {
  for (const [key, mark] of marks) {
    if (mark.listed) marks.delete(key);
    else marks.set(key, { listed: true });
  }
}

function isSameRevision(a: Item, b: Item): boolean {
  return a.uid === b.uid && a.resourceVersion === b.resourceVersion;
}

function change<T>(
  old: T | undefined,
  next: T | undefined,
  origin: StoreChange<T>['origin'],
): StoreChange<T> {
  return { ...(old === undefined ? {} : { old }), ...(next === undefined ? {} : { new: next }), origin };
}

function placeOf(item: Item): [namespace: string, name: string] {
  const { namespace, name } = item;
  return namespace === undefined || name === undefined ? split(item.key) : [namespace, name];
}

/** Splits a key into namespace ('' without one) and name. */
function split(key: string): [namespace: string, name: string] {
  const slash = key.indexOf('/');
  return slash === -1 ? ['', key] : [key.slice(0, slash), key.slice(slash + 1)];
}
