/** The parts of profiles, namespaces and policies that the cluster state holds, and how they are taken from the wire. Pure. */
import type { Condition, KubeObject, ObjectMeta, StringMap } from '../api/meta.ts';
import { GROUP, PLURAL, VERSION } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import type { ResourceKind } from '../kube/resource.ts';
import type { Item } from '../kube/watch/store.ts';
import { peerScopesOf, type PeerScopes } from '../policy/admission/widening.ts';
import { exceptionNameOf } from '../policy/ownership.ts';
import { ownedKeys } from '../policy/pod-security/label-managers.ts';
import type { PolicyContent, PolicyContentPool, PolicyIdentity } from './policies/content-pool.ts';

export const PROFILES: ResourceKind = { group: GROUP, version: VERSION, plural: PLURAL, namespaced: false };
export const NAMESPACES: ResourceKind = { group: '', version: 'v1', plural: 'namespaces', namespaced: false };
export const CONFIG_MAPS: ResourceKind = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };
export const PODS: ResourceKind = { group: '', version: 'v1', plural: 'pods', namespaced: true };
export const ADMISSION_POLICIES: ResourceKind = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'validatingadmissionpolicies',
  namespaced: false,
};
export const ADMISSION_BINDINGS: ResourceKind = {
  ...ADMISSION_POLICIES,
  plural: 'validatingadmissionpolicybindings',
};
export const MUTATING_POLICIES: ResourceKind = { ...ADMISSION_POLICIES, plural: 'mutatingadmissionpolicies' };
export const MUTATING_BINDINGS: ResourceKind = {
  ...ADMISSION_POLICIES,
  plural: 'mutatingadmissionpolicybindings',
};
export const NETWORK_POLICIES: ResourceKind = {
  group: 'networking.k8s.io',
  version: 'v1',
  plural: 'networkpolicies',
  namespaced: true,
};

export interface ProfileItem extends Item {
  readonly profile: SegmentationProfile;
}

export interface NamespaceItem extends Item {
  readonly name: string;
  readonly labels: StringMap;
  readonly terminating: boolean;
  /** Keys of its Pod Security labels that the operator owns; undefined if there is none. */
  readonly ownPodSecurity?: readonly string[];
  /** Only of a terminating namespace. */
  readonly termination?: Termination;
}

export interface Termination {
  /** When the namespace was deleted, in milliseconds since the epoch. */
  readonly since: number;
  /** The namespace controller's reasons why the namespace still exists; empty if it has given none. */
  readonly obstacles: readonly string[];
}

/** An own or foreign policy. */
export interface PolicyItem extends Item {
  readonly namespace: string;
  readonly name: string;
  /** The profile that its labels name; undefined if they are not the operator's. */
  readonly profile: string | undefined;
  /** The uids of the profiles and exceptions that own it by ownerReference. */
  readonly ownerUids: readonly string[];
  /** True if an exception is among these. */
  readonly hasExceptionOwner: boolean;
  /** The fingerprint of spec and own metadata; undefined for a policy that neither is nor was an own one. */
  readonly fingerprint: string | undefined;
  /** True for the default-deny of a profile that has postponed one of its directions. */
  readonly isPartial?: boolean;
  /** Whom it allows, roughly. */
  readonly peerScopes: PeerScopes;
  /** Namespaces in which it relies on the label that names the ServiceAccount of a pod. */
  readonly reliesOn: readonly string[];
  /** Its content, shared with equal policies; undefined if it is not cached. */
  readonly content: PolicyContent | undefined;
}

export function projectProfile(raw: object): ProfileItem {
  const { metadata, ...rest } = raw as SegmentationProfile;
  const { managedFields: _, ...kept } = metadata;
  return { ...projectKeyOnly(raw), profile: { ...rest, metadata: kept } };
}

interface RawNamespace extends KubeObject {
  readonly status?: { readonly conditions?: readonly Condition[] | null };
}

