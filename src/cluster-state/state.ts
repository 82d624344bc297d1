/** The watched state of the cluster, and the questions that reconciling asks of it. No I/O: reflectors feed it. */
import type { SegmentationProfile } from '../api/profile.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import { type StoreChange, Store } from '../kube/watch/store.ts';
import { isProfileReference } from '../policy/semantics/normalize.ts';
import { matches } from '../policy/semantics/selector.ts';
import type { NamespaceItem, PolicyItem, ProfileItem } from './items.ts';
import { PolicyStore } from './policies/store.ts';
import { byObjectName } from '../util/order.ts';

/** What a profile means for a namespace. */
export type Relation =
  /** Its policies are to stand there. */
  | 'enforce'
  /** They are computed and reported only. */
  | 'audit'
  /** It has nothing to do with the namespace (any more). */
  | 'none';

export class ClusterState {
  readonly profiles = new Store<ProfileItem>();
  readonly namespaces = new Store<NamespaceItem>();
  readonly policies = new PolicyStore();
  readonly #protected: ReadonlySet<string>;
  /** Marks that somebody took off objects of ours, by the uid of the object: the name of the profile. */
  readonly #stripped = new Map<string, string>();
  /** By each name and uid of a profile that marks a policy: how many such policies each namespace has. */
  readonly #marked = new Map<string, Map<string, number>>();

  /** @param protectedNamespaces never segmented, whatever a profile selects */
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

  /** Whether the profile's selector and exclusions pick the namespace. */
  selects({ spec }: SegmentationProfile, namespace: NamespaceItem): boolean {
    return (
      !namespace.terminating &&
      !this.#protected.has(namespace.key) &&
      spec.excludeNamespaces?.includes(namespace.key) !== true &&
      matches(spec.namespaceSelector, namespace.labels)
    );
  }

  relation(profile: SegmentationProfile, namespace: NamespaceItem): Relation {
    const { metadata, spec } = profile;
    if (!this.selects(profile, namespace)) return 'none';
    // Under Retain a profile that goes still wants its policies, without itself as their owner.
    if (metadata.deletionTimestamp !== undefined && spec.deletionPolicy !== 'Retain') return 'none';
    return spec.mode === 'Audit' ? 'audit' : 'enforce';
  }

  /** The profiles that select the namespace or have policies there, by name. */
  concerned(namespace: NamespaceItem): SegmentationProfile[] {
    const present = new Set<string>();
    for (const item of this.policies.byNamespace(namespace.key)) {
      const name = this.ownerOf(item);
      if (name !== undefined) present.add(name);
    }
    return [...this.profiles.values()]
      .map(({ profile }) => profile)
      .filter((profile) => present.has(profile.metadata.name) || this.selects(profile, namespace))
      .sort(byObjectName);
  }

  /**
   * The profile that a policy belongs to: by our labels, by an ownerReference, or because it was ours before somebody
   * took these off. A label that names no profile decides nothing: it may have been changed by hand. Undefined for
   * everybody else's, and for those of a profile that is gone (they were retained).
   */
  ownerOf({
    uid,
    profile,
    ownerUids,
  }: Pick<PolicyItem, 'uid' | 'profile' | 'ownerUids'>): string | undefined {
    if (profile !== undefined && this.profiles.get(profile) !== undefined) return profile;
    if (ownerUids.length > 0) {
      for (const each of this.profiles.values()) if (ownerUids.includes(each.uid)) return each.key;
    }
    const remembered = this.#stripped.get(uid);
    return remembered !== undefined && this.profiles.get(remembered) !== undefined ? remembered : undefined;
  }

  /** The same for a whole object. */
  ownerOfPolicy({ metadata }: NetworkPolicy): string | undefined {
    const { labels = {}, ownerReferences = [], uid = '' } = metadata;
    return this.ownerOf({
      uid,
      profile: labels[LABEL_MANAGED_BY] === MANAGER ? labels[LABEL_PROFILE] : undefined,
      ownerUids: ownerReferences.filter(isProfileReference).map((reference) => reference.uid),
    });
  }

  /**
   * Namespaces with policies of this profile, of those that `concern`. Of a profile that is gone (or not read yet) those
   * that are still marked with its name.
   */
  namespacesWithPoliciesOf(profile: string, concern: (namespace: string) => boolean = () => true): string[] {
    const uid = this.profiles.get(profile)?.uid;
    const byName = this.#marked.get(nameMark(profile));
    const found: string[] = [];
    // Asked of all namespaces, and often: nothing is copied.
    for (const namespace of byName?.keys() ?? [])
      if (concern(namespace) && (uid === undefined || this.#hasPolicyOf(profile, namespace)))
        found.push(namespace);
    for (const namespace of (uid !== undefined && this.#marked.get(uidMark(uid))?.keys()) || []) {
      const isNew = byName?.has(namespace) !== true;
      if (isNew && concern(namespace) && this.#hasPolicyOf(profile, namespace)) found.push(namespace);
    }
    return found;
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
      // Only once it no longer shows whose it is, so that little has to be remembered.
      if (owner !== undefined && this.ownerOf(next) !== owner) this.#stripped.set(next.uid, owner);
    }
    if (next !== undefined) this.#count(next, 1);
  }

  /** Counts by what marks the policy, and not by whose it is: that changes with the profiles that are known. */
  #count(item: PolicyItem, by: 1 | -1): void {
    const names = new Set([item.profile, this.#stripped.get(item.uid)].filter((name) => name !== undefined));
    for (const mark of [...[...names].map(nameMark), ...new Set(item.ownerUids.map(uidMark))]) {
      const counts = this.#marked.get(mark) ?? new Map<string, number>();
      const count = (counts.get(item.namespace) ?? 0) + by;
      if (count > 0) counts.set(item.namespace, count);
      else counts.delete(item.namespace);
      if (counts.size > 0) this.#marked.set(mark, counts);
      else this.#marked.delete(mark);
    }
  }
}

/** No name of a profile has a slash. */
const nameMark = (name: string) => `name/${name}`;
const uidMark = (uid: string) => `uid/${uid}`;
