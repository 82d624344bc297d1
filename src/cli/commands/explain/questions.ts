/** Asks whether one end reaches another, and why: for every pair of workloads, on every port that matters. */
import { classifier } from '../../../analysis/model/pod-classifier.ts';
import type { Endpoint } from '../../../analysis/cluster.ts';
import { compileView, type Evaluator } from '../../../analysis/evaluator.ts';
import { Explainer, type Explanation } from '../../../analysis/explain.ts';
import { formatPorts, segmentsOf } from '../../../analysis/model/ports.ts';
import { compilePolicy } from '../../../analysis/model/rules.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { findEnds, type FlowEnd } from '../../snapshot/flow-ends.ts';
import { CliError } from '../../shell/failure.ts';
import { type PortQuestion, portsNamed, portsServed } from '../../snapshot/ports.ts';
import type { Snapshot, SnapshotService } from '../../snapshot/snapshot.ts';

export interface Answer {
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  readonly port: PortQuestion;
  readonly explanation: Explanation;
  /** Some pods of the two workloads for which the answer is another one are in an answer of their own. */
  readonly partial: boolean;
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

/** One state of policies, made ready for questions. */
export class Questions {
  readonly snapshot: Snapshot;
  readonly #policies: readonly NetworkPolicy[];
  readonly #evaluator: Evaluator;
  readonly #explainer: Explainer;
  readonly #classOf: (endpoint: Endpoint) => string;

  constructor(snapshot: Snapshot, policies: readonly NetworkPolicy[]) {
    this.snapshot = snapshot;
    this.#policies = policies;
    const view = { namespaces: snapshot.namespaces, policies };
    this.#evaluator = compileView(view);
    this.#explainer = new Explainer(view, this.#evaluator, (policy) => snapshot.ownerOf(policy));
    const classOf = classifier(policies);
    this.#classOf = (endpoint) => (endpoint.kind === 'pod' ? classOf(endpoint.pod) : endpoint.ip);
  }

  /**
   * @param port of `--port`
   * @param everyPort without `port`: all ports, and not only those that the destination says it serves
   * @throws CliError for a name that nothing has, or a port that the destination does not have
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

  #between(from: FlowEnd, to: FlowEnd, asked: AskedPorts): Answer[] {
    if (from.pods.length === 0 && to.pods.length === 0) return [];
    const pairs = this.#pairs(from, to);
    return pairs.flatMap(({ source, destination }) =>
      this.#ports(from, destination, asked).map((question): Answer => {
        const { protocol } = question;
        const flow = { from: source.endpoint, to: destination.endpoint, port: question.port, protocol };
        return {
          from: source,
          to: destination,
          port: question,
          explanation: this.#explainer.explain(flow),
          partial: pairs.length > 1,
        };
      }),
    );
  }

  /** One pair of pods for each two classes that differ in what policies make of them. */
  #pairs(from: FlowEnd, to: FlowEnd): { source: FlowEnd; destination: FlowEnd }[] {
    const pairs = [];
    for (const source of this.#classes(from)) {
      for (const destination of this.#classes(to)) {
        const apart =
          from === to || sharesPod(source, destination)
            ? different(source, destination)
            : ([source, destination] as const);
        if (apart !== undefined) pairs.push({ source: apart[0], destination: apart[1] });
      }
    }
    return pairs;
  }

  #classes(end: FlowEnd): FlowEnd[] {
    if (end.pods.length === 0) return [end];
    return [...Map.groupBy(end.pods, (pod) => this.#classOf({ kind: 'pod', pod })).values()].map(
      (pods, _, all) => {
        const [pod] = pods;
        // Pods of one workload that policies treat differently are named one by one.
        const label = all.length > 1 && pod !== undefined ? `${pod.namespace}/${pod.name}` : end.label;
        return { ...end, label, pods, ...(pod && { endpoint: { kind: 'pod' as const, pod } }) };
      },
    );
  }

  #ports(from: FlowEnd, to: FlowEnd, { service, port, everyPort }: AskedPorts): PortQuestion[] {
    if (port !== undefined) return portsNamed(port, to, service);
    // A Service leads to its own ports only; pods can listen on others than those that they name.
    const served = everyPort && service === undefined ? [] : portsServed(to, service);
    if (served.length > 0) return served;
    const namespaces = new Set([from.namespace, to.namespace]);
    const rules = this.#policies
      .filter(({ metadata }) => namespaces.has(metadata.namespace))
      .map(compilePolicy)
      .flatMap(({ Ingress = [], Egress = [] }) => [...Ingress, ...Egress]);
    const ranges = segmentsOf(rules, to.pods.slice(0, 1));
    const merged: PortQuestion[] = [];
    let last = '';
    for (const { protocol, from: first, to: end } of ranges) {
      const { endpoint: source } = from;
      const text =
        protocol +
        JSON.stringify(this.#explainer.explain({ from: source, to: to.endpoint, port: first, protocol }));
      const previous = merged.at(-1);
      if (text === last && previous !== undefined)
        merged[merged.length - 1] = ranged(previous.port, end, protocol);
      else merged.push(ranged(first, end, protocol));
      last = text;
    }
    return merged;
  }
}

function ranged(from: number, to: number, protocol: PortQuestion['protocol']): PortQuestion {
  return { protocol, port: from, to, label: formatPorts([{ protocol, from, to }]) };
}

function sharesPod(a: FlowEnd, b: FlowEnd): boolean {
  return a.pods.some((pod) => b.pods.includes(pod));
}

/** Two pods of these classes that are not one and the same; undefined where there is only one, or a template's pod to itself. */
function different(source: FlowEnd, destination: FlowEnd): readonly [FlowEnd, FlowEnd] | undefined {
  for (const a of source.pods) {
    const b = destination.pods.find((pod) => pod !== a);
    if (b === undefined) continue;
    return [
      { ...source, endpoint: { kind: 'pod', pod: a } },
      { ...destination, endpoint: { kind: 'pod', pod: b } },
    ];
  }
  const [only] = source.pods;
  if (only?.template !== true) return undefined;
  // A template stands for several pods: another one of the same kind.
  return [
    source,
    { ...destination, endpoint: { kind: 'pod', pod: { ...only, name: `${only.name} (another)` } } },
  ];
}
