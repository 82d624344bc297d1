/** What is kept in memory of the objects that are always watched, and how it is taken from the wire. */
import type { KubeObject, ObjectMeta, StringMap } from '../api/meta.ts';
import { GROUP, PLURAL, VERSION } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import type { ResourceKind } from '../kube/resource.ts';
import type { Item } from '../kube/watch/store.ts';
import { peerScopesOf, type PeerScopes } from '../policy/admission/widening.ts';
import type { PolicyContent, PolicyContentPool, PolicyIdentity } from './policies/content-pool.ts';

export const PROFILES: ResourceKind = { group: GROUP, version: VERSION, plural: PLURAL, namespaced: false };
export const NAMESPACES: ResourceKind = { group: '', version: 'v1', plural: 'namespaces', namespaced: false };
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
  readonly labels: StringMap;
  readonly terminating: boolean;
}

/** A policy, whoever made it. */
export interface PolicyItem extends Item {
  readonly namespace: string;
  readonly name: string;
  /** By its labels; undefined without them. */
  readonly profile: string | undefined;
  /** Of the profiles that own it by reference. */
  readonly ownerUids: readonly string[];
  /** Of its specification and what else is ours of it; only if it may be ours. */
  readonly fingerprint: string | undefined;
  /** Only on the default-deny of a profile that waits in one of its directions. */
  readonly isPartial?: boolean;
  /** Whom it allows, roughly. */
  readonly peerScopes: PeerScopes;
  /** Namespaces whose pods' label of their ServiceAccount it relies on. */
  readonly reliesOn: readonly string[];
  /** All else that it holds, shared with other policies; undefined where it is not kept. */
  readonly content: PolicyContent | undefined;
}

export function projectProfile(raw: object): ProfileItem {
  const { metadata, ...rest } = raw as SegmentationProfile;
  const { managedFields: _, ...kept } = metadata;
  return { ...projectKeyOnly(raw), profile: { ...rest, metadata: kept } };
}

export function projectNamespace(raw: object): NamespaceItem {
  const { metadata } = raw as KubeObject;
  return {
    ...projectKeyOnly(raw),
    labels: metadata.labels ?? {},
    terminating: metadata.deletionTimestamp !== undefined,
  };
}

/** @param pool those of the cache that the item is for */
export function projectPolicy(raw: object, pool: PolicyContentPool): PolicyItem {
  const policy = raw as NetworkPolicy;
  const { namespace = '', name, uid = '', resourceVersion = '', deletionTimestamp } = policy.metadata;
  const { content, shared } = pool.intern(policy);
  return new CachedPolicy(
    { namespace, name, uid, resourceVersion },
    // Of some not of the content alone: a peer may name the policy's own namespace.
    content.peerScopes ?? peerScopesOf(policy),
    content,
    // One that waits for its finalizers is no ordinary object: whoever deals with it reads it.
    shared && deletionTimestamp === undefined,
  );
}

type Facts = Pick<PolicyContent, 'profile' | 'ownerUids' | 'fingerprint' | 'isPartial' | 'reliesOn'>;

/** There are as many as policies in the cluster: what several have in common is not repeated in each. */
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
    const { profile, ownerUids, fingerprint, isPartial, reliesOn } = content;
    this.#facts = isKept ? content : { profile, ownerUids, fingerprint, isPartial, reliesOn };
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

  get fingerprint(): string | undefined {
    return this.#facts.fingerprint;
  }

  get isPartial(): boolean {
    return this.#facts.isPartial;
  }

  get reliesOn(): readonly string[] {
    return this.#facts.reliesOn;
  }
}

/** Of any object: its key, uid and resourceVersion, and nothing of what it says. */
export function projectKeyOnly(raw: object): Item {
  const { namespace, name, uid = '', resourceVersion = '' }: ObjectMeta = (raw as KubeObject).metadata;
  return { key: namespace === undefined ? name : `${namespace}/${name}`, uid, resourceVersion };
}
