/**
 * Decides if NetworkPolicies allow a flow, by the semantics that the API documents and nothing else
 * (k8s.io/api/networking/v1). Shares no code with the compiler and the planner, whose output it judges in tests.
 *
 * Where the API leaves a choice to the network plugin, the evaluator takes the one that most plugins make:
 * - a pod always reaches itself;
 * - a pod's own node always reaches it;
 * - a pod on the host network counts as its node: policies don't apply to it, selectors don't match it, CIDRs do;
 * - a CIDR matches pods by their addresses too (`podsInIPBlocks`).
 * docs/decisions/evaluator.md gives the sources.
 */
import type { NetworkPolicy, PolicyType } from '../api/network-policy.ts';
import { type Address, type IPFamily, parseAddress } from '../policy/semantics/cidr.ts';
import {
  type ClusterView,
  type Endpoint,
  type Flow,
  isSamePod,
  networkPodOf,
  nodeOf,
  type Pod,
} from './cluster.ts';
import { byObjectName } from '../util/order.ts';
import { PolicyIndex } from './model/policy-index.ts';
import {
  type CompiledPolicy,
  type PeerMatching,
  type RemoteEnd,
  type Rule,
  selectsPort,
  selectsRemote,
} from './model/rules.ts';

export type EvaluatorOptions = Partial<PeerMatching>;

/**
 * Why one end allows or denies a flow.
 * - `NotSubject`: policies don't apply to this end, as it is outside the pod network
 * - `NotIsolated`: no policy isolates the pod in this direction
 * - `Self`: the flow is from a pod to itself
 * - `LocalNode`: the flow comes from the pod's own node
 * - `Rule`: a rule allows the flow
 * - `NoRule`: policies isolate the pod, and none of their rules allows the flow (the only denial)
 */
export type Reason = 'NotSubject' | 'NotIsolated' | 'Self' | 'LocalNode' | 'Rule' | 'NoRule';

export interface RuleReference {
  readonly policy: NetworkPolicy;
  /** Index in the policy's `ingress` or `egress`. */
  readonly rule: number;
}

export interface DirectionVerdict {
  readonly allowed: boolean;
  readonly isolated: boolean;
  readonly reason: Reason;
  /** The policies that isolate the pod in this direction, by name. */
  readonly policies: readonly NetworkPolicy[];
  /** Every rule of these policies that allows the flow. */
  readonly allowedBy: readonly RuleReference[];
}

export interface Verdict {
  readonly allowed: boolean;
  /** The source's end. */
  readonly egress: DirectionVerdict;
  /** The destination's end. */
  readonly ingress: DirectionVerdict;
}

/** A destination port, and the address family that the flow uses (see `Flow`). */
export type PortAndFamily = Pick<Flow, 'port' | 'protocol' | 'family'>;

export interface Evaluator {
  verdict(flow: Flow): Verdict;
  /**
   * True if the policies of `pod` allow it to receive from `peer` (`Ingress`) or to connect to `peer` (`Egress`). The
   * policies of the peer are ignored. Cheaper than `verdict`, as it stops at the first rule that allows.
   */
  allows(direction: PolicyType, pod: Pod, peer: Endpoint, on: PortAndFamily): boolean;
}

/** Indexes the policies once. The caller must not change the view or its objects afterwards. */
export function compileView(
  view: Pick<ClusterView, 'namespaces' | 'policies'>,
  options: EvaluatorOptions = {},
): Evaluator {
  return new PolicyEvaluator(new PolicyIndex(view), { podsInIPBlocks: options.podsInIPBlocks ?? true });
}

class PolicyEvaluator implements Evaluator {
  readonly #index: PolicyIndex;
  readonly #matching: PeerMatching;
  readonly #addresses = new Map<string, Address | undefined>();

  constructor(index: PolicyIndex, matching: PeerMatching) {
    this.#index = index;
    this.#matching = matching;
  }

  verdict(flow: Flow): Verdict {
    const egress = this.#judge('Egress', flow);
    const ingress = this.#judge('Ingress', flow);
    return { allowed: egress.allowed && ingress.allowed, egress, ingress };
  }

