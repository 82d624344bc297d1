/** Which keys of the work queue a change asks for: of what is watched, of what was found out, of what is intended. No I/O. */
import type { StoreChange } from '../kube/watch/store.ts';
import { accountsOf } from '../policy/admission/accounts.ts';
import type { Causes } from './causes.ts';
import { ADMISSION, type Key, namespaceKey, profileKey, SERVICE_ACCOUNTS } from './queue/key.ts';
import type { NamespaceItem, PolicyItem, ProfileItem } from '../cluster-state/items.ts';
import { hasFinalizer } from './profile/reconcile.ts';
import { type KeyQueue, Priority } from './queue/key-queue.ts';
import type { StatusPace } from './profile/status-pace.ts';
import type { ClusterState } from '../cluster-state/state.ts';

/** How soon admission follows what changed, so that changes that come together are one; milliseconds. */
const ADMISSION_DELAY = 200;

export class EventHandlers {
  readonly #clusterState: ClusterState;
  readonly #queue: Pick<KeyQueue<Key>, 'add' | 'addAfter'>;
  readonly #causes: Causes;
  readonly #pace: StatusPace;

  constructor(
    clusterState: ClusterState,
    queue: Pick<KeyQueue<Key>, 'add' | 'addAfter'>,
    causes: Causes,
    pace: StatusPace,
  ) {
    this.#clusterState = clusterState;
    this.#queue = queue;
    this.#causes = causes;
    this.#pace = pace;
  }

  /** From now on changes of the watched state are handled. */
  subscribe(): void {
    this.#clusterState.profiles.subscribe((change) => this.#profileChanged(change));
    this.#clusterState.namespaces.subscribe((change) => this.#namespaceChanged(change));
    this.#clusterState.policies.subscribe((change) => this.#policyChanged(change));
  }

  /** Asks for everything. */
  addAll(): void {
    this.#queue.add(ADMISSION, Priority.live);
    this.#queue.add(SERVICE_ACCOUNTS, Priority.live);
    for (const { key } of this.#clusterState.profiles.values())
      this.#queue.add(profileKey(key), Priority.live);
    for (const { key } of this.#clusterState.namespaces.values())
      this.#queue.add(namespaceKey(key), Priority.backfill);
  }

  /** What is intended in the namespace has changed, or what that depends on. */
  intentChanged(namespace: string): void {
    this.#causes.intent(namespace);
    this.#backfill(namespace);
  }

  /** A binding of admission has changed, whosever it is. What there is is read anew each time. */
  bindingsChanged(): void {
    for (const key of [ADMISSION, SERVICE_ACCOUNTS])
      this.#queue.addAfter(key, ADMISSION_DELAY, Priority.drift);
  }

  /** Asks for one of many namespaces that something concerns; one that is new is not put behind the others. */
  #backfill(namespace: string): void {
    this.#queue.add(
      namespaceKey(namespace),
      this.#causes.waits(namespace) ? Priority.live : Priority.backfill,
    );
  }

  #profileChanged({ old, new: next, origin }: StoreChange<ProfileItem>): void {
    const name = (next ?? old)?.key ?? '';
    const intent = (item: ProfileItem | undefined) =>
      item &&
      JSON.stringify([
        item.uid,
        item.profile.metadata.generation,
        item.profile.metadata.deletionTimestamp,
        item.profile.metadata.finalizers,
      ]);
    const same = intent(old) === intent(next);
    // The answer to our own write of the status may be the first to tell what somebody else has changed.
    if (same && origin === 'own') return;
    this.#queue.add(profileKey(name), Priority.live);
    if (same) return;
    this.#queue.add(ADMISSION, Priority.live);
    if ([old, next].some((item) => item !== undefined && accountsOf(item.profile).length > 0))
      this.#queue.add(SERVICE_ACCOUNTS, Priority.live);
    if (next === undefined) this.#pace.forget(name);
    // Nothing is enforced of a new one before it has our finalizer, whose event comes next.
    else if (
      old === undefined &&
      !hasFinalizer(next.profile) &&
      next.profile.metadata.deletionTimestamp === undefined
    )
      return;
    const touched = new Set(this.#clusterState.namespacesWithPoliciesOf(name));
    for (const namespace of this.#clusterState.namespaces.values()) {
      const selected = [old, next].some(
        (item) => item !== undefined && this.#clusterState.selects(item.profile, namespace),
      );
      if (selected) touched.add(namespace.key);
    }
    for (const namespace of touched) this.intentChanged(namespace);
  }

  #namespaceChanged({ old, new: next }: StoreChange<NamespaceItem>): void {
    const key = (next ?? old)?.key ?? '';
    const relevant = (item: NamespaceItem | undefined) =>
      item && JSON.stringify([item.uid, item.labels, item.terminating]);
    if (relevant(old) === relevant(next)) return;
    if (next === undefined || next.terminating) this.#causes.settle(key);
    else this.#causes.event(key);
    this.#queue.add(namespaceKey(key), Priority.live);
    // How many namespaces a profile selects is part of its status, whether or not policies change.
    for (const { key: profile } of this.#clusterState.profiles.values()) this.statusChanged(profile);
  }

  #policyChanged({ old, new: next, origin }: StoreChange<PolicyItem>): void {
    for (const item of [old, next]) {
      const profile = item && this.#clusterState.ownerOf(item);
      if (profile !== undefined) this.statusChanged(profile);
    }
    if ((old?.reliesOn.join() ?? '') !== (next?.reliesOn.join() ?? ''))
      this.#queue.addAfter(SERVICE_ACCOUNTS, ADMISSION_DELAY, Priority.live);
    if (origin === 'own') return;
    const namespace = (next ?? old)?.namespace ?? '';
    if (old?.peerScopes !== next?.peerScopes) this.#allowanceChanged(namespace);
    this.#causes.drift(namespace);
    this.#queue.add(namespaceKey(namespace), Priority.drift);
  }

  /** What others allow in the namespace is part of the status of profiles that limit it. */
  #allowanceChanged(name: string): void {
    const namespace = this.#clusterState.namespaces.get(name);
    if (namespace === undefined) return;
    for (const { key, profile } of this.#clusterState.profiles.values()) {
      if (profile.spec.admission !== undefined && this.#clusterState.selects(profile, namespace))
        this.statusChanged(key);
    }
  }

  /** What is known of the profile's namespaces has changed. */
  resultsChanged(profile: string): void {
    this.statusChanged(profile);
    if (this.#clusterState.profile(profile)?.spec.admission !== undefined)
      this.#queue.addAfter(ADMISSION, ADMISSION_DELAY, Priority.live);
  }

  /** A status is judged soon after a change, and no more often than it is worth. */
  statusChanged(profile: string): void {
    this.#queue.addAfter(profileKey(profile), this.#pace.delay(profile), Priority.live);
  }
}
