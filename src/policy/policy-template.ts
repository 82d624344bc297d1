/** A policy of a profile without its namespace and rules: the part that is compiled once for each profile. Pure. */
import type { LabelSelector, ObjectMeta, OwnerReference } from '../api/meta.ts';
import {
  ANNOTATION_RULES,
  API_VERSION,
  KIND,
  LABEL_END,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  LABEL_RULE,
  MANAGER,
  endLabel,
  policyName,
  type NamedRole,
} from '../api/names.ts';
import type { NetworkPolicy, NetworkPolicySpec, PolicyType } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import type { ExtensionPolicy } from './extensions.ts';
import type { NamespaceFacts } from './facts.ts';
import { type NotedRule, unique } from './rules.ts';
import { withRules } from './semantics/normalize.ts';
import { selectorKey } from './semantics/selector.ts';

export interface TemplateOptions {
  readonly role: NamedRole;
  readonly policyTypes: readonly PolicyType[];
  /** The rule that has the policy to itself. */
  readonly rule?: string | undefined;
  /** The value of LABEL_END. */
  readonly end?: string;
  readonly podSelector?: LabelSelector;
}

/** One policy of a profile, without its namespace and rules. */
export class PolicyTemplate {
  readonly name: string;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #owners: readonly OwnerReference[] | undefined;
  readonly #spec: NetworkPolicySpec;
  readonly #names: Pick<TemplateOptions, 'role' | 'rule' | 'end'> & { readonly profile: string };
  /** The content that was compiled last: in most namespaces a policy has the same rules. */
  #last:
    | { noted: readonly NotedRule[]; spec: NetworkPolicySpec; annotations: ObjectMeta['annotations'] }
    | undefined;

  constructor(
    profile: SegmentationProfile,
    { role, policyTypes, rule, end, podSelector = {} }: TemplateOptions,
  ) {
    const { name } = profile.metadata;
    this.name = policyName(name, role, rule, end);
    this.#names = { profile: name, role, rule, ...(end !== undefined && { end }) };
    this.#labels = {
      [LABEL_MANAGED_BY]: MANAGER,
      [LABEL_PROFILE]: name,
      [LABEL_ROLE]: role,
      ...(rule !== undefined && { [LABEL_RULE]: rule }),
      ...(end !== undefined && { [LABEL_END]: end }),
    };
    this.#owners = ownerReferences(profile);
    this.#spec = { podSelector, policyTypes };
  }

  /** The policy in `namespace` with these rules, which are of its one direction; without rules it only isolates. */
  in(namespace: NamespaceFacts, noted: readonly NotedRule[]): NetworkPolicy {
    if (this.#last === undefined || !isSameList(this.#last.noted, noted))
      this.#last = { noted, ...this.#content(noted) };
    const { spec, annotations } = this.#last;
    return {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {
        name: this.name,
        namespace: namespace.name,
        labels: this.#labels,
        ...(annotations && { annotations }),
        ...(this.#owners && { ownerReferences: this.#owners }),
      },
      spec,
    };
  }

  /** The extensions for the policy's pods in `namespace`, in its one direction. */
  extension(
    { name: namespace }: NamespaceFacts,
    { rules, unresolved }: Pick<ExtensionPolicy, 'rules' | 'unresolved'>,
  ): ExtensionPolicy {
    const { podSelector = {}, policyTypes: [direction = 'Egress'] = [] } = this.#spec;
    const metadata = {
      name: this.#extensionName(podSelector),
      namespace,
      labels: this.#labels,
      ...(this.#owners && { ownerReferences: this.#owners }),
    };
    return { metadata, podSelector, direction, rules, unresolved };
  }

  #extensionName(podSelector: LabelSelector): string {
    const { profile, role, rule, end } = this.#names;
    const key = selectorKey(podSelector);
    if (key === '{}') return this.name;
    return policyName(profile, role, rule, [...(end === undefined ? [] : [end]), endLabel(key)].join('.'));
  }

  #content(noted: readonly NotedRule[]): { spec: NetworkPolicySpec; annotations: ObjectMeta['annotations'] } {
    const [direction] = this.#spec.policyTypes ?? [];
    if (noted.length === 0 || direction === undefined) return { spec: this.#spec, annotations: undefined };
    const distinct = unique(noted, ({ identity }) => identity);
    const notes = distinct.map(({ source, firstNote, note }, index) =>
      distinct[index - 1]?.source === source ? note : firstNote,
    );
    return {
      spec: withRules(
        this.#spec,
        direction,
        distinct.map(({ rule }) => rule),
      ),
      annotations: { [ANNOTATION_RULES]: `[${notes.join(',')}]` },
    };
  }
}

/** Absent under Retain, so that the garbage collector leaves the policies when the profile is deleted. */
function ownerReferences({ spec, metadata }: SegmentationProfile): OwnerReference[] | undefined {
  const { name, uid } = metadata;
  if (spec.deletionPolicy === 'Retain' || uid === undefined) return undefined;
  return [{ apiVersion: API_VERSION, kind: KIND, name, uid, controller: true, blockOwnerDeletion: false }];
}

function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
