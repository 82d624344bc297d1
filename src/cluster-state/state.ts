/** The cached profiles, namespaces and policies, and what reconciling asks of them. No I/O: reflectors feed it. */
import type { SegmentationProfile } from '../api/profile.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../api/names.ts';
import type { KubeObject } from '../api/meta.ts';
import { Store, type StoreChange } from '../kube/watch/store.ts';
import { isOwnReference } from '../policy/semantics/normalize.ts';
import { byObjectName } from '../util/order.ts';
import type { InForce, RevisionLookup } from './in-force.ts';
import type { NamespaceItem, PolicyItem, ProfileItem } from './items.ts';
import { SharedPolicy } from './policies/content-pool.ts';
import { PolicyStore } from './policies/store.ts';
import { type Relation, relationOf, selects } from './relation.ts';

/** Knows the exceptions. */
export interface ExceptionLookup {
  /** The name of the profile by which the exception of this uid is in force, or was; undefined if that is not known. */
  grantedBy(uid: string): string | undefined;
}

export class ClusterState {
  readonly profiles = new Store<ProfileItem>();
  readonly namespaces = new Store<NamespaceItem>();
  readonly policies = new PolicyStore();
  /** Absent: every profile is in force as it is. */
  revisions: RevisionLookup | undefined;
  /** Absent: policies of exceptions are known by their labels alone. */
  exceptions: ExceptionLookup | undefined;
  readonly #protected: ReadonlySet<string>;
  /** The profiles of own policies whose labels and ownerReference somebody removed, by the uid of the policy. */
  readonly #stripped = new Map<string, string>();
  /** How many policies each namespace has that are marked with a profile's name or uid, by the mark. */
  readonly #marked = new Map<string, Map<string, number>>();

