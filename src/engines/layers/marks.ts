/** Labels that stand for what engines' selectors select among the pods of a view: they exist in that view only. Pure. */
import type { LabelSelector, StringMap } from '../../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import type { NetworkPolicyPeer } from '../../api/network-policy.ts';
import type { IdentifiedPod, PodMatcher } from './engine-policy.ts';

/** The pods that selectors are asked about. */
export interface EnginePods<P extends IdentifiedPod = IdentifiedPod> {
  readonly pods: readonly P[];
  /** The labels of a namespace, with the label of its name. */
  readonly labelsOf: (namespace: string) => StringMap;
}

/** A set of pods, and the label that all of them have. */
export interface Mark {
  readonly selector: LabelSelector;
  /** The namespaces with a selected pod. */
  readonly namespaces: readonly string[];
  readonly peer: NetworkPolicyPeer;
}

interface KnownMatcher {
  readonly matcher: PodMatcher;
  /** The namespace of all pods that the matcher selects, if that is known. */
  readonly namespace: string | undefined;
  readonly label: string;
}

const PREFIX = 'engine-policy/';

/**
 * Equal sets of pods have one label. Sets within one namespace are numbered there, so that namespaces with like policies have
 * like labels: an analysis then visits few classes of pods.
 */
export class Marks<P extends IdentifiedPod> {
  readonly #known: EnginePods<P>;
  readonly #numbers: ReadonlyMap<P, number>;
  readonly #byNamespace: ReadonlyMap<string, readonly P[]>;
  readonly #marks = new Map<PodMatcher, Mark>();
  readonly #matchers: KnownMatcher[] = [];
  /** Labels by the set of pods, of each namespace, and of sets beyond one namespace (''). */
  readonly #sets = new Map<string, Map<string, string>>();
  readonly #labels = new Map<P, Record<string, string>>();

  constructor(known: EnginePods<P>) {
    this.#known = known;
    this.#numbers = new Map(known.pods.map((pod, index) => [pod, index]));
    this.#byNamespace = Map.groupBy(known.pods, (pod) => pod.namespace);
  }

  /** @param namespace the namespace of all pods that the matcher selects, if that is known */
  of(matcher: PodMatcher, namespace = matcher.namespace): Mark {
    const known = this.#marks.get(matcher);
    if (known !== undefined) return known;
    const among = namespace === undefined ? this.#known.pods : (this.#byNamespace.get(namespace) ?? []);
    const pods = among.filter((pod) => this.#matches(matcher, pod));
    const namespaces = [...new Set(pods.map((pod) => pod.namespace))];
    const [only = namespace, ...others] = namespaces;
    const place = others.length === 0 ? only : undefined;
    const label = this.#labelOf(pods, place);
    this.#matchers.push({ matcher, namespace, label });
    const selector = { matchLabels: { [label]: '' } };
    const namespaceSelector = place === undefined ? {} : { matchLabels: { [LABEL_NAMESPACE_NAME]: place } };
    const mark = { selector, namespaces, peer: { namespaceSelector, podSelector: selector } };
    this.#marks.set(matcher, mark);
    return mark;
  }

  /** The pods of the view with their marks. */
  pods(): P[] {
    return this.#known.pods.map((pod) => withLabels(pod, this.#labels.get(pod)));
  }

  /** A pod that the view does not list, with its marks. */
  marked<T extends IdentifiedPod>(pod: T): T {
    const found = this.#matchers.flatMap(({ matcher, namespace, label }) =>
      (namespace === undefined || namespace === pod.namespace) && this.#matches(matcher, pod)
        ? [[label, ''] as const]
        : [],
    );
    return withLabels(pod, found.length === 0 ? undefined : Object.fromEntries(found));
  }

  /** @param place the namespace of all of the pods; undefined if there is no single one */
  #labelOf(pods: readonly P[], place: string | undefined): string {
    const key = pods.map((pod) => this.#numbers.get(pod)).join();
    let sets = this.#sets.get(place ?? '');
    if (sets === undefined) this.#sets.set(place ?? '', (sets = new Map()));
    const known = sets.get(key);
    if (known !== undefined) return known;
    const label = `${PREFIX}${place === undefined ? 'all-' : ''}${sets.size}`;
    sets.set(key, label);
    for (const pod of pods) {
      const labels = this.#labels.get(pod);
      if (labels === undefined) this.#labels.set(pod, { [label]: '' });
      else labels[label] = '';
    }
    return label;
  }

  #matches(matcher: PodMatcher, pod: IdentifiedPod): boolean {
    return matcher({ pod, namespaceLabels: this.#known.labelsOf(pod.namespace) });
  }
}

function withLabels<T extends IdentifiedPod>(pod: T, labels: StringMap | undefined): T {
  return labels === undefined ? pod : { ...pod, labels: { ...pod.labels, ...labels } };
}
