/** The watched state of the cluster, and the questions that reconciling asks of it. No I/O: reflectors feed it. */
import type { SegmentationProfile } from '../api/profile.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import { type Change, Store } from '../kube/store.ts';
import { isProfileReference } from '../policy/normalize.ts';
import { matches } from '../policy/selector.ts';
import type { NamespaceItem, PolicyItem, ProfileItem } from './observed.ts';

/** What a profile means for a namespace. */
export type Relation =
  /** Its policies are to stand there. */
  | 'enforce'
  /** They are computed and reported only. */
  | 'audit'
  /** It has nothing to do with the namespace (any more). */
  | 'none';

export class World {
  readonly profiles = new Store<ProfileItem>();
  readonly namespaces = new Store<NamespaceItem>();
  readonly policies = new Store<PolicyItem>();
  readonly #protected: ReadonlySet<string>;
  /** Objects of ours that somebody stripped of labels and owner, by uid: the name of their profile. */
  readonly #stripped = new Map<string, string>();
  readonly #byProfile = new Map<string, Map<string, number>>();

  /** @param protectedNamespaces never segmented, whatever a profile selects */
  constructor(protectedNamespaces: Iterable<string>) {
    this.#protected = new Set(protectedNamespaces);
    this.policies.subscribe((change) => this.#follow(change));
  }

  profile(name: string): SegmentationProfile | undefined {
    return this.profiles.get(name)?.profile;
  }

  /** Whether the profile's selector and exclusions pick the namespace. */
  selects({ spec }: SegmentationProfile, namespace: NamespaceItem): boolean {
    return (
      !namespace.terminating &&
      !this.#protected.has(namespace.key) &&
      !(spec.excludeNamespaces ?? []).includes(namespace.key) &&
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
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  /**
   * The profile that a policy belongs to: by our labels, by an ownerReference, or because it was ours before somebody
   * stripped both. Undefined for everybody else's, and for those of a profile that is gone (they were retained).
   */
  ownerOf(item: Pick<PolicyItem, 'uid' | 'profile' | 'ownerUids'>): string | undefined {
    const byReference = () =>
      item.ownerUids.length === 0
        ? undefined
        : this.profiles.values().find(({ uid }) => item.ownerUids.includes(uid))?.key;
    const name = item.profile ?? byReference() ?? this.#stripped.get(item.uid);
    return name !== undefined && this.profiles.get(name) !== undefined ? name : undefined;
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

  /** Namespaces in which a profile of this name has policies. */
  namespacesWithPoliciesOf(profile: string): Iterable<string> {
    return this.#byProfile.get(profile)?.keys() ?? [];
  }

  #follow({ old, new: next }: Change<PolicyItem>): void {
    const before = old && this.#nameOf(old);
    if (old !== undefined && next?.uid !== old.uid) this.#stripped.delete(old.uid);
    if (old !== undefined && next !== undefined && next.uid === old.uid && before !== undefined) {
      if (next.profile === undefined && next.ownerUids.length === 0) this.#stripped.set(next.uid, before);
      else this.#stripped.delete(next.uid);
    }
    const after = next && this.#nameOf(next);
    if (old !== undefined && before !== undefined) this.#count(before, old.namespace, -1);
    if (next !== undefined && after !== undefined) this.#count(after, next.namespace, 1);
  }

  /** As ownerOf, but also for a profile that is not (yet) known: counts must not depend on the order of lists. */
  #nameOf(item: PolicyItem): string | undefined {
    return item.profile ?? this.#stripped.get(item.uid) ?? this.ownerOf(item);
  }

  #count(profile: string, namespace: string, by: number): void {
    let counts = this.#byProfile.get(profile);
    if (counts === undefined) this.#byProfile.set(profile, (counts = new Map()));
    const count = (counts.get(namespace) ?? 0) + by;
    if (count > 0) counts.set(namespace, count);
    else counts.delete(namespace);
    if (counts.size === 0) this.#byProfile.delete(profile);
  }
}
