/**
 * Live reads of the namespace and the profiles that a write is based on (I4).
 *
 * Before an opening, they are always read. Before any other write they are read once: until this process has read a
 * namespace and its profiles itself, and knows that there are no others, its caches may be older than what the process
 * before it enforced (the watch of a standby lags, or a server that lags answered a list). From then on the caches only
 * go forward, and nobody else writes. Where many namespaces are to be confirmed at once, as in a backfill, one
 * consistent list confirms all of them: each single read costs the API server and etcd about as much as half a write. A
 * namespace that was written after such a list, such as one that is created later, needs no read at all: no process before
 * this one has seen it in a later state than the cached one.
 */
import type { KubeObject } from '../../api/meta.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { isGone, isNotFound } from '../../kube/errors.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { type List, PAGE_SIZE, type Resource } from '../../kube/resource.ts';
import { compareResourceVersions } from '../../kube/watch/resource-version.ts';
import { type NamespaceItem, projectNamespace, projectProfile } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import type { Records } from '../records.ts';

export interface LiveConfirmationOptions {
  readonly clusterState: ClusterState;
  readonly records: Records;
  readonly namespaces: Resource<KubeObject>;
  readonly profiles: Resource<SegmentationProfile>;
}

/** The cached objects that a decision was made from. */
export interface Basis {
  readonly namespace: NamespaceItem;
  /** The profiles that concern the namespace. */
  readonly profiles: readonly SegmentationProfile[];
}

/** Most namespaces that are read one by one at the same time; more of them are confirmed by a list. */
const MOST_SINGLE_READS = 8;

export class LiveConfirmation {
  readonly #options: LiveConfirmationOptions;
  /** How many namespaces are being read one by one. */
  #singleReads = 0;
  /** The list of namespaces that is under way. */
  #namespaceList: Promise<void> | undefined;
  /** A revision of the namespaces that was the latest one at some moment since this process leads; undefined before a list. */
  #revision: string | undefined;
  #isReadingRevision = false;
  /** The list of profiles that is under way for all who need the first one. */
  #firstProfiles: Promise<List<SegmentationProfile>> | undefined;
  /** The reads of profiles that are under way for all who need the first one, by name. */
  readonly #firstReads = new Map<string, Promise<SegmentationProfile>>();
  /** True once a list of all profiles was read. */
  #hasListedProfiles = false;

  constructor(options: LiveConfirmationOptions) {
    this.#options = options;
  }

  /**
   * Reads what this process has not read before. If an object differs from the cached one it replaces it, and the
   * reconcile has to start over.
   *
   * @returns true if all is as it was cached
   * @throws ApiError
   */
  async confirmOnce(basis: Basis, signal: AbortSignal): Promise<boolean> {
    const { namespace, profiles } = basis;
    const { records } = this.#options;
    const confirmations = await Promise.all([
      records.namespace(namespace.key).confirmedUid === namespace.uid ||
        this.#confirmNamespace(namespace, signal),
      ...profiles.map((profile) => {
        if (mayBeGone(profile)) return this.#readProfile(profile, signal);
        const { name, uid = '' } = profile.metadata;
        return records.profile(name).confirmedUid === uid || this.#confirmProfile(profile, signal);
      }),
      this.#hasListedProfiles || this.#isComplete(basis, this.#listProfilesOnce(signal)),
    ]);
    return confirmations.every(Boolean);
  }