export function projectNamespace(raw: object): NamespaceItem {
  const { metadata, status } = raw as RawNamespace;
  const { name, labels = {}, deletionTimestamp } = metadata;
  const ownPodSecurity = ownedKeys(metadata);
  const item = { ...projectKeyOnly(raw), name, labels, ...(ownPodSecurity && { ownPodSecurity }) };
  if (deletionTimestamp === undefined) return { ...item, terminating: false };
  // All conditions that the namespace controller sets are about the deletion, and True if they hold it up.
  const obstacles = (status?.conditions ?? [])
    .filter((condition) => condition.status === 'True')
    .map(({ message }) => message);
  return { ...item, terminating: true, termination: { since: Date.parse(deletionTimestamp), obstacles } };
}

/**
 * @param pool the contents of the cache that the item is for
 * @param sharedText returns the same text, in a string that the item can share with others
 */
export function projectPolicy(
  raw: object,
  pool: PolicyContentPool,
  sharedText: (text: string) => string = (text) => text,
): PolicyItem {
  const policy = raw as NetworkPolicy;
  const { namespace = '', name, uid = '', resourceVersion = '', deletionTimestamp } = policy.metadata;
  const { content, shared } = pool.intern(policy);
  return new CachedPolicy(
    { namespace: sharedText(namespace), name, uid, resourceVersion },
    // If a peer names a namespace, it matters whether that is the policy's own.
    content.peerScopes ?? peerScopesOf(policy),
    content,
    // A policy that waits for its finalizers is read live when it is needed.
    shared && deletionTimestamp === undefined,
  );
}

type Facts = Pick<
  PolicyContent,
  'profile' | 'ownerUids' | 'hasExceptionOwner' | 'fingerprint' | 'isPartial' | 'reliesOn' | 'selectsAccount'
>;

/** There is one for each policy of the cluster: what equal policies have in common is not repeated in each. */
class CachedPolicy implements PolicyItem {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly peerScopes: PeerScopes;
  readonly content: PolicyContent | undefined;
  readonly #facts: Facts;

  constructor(identity: PolicyIdentity, peerScopes: PeerScopes, content: PolicyContent, isKept: boolean) {
    this.namespace = identity.namespace;
    this.name = identity.name;
    this.uid = identity.uid;
    this.resourceVersion = identity.resourceVersion;
    this.peerScopes = peerScopes;
    this.content = isKept ? content : undefined;
    this.#facts = isKept ? content : factsOf(content);
  }

  get key(): string {
    return `${this.namespace}/${this.name}`;
  }

  get profile(): string | undefined {
    return this.#facts.profile;
  }

  get ownerUids(): readonly string[] {
    return this.#facts.ownerUids;
  }

  get hasExceptionOwner(): boolean {
    return this.#facts.hasExceptionOwner;
  }

  get fingerprint(): string | undefined {
    return this.#facts.fingerprint;
  }

  get isPartial(): boolean {
    return this.#facts.isPartial;
  }

  get reliesOn(): readonly string[] {
    const { reliesOn, selectsAccount } = this.#facts;
    return selectsAccount ? [...new Set([...reliesOn, this.namespace])].sort() : reliesOn;
  }
}

function factsOf(content: PolicyContent): Facts {
  const { profile, ownerUids, hasExceptionOwner, fingerprint, isPartial, reliesOn, selectsAccount } = content;
  return { profile, ownerUids, hasExceptionOwner, fingerprint, isPartial, reliesOn, selectsAccount };
}

/** The exception that an own policy was written for; undefined for other policies, and if its content is not cached. */
export function exceptionOf({ profile, hasExceptionOwner, content }: PolicyItem): string | undefined {
  const isOwn = profile !== undefined || hasExceptionOwner;
  return isOwn && content !== undefined ? exceptionNameOf(content) : undefined;
}

/** Key, uid and resourceVersion of any object, and nothing of its content. */
export function projectKeyOnly(raw: object): Item {
  const { namespace, name, uid = '', resourceVersion = '' }: ObjectMeta = (raw as KubeObject).metadata;
  return { key: namespace === undefined ? name : `${namespace}/${name}`, uid, resourceVersion };
}
