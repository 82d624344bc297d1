/** Finds events that were lost, by write conflicts. Sends nothing by itself. */
import type { KubeObject } from '../api/meta.ts';
import { isAlreadyExists, isConflict } from '../kube/errors.ts';

export class WriteConflicts {
  /** The resourceVersions by which writes were refused last, by namespace and name of the object. */
  readonly #refused = new Map<string, string>();

  /**
   * Sends a write that has the cached object as its precondition, or creates an object that is not cached. The event of the change
   * that a write conflict shows is mostly on its way. If the cache is still the same at the next conflict, the event is lost, and
   * every write would be refused until the resync: the object is read live.
   *
   * @param object as it is cached, or as it is to be created
   * @param readLive brings the object into the cache
   * @throws what `write` throws, and what `readLive` throws
   */
  async following<T>(
    { metadata: { namespace, name, resourceVersion = '' } }: KubeObject,
    write: () => Promise<T>,
    readLive: () => Promise<void>,
  ): Promise<T> {
    const key = `${namespace}/${name}`;
    const refused = this.#refused.get(key);
    this.#refused.delete(key);
    try {
      return await write();
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) throw error;
      if (refused === resourceVersion) await readLive();
      else this.#refused.set(key, resourceVersion);
      throw error;
    }
  }
}
