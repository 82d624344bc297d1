/**
 * The judge: whether NetworkPolicies let a flow pass, by the semantics that the API documents and nothing else
 * (k8s.io/api/networking/v1). Written independently of the compiler and the planner, which it judges.
 *
 * Where the API leaves a choice to the network plugin, this takes the one that most make:
 * - a pod always reaches itself;
 * - a pod's own node always reaches it;
 * - a pod of the host network is its node: no policy is about it, selectors don't find it, CIDRs do;
 * - a CIDR finds pods by their addresses too (`podsInIPBlocks`).
 * docs/decisions/0011-evaluator.md gives the sources.
 */
import type { NetworkPolicy, PolicyType, Protocol } from '../api/network-policy.ts';
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
import { PolicyIndex } from './model/policy-index.ts';
import { type CompiledPolicy, type RemoteEnd, type Rule, selectsRemote, selectsPort } from './model/rules.ts';
import { byObjectName } from '../util/order.ts';

export interface EvaluatorOptions {
  /** Whether an `ipBlock` finds pods by their addresses (true by default). Some plugins, as Cilium, find only others. */
  readonly podsInIPBlocks?: boolean;
}

/**
 * Why one end lets the flow pass or not.
 * - `NotSubject`: no policy is about this end (it is outside the pod network)
 * - `NotIsolated`: no policy selects the pod for this direction
 * - `Self`: a pod and itself
 * - `LocalNode`: from the pod's own node
 * - `Rule`: a rule allows it
 * - `NoRule`: policies select the pod, and none of their rules allows it
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
  /** Every rule of theirs that allows the flow. */
  readonly allowedBy: readonly RuleReference[];
}

export interface Verdict {
  readonly allowed: boolean;
  /** At the source. */
  readonly egress: DirectionVerdict;
  /** At the destination. */
  readonly ingress: DirectionVerdict;
}

export interface Evaluator {
  verdict(flow: Flow): Verdict;
  /**
   * One end only: whether `pod` may receive from (`Ingress`) or connect to (`Egress`) `peer`. Cheaper than
   * `verdict`: it stops at the first rule that allows.
   */
  allows(
    direction: PolicyType,
    pod: Pod,
    peer: Endpoint,
    port: number,
    protocol: Protocol,
    family?: IPFamily,
  ): boolean;
}

/** Indexes the policies once. Neither the view nor what it holds may be changed afterwards. */
export function compileView(
  view: Pick<ClusterView, 'namespaces' | 'policies'>,
  options: EvaluatorOptions = {},
): Evaluator {
  return new PolicyEvaluator(new PolicyIndex(view), options.podsInIPBlocks ?? true);
}

class PolicyEvaluator implements Evaluator {
  readonly #index: PolicyIndex;
  readonly #podsInIPBlocks: boolean;
  readonly #addresses = new Map<string, Address | undefined>();

  constructor(index: PolicyIndex, podsInIPBlocks: boolean) {
    this.#index = index;
    this.#podsInIPBlocks = podsInIPBlocks;
  }

  verdict(flow: Flow): Verdict {
    const egress = this.#judge('Egress', flow);
    const ingress = this.#judge('Ingress', flow);
    return { allowed: egress.allowed && ingress.allowed, egress, ingress };
  }

  allows(
    direction: PolicyType,
    pod: Pod,
    peer: Endpoint,
    port: number,
    protocol: Protocol,
    family?: IPFamily,
  ): boolean {
    const subject: Endpoint = { kind: 'pod', pod };
    const [from, to] = direction === 'Ingress' ? [peer, subject] : [subject, peer];
    const flow: Flow = { from, to, port, protocol, ...(family !== undefined && { family }) };
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

  /** Why no rule is needed, if none is, and the policies that isolate this end. */
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

  /** Whether a rule of this end's policies allows the flow. */
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
      selectsRemote(peers, remote, this.#podsInIPBlocks);
  }

  /** The address that `endpoint`, one of the flow's two, uses; undefined if it has none of the flow's family. */
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
