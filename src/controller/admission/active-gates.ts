/**
 * The gates that the API server may be acting on, and the namespaces whose default-deny stays until such a gate has
 * ended: a default-deny is deleted only when no gate that looks for it can still refuse a pod. No I/O.
 *
 * A gate is added before its binding is written. It ends only when a probe has shown that the API server acts on bindings
 * without it.
 */
import type { LabelSelector } from '../../api/meta.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import { type AdmissionBinding, POLICY_NAMES, profileOf } from '../../policy/admission/binding.ts';
import { matches } from '../../policy/semantics/selector.ts';

export class ActiveGates {
  /** By profile: the namespaceSelectors of its gate, by their JSON text. */
  readonly #selectors = new Map<string, Map<string, LabelSelector>>();
  /** Namespaces whose default-deny stays until a gate has ended. */
  readonly #held = new Set<string>();
  readonly #onRelease: (namespace: string) => void;
  /** Before the bindings were read, any gate may be active. */
  #isRead = false;

  /** @param onRelease the namespace was held, and may no longer have to be */
  constructor(onRelease: (namespace: string) => void) {
    this.#onRelease = onRelease;
  }

  get isEmpty(): boolean {
    return this.#selectors.size === 0;
  }

  /** True if the API server may be acting on a gate of the profile that selects the namespace. */
  mayRefuse(profile: string, { labels }: NamespaceItem): boolean {
    const selectors = this.#selectors.get(profile);
    return selectors !== undefined && [...selectors.values()].some((each) => matches(each, labels));
  }

  /** True if the default-deny of the namespace has to stay. Then `onRelease` is called when to ask again. */
  holds(profile: string, namespace: NamespaceItem): boolean {
    const isHeld = !this.#isRead || this.mayRefuse(profile, namespace);
    if (isHeld) this.#held.add(namespace.key);
    return isHeld;
  }

  /** Adds the binding if it is a gate: it is stored, or about to be. */
  add(binding: AdmissionBinding): void {
    const selector = selectorOf(binding);
    if (binding.spec.policyName !== POLICY_NAMES.gate || selector === undefined) return;
    const profile = profileOf(binding);
    if (profile === '') return;
    const selectors = this.#selectors.get(profile) ?? new Map<string, LabelSelector>();
    this.#selectors.set(profile, selectors.set(JSON.stringify(selector), selector));
  }

  /** Exactly the gates among these bindings are active. */
  replace(bindings: readonly AdmissionBinding[]): void {
    this.#selectors.clear();
    for (const each of bindings) this.add(each);
    this.#release();
  }

  /** The bindings were read and added; or the operator may not read them, and has no gate. */
  markRead(): void {
    if (this.#isRead) return;
    this.#isRead = true;
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
