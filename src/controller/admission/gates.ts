/**
 * Which gates the API server may have in force, and which namespaces wait for the end of one: a default-deny goes only
 * when no gate that looks for it can still refuse a pod. No I/O.
 */
import type { LabelSelector } from '../../api/meta.ts';
import { LABEL_PROFILE } from '../../api/names.ts';
import { type AdmissionBinding, POLICY_NAMES } from '../../policy/admission/binding.ts';
import { matches } from '../../policy/semantics/selector.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';

export class Gates {
  /** Namespaces whose default-deny waits. */
  readonly #held = new Set<string>();
  /** By profile. */
  readonly #selectors = new Map<string, LabelSelector[]>();
  readonly #onRelease: (namespace: string) => void;
  /** The bindings have been looked at, or can't be. */
  #looked = false;

  /** @param onRelease nothing holds the policies of the namespace any more */
  constructor(onRelease: (namespace: string) => void) {
    this.#onRelease = onRelease;
  }

  /** Whether no gate can be in force. */
  get isEmpty(): boolean {
    return this.#selectors.size === 0;
  }

  /** Whether a gate of the profile that may be in force selects the namespace. */
  covers(profile: string, { labels }: NamespaceItem): boolean {
    return this.#selectors.get(profile)?.some((selector) => matches(selector, labels)) ?? false;
  }

  /** The same, of a namespace that is told when that has ended; before the bindings have been looked at, of any. */
  holds(profile: string, namespace: NamespaceItem): boolean {
    const held = !this.#looked || this.covers(profile, namespace);
    if (held) this.#held.add(namespace.key);
    return held;
  }

  /** The binding is, or is about to be, where the API server finds it. */
  note(binding: AdmissionBinding): void {
    const profile = binding.metadata.labels?.[LABEL_PROFILE];
    const selector = selectorOf(binding);
    if (binding.spec.policyName !== POLICY_NAMES.gate || profile === undefined || selector === undefined)
      return;
    this.#selectors.set(profile, [...(this.#selectors.get(profile) ?? []), selector]);
  }

  /** Exactly the gates of these bindings are in force. */
  replace(bindings: readonly AdmissionBinding[]): void {
    this.#selectors.clear();
    for (const each of bindings) this.note(each);
    this.#release();
  }

  /** The bindings have been looked at and noted, or can't be. */
  look(): void {
    if (this.#looked) return;
    this.#looked = true;
    this.#release();
  }

  #release(): void {
    const held = [...this.#held];
    this.#held.clear();
    for (const namespace of held) this.#onRelease(namespace);
  }
}

export function selectorOf(binding: AdmissionBinding | undefined): LabelSelector | undefined {
  return binding?.spec.matchResources?.namespaceSelector;
}
