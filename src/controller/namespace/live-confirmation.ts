/**
 * Live reads of what a write is based on (invariant I4).
 *
 * An opening is always confirmed. Every other write is confirmed once: until this process has read a namespace and its
 * profiles itself, and that there are no others, its caches may be older than what the process before it enforced (a
 * standby whose watch lags, a list from a server that does). From then on they only go forward, and nobody else writes.
 * Where many namespaces are to be confirmed at once, as in a backfill, one consistent list of all of them does it: each
 * read costs the API server and etcd about as much as half a write.
 */
import type { KubeObject } from '../../api/meta.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { isGone, isNotFound } from '../../kube/errors.ts';
import { type List, PAGE_SIZE, type Resource } from '../../kube/resource.ts';
import { type NamespaceItem, projectNamespace, projectProfile } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';

export interface EvidenceSources {
  readonly clusterState: ClusterState;
  readonly namespaces: Resource<KubeObject>;
  readonly profiles: Resource<SegmentationProfile>;
}

/** So many namespaces are read one by one at the same time; more of them are confirmed by a list. */
const SINGLY = 8;

export class LiveConfirmation {
  /** The uids of the namespaces and profiles that were read live and found as they were known, by name. */
  readonly #namespaces = new Map<string, string>();
  readonly #profiles = new Map<string, string>();
  /** How many namespaces are being read one by one. */
  #reading = 0;
  /** The list that is under way. */
  #list: Promise<void> | undefined;
  /** The first list of the profiles while it is under way, and whether it was taken. */
  #firstProfiles: Promise<List<SegmentationProfile>> | undefined;
  #knowsAllProfiles = false;

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
    const isDue = anew || this.#namespaces.get(namespace.key) !== namespace.uid;
    const results = await Promise.all([
      !isDue || this.#namespace(namespace, anew, sources, signal),
      ...concerned.map((profile) => {
        const { name, uid = '' } = profile.metadata;
        const isKnown = !anew && this.#profiles.get(name) === uid;
        return isKnown || this.#profile(profile, sources, signal);
      }),
      (!anew && this.#knowsAllProfiles) || this.#noOther(namespace, concerned, anew, sources, signal),
    ]);
    return results.every(Boolean);
  }

  /**
   * Whether no other profile selects the namespace. One that a watch was late to tell of may isolate it, or allow what
   * the others would cut: the process before this one may have known of it long since.
   */
  async #noOther(
    namespace: NamespaceItem,
    concerned: readonly SegmentationProfile[],
    anew: boolean,
    { clusterState, profiles }: EvidenceSources,
    signal: AbortSignal,
  ): Promise<boolean> {
    const known = new Set(concerned.map(({ metadata }) => metadata.name));
    const list = () => profiles.listAll({ signal });
    const { items, metadata } = await (anew
      ? list()
      : (this.#firstProfiles ??= list().finally(() => (this.#firstProfiles = undefined))));
    // A list without those that are there is no evidence of what is not.
    const listed = new Set(items.map(({ metadata }) => metadata.name));
    if (!known.isSubsetOf(listed)) return false;
    const others = items.filter(({ metadata }) => !known.has(metadata.name)).map(projectProfile);
    for (const other of others) clusterState.profiles.addListed(other, metadata.resourceVersion);
    this.#knowsAllProfiles = true;
    return !others.some(({ profile }) => clusterState.selects(profile, namespace));
  }

  /** The namespace is gone. */
  forget(namespace: string): void {
    this.#namespaces.delete(namespace);
  }

  async #namespace(
    known: NamespaceItem,
    anew: boolean,
    sources: EvidenceSources,
    signal: AbortSignal,
  ): Promise<boolean> {
    // An opening is confirmed by a read of its own, begun after it was decided on.
    if (!anew && this.#reading >= SINGLY) {
      await (this.#list ??= this.#listNamespaces(sources, signal).finally(() => (this.#list = undefined)));
      const held = sources.clusterState.namespaces.get(known.key);
      if (this.#namespaces.get(known.key) === known.uid && held !== undefined && isSame(held, known))
        return true;
    }
    this.#reading += 1;
    try {
      const live = await sources.namespaces.get(known.key, undefined, { signal });
      return this.#compare(known, projectNamespace(live), sources);
    } finally {
      this.#reading -= 1;
    }
  }

  /** Confirms all namespaces that are as they are known. Those that come later are read one by one. */
  async #listNamespaces(sources: EvidenceSources, signal: AbortSignal): Promise<void> {
    let next: string | undefined;
    do {
      let page;
      try {
        // Without a resourceVersion: a consistent read, also of the later pages, which are of the first one's revision.
        page = await sources.namespaces.list({ limit: PAGE_SIZE, continue: next, signal });
      } catch (error) {
        // It took longer than the server keeps the revision: the rest is read one by one.
        if (isGone(error)) return;
        throw error;
      }
      for (const live of page.items.map(projectNamespace)) {
        const held = sources.clusterState.namespaces.get(live.key);
        if (held !== undefined) this.#compare(held, live, sources);
      }
      next = page.metadata.continue || undefined;
    } while (next !== undefined);
  }

  #compare(known: NamespaceItem, live: NamespaceItem, { clusterState }: EvidenceSources): boolean {
    const same = isSame(known, live);
    if (same) this.#namespaces.set(known.key, known.uid);
    else clusterState.namespaces.upsert(live);
    return same;
  }

  async #profile(
    { metadata }: SegmentationProfile,
    { clusterState, profiles }: EvidenceSources,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { name, uid = '', generation, deletionTimestamp } = metadata;
    try {
      const current = await profiles.get(name, undefined, { signal });
      const same =
        current.metadata.uid === uid &&
        current.metadata.generation === generation &&
        current.metadata.deletionTimestamp === deletionTimestamp;
      if (same) this.#profiles.set(name, uid);
      else clusterState.profiles.upsert(projectProfile(current));
      return same;
    } catch (error) {
      // Gone altogether: its policies are the garbage collector's, or were retained. The watch will say so.
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}

function isSame(a: NamespaceItem, b: NamespaceItem): boolean {
  return a.uid === b.uid && JSON.stringify(a.labels) === JSON.stringify(b.labels);
}