  allows(direction: PolicyType, pod: Pod, peer: Endpoint, on: PortAndFamily): boolean {
    const subject: Endpoint = { kind: 'pod', pod };
    const [from, to] = direction === 'Ingress' ? [peer, subject] : [subject, peer];
    const flow: Flow = { from, to, ...on };
    const [reason, policies] = this.#exemption(direction, flow);
    if (reason !== undefined) return true;
    const passes = this.#matcher(direction, flow);
    return policies.some((policy) => policy[direction]?.some(passes));
  }

  #judge(direction: PolicyType, flow: Flow): DirectionVerdict {
    const [exempt, selecting] = this.#exemption(direction, flow);
    const passes = this.#matcher(direction, flow);
    const compiled = selecting.toSorted((a, b) => byObjectName(a.policy, b.policy));
    const allowedBy = compiled.flatMap((policy) =>
      (policy[direction] ?? []).flatMap((rule, index) =>
        passes(rule) ? [{ policy: policy.policy, rule: index }] : [],
      ),
    );
    const reason = exempt ?? (allowedBy.length > 0 ? 'Rule' : 'NoRule');
    return {
      allowed: reason !== 'NoRule',
      isolated: compiled.length > 0,
      reason,
      policies: compiled.map(({ policy }) => policy),
      allowedBy,
    };
  }

  /** The reason why this end needs no rule, if there is one, and the policies that isolate it. */
  #exemption(direction: PolicyType, flow: Flow): [Reason | undefined, readonly CompiledPolicy[]] {
    const [own, other] = direction === 'Ingress' ? [flow.to, flow.from] : [flow.from, flow.to];
    const pod = networkPodOf(own);
    if (pod === undefined) return ['NotSubject', []];
    const policies = this.#index.selecting(direction, pod);
    if (policies.length === 0) return ['NotIsolated', policies];
    const peer = networkPodOf(other);
    if (peer !== undefined && isSamePod(pod, peer)) return ['Self', policies];
    const isLocalNode = pod.node !== undefined && nodeOf(other) === pod.node;
    if (direction === 'Ingress' && isLocalNode) return ['LocalNode', policies];
    return [undefined, policies];
  }

  /** Returns a function that is true for the rules of this end's policies that allow the flow. */
  #matcher(direction: PolicyType, flow: Flow): (rule: Rule) => boolean {
    const other = direction === 'Ingress' ? flow.from : flow.to;
    const pod = networkPodOf(other);
    const remote: RemoteEnd = {
      pod,
      namespaceLabels: pod === undefined ? {} : this.#index.labelsOf(pod.namespace),
      address: () => this.#addressOf(other, flow),
    };
    const destination = networkPodOf(flow.to);
    const containerPorts = destination && (destination.ports ?? []);
    return ({ peers, ports }) =>
      selectsPort(ports, flow.port, flow.protocol, containerPorts) &&
      selectsRemote(peers, remote, this.#matching);
  }

  /** The address that `endpoint`, an end of the flow, uses; undefined if it has none of the flow's family. */
  #addressOf(endpoint: Endpoint, flow: Flow): Address | undefined {
    const own = this.#addressesOf(endpoint);
    const family = flow.family ?? this.#commonFamily(flow) ?? own[0]?.family;
    return own.find((address) => address.family === family);
  }

  #commonFamily({ from, to }: Flow): IPFamily | undefined {
    const reachable = this.#addressesOf(to);
    return this.#addressesOf(from).find(({ family }) =>
      reachable.some((address) => address.family === family),
    )?.family;
  }

  #addressesOf(endpoint: Endpoint): Address[] {
    const texts = endpoint.kind === 'pod' ? endpoint.pod.ips : [endpoint.ip];
    return texts.map((text) => this.#parse(text)).filter((address) => address !== undefined);
  }

  #parse(text: string): Address | undefined {
    if (!this.#addresses.has(text)) this.#addresses.set(text, parseAddress(text));
    return this.#addresses.get(text);
  }
}
