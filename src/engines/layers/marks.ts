/** Labels that stand for what engines' selectors select among the pods of a view: they exist in that view only. Pure. */
import type { LabelSelector, StringMap } from '../../api/meta.ts';
import type { IdentifiedPod, PodMatcher } from './engine-policy.ts';

/** The pods that selectors are asked about. */
export interface EnginePods<P extends IdentifiedPod = IdentifiedPod> {
  readonly pods: readonly P[];
  /** The labels of a namespace, with the label of its name. */
  readonly labelsOf: (namespace: string) => StringMap;
}

interface Mark {
  readonly selector: LabelSelector;
  /** The namespaces with a selected pod. */
  readonly namespaces: readonly string[];
}

const PREFIX = 'engine-policy/';

export class Marks<P extends IdentifiedPod> {
  readonly #known: EnginePods<P>;
  readonly #marks = new Map<PodMatcher, Mark>();
  /** By number of the mark; `namespace`: the matcher is for pods of it alone. */
  readonly #matchers: { readonly matcher: PodMatcher; readonly namespace: string | undefined }[] = [];
  readonly #labels = new Map<P, Record<string, string>>();
  #byNamespace: ReadonlyMap<string, readonly P[]> | undefined;

  constructor(known: EnginePods<P>) {
    this.#known = known;
  }

  /** @param namespace the namespace of all pods that the matcher selects, if that is known */
  of(matcher: PodMatcher, namespace?: string): Mark {
    const known = this.#marks.get(matcher);
    if (known !== undefined) return known;
    const label = `${PREFIX}${this.#matchers.length}`;
    this.#matchers.push({ matcher, namespace });
    const namespaces = new Set<string>();
    for (const pod of this.#podsOf(namespace)) {
      if (!this.#matches(matcher, pod)) continue;
      namespaces.add(pod.namespace);
      const labels = this.#labels.get(pod);
      if (labels === undefined) this.#labels.set(pod, { [label]: '' });
      else labels[label] = '';
    }
    const mark = { selector: { matchLabels: { [label]: '' } }, namespaces: [...namespaces] };
    this.#marks.set(matcher, mark);
    return mark;
  }

  /** The pods of the view with their marks. */
  pods(): P[] {
    return this.#known.pods.map((pod) => withLabels(pod, this.#labels.get(pod)));
  }

  /** A pod that the view does not list, with its marks. */
  marked<T extends IdentifiedPod>(pod: T): T {
    const found = this.#matchers.flatMap(({ matcher, namespace }, number) =>
      (namespace === undefined || namespace === pod.namespace) && this.#matches(matcher, pod)
        ? [[`${PREFIX}${number}`, ''] as const]
        : [],
    );
    return withLabels(pod, found.length === 0 ? undefined : Object.fromEntries(found));
  }

  #podsOf(namespace: string | undefined): readonly P[] {
    if (namespace === undefined) return this.#known.pods;
    this.#byNamespace ??= Map.groupBy(this.#known.pods, (pod) => pod.namespace);
    return this.#byNamespace.get(namespace) ?? [];
  }

  #matches(matcher: PodMatcher, pod: IdentifiedPod): boolean {
    return matcher({ pod, namespaceLabels: this.#known.labelsOf(pod.namespace) });
  }
}

function withLabels<T extends IdentifiedPod>(pod: T, labels: StringMap | undefined): T {
  return labels === undefined ? pod : { ...pod, labels: { ...pod.labels, ...labels } };
}
