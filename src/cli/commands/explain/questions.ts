/** Asks if one end reaches another, and why: for every pair of workloads, on every port that matters. Pure. */
import { classifier } from '../../../analysis/model/pod-classifier.ts';
import type { Endpoint, Pod } from '../../../analysis/cluster.ts';
import { compileView, type Evaluator } from '../../../analysis/evaluator.ts';
import { Explainer, type Explanation } from '../../../analysis/explain.ts';
import { LayeredEvaluator } from '../../../analysis/layers/layered-evaluator.ts';
import type { LayeredView } from '../../../analysis/layers/layered-view.ts';
import { formatPorts, segmentsOf } from '../../../analysis/model/ports.ts';
import { compilePolicy } from '../../../analysis/model/rules.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { type IPFamily, ipFamily } from '../../../policy/semantics/cidr.ts';
import { findEnds, type FlowEnd } from '../../snapshot/flow-ends.ts';
import { CliError } from '../../shell/failure.ts';
import { type PortQuestion, portsNamed, portsServed } from '../../snapshot/ports.ts';
import type { SnapshotService } from '../../../snapshot/services.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';

export interface Answer {
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  readonly port: PortQuestion;
  /** The address family, if the explanation is another in the other family that both ends have. */
  readonly family?: IPFamily;
  readonly explanation: Explanation;
}

export interface Answers {
  readonly answers: readonly Answer[];
  /** The Service by which the destination was named. */
  readonly service: SnapshotService | undefined;
  readonly notes: readonly string[];
}

interface AskedPorts {
  readonly service: SnapshotService | undefined;
  readonly port: string | undefined;
  readonly everyPort: boolean;
}

/** Answers questions about flows under one set of policies. */
export class Questions {
  readonly snapshot: Snapshot;
  /** The NetworkPolicies, and policies that stand for rules of other kinds. */
  readonly #policies: readonly NetworkPolicy[];
  readonly #evaluator: Evaluator;
  readonly #explainer: Explainer;
  readonly #classOf: (endpoint: Endpoint) => string;

  /** @param layers policies of other kinds, if verdicts go by them too */
  constructor(snapshot: Snapshot, policies: readonly NetworkPolicy[], layers?: LayeredView) {
    this.snapshot = snapshot;
    this.#policies = [...policies, ...(layers?.standIns ?? [])];
    const { namespaces } = snapshot;
    const view = { namespaces, policies };
    this.#evaluator = compileView(view, layers && { podsInIPBlocks: layers.podsInIPBlocks });
    this.#explainer = new Explainer(view, {
      evaluator: this.#evaluator,
      ownerOf: (policy) => snapshot.ownerOf(policy),
      layers: layers && new LayeredEvaluator(namespaces, layers),
    });
    const classOf = classifier(this.#policies);
    const podOf = layers?.podOf ?? ((pod: Pod) => pod);
    this.#classOf = (endpoint) =>
      endpoint.kind === 'pod'
        ? `${classOf(podOf(endpoint.pod))} ${familiesOf(endpoint).join()}`
        : endpoint.ip;
  }

  /**
   * @param port the value of `--port`
   * @param everyPort without `port`: asks about all ports, not only those that the destination declares
   * @throws CliError if nothing has the name of an end, or the destination has no such port
   */
  ask(from: string, to: string, port?: string, everyPort = false): Answers {
    const [source, destination] = [findEnds(from, this.snapshot), findEnds(to, this.snapshot)];
    const answers = source.ends.flatMap((a) =>
      destination.ends.flatMap((b) => this.#between(a, b, { service: destination.service, port, everyPort })),
    );
    if (answers.length === 0) throw new CliError(this.#nothingToAsk(source.ends, destination.ends));
    return { answers, service: destination.service, notes: [...source.notes, ...destination.notes] };
  }

  #nothingToAsk(from: readonly FlowEnd[], to: readonly FlowEnd[]): string {
    return [...from, ...to].every(({ pods }) => pods.length === 0)
      ? 'neither end is a pod of this cluster, or a Service that leads to one: no NetworkPolicy applies'
      : 'the two ends are one and the same pod';
  }

  /** Answers for these ports. Empty if neither end is a pod, or both are one and the same pod. */
  between(from: FlowEnd, to: FlowEnd, ports: readonly PortQuestion[]): Answer[] {
    return this.#answers(from, to, () => ports);
  }

  #between(from: FlowEnd, to: FlowEnd, asked: AskedPorts): Answer[] {
    return this.#answers(from, to, (source, destination) => this.#ports(source, destination, asked));
  }

  #answers(
    from: FlowEnd,
    to: FlowEnd,
    portsOf: (source: FlowEnd, destination: FlowEnd) => readonly PortQuestion[],
  ): Answer[] {
    if (from.pods.length === 0 && to.pods.length === 0) return [];
    const pairs = this.#pairs(from, to);
    return pairs.flatMap(({ source, destination }) =>
      portsOf(source, destination).flatMap((port) =>
        this.#explanations(source, destination, port).map((each) => ({
          from: source,
          to: destination,
          port,
          ...each,
        })),
      ),
    );
  }

  /** The explanation of a flow or, if those of two common address families differ, the explanation of each. */
  #explanations(
    { endpoint: from }: FlowEnd,
    { endpoint: to }: FlowEnd,
    { port, protocol }: PortQuestion,
  ): Pick<Answer, 'family' | 'explanation'>[] {
    const explanations = commonFamilies(from, to).map((family) => ({
      family,
      explanation: this.#explainer.explain({ from, to, port, protocol, family }),
    }));
    const distinct = new Set(explanations.map(({ explanation }) => JSON.stringify(explanation)));
    if (distinct.size > 1) return explanations;
    return [{ explanation: this.#explainer.explain({ from, to, port, protocol }) }];
  }

  /** A pair of pods for each pair of classes: policies treat all pods of a class alike. */
  #pairs(from: FlowEnd, to: FlowEnd): Pair[] {
    const pairs: Pair[] = [];
    for (const source of this.#classes(from)) {
      for (const destination of this.#classes(to)) {
        const pair = representatives(source, destination);
        if (pair !== undefined) pairs.push(pair);
      }
    }
    return pairs;
  }

  #classes(end: FlowEnd): FlowEnd[] {
    if (end.pods.length === 0) return [end];
    return [...Map.groupBy(end.pods, (pod) => this.#classOf({ kind: 'pod', pod })).values()].map(
      (pods, _, all) => {
        const [pod] = pods;
        // If policies treat pods of a workload differently, a class has the name of one of its pods.
        const label = all.length > 1 && pod !== undefined ? `${pod.namespace}/${pod.name}` : end.label;
        return { ...end, label, pods, ...(pod && { endpoint: { kind: 'pod' as const, pod } }) };
      },
    );
  }

  #ports(from: FlowEnd, to: FlowEnd, { service, port, everyPort }: AskedPorts): PortQuestion[] {
    if (port !== undefined) return portsNamed(port, to, service);
    // A Service leads to its own ports only; pods can listen on ports that they do not declare.
    const served = everyPort && service === undefined ? [] : portsServed(to, service);
    if (served.length > 0) return served;
    const namespaces = new Set([from.namespace, to.namespace]);
    const rules = this.#policies
      .filter(({ metadata }) => namespaces.has(metadata.namespace))
      .map(compilePolicy)
      .flatMap(({ Ingress = [], Egress = [] }) => [...Ingress, ...Egress]);
    const questions: PortQuestion[] = [];
    let last = '';
    for (const { protocol, from: first, to: end } of segmentsOf(rules, to.pods.slice(0, 1))) {
      const question = ranged(first, end, protocol);
      const text = protocol + JSON.stringify(this.#explanations(from, to, question));
      const previous = questions.at(-1);
      if (text === last && previous !== undefined) {
        questions[questions.length - 1] = ranged(previous.port, end, protocol);
      } else questions.push(question);
      last = text;
    }
    return questions;
  }
}

