/**
 * Live reads of what a write is based on (invariant I4).
 *
 * An opening is always confirmed. Every other write is confirmed once: until this process has read a namespace and its
 * profiles itself, its caches may be older than what the process before it enforced (a standby whose watch lags, a list
 * from a server that does). From then on they only go forward, and nobody else writes.
 */
import type { KubeObject } from '../api/meta.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import { isNotFound } from '../kube/errors.ts';
import type { Resource } from '../kube/resource.ts';
import { type NamespaceItem, projectNamespace, projectProfile } from './observed.ts';
import type { World } from './world.ts';

export interface EvidenceSources {
  readonly world: World;
  readonly namespaces: Resource<KubeObject>;
  readonly profiles: Resource<SegmentationProfile>;
}

export class Evidence {
  /** The uids of the objects that were read live and found as they were known, by kind and name. */
  readonly #confirmed = new Map<string, string>();

  /**
   * Whether the namespace and the profiles are as they are known. Where they differ, what was read replaces what was
   * known, and the reconcile has to start anew.
   *
   * @param anew also what was confirmed before is read
   * @throws ApiError
   */
  async confirms(
    namespace: NamespaceItem,
    concerned: readonly SegmentationProfile[],
    anew: boolean,
    sources: EvidenceSources,
    signal: AbortSignal,
  ): Promise<boolean> {
    const isDue = (key: string, uid: string) => anew || this.#confirmed.get(key) !== uid;
    const key = `namespace/${namespace.key}`;
    const results = await Promise.all([
      !isDue(key, namespace.uid) || this.#namespace(key, namespace, sources, signal),
      ...concerned.map((profile) => {
        const { name, uid = '' } = profile.metadata;
        return !isDue(`profile/${name}`, uid) || this.#profile(`profile/${name}`, profile, sources, signal);
      }),
      !anew || this.#noOther(namespace, concerned, sources, signal),
    ]);
    return results.every(Boolean);
  }

  /** Whether no other profile selects the namespace: one that a watch was late to tell of may isolate it. */
  async #noOther(
    namespace: NamespaceItem,
    concerned: readonly SegmentationProfile[],
    { world, profiles }: EvidenceSources,
    signal: AbortSignal,
  ): Promise<boolean> {
    const known = new Set(concerned.map(({ metadata }) => metadata.name));
    const others = (await profiles.listAll({ signal })).items
      .filter(({ metadata }) => !known.has(metadata.name))
      .map(projectProfile)
      .filter(({ profile }) => world.selects(profile, namespace));
    for (const other of others) world.profiles.upsert(other);
    return others.length === 0;
  }

  /** The namespace is gone. */
  forget(namespace: string): void {
    this.#confirmed.delete(`namespace/${namespace}`);
  }

  async #namespace(
    key: string,
    { key: name, uid, labels }: NamespaceItem,
    { world, namespaces }: EvidenceSources,
    signal: AbortSignal,
  ): Promise<boolean> {
    const live = projectNamespace(await namespaces.get(name, undefined, { signal }));
    const same = live.uid === uid && JSON.stringify(live.labels) === JSON.stringify(labels);
    if (same) this.#confirmed.set(key, uid);
    else world.namespaces.upsert(live);
    return same;
  }

  async #profile(
    key: string,
    { metadata }: SegmentationProfile,
    { world, profiles }: EvidenceSources,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { name, uid = '', generation, deletionTimestamp } = metadata;
    try {
      const current = await profiles.get(name, undefined, { signal });
      const same =
        current.metadata.uid === uid &&
        current.metadata.generation === generation &&
        current.metadata.deletionTimestamp === deletionTimestamp;
      if (same) this.#confirmed.set(key, uid);
      else world.profiles.upsert(projectProfile(current));
      return same;
    } catch (error) {
      // Gone altogether: its policies are the garbage collector's, or were retained. The watch will say so.
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}
