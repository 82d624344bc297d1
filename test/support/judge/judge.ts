// Judges NetworkPolicies by invariants I1 and I2 with the evaluator: one verdict for each pod of a namespace,
// direction, peer and port. Pure.
//
// The policies of a namespace are compared with *references*: the policies at the beginning, the states that others'
// changes made of them, and every intent that was valid since. A flow that is allowed must be allowed by a reference
// (I1), and a flow that all references allow must be allowed (I2). All are evaluated with the current namespace labels:
// a change of labels moves flows by itself, and is not the operator's doing.
//
// NetworkPolicies are additive: a pod's end of a flow is open unless a policy isolates it, and then one policy that
// allows the flow suffices. So the evaluator evaluates each policy once, alone, and the effects are combined.
import { compileView } from '../../../src/analysis/evaluator.ts';
import type { Endpoint, Pod } from '../../../src/analysis/cluster.ts';
import type { StringMap } from '../../../src/api/meta.ts';
import {
  DIRECTIONS,
  type NetworkPolicy,
  type NetworkPolicySpec,
  type PolicyType,
} from '../../../src/api/network-policy.ts';
import { isolates, specKey } from '../../../src/policy/semantics/normalize.ts';
import { byKey } from '../../../src/util/order.ts';

/**
 * A NetworkPolicy, or the effect of an object of another kind on the pods of one namespace, written as a NetworkPolicy:
 * *allowed = not guard denies and (not isolated or base or extensions) and overlay and strict*.
 */
export interface LayeredPolicy extends NetworkPolicy {
  /**
   * `extension`: it isolates no pod. `guard`: it denies what it does not allow, whatever NetworkPolicies say. `overlay`: the
   * pods that it isolates are restricted to what overlays allow together. `strict`: it restricts them to what it allows alone.
   * Absent: as a NetworkPolicy.
   */
  readonly layer?: 'extension' | 'guard' | 'overlay' | 'strict';
  /** The priority of a guard: the lowest number decides about a pod. */
  readonly priority?: number;
  /**
   * The port by which the policy knows a connection that a tunnel carries: that of the `tunnel`, the `destination` behind it,
   * or `either`, which is what an intent means. Absent: that of the destination for overlays, and else that of the tunnel.
   */
  readonly sees?: PortSeen;
}

type PortSeen = 'tunnel' | 'destination' | 'either';

/** A mesh that carries the connections between some pods on one port of the destination. */
export interface Tunnel {
  /** Equal for tunnels that carry the same connections. */
  readonly key: string;
  readonly port: number;
  readonly carries: (namespace: string, peer: string) => boolean;
}

type Policies = readonly LayeredPolicy[];
type Labels = ReadonlyMap<string, StringMap>;

const PORTS = [53, 8080, 9090];
/** An address of a range that rules allow, one of its exceptions, and one that no rule names. */
const OUTSIDE: readonly string[] = ['203.0.113.7', '203.0.113.129', '198.51.100.1'];
const WORLD: Endpoint = { kind: 'external', ip: '198.51.100.1' };
/** Effects that are cached; beyond that the cache is cleared. */
const MAX_CACHED = 50_000;

/** A pod's end of a flow. */
interface Flow {
  readonly pod: Pod;
  readonly direction: PolicyType;
  readonly peer: Endpoint;
  readonly port: number;
}

/** One bit for each flow of a namespace, 32 in an element. */
type Bits = Uint32Array;

/** The effect of one policy alone. */
interface Effect {
  readonly isolates: Bits;
  readonly allows: Bits;
}

/** The lists and maps must not be changed afterwards: results are cached by their identity. */
export interface JudgeInput {
  readonly namespace: string;
  /** The policies to judge. */
  readonly policies: Policies;
  readonly references: readonly Policies[];
  /** Labels of all namespaces. */
  readonly labels: Labels;
  /** Skips I2, for a namespace in which no pod was known to run. */
  readonly mayCut?: boolean;
  readonly tunnel?: Tunnel | undefined;
}

/** A namespace with all that its flows depend on beside its policies. */
interface Place {
  readonly key: string;
  readonly namespace: string;
  readonly labels: Labels;
  readonly tunnel: Tunnel | undefined;
}

