// What etcd and the storage layer above it do: one revision for all objects, and a history of what changed at each.
import { isDeepStrictEqual } from 'node:util';
import type { Kind, Stored } from './kinds.ts';
import { byKey } from '../../../src/util/order.ts';

/** Who wrote: a replica of the operator, a user, a controller of the cluster. */
export type Author = string;

/** One change of one object. */
export interface Revision {
  readonly at: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly kind: Kind;
  readonly key: string;
  /** As it is; of a deletion as it was last, with the revision of the deletion. */
  readonly object: Stored;
  readonly previous: Stored | undefined;
  readonly author: Author;
}

/** The first revision: short of a power of ten, so that its length changes soon. */
const FIRST = 90;

export class Storage {
  /** The newest revision. */
  revision = FIRST;
  /** Changes up to this revision are forgotten. */
  compacted = FIRST;
  #history: Revision[] = [];
  readonly #objects = new Map<Kind, Map<string, Stored>>();
  readonly #listeners = new Set<(revision: Revision) => void>();

  get(kind: Kind, key: string): Stored | undefined {
    return this.#of(kind).get(key);
  }

  values(kind: Kind): Iterable<Stored> {
    return this.#of(kind).values();
  }

  /** Called at every change, at once. */
  subscribe(listener: (revision: Revision) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stores `object` and returns it with its new revision; the same object again, without one, if nothing changed. */
  put(kind: Kind, key: string, object: Stored, author: Author): Stored {
    const previous = this.get(kind, key);
    if (previous !== undefined && isDeepStrictEqual(plain(previous), plain(object))) return previous;
    const stored = this.#stamped(object);
    this.#of(kind).set(key, stored);
    const type = previous === undefined ? 'ADDED' : 'MODIFIED';
    this.#record({ at: this.revision, type, kind, key, object: stored, previous, author });
    return stored;
  }

  delete(kind: Kind, key: string, last: Stored, author: Author): Stored {
    const previous = this.get(kind, key);
    const object = this.#stamped(last);
    this.#of(kind).delete(key);
    this.#record({ at: this.revision, type: 'DELETED', kind, key, object, previous, author });
    return object;
  }

  /** Forgets the history up to now, as etcd's compaction does every few minutes. */
  compact(): void {
    this.compacted = this.revision;
    this.#history = [];
  }

  /** Changes after a revision, oldest first; undefined where they are forgotten. */
  since(revision: number): readonly Revision[] | undefined {
    if (revision < this.compacted) return undefined;
    return this.#history.filter(({ at }) => at > revision);
  }

  /** The objects of a kind as they were at a revision, in the order of their keys; undefined where that is forgotten. */
  snapshot(kind: Kind, revision = this.revision): (readonly [key: string, object: Stored])[] | undefined {
    if (revision < this.compacted) return undefined;
    const objects = new Map(this.#of(kind));
    for (const change of this.#history.toReversed()) {
      if (change.at <= revision) break;
      if (change.kind !== kind) continue;
      if (change.previous === undefined) objects.delete(change.key);
      else objects.set(change.key, change.previous);
    }
    return [...objects].sort(byKey);
  }

  #of(kind: Kind): Map<string, Stored> {
    let objects = this.#objects.get(kind);
    if (objects === undefined) this.#objects.set(kind, (objects = new Map()));
    return objects;
  }

  #stamped(object: Stored): Stored {
    this.revision += 1;
    const metadata = { ...object.metadata, resourceVersion: String(this.revision) };
    return frozen({ ...object, metadata });
  }

  #record(revision: Revision): void {
    this.#history.push(revision);
    for (const listener of this.#listeners) listener(revision);
  }
}

/** Without the revision, which says nothing of the contents. */
function plain(object: Stored): object {
  return { ...object, metadata: { ...object.metadata, resourceVersion: '' } };
}

/** Readers share what is stored, so nobody may change it. */
function frozen<T extends object>(value: T): T {
  if (Object.isFrozen(value)) return value;
  for (const each of Object.values(value)) if (typeof each === 'object' && each !== null) frozen(each);
  return Object.freeze(value);
}
