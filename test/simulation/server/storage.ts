/** Models etcd and the API server's storage layer: one revision counter for all objects, and a history of changes. */
import { isDeepStrictEqual } from 'node:util';
import type { Kind, Stored } from './kinds.ts';
import { byKey } from '../../../src/util/order.ts';

/** The name of the writer: a replica of the operator, a user, or a controller of the cluster. */
export type Author = string;

/** A change of an object. */
export interface Revision {
  readonly at: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly kind: Kind;
  readonly key: string;
  /** The new object; for a deletion, the last state with the revision of the deletion. */
  readonly object: Stored;
  readonly previous: Stored | undefined;
  readonly author: Author;
}

/** The first revision. Just below a power of ten, so that comparing revisions as text soon fails. */
const FIRST = 90;

export class Storage {
  /** The newest revision. */
  revision = FIRST;
  /** The history begins after this revision. */
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

  /** Calls the listener synchronously at every change. Returns a function that unsubscribes. */
  subscribe(listener: (revision: Revision) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stores `object` and returns it with its new revision. Without a change, returns the stored object and no new revision. */
  put(kind: Kind, key: string, object: Stored, author: Author): Stored {
    const previous = this.get(kind, key);
    if (previous !== undefined && isDeepStrictEqual(withoutRevision(previous), withoutRevision(object)))
      return previous;
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

  /** Drops the history up to now, as etcd's compaction does every few minutes. */
  compact(): void {
    this.compacted = this.revision;
    this.#history = [];
  }

  /** Changes after a revision, oldest first; undefined if they are compacted. */
  since(revision: number): readonly Revision[] | undefined {
    if (revision < this.compacted) return undefined;
    return this.#history.filter(({ at }) => at > revision);
  }

  /** The objects of a kind at a revision, in order of their keys; undefined if that revision is compacted. */
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
    return deepFrozen({ ...object, metadata });
  }

  #record(revision: Revision): void {
    this.#history.push(revision);
    for (const listener of this.#listeners) listener(revision);
  }
}

/** The object without its revision, to compare contents. */
function withoutRevision(object: Stored): object {
  return { ...object, metadata: { ...object.metadata, resourceVersion: '' } };
}

/** Freezes the object and everything in it, as all readers share it. */
function deepFrozen<T extends object>(value: T): T {
  if (Object.isFrozen(value)) return value;
  for (const each of Object.values(value)) if (typeof each === 'object' && each !== null) deepFrozen(each);
  return Object.freeze(value);
}
