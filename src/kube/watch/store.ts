/**
 * What is known of the objects of one kind: fed by a Reflector and by the answers to our own writes, in whatever order
 * these arrive.
 *
 * Guarantees: an object never goes back to an older resourceVersion; what we wrote is there at once and is not undone
 * by events or lists from before the write; what we deleted does not come back by them either. After the watch caught
 * up, the contents are the server's.
 *
 * Caveat: it never decides on its own that something is gone. Only a deletion or a list says so.
 */
import { compareResourceVersions } from './resource-version.ts';

/** What a store needs to know of an object; kinds add what they keep of it. */
export interface Item {
  /** namespace/name, or the name alone for a cluster-scoped kind. */
  readonly key: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** The two halves of the key, where they are at hand. */
  readonly namespace?: string;
  readonly name?: string;
}

/** Where a Reflector delivers to. */
export interface Sink<T> {
  /** The complete contents as of a revision. */
  replace(items: readonly T[], resourceVersion: string): void;
  /** Added or modified. May be repeated, or older than what was delivered before. */
  upsert(item: T): void;
  /** Deleted; `item` is its last state, with the revision of the deletion. */
  remove(item: T): void;
  /** An event of exactly this state came. True if that is what is held, so that it need not be delivered. */
  confirm(key: string, uid: string, resourceVersion: string): boolean;
}

/** One effective change. At least one of `old` and `new` is there. */
export interface StoreChange<T> {
  readonly old?: T;
  readonly new?: T;
  /** `own`: the answer to our own write (`observe`, `forget`), whose event does not follow as another change. */
  readonly origin: 'watch' | 'own';
}

export type StoreListener<T> = (change: StoreChange<T>) => void;

/** How many deletions are remembered against events that come late, beyond our own. */
const REMEMBERED_DELETIONS = 4096;

