/**
 * The contents of cached policies: labels, annotations and spec. A profile has the same few policies in every namespace,
 * so each content is kept once, however many policies have it. Where there are too many distinct contents, new ones are
 * not kept at all, and such policies are read live when they are needed.
 */
import type { ObjectMeta, OwnerReference, StringMap } from '../../api/meta.ts';
import {
  LABEL_MANAGED_BY,
  LABEL_NAMESPACE_NAME,
  LABEL_PROFILE,
  LABEL_ROLE,
  MANAGER,
} from '../../api/names.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../api/network-policy.ts';
import { reliedOn, selectsAccount } from '../../policy/admission/accounts.ts';
import { type PeerScopes, peerScopesOf } from '../../policy/admission/widening.ts';
import { fingerprint, isExceptionReference, isOwnReference } from '../../policy/semantics/normalize.ts';

export interface PolicyContent {
  readonly labels?: StringMap;
  readonly annotations?: StringMap;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  /** The names of the managers only: not which fields they wrote, and when. */
  readonly managedFields: readonly { readonly manager: string }[];
  readonly spec: NetworkPolicySpec;
  /** The profile that its labels name, if they are the operator's. */
  readonly profile: string | undefined;
  /** The uids of the profiles and exceptions that own it by ownerReference. */
  readonly ownerUids: readonly string[];
  /** True if an exception is among these. */
  readonly hasExceptionOwner: boolean;
  /** Other namespaces in which it relies on the label that names the ServiceAccount of a pod. */
  readonly reliesOn: readonly string[];
  /** True if it also relies on that label in its own namespace. */
  readonly selectsAccount: boolean;
  /** The fingerprint of spec and own metadata; undefined for a policy that neither is nor was an own one. */
  readonly fingerprint: string | undefined;
  /** True for the default-deny of a profile that has postponed one of its directions. */
  readonly isPartial: boolean;
  /** Whom it allows, roughly; undefined if a peer names a namespace: then it depends on the policy's own namespace. */
  readonly peerScopes: PeerScopes | undefined;
}

/** Most contents that are kept. At about 4 kB each, they take no more memory than a few thousand policies would. */
const MAX_CONTENTS = 2048;

export class PolicyContentPool {
  /** By their JSON. */
  readonly #contents = new Map<string, PolicyContent>();
  /** The JSON of each content, and how many cached policies have it. */
  readonly #uses = new Map<PolicyContent, { readonly text: string; count: number }>();
  readonly #max: number;

  constructor(max = MAX_CONTENTS) {
    this.#max = max;
  }

  get size(): number {
    return this.#contents.size;
  }

  /**
   * The content of a policy as it is on the wire. Policies with equal contents get the same object.
   *
   * @returns `shared`: false if the pool is full, and the content must not be kept. It depends on the calls before, and
   *   never on garbage collection, so that runs can be repeated.
   */
  intern(policy: NetworkPolicy): { readonly content: PolicyContent; readonly shared: boolean } {
    const own = SharedPolicy.contentOf(policy);
    if (own !== undefined && this.has(own)) return { content: own, shared: true };
    const { labels, annotations, ownerReferences, finalizers, managedFields = [] } = policy.metadata;
    const managers = managedFields.map(({ manager }) => manager ?? '');
    const text = JSON.stringify([labels, annotations, ownerReferences, finalizers, managers, policy.spec]);
    const known = this.#contents.get(text);
    if (known !== undefined) return { content: known, shared: true };
    const content = contentOf(policy, managers);
    if (this.#contents.size >= this.#max) return { content, shared: false };
    this.#contents.set(text, content);
    this.#uses.set(content, { text, count: 0 });
    return { content, shared: true };
  }

  /** True if policies with an equal content will get this object. */
  has(content: PolicyContent): boolean {
    return this.#uses.has(content);
  }

  /** Counts a cached policy that has the content. */
  retain(content: PolicyContent): void {
    const use = this.#uses.get(content);
    if (use !== undefined) use.count += 1;
  }

  /** Stops counting a cached policy; the last one removes the content. */
  release(content: PolicyContent): void {
    const use = this.#uses.get(content);
    if (use === undefined || --use.count > 0) return;
    this.#uses.delete(content);
    this.#contents.delete(use.text);
  }

  /** Removes contents without a policy: they came with outdated events. Call it after the cache has taken a list. */
  sweep(): void {
    for (const [content, { text, count }] of this.#uses) {
      if (count > 0) continue;
      this.#uses.delete(content);
      this.#contents.delete(text);
    }
  }
}

function contentOf(policy: NetworkPolicy, managers: readonly string[]): PolicyContent {
  const { labels, annotations, ownerReferences, finalizers } = policy.metadata;
  const profile = labels?.[LABEL_MANAGED_BY] === MANAGER ? labels[LABEL_PROFILE] : undefined;
  const ownerUids = (ownerReferences ?? []).filter(isOwnReference).map(({ uid }) => uid);
  const namesNamespaces = JSON.stringify(policy.spec).includes(LABEL_NAMESPACE_NAME);
  return {
    ...(labels && { labels }),
    ...(annotations && { annotations }),
    ...(ownerReferences && { ownerReferences }),
    ...(finalizers && { finalizers }),
    managedFields: managers.map((manager) => ({ manager })),
    spec: policy.spec,
    profile,
    ownerUids,
    hasExceptionOwner: (ownerReferences ?? []).some(isExceptionReference),
    reliesOn: reliedOn(policy),
    selectsAccount: selectsAccount(policy.spec),
    fingerprint: profile !== undefined || ownerUids.length > 0 ? fingerprint(policy) : undefined,
    isPartial: labels?.[LABEL_ROLE] === 'partial-deny',
    peerScopes: namesNamespaces ? undefined : peerScopesOf(policy),
  };
}

/** Names a policy, and its revision. */
export interface PolicyIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** A policy made from a shared content. It lacks what nobody here reads: creationTimestamp, and the fields of managers. */
export class SharedPolicy implements NetworkPolicy {
  readonly metadata: ObjectMeta;
  readonly spec: NetworkPolicySpec;
  readonly #content: PolicyContent;

  constructor({ namespace, name, uid, resourceVersion }: PolicyIdentity, content: PolicyContent) {
    const { labels, annotations, ownerReferences, finalizers, managedFields, spec } = content;
    this.metadata = {
      name,
      namespace,
      uid,
      resourceVersion,
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(ownerReferences && { ownerReferences }),
      ...(finalizers && { finalizers }),
      managedFields,
    };
    this.spec = spec;
    this.#content = content;
  }

  /** The shared content of a policy; undefined if it was not made from one. */
  static contentOf(policy: object): PolicyContent | undefined {
    return #content in policy ? policy.#content : undefined;
  }
}
