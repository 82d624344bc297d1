/** Finds events that were lost, by write conflicts. Sends nothing by itself. */
import type { KubeObject } from '../api/meta.ts';
import { isConflict } from '../kube/errors.ts';

export class WriteConflicts {
  /** The resourceVersions by which writes were refused last, by the uid of the object. */
  readonly #refused = new Map<string, string>();

  /**
   * Sends a write that has the cached object as its precondition. The event of the change that a write conflict shows is mostly
   * on its way. If the cache is still the same at the next conflict, the event is lost, and every write would be refused until
   * the resync: the object is read live.
   *
   * @param readLive brings the object into the cache
   * @throws what `write` throws, and what `readLive` throws
   */
  async following<T>(
    { metadata: { uid = '', resourceVersion = '' } }: KubeObject,
    write: () => Promise<T>,
    readLive: () => Promise<void>,
  ): Promise<T> {
    const refused = this.#refused.get(uid);
    this.#refused.delete(uid);
    try {
      return await write();
    } catch (error) {
      if (!isConflict(error)) throw error;
      if (refused === resourceVersion) await readLive();
      else this.#refused.set(uid, resourceVersion);
      throw error;
    }
  }
}
