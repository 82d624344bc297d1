/** How each namespace stands with each profile that selects it, as the last reconcile left it. */
import type { PolicyType } from '../api/network-policy.ts';
import type { FailureKind } from '../kube/errors.ts';

/** A peer of a rule that can't be resolved in the namespace. */
export interface Unresolved {
  readonly direction: PolicyType;
  readonly rule: string;
  readonly peer: string;
  readonly reason: string;
  readonly message: string;
}

export interface NamespaceResult {
  /** Of the profile that this is the result of: an older one counts as pending. */
  readonly generation: number;
  readonly state: 'enforced' | 'audited' | 'pending' | 'failed';
  /** How many policies the profile wants in the namespace, and how many of them stand. */
  readonly desired: number;
  readonly applied: number;
  readonly unresolved: readonly Unresolved[];
  /** Names that somebody else's objects hold; ours stand under alternative ones. */
  readonly conflicts: readonly string[];
  /** Why it is pending or failed. */
  readonly failure?: Failure;
}

export interface Failure {
  readonly reason: string;
  readonly message: string;
  readonly kind: FailureKind;
}

export class Results {
  readonly #results = new Map<string, Map<string, NamespaceResult>>();
  readonly #onChange: (profile: string) => void;

  /** @param onChange a profile whose status may have to be written */
  constructor(onChange: (profile: string) => void) {
    this.#onChange = onChange;
  }

  of(profile: string): ReadonlyMap<string, NamespaceResult> {
    return this.#results.get(profile) ?? new Map<string, NamespaceResult>();
  }

  /** Names of the profiles that have results. */
  profiles(): Iterable<string> {
    return this.#results.keys();
  }

  set(profile: string, namespace: string, result: NamespaceResult): void {
    let results = this.#results.get(profile);
    if (results === undefined) this.#results.set(profile, (results = new Map()));
    results.set(namespace, result);
    this.#onChange(profile);
  }

  delete(profile: string, namespace: string): void {
    if (this.#results.get(profile)?.delete(namespace)) this.#onChange(profile);
  }

  /** The namespace is gone. */
  forgetNamespace(namespace: string): void {
    for (const profile of this.#results.keys()) this.delete(profile, namespace);
  }

  forgetProfile(profile: string): void {
    this.#results.delete(profile);
  }
}
