/**
 * The interface of a kind of policy that carries guards: one object for each profile, which denies what the guard does not
 * pass, before NetworkPolicies decide. Each such kind implements it in its folder. Pure.
 */
import type { KubeObject, LabelSelector } from '../../api/meta.ts';
import type { PolicyType } from '../../api/network-policy.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import type { GuardKind } from '../engine.ts';
import type { Guard } from '../../policy/guard/guard.ts';

export interface GuardCarrier {
  /** The value of `guard.kind` in the operator's configuration. */
  readonly kind: GuardKind;
  readonly group: string;
  /** The versions in which the kind can be written, the preferred one first. */
  readonly versions: readonly string[];
  readonly plural: string;
  /** The folder of config/ with the permission to write that kind. */
  readonly component: string;
  /** The first release whose kind has all fields that are written. */
  readonly since: string;
  /** The prefix of the names of guards. */
  readonly namePrefix?: string;
  /** An object of the cluster, of the same group, without which the engine does not enforce guards. It is a part of `component`. */
  readonly requires?: {
    readonly plural: string;
    readonly name: string;
    /** The object as `component` has it. */
    readonly installed: KubeObject;
    isRight(object: KubeObject & { readonly spec?: unknown }): boolean;
  };
  /** The kind that stages guards; absent if the engine has none. */
  readonly staging?: GuardStaging;
  /** True if sources of ingress that are no pods are denied too. */
  readonly deniesAddressSources: boolean;
  /** Compiles a guard to the rules of the kind, or says why they don't fit. */
  compile(guard: Guard): CompiledGuard | GuardTooLarge;
  /** The object without name, labels and owner. @param priority a lower one is asked first */
  objectOf(form: GuardForm, priority: number): KubeObject;
  /** The form and priority of an object that was written as `objectOf` makes it; undefined for any other. */
  read(object: KubeObject): { readonly form: GuardForm; readonly priority: number } | undefined;
  /** All that one form or the other passes, for the pods of the second; undefined if that does not fit. */
  union(before: GuardForm, form: GuardForm): GuardForm | undefined;
  /** How a foreign object takes part in the order of guards; undefined if it does not. */
  rankOf(object: KubeObject): ForeignRank | undefined;
}

/** A kind of the carrier's group by which the engine reports what a guard would deny, and enforces nothing. */
export interface GuardStaging {
  readonly kind: string;
  readonly plural: string;
  /** Where a user sees what staged guards would deny. */
  readonly shownIn: string;
  /** The object that stages a guard, under the same name. */
  stage(guard: KubeObject): KubeObject;
  /** The guard that an object stages, as the API server returned it; undefined if it is not as `stage` makes it. */
  staged(object: KubeObject): KubeObject | undefined;
}

/** The meaning of an object. A direction without rules is not guarded. */
export interface GuardForm {
  readonly subject: LabelSelector;
  readonly rules: Readonly<Partial<Record<PolicyType, readonly object[]>>>;
}

/** A rule of a form without its name: equal for rules that do the same. */
export function ruleMeaning(rule: object): string {
  return canonicalJSON({ ...rule, name: undefined });
}

export interface CompiledGuard {
  readonly kind: 'compiled';
  readonly form: GuardForm;
  /** Directions in which the guard passes everything, with the rules that ask for it. */
  readonly open: readonly { readonly direction: PolicyType; readonly rules: readonly string[] }[];
}

/** `message` has the numbers, and what to do. */
export interface GuardTooLarge {
  readonly kind: 'too-large';
  readonly message: string;
}

export interface ForeignRank {
  readonly priority: number;
  /** True if a rule of the object ends the search before a guard that comes later is asked. */
  readonly precludes: boolean;
}