/** The address families that both ends have. */
function commonFamilies(a: Endpoint, b: Endpoint): IPFamily[] {
  const [own, others] = [familiesOf(a), familiesOf(b)];
  return ([4, 6] as const).filter((family) => own.includes(family) && others.includes(family));
}

function familiesOf(endpoint: Endpoint): IPFamily[] {
  const ips = endpoint.kind === 'pod' ? endpoint.pod.ips : [endpoint.ip];
  return ips.flatMap((ip) => ipFamily(ip) ?? []);
}

function ranged(from: number, to: number, protocol: PortQuestion['protocol']): PortQuestion {
  return { protocol, port: from, to, label: formatPorts([{ protocol, from, to }]) };
}

interface Pair {
  readonly source: FlowEnd;
  readonly destination: FlowEnd;
}

/**
 * Ends with a pod of each class that stand for all pairs of these pods. They are two different pods and, if there are
 * such, on different nodes, as a pod's own node always reaches it. Undefined if there is only one pod.
 */
function representatives(source: FlowEnd, destination: FlowEnd): Pair | undefined {
  if (source.pods.length === 0 || destination.pods.length === 0) return { source, destination };
  const pair = findPair(source, destination, isFromOwnNode) ?? findPair(source, destination);
  if (pair !== undefined) return pair;
  const [only] = source.pods;
  if (only?.template !== true) return undefined;
  // A template stands for several pods.
  return { source, destination: withPod(destination, { ...only, name: `${only.name} (another)` }) };
}

/** The first two different pods for which `isExcluded` is false. */
function findPair(
  source: FlowEnd,
  destination: FlowEnd,
  isExcluded: (from: Pod, to: Pod) => boolean = () => false,
): Pair | undefined {
  for (const from of source.pods) {
    const to = destination.pods.find((pod) => pod !== from && !isExcluded(from, pod));
    if (to !== undefined) return { source: withPod(source, from), destination: withPod(destination, to) };
  }
  return undefined;
}

function isFromOwnNode(from: Pod, to: Pod): boolean {
  return from.hostNetwork === true && from.node !== undefined && from.node === to.node;
}

function withPod(end: FlowEnd, pod: Pod): FlowEnd {
  return { ...end, endpoint: { kind: 'pod', pod } };
}