  /** @param protectedNamespaces never selected, whatever a profile says */
  constructor(protectedNamespaces: Iterable<string>) {
    this.#protected = new Set(protectedNamespaces);
    this.policies.subscribe((change) => this.#follow(change));
  }

  profile(name: string): SegmentationProfile | undefined {
    return this.profiles.get(name)?.profile;
  }

  /** Names of the namespaces that no profile ever selects. */
  get protectedNamespaces(): readonly string[] {
    return [...this.#protected];
  }

  /** True if the profile selects the namespace. */
  selects(profile: SegmentationProfile, namespace: NamespaceItem): boolean {
    return selects(profile, namespace, this.#protected);
  }

  relation(profile: SegmentationProfile, namespace: NamespaceItem): Relation {
    return relationOf(profile, namespace, this.#protected);
  }

  /** The form of the profile that is in force in the namespace, and its relation to the namespace. */
  inForce(profile: SegmentationProfile, namespace: NamespaceItem): InForce {
    const relation = this.relation(profile, namespace);
    const isRemoved =
      profile.metadata.deletionTimestamp !== undefined && profile.spec.deletionPolicy !== 'Retain';
    const found =
      isRemoved || namespace.terminating ? undefined : this.revisions?.revisionIn(profile, namespace);
    if (found === undefined) return { profile, relation, isAwaited: false };
    const isWanted = relation !== 'none';
    if (found.kind === 'nothing') return { profile, relation: 'none', isAwaited: isWanted };
    if (found.kind === 'held') {
      const { isBeingRead = false } = found;
      return { profile, relation: 'held', isAwaited: isWanted, ...(isBeingRead && { isBeingRead }) };
    }
    const own = this.relation(found.profile, namespace);
    const isAwaited = isWanted && own === 'none';
    return { profile: found.profile, relation: own, revision: found.number, isAwaited };
  }

  /** The profiles that select the namespace, now or by the revision that it has, or own policies there, by name. */
  concerned(namespace: NamespaceItem): SegmentationProfile[] {
    const present = new Set<string>();
    for (const item of this.policies.byNamespace(namespace.key)) {
      const name = this.ownerOf(item);
      if (name !== undefined) present.add(name);
    }
    return [...this.profiles.values()]
      .map(({ profile }) => profile)
      .filter(
        (profile) =>
          present.has(profile.metadata.name) ||
          this.selects(profile, namespace) ||
          (profile.status?.rollout !== undefined && isWritten(this.inForce(profile, namespace))),
      )
      .sort(byObjectName);
  }

  /**
   * The profile that owns a policy: by the operator's labels, by an ownerReference to the profile or to an exception that it
   * has granted, or because it was an own policy before somebody removed these. A label that names no existing profile decides
   * nothing: it may have been changed by hand. Undefined for foreign policies, and for retained ones whose profile is gone.
   */
  ownerOf({
    uid,
    profile,
    ownerUids,
  }: Pick<PolicyItem, 'uid' | 'profile' | 'ownerUids'>): string | undefined {
    if (profile !== undefined && this.profiles.get(profile) !== undefined) return profile;
    if (ownerUids.length > 0) {
      for (const each of this.profiles.values()) if (ownerUids.includes(each.uid)) return each.key;
      const granting = ownerUids.map((each) => this.exceptions?.grantedBy(each));
      const granted = granting.find((each) => each !== undefined && this.profiles.get(each) !== undefined);
      if (granted !== undefined) return granted;
    }
    const remembered = this.#stripped.get(uid);
    return remembered !== undefined && this.profiles.get(remembered) !== undefined ? remembered : undefined;
  }

  /** The profile that owns a policy, as `ownerOf`, for an object as the API server returned it. */
  ownerOfPolicy(policy: KubeObject): string | undefined {
    const { labels = {}, ownerReferences = [], uid = '' } = policy.metadata;
    const content = SharedPolicy.contentOf(policy);
    if (content !== undefined)
      return this.ownerOf({ uid, profile: content.profile, ownerUids: content.ownerUids });
    const owner = this.ownerOf({
      uid,
      profile: labels[LABEL_MANAGED_BY] === MANAGER ? labels[LABEL_PROFILE] : undefined,
      ownerUids: ownerReferences.filter(isOwnReference).map((reference) => reference.uid),
    });
    if (owner !== undefined) return owner;
    // A live read may show that somebody has removed the marks before the watch does.
    const { namespace = '', name } = policy.metadata;
    const cached = this.policies.get(`${namespace}/${name}`);
    return cached !== undefined && cached.uid === uid ? this.ownerOf(cached) : undefined;
  }

  /**
   * Namespaces with policies of this profile. For a profile that is gone, or not read yet: namespaces with policies that
   * are marked with its name.
   *
   * @param filter only namespaces for which it is true
   */
  namespacesWithPoliciesOf(profile: string, filter: (namespace: string) => boolean = () => true): string[] {
    const { uid, byName, byUid, ofExceptions } = this.#marksOf(profile);
    const found: string[] = [];
    // Called often, over all namespaces: nothing is copied.
    for (const namespace of byName?.keys() ?? [])
      if (filter(namespace) && (uid === undefined || this.#hasPolicyOf(profile, namespace)))
        found.push(namespace);
    for (const namespace of byUid?.keys() ?? []) {
      const isNew = byName?.has(namespace) !== true;
      if (isNew && filter(namespace) && this.#hasPolicyOf(profile, namespace)) found.push(namespace);
    }
    for (const namespace of ofExceptions?.keys() ?? []) {
      const isNew = byName?.has(namespace) !== true && byUid?.has(namespace) !== true;
      if (isNew && filter(namespace) && this.#hasPolicyOf(profile, namespace)) found.push(namespace);
    }
    return found;
  }

  /** A test if a namespace has policies of this profile: the same as `namespacesWithPoliciesOf`, for a pass over all namespaces. */
  policiesOf(profile: string): (namespace: string) => boolean {
    const { uid, byName, byUid, ofExceptions } = this.#marksOf(profile);
    return (namespace) =>
      (byName?.has(namespace) === true ||
        byUid?.has(namespace) === true ||
        ofExceptions?.has(namespace) === true) &&
      (uid === undefined || this.#hasPolicyOf(profile, namespace));
  }

  /** Where there may be policies of the profile: how many each namespace has of each kind. */
  #marksOf(profile: string) {
    const uid = this.profiles.get(profile)?.uid;
    const byName = this.#marked.get(nameMark(profile));
    if (uid === undefined) return { byName };
    const ofExceptions = this.#marked.get(EXCEPTION_MARK);
    return { uid, byName, byUid: this.#marked.get(uidMark(uid)), ofExceptions };
  }

  #hasPolicyOf(profile: string, namespace: string): boolean {
    for (const item of this.policies.byNamespace(namespace)) if (this.ownerOf(item) === profile) return true;
    return false;
  }

  #follow({ old, new: next }: StoreChange<PolicyItem>): void {
    if (old !== undefined) this.#count(old, -1);
    if (old !== undefined && next?.uid !== old.uid) this.#stripped.delete(old.uid);
    if (old !== undefined && next !== undefined && next.uid === old.uid) {
      const owner = this.ownerOf(old);
      if (owner !== undefined) this.#stripped.delete(next.uid);
      // Only once the policy no longer shows its profile, so that little has to be remembered.
      if (owner !== undefined && this.ownerOf(next) !== owner) this.#stripped.set(next.uid, owner);
    }
    if (next !== undefined) this.#count(next, 1);
  }

  /** Counts by the marks on the policy, not by its owner, which changes with the profiles that are known. */
  #count(item: PolicyItem, by: 1 | -1): void {
    const { namespace, profile, ownerUids, hasExceptionOwner } = item;
    // Their profile is told by the exception, which may not be known yet.
    if (hasExceptionOwner) this.#countMark(EXCEPTION_MARK, namespace, by);
    if (profile !== undefined) this.#countMark(nameMark(profile), namespace, by);
    const stripped = this.#stripped.get(item.uid);
    if (stripped !== undefined && stripped !== profile) this.#countMark(nameMark(stripped), namespace, by);
    const uids = ownerUids.length > 1 ? new Set(ownerUids) : ownerUids;
    for (const uid of uids) this.#countMark(uidMark(uid), namespace, by);
  }

  #countMark(mark: string, namespace: string, by: 1 | -1): void {
    const counts = this.#marked.get(mark) ?? new Map<string, number>();
    const count = (counts.get(namespace) ?? 0) + by;
    if (count > 0) counts.set(namespace, count);
    else counts.delete(namespace);
    if (counts.size > 0) this.#marked.set(mark, counts);
    else this.#marked.delete(mark);
  }
}

/** True if policies of the profile are compiled for the namespace. */
export function isWritten({ relation }: InForce): boolean {
  return relation === 'enforce' || relation === 'audit';
}

/** Names and uids of profiles have no slash. */
const nameMark = (name: string) => `name/${name}`;
const uidMark = (uid: string) => `uid/${uid}`;
/** The mark of policies of exceptions. */
const EXCEPTION_MARK = 'exception';