export class Judge {
  readonly #pods: readonly Pod[];
  readonly #peers: readonly Endpoint[];
  readonly #flows = new Map<string, readonly Flow[]>();
  /** Effects by place (see `#sums`), then by key of the specification. */
  readonly #effects = new Map<string, Map<string, Effect>>();
  #cached = 0;
  /** Caches by identity of the policies, then by place: a namespace with the labels of all namespaces. */
  readonly #sums = new WeakMap<Policies, Map<string, Bits>>();
  readonly #bounds = new WeakMap<readonly Policies[], Map<string, readonly [some: Bits, every: Bits]>>();
  readonly #keys = new WeakMap<NetworkPolicySpec, string>();
  readonly #labels = new WeakMap<Labels, number>();
  readonly #ids = new Map<string, number>();

  /** @param outside further addresses to judge, besides the default ones */
  constructor(pods: readonly Pod[], outside: readonly string[] = []) {
    this.#pods = pods;
    this.#peers = [
      ...pods.map((pod): Endpoint => ({ kind: 'pod', pod })),
      ...[...OUTSIDE, ...outside].map((ip): Endpoint => ({ kind: 'external', ip })),
    ];
  }

  /** Describes a violation of I1 or I2; undefined if there is none. */
  fault({ namespace, policies, references, labels, mayCut = false, tunnel }: JudgeInput): string | undefined {
    const place = this.#place(namespace, labels, tunnel);
    const verdicts = this.#sum(place, policies);
    const [some, every] = cachedFor(this.#bounds, references, place.key, () => {
      const all = references.map((each) => this.#sum(place, each));
      return [combined(all, (a, b) => a | b, 0), combined(all, (a, b) => a & b, ~0)] as const;
    });
    for (const [index, verdict] of verdicts.entries()) {
      const wider = verdict & ~(some[index] ?? 0);
      const cut = mayCut ? 0 : ~verdict & (every[index] ?? 0);
      const bit = 31 - Math.clz32(wider | cut);
      const flow = this.#flowsOf(namespace)[32 * index + bit];
      if (bit >= 0 && flow !== undefined)
        return (wider >>> bit) & 1
          ? `I1, wider than it ever was or is to be: ${describeFlow(flow)}`
          : `I2, cut: ${describeFlow(flow)}`;
    }
    return undefined;
  }

  /** Describes the flows that the policies allow together. */
  allowed(namespace: string, policies: Policies, labels: Labels, tunnel?: Tunnel): string[] {
    const bits = this.#sum(this.#place(namespace, labels, tunnel), policies);
    return this.#flowsOf(namespace)
      .filter((_, index) => ((bits[index >> 5] ?? 0) >>> (index & 31)) & 1)
      .map(describeFlow);
  }

  #place(namespace: string, labels: Labels, tunnel: Tunnel | undefined): Place {
    return { key: `${namespace} ${this.#idOf(labels)} ${tunnel?.key ?? ''}`, namespace, labels, tunnel };
  }

  /** Combines the effects of policies: one bit for each flow that they allow together. */
  #sum(place: Place, policies: Policies): Bits {
    return cachedFor(this.#sums, policies, place.key, () => {
      const length = Math.ceil(this.#flowsOf(place.namespace).length / 32);
      const layers = Map.groupBy(policies, ({ layer }) => layer);
      const effectsOf = (layer?: LayeredPolicy['layer']) =>
        (layers.get(layer) ?? [])
          .toSorted((a, b) => (a.priority ?? 0) - (b.priority ?? 0))
          .map((each) => this.#effect(place, each));
      const [base, extensions] = [effectsOf(), effectsOf('extension')];
      const [guards, overlays, strict] = [effectsOf('guard'), effectsOf('overlay'), effectsOf('strict')];
      return Uint32Array.from(
        { length },
        (_, index) =>
          passed(guards, index) &
          additive(base, extensions, index) &
          additive(overlays, [], index) &
          strict.reduce((bits, each) => bits & additive([each], [], index), ~0),
      );
    });
  }

  #effect(
    place: Place,
    { spec, layer, sees = layer === 'overlay' ? 'destination' : 'tunnel' }: LayeredPolicy,
  ): Effect {
    let key = this.#keys.get(spec);
    if (key === undefined) this.#keys.set(spec, (key = specKey(spec)));
    if (place.tunnel !== undefined) key = `${sees} ${key}`;
    let known = this.#effects.get(place.key);
    if (known === undefined) this.#effects.set(place.key, (known = new Map()));
    let effect = known.get(key);
    if (effect !== undefined) return effect;
    effect = this.#evaluate(place, spec, sees);
    if (++this.#cached > MAX_CACHED) {
      this.#effects.clear();
      this.#cached = 0;
    } else known.set(key, effect);
    return effect;
  }

  /** Evaluates one policy. */
  #evaluate({ namespace, labels, tunnel }: Place, spec: NetworkPolicySpec, sees: PortSeen): Effect {
    const namespaces = [...labels].map(([name, each]) => ({ name, labels: each }));
    const only = (each: NetworkPolicySpec) =>
      compileView({ namespaces, policies: [{ metadata: { namespace, name: 'only' }, spec: each }] });
    const { ingress: _in, egress: _out, ...rest } = spec;
    const deny = only({ ...rest, policyTypes: isolates(spec) });
    const whole = only(spec);
    const flows = this.#flowsOf(namespace);
    const isolated = new Uint32Array(Math.ceil(flows.length / 32));
    const allowed = new Uint32Array(isolated.length);
    let open: readonly [Pod, PolicyType] | undefined;
    for (const [index, flow] of flows.entries()) {
      const { direction, pod, peer, port } = flow;
      // A pod that is open to the world is not isolated in this direction.
      if (open?.[0] === pod && open[1] === direction) continue;
      const on = { port, protocol: 'TCP' } as const;
      if (deny.allows(direction, pod, peer, on)) {
        if (deny.allows(direction, pod, WORLD, on)) open = [pod, direction];
        continue;
      }
      const bit = 1 << (index & 31);
      isolated[index >> 5]! |= bit;
      if (
        portsOf(flow, tunnel, sees).some((each) => whole.allows(direction, pod, peer, { ...on, port: each }))
      )
        allowed[index >> 5]! |= bit;
    }
    return { isolates: isolated, allows: allowed };
  }

  #idOf(labels: Labels): number {
    let id = this.#labels.get(labels);
    if (id === undefined) {
      const key = JSON.stringify([...labels].sort(byKey));
      this.#ids.set(key, (id = this.#ids.get(key) ?? this.#ids.size));
      this.#labels.set(labels, id);
    }
    return id;
  }

  #flowsOf(namespace: string): readonly Flow[] {
    let flows = this.#flows.get(namespace);
    if (flows === undefined) {
      flows = this.#pods
        .filter((pod) => pod.namespace === namespace)
        .flatMap((pod) =>
          DIRECTIONS.flatMap((direction) =>
            this.#peers.flatMap((peer) => PORTS.map((port) => ({ pod, direction, peer, port }))),
          ),
        );
      this.#flows.set(namespace, flows);
    }
    return flows;
  }
}

