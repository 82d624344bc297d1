// Judges NetworkPolicies by invariants I1 and I2, through the evaluator: one verdict for each pod of a namespace, each
// direction, each peer and each port. Pure.
//
// A namespace's policies are compared with *references*: what stood when it began, what somebody else's hand made of it
// meanwhile, and every intent that was valid meanwhile. What is allowed must be allowed by one of them; what all of
// them allow must be allowed. All are judged under the namespace labels of the moment in question, so that a change of
// labels, which moves flows by itself, is not taken for an act of the operator.
import { compileView } from '../../src/analysis/evaluator.ts';
import type { Endpoint, Pod } from '../../src/analysis/cluster.ts';
import type { StringMap } from '../../src/api/meta.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../src/api/network-policy.ts';
import { DIRECTIONS, specKey } from '../../src/policy/normalize.ts';

type Policies = readonly NetworkPolicy[];
type Labels = ReadonlyMap<string, StringMap>;

const PORTS = [53, 8080, 9090];
/** One of a range that rules allow, one of its exceptions, and one that nothing names. */
const OUTSIDE: readonly string[] = ['203.0.113.7', '203.0.113.129', '198.51.100.1'];
/** Verdicts that are remembered; beyond that all are forgotten. */
const MAX_KNOWN = 50_000;

export class Judge {
  readonly #pods: readonly Pod[];
  readonly #peers: readonly Endpoint[];
  readonly #known = new Map<string, Uint8Array>();
  /** Of values that are not changed in place. */
  readonly #keys = new WeakMap<Policies | Labels | NetworkPolicySpec, string>();

  /** @param outside addresses to judge besides those that nothing but ipBlocks names */
  constructor(pods: readonly Pod[], outside: readonly string[] = []) {
    this.#pods = pods;
    this.#peers = [
      ...pods.map((pod): Endpoint => ({ kind: 'pod', pod })),
      ...[...OUTSIDE, ...outside].map((ip): Endpoint => ({ kind: 'external', ip })),
    ];
  }

  /**
   * What is wrong with `now`, in words; undefined if nothing is. The lists and maps must not be changed afterwards.
   *
   * @param mayCut leaves I2 out, for a namespace in which no pod was known to run
   */
  fault(
    namespace: string,
    now: Policies,
    references: readonly Policies[],
    labels: Labels,
    mayCut = false,
  ): string | undefined {
    const verdicts = this.#verdicts(namespace, now, labels);
    const others = references.map((each) => this.#verdicts(namespace, each, labels));
    const index = verdicts.findIndex(
      (verdict, at) => (verdict === 1 || !mayCut) && others.every((each) => each[at] !== verdict),
    );
    if (index === -1) return undefined;
    const flow = this.#flows(namespace)[index];
    return verdicts[index] === 1 ? `I1, wider than it ever was or is to be: ${flow}` : `I2, cut: ${flow}`;
  }

  /** In the order of #flows: 1 where a flow is allowed. */
  #verdicts(namespace: string, policies: Policies, labels: Labels): Uint8Array {
    const specs = this.#key(policies, () =>
      JSON.stringify(policies.map(({ spec }) => this.#key(spec, () => specKey(spec))).sort()),
    );
    const names = this.#key(labels, () => JSON.stringify([...labels].sort(byName)));
    const key = `${namespace} ${names} ${specs}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const namespaces = [...labels].map(([name, each]) => ({ name, labels: each }));
    const evaluator = compileView({ namespaces, policies });
    const verdicts = Uint8Array.from(
      this.#each(namespace, (pod, direction, peer, port) =>
        evaluator.allows(direction, pod, peer, port, 'TCP') ? 1 : 0,
      ),
    );
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(key, verdicts);
    return verdicts;
  }

  #key(value: Policies | Labels | NetworkPolicySpec, make: () => string): string {
    let key = this.#keys.get(value);
    if (key === undefined) this.#keys.set(value, (key = make()));
    return key;
  }

  #flows(namespace: string): string[] {
    return this.#each(namespace, (pod, direction, peer, port) => {
      const other = peer.kind === 'pod' ? `${peer.pod.namespace}/${peer.pod.name}` : peer.ip;
      return `${direction} of ${pod.namespace}/${pod.name}, peer ${other}, port ${port}`;
    });
  }

  #each<T>(
    namespace: string,
    visit: (pod: Pod, direction: (typeof DIRECTIONS)[number], peer: Endpoint, port: number) => T,
  ): T[] {
    return this.#pods
      .filter((pod) => pod.namespace === namespace)
      .flatMap((pod) =>
        DIRECTIONS.flatMap((direction) =>
          this.#peers.flatMap((peer) => PORTS.map((port) => visit(pod, direction, peer, port))),
        ),
      );
  }
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : 1);
