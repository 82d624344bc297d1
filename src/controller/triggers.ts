/** Turns changes (of watched objects, of results, of what policies depend on) into keys of the work queue. No I/O. */
import type { ClusterState } from '../cluster-state/state.ts';
import type { NamespaceItem, PolicyItem, ProfileItem } from '../cluster-state/items.ts';
import type { StoreChange } from '../kube/watch/store.ts';
import { accountsOf } from '../policy/admission/accounts.ts';
import type { Clock } from '../util/clock.ts';
import { hasFinalizer } from './profile/finalizer.ts';
import { ADMISSION, type Key, namespaceKey, profileKey, SERVICE_ACCOUNTS, WORKLOADS } from './queue/key.ts';
import { type KeyQueue, Priority } from './queue/key-queue.ts';
import type { Records } from './records.ts';

/** How long admission waits after a change, so that changes within this time are one; milliseconds. */
const ADMISSION_DELAY = 200;

export interface TriggersOptions {
  readonly clusterState: ClusterState;
  readonly records: Records;
  readonly queue: Pick<KeyQueue<Key>, 'add' | 'addAfter'>;
  readonly clock: Clock;
}

export class Triggers {
  readonly #clusterState: ClusterState;
  readonly #records: Records;
  readonly #queue: TriggersOptions['queue'];
  readonly #clock: Clock;