/** The ports of which a policy has to allow one. */
function portsOf({ pod, peer, port }: Flow, tunnel: Tunnel | undefined, sees: PortSeen): readonly number[] {
  if (peer.kind !== 'pod' || tunnel?.carries(pod.namespace, peer.pod.namespace) !== true) return [port];
  return { tunnel: [tunnel.port], destination: [port], either: [port, tunnel.port] }[sees];
}

/** The flows that policies allow together, with others that isolate nothing. */
function additive(policies: readonly Effect[], others: readonly Effect[], index: number): number {
  let [isolated, allowed] = [0, 0];
  for (const { isolates, allows } of policies) {
    isolated |= isolates[index] ?? 0;
    allowed |= allows[index] ?? 0;
  }
  for (const { allows } of others) allowed |= allows[index] ?? 0;
  return ~isolated | allowed;
}

/** The flows that guards leave to NetworkPolicies: of those for a pod, the first one decides. */
function passed(guards: readonly Effect[], index: number): number {
  let [decided, denied] = [0, 0];
  for (const { isolates, allows } of guards) {
    const own = (isolates[index] ?? 0) & ~decided;
    denied |= own & ~(allows[index] ?? 0);
    decided |= own;
  }
  return ~denied;
}

function describeFlow({ direction, pod, peer, port }: Flow): string {
  const other = peer.kind === 'pod' ? `${peer.pod.namespace}/${peer.pod.name}` : peer.ip;
  return `${direction} of ${pod.namespace}/${pod.name}, peer ${other}, port ${port}`;
}

/** Joins bits element by element; `none` is the result for no lists. */
function combined(all: readonly Bits[], join: (a: number, b: number) => number, none: number): Bits {
  const result = new Uint32Array(all[0]?.length ?? 0).fill(none);
  for (const bits of all)
    for (const [index, each] of bits.entries()) result[index] = join(result[index] ?? none, each);
  return result;
}

function cachedFor<K extends object, V>(
  known: WeakMap<K, Map<string, V>>,
  of: K,
  place: string,
  make: () => V,
): V {
  let values = known.get(of);
  if (values === undefined) known.set(of, (values = new Map()));
  let value = values.get(place);
  if (value === undefined) values.set(place, (value = make()));
  return value;
}
