/** The policies and namespaces of a view, indexed by namespace and, once asked, by pod. */
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import type { StringMap } from '../../api/meta.ts';
import type { PolicyType } from '../../api/network-policy.ts';
import { matches } from '../../policy/semantics/selector.ts';
import type { ClusterView, Pod } from '../cluster.ts';
import { type CompiledPolicy, compilePolicy } from './rules.ts';

export class PolicyIndex {
  readonly #policies = new Map<string, CompiledPolicy[]>();
  readonly #labels = new Map<string, StringMap>();
  readonly #selecting = {
    Ingress: new WeakMap<Pod, readonly CompiledPolicy[]>(),
    Egress: new WeakMap<Pod, readonly CompiledPolicy[]>(),
  };

  constructor({ namespaces, policies }: Pick<ClusterView, 'namespaces' | 'policies'>) {
    for (const { name, labels } of namespaces) {
      this.#labels.set(name, { ...labels, [LABEL_NAMESPACE_NAME]: name });
    }
    for (const policy of policies) {
      const compiled = compilePolicy(policy);
      const others = this.#policies.get(compiled.namespace);
      if (others === undefined) this.#policies.set(compiled.namespace, [compiled]);
      else others.push(compiled);
    }
  }

  /** The policies that isolate `pod`, a pod of the pod network, in `direction`. Each call returns the same list. */
  selecting(direction: PolicyType, pod: Pod): readonly CompiledPolicy[] {
    const cache = this.#selecting[direction];
    let selecting = cache.get(pod);
    if (selecting === undefined) {
      selecting = (this.#policies.get(pod.namespace) ?? []).filter(
        (policy) => policy[direction] !== undefined && matches(policy.podSelector, pod.labels),
      );
      cache.set(pod, selecting);
    }
    return selecting;
  }

  /** The labels of a namespace. A namespace that the view does not list has only its name label. */
  labelsOf(namespace: string): StringMap {
    return this.#labels.get(namespace) ?? { [LABEL_NAMESPACE_NAME]: namespace };
  }
}
