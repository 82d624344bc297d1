/**
 * What policies hold besides their identity. A profile makes the same few objects in every namespace, so that each
 * content is kept once, however many policies have it; what is distinct in every namespace is not kept at all.
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
import { reliedOn } from '../../policy/admission/accounts.ts';
import { type PeerScopes, peerScopesOf } from '../../policy/admission/widening.ts';
import { fingerprint, isProfileReference } from '../../policy/semantics/normalize.ts';

export interface PolicyContent {
  readonly labels?: StringMap;
  readonly annotations?: StringMap;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  /** Names of those who wrote to it, without what they wrote and when. */
  readonly managedFields: readonly { readonly manager: string }[];
  readonly spec: NetworkPolicySpec;
  /** The profile that its labels name, if they are ours. */
  readonly profile: string | undefined;
  /** Of the profiles that own it by reference. */
  readonly ownerUids: readonly string[];
  /** Namespaces whose pods' label of their ServiceAccount it relies on. */
  readonly reliesOn: readonly string[];
  /** Computed for what may be ours, and for what may have been: others' objects are only looked at when planning. */
  readonly fingerprint: string | undefined;
  /** The default-deny of a profile that waits in one of its directions. */
  readonly isPartial: boolean;
  /** Whom it allows, roughly; undefined where that depends on the namespace, as one of its peers names a namespace. */
  readonly peerScopes: PeerScopes | undefined;
}

/** Most contents that are kept. At about 4 kB each, they take no more than a few thousand policies would. */
const MAX_BODIES = 2048;

export class PolicyContentPool {
  /** By their text. */
  readonly #bodies = new Map<string, PolicyContent>();
  /** Of each of them: its text, and how many policies in the cache have it. */
  readonly #uses = new Map<PolicyContent, { readonly text: string; count: number }>();
  readonly #max: number;

  constructor(max = MAX_BODIES) {
    this.#max = max;
  }

  get size(): number {
    return this.#bodies.size;
  }

  /**
   * The content of a policy as it is on the wire, and whether it may be kept: the same object for all policies that
   * have the same, and not to be kept where there are too many different ones. Which it is depends on nothing but what
   * was asked and told before, and never on when garbage is collected: runs can be repeated.
   */
  of(policy: NetworkPolicy): { readonly body: PolicyContent; readonly shared: boolean } {
    const own = SharedPolicy.bodyOf(policy);
    if (own !== undefined && this.has(own)) return { body: own, shared: true };
    const { labels, annotations, ownerReferences, finalizers, managedFields = [] } = policy.metadata;
    const managers = managedFields.map(({ manager }) => manager ?? '');
    const text = JSON.stringify([labels, annotations, ownerReferences, finalizers, managers, policy.spec]);
    const known = this.#bodies.get(text);
    if (known !== undefined) return { body: known, shared: true };
    const body = bodyOf(policy, managers);
    if (this.#bodies.size >= this.#max) return { body, shared: false };
    this.#bodies.set(text, body);
    this.#uses.set(body, { text, count: 0 });
    return { body, shared: true };
  }

  /** Whether it is shared with those who come. */
  has(body: PolicyContent): boolean {
    return this.#uses.has(body);
  }

  /** A policy in the cache has it from now on. */
  hold(body: PolicyContent): void {
    const use = this.#uses.get(body);
    if (use !== undefined) use.count += 1;
  }

  /** A policy in the cache had it until now. */
  release(body: PolicyContent): void {
    const use = this.#uses.get(body);
    if (use === undefined || --use.count > 0) return;
    this.#uses.delete(body);
    this.#bodies.delete(use.text);
  }

  /** The cache has taken a whole list: what no policy has by now came with one that was outdated. */
  sweep(): void {
    for (const [body, { text, count }] of this.#uses) {
      if (count > 0) continue;
      this.#uses.delete(body);
      this.#bodies.delete(text);
    }
  }
}

function bodyOf(policy: NetworkPolicy, managers: readonly string[]): PolicyContent {
  const { labels, annotations, ownerReferences, finalizers } = policy.metadata;
  const profile = labels?.[LABEL_MANAGED_BY] === MANAGER ? labels[LABEL_PROFILE] : undefined;
  const ownerUids = (ownerReferences ?? []).filter(isProfileReference).map(({ uid }) => uid);
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
    reliesOn: reliedOn(policy),
    fingerprint: profile !== undefined || ownerUids.length > 0 ? fingerprint(policy) : undefined,
    isPartial: labels?.[LABEL_ROLE] === 'partial-deny',
    peerScopes: namesNamespaces ? undefined : peerScopesOf(policy),
  };
}

/** Which policy it is, and of which revision. */
export interface PolicyIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** A policy whose content is known: all of it, but for what nobody here reads (its creation, the fields of each manager). */
export class SharedPolicy implements NetworkPolicy {
  readonly metadata: ObjectMeta;
  readonly spec: NetworkPolicySpec;
  readonly #body: PolicyContent;

  constructor({ namespace, name, uid, resourceVersion }: PolicyIdentity, body: PolicyContent) {
    const { labels, annotations, ownerReferences, finalizers, managedFields, spec } = body;
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
    this.#body = body;
  }

  /** Its content, if the policy is one of these. */
  static bodyOf(policy: NetworkPolicy): PolicyContent | undefined {
    return #body in policy ? policy.#body : undefined;
  }
}