export class Store<T extends Item> implements Sink<T> {
  /** By namespace ('' for cluster-scoped kinds), then by name. */
  readonly #items = new Map<string, Map<string, T>>();
  readonly #listeners = new Set<StoreListener<T>>();
  /** Written by us, by key, and not yet seen in an event or list. */
  readonly #unconfirmed = new Map<string, Mark>();
  /** Deleted by us, by uid, and not yet seen as deleted. */
  readonly #forgotten = new Map<string, Mark>();
  /** Uids seen as deleted since the last list, oldest first. A uid never comes back, so events of it are late ones. */
  readonly #deleted = new Set<string>();
  /** The revision of the last list: what is not newer is contained in it, as it is or as its absence. */
  #listed = '';
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): T | undefined {
    const [namespace, name] = split(key);
    return this.#items.get(namespace)?.get(name);
  }

  #held(item: T): T | undefined {
    const [namespace, name] = placeOf(item);
    return this.#items.get(namespace)?.get(name);
  }

  /** The objects of a namespace, in no particular order. */
  byNamespace(namespace: string): Iterable<T> {
    return this.#items.get(namespace)?.values() ?? [];
  }

  *values(): Generator<T, void, undefined> {
    for (const names of this.#items.values()) for (const item of names.values()) yield item;
  }

  /**
   * Calls `listener` after every effective change. It must not throw; if it does, the others are still called, and the
   * error is then thrown to whoever delivered the change.
   *
   * @returns ends the subscription
   */
  subscribe(listener: StoreListener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  upsert(item: T): void {
    if (this.#isDeleted(item.uid) || this.#isListed(item)) return;
    const old = this.#held(item);
    if (old !== undefined && compareResourceVersions(item.resourceVersion, old.resourceVersion) <= 0) {
      // The event of our own write, usually: from now on the watch vouches for it.
      if (item.resourceVersion === old.resourceVersion) this.#unconfirmed.delete(item.key);
      return;
    }
    this.#unconfirmed.delete(item.key);
    this.#set(item);
    this.#notify([change(old, item, 'watch')]);
  }

  /** It was there in a list as of `resourceVersion`, whatever a list that is no newer said, or lacked. */
  addListed(item: T, resourceVersion: string): void {
    if (this.get(item.key) !== undefined || compareResourceVersions(resourceVersion, this.#listed) < 0)
      return this.upsert(item);
    if (this.#isDeleted(item.uid)) return;
    this.#set(item);
    this.#notify([change(undefined, item, 'watch')]);
  }

  confirm(key: string, uid: string, resourceVersion: string): boolean {
    const held = this.get(key);
    if (held?.uid !== uid || held.resourceVersion !== resourceVersion) return false;
    this.#unconfirmed.delete(key);
    return true;
  }

  remove(item: T): void {
    this.#forgotten.delete(item.uid);
    this.#rememberDeleted(item.uid);
    const old = this.#held(item);
    if (old === undefined) return;
    const newer = compareResourceVersions(old.resourceVersion, item.resourceVersion) > 0;
    // Created anew under the same name, which we know already.
    if (old.uid !== item.uid && newer) return;
    this.#unset(old);
    this.#notify([change(old, undefined, 'watch')]);
  }

  replace(items: readonly T[], resourceVersion: string): void {
    const changes: StoreChange<T>[] = [];
    const listed = new Set<string>();
    for (const item of items) {
      // Deleted by us after this list began.
      if (this.#forgotten.get(item.uid)?.listed === false) continue;
      listed.add(item.key);
      const old = this.#held(item);
      if (old !== undefined && this.#isNewerThanList(old, resourceVersion)) continue;
      this.#unconfirmed.delete(item.key);
      if (old?.uid === item.uid && old.resourceVersion === item.resourceVersion) continue;
      this.#set(item);
      changes.push(change(old, item, 'watch'));
    }
    for (const old of this.values()) {
      if (listed.has(old.key) || this.#isNewerThanList(old, resourceVersion)) continue;
      this.#unset(old);
      changes.push(change(old, undefined, 'watch'));
    }
    this.#deleted.clear();
    this.#listed = resourceVersion;
    // This list may have begun before our latest writes; the next one cannot have.
    age(this.#unconfirmed);
    age(this.#forgotten);
    this.#notify(changes);
  }

  /** The answer to our own create or update: visible at once, and no longer news when its event comes. */
  observe(item: T): void {
    if (this.#isDeleted(item.uid) || this.#isListed(item)) return;
    const old = this.#held(item);
    if (old !== undefined && compareResourceVersions(item.resourceVersion, old.resourceVersion) <= 0) return;
    // Created anew under the same name, which a list that is under way need not know.
    if (old !== undefined && old.uid !== item.uid) this.#forgotten.set(old.uid, { listed: false });
    this.#set(item);
    this.#unconfirmed.set(item.key, { listed: false });
    this.#notify([change(old, item, 'own')]);
  }

  /** Our own delete was confirmed by the server: the object with this uid is gone. */
  forget(key: string, uid: string): void {
    if (this.#deleted.has(uid)) return;
    this.#forgotten.set(uid, { listed: false });
    const old = this.get(key);
    if (old === undefined || old.uid !== uid) return;
    this.#unset(old);
    this.#notify([change(old, undefined, 'own')]);
  }

  #isListed(item: T): boolean {
    return compareResourceVersions(item.resourceVersion, this.#listed) <= 0;
  }

  #isDeleted(uid: string): boolean {
    return this.#forgotten.has(uid) || this.#deleted.has(uid);
  }

  /** Whether we wrote `held` after the list of this revision, so that the list can't know of it. */
  #isNewerThanList(held: T, listRevision: string): boolean {
    const mark = this.#unconfirmed.get(held.key);
    if (mark === undefined || mark.listed) return false;
    return compareResourceVersions(held.resourceVersion, listRevision) > 0;
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
    // Created anew under the same name: the one before is gone, whether or not its deletion was seen.
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
  /** A list came since; it may have begun before. */
  readonly listed: boolean;
}

/** Drops the marks that one list has passed already, and notes that another did. */
function age(marks: Map<string, Mark>): void {
  for (const [key, mark] of marks) {
    if (mark.listed) marks.delete(key);
    else marks.set(key, { listed: true });
  }
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

/** Namespace ('' without one) and name of a key. */
function split(key: string): [namespace: string, name: string] {
  const slash = key.indexOf('/');
  return slash === -1 ? ['', key] : [key.slice(0, slash), key.slice(slash + 1)];
}