  /** Reads everything, also what was read before, by requests of its own: for an opening, after it was decided on. */
  async confirmAgain(basis: Basis, signal: AbortSignal): Promise<boolean> {
    const confirmations = await Promise.all([
      this.#readNamespace(basis.namespace, signal),
      ...basis.profiles.map((profile) => this.#readProfile(profile, signal)),
      this.#isComplete(basis, this.#options.profiles.listAll({ signal })),
    ]);
    return confirmations.every(Boolean);
  }

  #listProfilesOnce(signal: AbortSignal): Promise<List<SegmentationProfile>> {
    return (this.#firstProfiles ??= this.#options.profiles
      .listAll({ signal })
      .finally(() => (this.#firstProfiles = undefined)));
  }

  /**
   * True if no other profile selects the namespace. A profile that the watch was late to report may isolate the
   * namespace, or allow what the others would cut: the process before this one may have known it long since.
   */
  async #isComplete(
    { namespace, profiles }: Basis,
    list: Promise<List<SegmentationProfile>>,
  ): Promise<boolean> {
    const { clusterState } = this.#options;
    const known = new Set(profiles.map(({ metadata }) => metadata.name));
    const { items, metadata } = await list;
    // If the list omits profiles that we know exist, it is stale and cannot prove that no other profile exists.
    const listed = new Set(items.map((profile) => profile.metadata.name));
    if (!known.isSubsetOf(listed)) return false;
    const others = items.filter((profile) => !known.has(profile.metadata.name)).map(projectProfile);
    for (const other of others) clusterState.profiles.addListed(other, metadata.resourceVersion);
    this.#hasListedProfiles = true;
    return !others.some(({ profile }) => clusterState.selects(profile, namespace));
  }

  async #confirmNamespace(cached: NamespaceItem, signal: AbortSignal): Promise<boolean> {
    if (this.#revision !== undefined && compareResourceVersions(cached.resourceVersion, this.#revision) > 0) {
      this.#options.records.namespace(cached.key).confirmedUid = cached.uid;
      return true;
    }
    if (this.#singleReads >= MOST_SINGLE_READS) {
      await (this.#namespaceList ??= this.#listNamespaces(signal).finally(
        () => (this.#namespaceList = undefined),
      ));
      const { clusterState, records } = this.#options;
      const now = clusterState.namespaces.get(cached.key);
      const isConfirmed = records.namespace(cached.key).confirmedUid === cached.uid;
      if (isConfirmed && now !== undefined && isSame(now, cached)) return true;
    }
    const isConfirmed = await this.#readNamespace(cached, signal);
    if (this.#revision === undefined && this.#namespaceList === undefined) void this.#readRevision(signal);
    return isConfirmed;
  }

  /** Nobody waits for it: a namespace that is confirmed before is read by itself. */
  async #readRevision(signal: AbortSignal): Promise<void> {
    if (this.#isReadingRevision) return;
    this.#isReadingRevision = true;
    try {
      const { metadata } = await this.#options.namespaces.list({ limit: 1, metadataOnly: true, signal });
      this.#revision ??= metadata.resourceVersion;
    } catch {
      // The next read of a single namespace is followed by another attempt.
    } finally {
      this.#isReadingRevision = false;
    }
  }

  async #readNamespace(cached: NamespaceItem, signal: AbortSignal): Promise<boolean> {
    this.#singleReads += 1;
    try {
      const live = await this.#options.namespaces.get(cached.key, undefined, { signal });
      return this.#compare(cached, projectNamespace(live));
    } finally {
      this.#singleReads -= 1;
    }
  }

  /** Confirms all namespaces that are as they are cached. A namespace that is created later is read by itself. */
  async #listNamespaces(signal: AbortSignal): Promise<void> {
    const { namespaces, clusterState } = this.#options;
    let next: string | undefined;
    do {
      let page;
      try {
        // Without a resourceVersion: a consistent read, also of the later pages, which have the first one's revision.
        page = await namespaces.list({ limit: PAGE_SIZE, continue: next, signal });
      } catch (error) {
        // It took longer than the server keeps the revision: the other namespaces are read one by one.
        if (isGone(error)) return;
        throw error;
      }
      this.#revision ??= page.metadata.resourceVersion;
      for (const live of page.items.map(projectNamespace)) {
        const cached = clusterState.namespaces.get(live.key);
        if (cached !== undefined) this.#compare(cached, live);
      }
      next = page.metadata.continue || undefined;
    } while (next !== undefined);
  }

  #compare(cached: NamespaceItem, live: NamespaceItem): boolean {
    const { clusterState, records } = this.#options;
    const same = isSame(cached, live);
    if (same) records.namespace(cached.key).confirmedUid = cached.uid;
    else clusterState.namespaces.upsertLive(live);
    return same;
  }

  /** When many namespaces begin at once, all of them need the same read. */
  async #confirmProfile(cached: SegmentationProfile, signal: AbortSignal): Promise<boolean> {
    const { name } = cached.metadata;
    let read = this.#firstReads.get(name);
    if (read === undefined) {
      read = this.#options.profiles
        .get(name, undefined, { signal })
        .finally(() => this.#firstReads.delete(name));
      this.#firstReads.set(name, read);
    }
    // The shared read may be older than the cached profile.
    return (await this.#compareProfile(cached, read)) || this.#readProfile(cached, signal);
  }

  #readProfile(cached: SegmentationProfile, signal: AbortSignal): Promise<boolean> {
    return this.#compareProfile(
      cached,
      this.#options.profiles.get(cached.metadata.name, undefined, { signal }),
    );
  }

  async #compareProfile(
    { metadata, status }: SegmentationProfile,
    read: Promise<SegmentationProfile>,
  ): Promise<boolean> {
    const { clusterState, records } = this.#options;
    const { name, uid = '', generation, deletionTimestamp } = metadata;
    try {
      const live = await read;
      const same =
        live.metadata.uid === uid &&
        live.metadata.generation === generation &&
        live.metadata.deletionTimestamp === deletionTimestamp &&
        // Which revision the namespace has.
        canonicalJSON(live.status?.rollout ?? null) === canonicalJSON(status?.rollout ?? null);
      if (same) records.profile(name).confirmedUid = uid;
      else clusterState.profiles.upsertLive(projectProfile(live));
      return same;
    } catch (error) {
      // The profile is gone: its policies are the garbage collector's, or were retained. The watch will report it.
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}

/**
 * True for a profile that is being deleted and leaves its policies. Once it is gone, nobody completes a plan for it, or
 * deletes its covers; and the watches of profiles and namespaces may lag.
 */
function mayBeGone({ metadata, spec }: SegmentationProfile): boolean {
  return metadata.deletionTimestamp !== undefined && spec.deletionPolicy === 'Retain';
}

function isSame(a: NamespaceItem, b: NamespaceItem): boolean {
  return a.uid === b.uid && JSON.stringify(a.labels) === JSON.stringify(b.labels);
}
