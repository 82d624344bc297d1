/** How a namespace stands with a profile after a reconcile. */
import type { PolicyType } from '../api/network-policy.ts';
import type { FailureKind } from '../kube/errors.ts';

/** A peer of a rule, or an end of a connection, that can't be resolved in the namespace. */
export interface Unresolved {
  readonly direction: PolicyType;
  /** The name of the rule or connection. */
  readonly rule: string;
  /** For a connection, the end at which the peer is. */
  readonly end?: 'from' | 'to';
  readonly peer: string;
  readonly reason: string;
  readonly message: string;
}

export interface NamespaceResult {
  /** The generation of the profile that was reconciled: a result of an older one counts as pending. */
  readonly generation: number;
  /** The revision that is in force, if the profile has a rollout. */
  readonly revision?: number;
  /** `awaited`: a rollout has still to reach the namespace. */
  readonly state: 'enforced' | 'audited' | 'pending' | 'awaited' | 'failed';
  /** How many policies the profile wants in the namespace, and how many of them are in place. */
  readonly desired: number;
  readonly applied: number;
  readonly unresolved: readonly Unresolved[];
  /** Names of the profile's connections of which an end lies in the namespace. */
  readonly connections: readonly string[];
  /** Names that foreign policies have taken; own policies have alternative names there. */
  readonly conflicts: readonly string[];
  /** Why the state is pending or failed. */
  readonly failure?: Failure;
}

export interface Failure {
  readonly reason: string;
  readonly message: string;
  readonly kind: FailureKind;
}