  constructor({ clusterState, records, queue, clock }: TriggersOptions) {
    this.#clusterState = clusterState;
    this.#records = records;
    this.#queue = queue;
    this.#clock = clock;
    records.subscribe((profile) => this.#resultsChanged(profile));
  }

  /** From now on changes of the cluster state are handled. */
  subscribe(): void {
    this.#clusterState.profiles.subscribe((change) => this.#profileChanged(change));
    this.#clusterState.namespaces.subscribe((change) => this.#namespaceChanged(change));
    this.#clusterState.policies.subscribe((change) => this.#policyChanged(change));
  }

  /** Enqueues every key. */
  addAll(): void {
    this.#queue.add(ADMISSION, Priority.live);
    this.#queue.add(SERVICE_ACCOUNTS, Priority.live);
    this.#queue.add(WORKLOADS, Priority.backfill);
    for (const { key } of this.#clusterState.profiles.values())
      this.#queue.add(profileKey(key), Priority.live);
    for (const { key } of this.#clusterState.namespaces.values())
      this.#queue.add(namespaceKey(key), Priority.backfill);
  }

  /** The intent for a namespace has changed, or the cluster facts that it depends on. */
  intentChanged(namespace: string): void {
    const record = this.#records.namespace(namespace);
    record.noteIntent();
    // One of many: but a namespace that waits for its first policies is not put behind the others.
    this.#queue.add(namespaceKey(namespace), record.awaitsPolicies ? Priority.live : Priority.backfill);
  }

  /** A capability adds other policies in a namespace than before: at once, as these begin and end at a given time. */
  additionsChanged(namespace: string): void {
    this.#records.namespace(namespace).noteIntent();
    this.#queue.add(namespaceKey(namespace), Priority.live);
  }

  /** An admission binding has changed, own or foreign. All bindings are read again each time. */
  bindingsChanged(): void {
    this.#queue.addAfter(ADMISSION, ADMISSION_DELAY, Priority.drift);
    this.#queue.addAfter(SERVICE_ACCOUNTS, ADMISSION_DELAY, Priority.drift);
  }

  /** The bindings that peers by ServiceAccount rely on were seen for the first time, or a further account is needed. */
  serviceAccountsChanged(): void {
    this.#queue.add(SERVICE_ACCOUNTS, Priority.live);
  }

  /** No admission gate holds back the policies of a namespace any more. */
  gateReleased(namespace: string): void {
    this.#queue.add(namespaceKey(namespace), Priority.live);
  }

  /** Somebody else changed a policy in a namespace: a NetworkPolicy, or one of the network engine or the service mesh. */
  drifted(namespace: string): void {
    this.#records.namespace(namespace).noteDrift();
    this.#queue.add(namespaceKey(namespace), Priority.drift);
  }

  /** The status of a profile may have changed: it is judged soon, and no more often than it is worth. */
  statusChanged(profile: string): void {
    const delay = this.#records.profile(profile).statusDelay(this.#clock.monotonic());
    this.#queue.addAfter(profileKey(profile), delay, Priority.live);
  }

  /** Every profile's status shows what has changed, such as enforcement by the network plugin. */
  allStatusesChanged(): void {
    for (const { key } of this.#clusterState.profiles.values()) this.statusChanged(key);
  }

  #profileChanged({ old, new: next, origin }: StoreChange<ProfileItem>): void {
    const name = (next ?? old)?.key ?? '';
    const isSame = intentOf(old) === intentOf(next);
    // The answer to our own write of the status may be the first to tell of somebody else's change.
    if (isSame && origin === 'own') return;
    this.#queue.add(profileKey(name), Priority.live);
    if (isSame) return;
    this.#queue.add(ADMISSION, Priority.live);
    if ([old, next].some((item) => item !== undefined && accountsOf(item.profile).length > 0))
      this.#queue.add(SERVICE_ACCOUNTS, Priority.live);
    if ([old, next].some((item) => item?.profile.spec.workloads !== undefined))
      this.#queue.add(WORKLOADS, Priority.backfill);
    if (old !== undefined && old.uid !== next?.uid) this.#records.forgetProfile(name);
    // A new profile has no policies before it has the finalizer, whose event comes next.
    if (old === undefined && next !== undefined && isNew(next)) return;
    for (const namespace of this.#namespacesOf(name, [old, next])) this.intentChanged(namespace);
  }

  /** The namespaces that a profile selected, selects now, or has policies in. */
  #namespacesOf(profile: string, items: readonly (ProfileItem | undefined)[]): Set<string> {
    const touched = new Set(this.#clusterState.namespacesWithPoliciesOf(profile));
    for (const namespace of this.#clusterState.namespaces.values()) {
      const isSelected = items.some(
        (item) => item !== undefined && this.#clusterState.selects(item.profile, namespace),
      );
      if (isSelected) touched.add(namespace.key);
    }
    return touched;
  }

  #namespaceChanged({ old, new: next }: StoreChange<NamespaceItem>): void {
    const key = (next ?? old)?.key ?? '';
    const relevant = (item: NamespaceItem | undefined) =>
      item && JSON.stringify([item.uid, item.labels, item.termination]);
    if (relevant(old) === relevant(next)) return;
    // A list may show a namespace of the same name before any event has told that the former one is gone.
    if (old !== undefined && next !== undefined && old.uid !== next.uid) this.#records.forgetNamespace(key);
    const record = this.#records.namespace(key);
    if (next === undefined || next.terminating) record.settleEvent();
    else record.noteEvent(this.#clock.monotonic());
    this.#queue.add(namespaceKey(key), Priority.live);
    // How many namespaces a profile selects is part of its status, even if no policy changes.
    this.allStatusesChanged();
  }

  #policyChanged({ old, new: next, origin }: StoreChange<PolicyItem>): void {
    for (const item of [old, next]) {
      const profile = item && this.#clusterState.ownerOf(item);
      if (profile !== undefined) this.statusChanged(profile);
    }
    if ((old?.reliesOn.join() ?? '') !== (next?.reliesOn.join() ?? ''))
      this.#queue.addAfter(SERVICE_ACCOUNTS, ADMISSION_DELAY, Priority.live);
    if (origin === 'own') return;
    const { namespace = '', name = '' } = next ?? old ?? {};
    if (old?.peerScopes !== next?.peerScopes) this.#peerScopesChanged(namespace);
    if (this.#records.namespace(namespace).keepEvent(name, next?.resourceVersion)) return;
    this.drifted(namespace);
  }

  /** Profiles that limit foreign policies report in their status how far these reach. */
  #peerScopesChanged(name: string): void {
    const namespace = this.#clusterState.namespaces.get(name);
    if (namespace === undefined) return;
    for (const { key, profile } of this.#clusterState.profiles.values()) {
      if (profile.spec.admission !== undefined && this.#clusterState.selects(profile, namespace))
        this.statusChanged(key);
    }
  }

  #resultsChanged(profile: string): void {
    this.statusChanged(profile);
    if (this.#clusterState.profile(profile)?.spec.admission !== undefined)
      this.#queue.addAfter(ADMISSION, ADMISSION_DELAY, Priority.live);
  }
}

/** The parts of a profile that its namespaces depend on, as one text. */
function intentOf(item: ProfileItem | undefined): string | undefined {
  if (item === undefined) return undefined;
  const { generation, deletionTimestamp, finalizers } = item.profile.metadata;
  return JSON.stringify([item.uid, generation, deletionTimestamp, finalizers]);
}

function isNew({ profile }: ProfileItem): boolean {
  return !hasFinalizer(profile) && profile.metadata.deletionTimestamp === undefined;
}
