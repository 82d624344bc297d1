import { type Endpoint, networkPodOf } from '../../analysis/cluster.ts';
import { compileView, type Evaluator } from '../../analysis/evaluator.ts';
import { type FlowChange, flowChanges } from '../../analysis/flow-changes.ts';
import { formatPorts, type PortRange } from '../../analysis/model/ports.ts';
import type { GroupName } from '../../analysis/reach.ts';
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import { formatAddress, parseCidr } from '../../policy/semantics/cidr.ts';
import { shortList } from '../../util/list-text.ts';
import type { Check } from '../check.ts';
import { type AuditContext, policyReference, workloadsOf } from '../context.ts';
import type { AuditPod } from '../snapshot.ts';

/** Stands for any address: it is reserved for documentation (RFC 5737), so that nothing in a cluster has it. */
const SOME_ADDRESS = '203.0.113.7';
/** Flows that a message names. */
const MAX_FLOWS = 5;

/** Workloads that are compared one by one. Above it, pods of namespaces without foreign policies count as one group each. */
const MAX_WORKLOADS = 200;

type GroupOf = (pod: AuditPod) => GroupName;

/** The groups between which flows are compared: comparing takes time by the square of their number. */
function grouping({ snapshot: { pods } }: AuditContext, foreign: readonly NetworkPolicy[]): GroupOf {
  const namespaces = new Set(foreign.map(({ metadata }) => metadata.namespace));
  const isSmall = workloadsOf(pods).length <= MAX_WORKLOADS;
  return ({ namespace, workload }) =>
    isSmall || namespaces.has(namespace) ? workload : { namespace, kind: 'Namespace', name: namespace };
}

/** One pod of each workload and set of labels: policies treat the others alike, but for their addresses. */
function representatives(pods: readonly AuditPod[]): AuditPod[] {
  const found = new Map<string, AuditPod>();
  for (const pod of pods) {
    const { namespace, workload, labels, hostNetwork = false } = pod;
    const key = JSON.stringify([namespace, workload.kind, workload.name, labels, hostNetwork]);
    if (!found.has(key)) found.set(key, pod);
  }
  return [...found.values()];
}

/** The flows that the cluster allows only because of foreign policies in namespaces where a profile is enforced. */
function widenedFlows(
  { snapshot }: AuditContext,
  foreign: readonly NetworkPolicy[],
  groupOf: GroupOf,
): readonly FlowChange[] {
  const { namespaces, policies } = snapshot;
  const pods = representatives(snapshot.pods);
  const byPod = new Map(pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod]));
  const without = new Set(foreign);
  const intended = policies.filter((policy) => !without.has(policy));
  return flowChanges(
    { namespaces, pods, policies: intended },
    { namespaces, pods, policies },
    {
      groupOf: ({ namespace, name }) => {
        const pod = byPod.get(`${namespace}/${name}`);
        return pod === undefined ? { namespace, kind: 'Pod', name } : groupOf(pod);
      },
      isTemplate: () => true,
    },
  ).opened;
}

/** Decides if a single policy allows flows, judged by the evaluator for representatives of both ends. */
class Attribution {
  readonly #podsOf: ReadonlyMap<string, readonly AuditPod[]>;
  readonly #evaluator: Evaluator;
  readonly #policy: NetworkPolicy;

  constructor(
    policy: NetworkPolicy,
    context: AuditContext,
    podsOf: ReadonlyMap<string, readonly AuditPod[]>,
  ) {
    this.#policy = policy;
    this.#podsOf = podsOf;
    this.#evaluator = compileView({ namespaces: context.snapshot.namespaces, policies: [policy] });
  }

  /** True if a rule of the policy allows a part of the flow at one of its ends. */
  allows({ from, to, ports }: FlowChange): boolean {
    return ports.some(
      (range) => this.#allowsAt('Ingress', to, from, range) || this.#allowsAt('Egress', from, to, range),
    );
  }

  #allowsAt(
    direction: PolicyType,
    own: GroupName,
    other: GroupName,
    { protocol, from: port }: PortRange,
  ): boolean {
    if (own.namespace !== this.#policy.metadata.namespace) return false;
    return this.#pods(own).some((pod) =>
      this.#ends(other).some((peer) => {
        const [from, to]: [Endpoint, Endpoint] =
          direction === 'Ingress' ? [peer, { kind: 'pod', pod }] : [{ kind: 'pod', pod }, peer];
        const { ingress, egress } = this.#evaluator.verdict({ from, to, port, protocol });
        return (direction === 'Ingress' ? ingress : egress).reason === 'Rule';
      }),
    );
  }

  #pods({ namespace = '', kind, name }: GroupName): readonly AuditPod[] {
    return this.#podsOf.get(`${kind} ${namespace}/${name}`) ?? [];
  }

  #ends(group: GroupName): Endpoint[] {
    if (group.kind !== 'Addresses') return this.#pods(group).map((pod) => ({ kind: 'pod', pod }));
    const cidr = parseCidr(group.name);
    const ip = cidr === undefined ? SOME_ADDRESS : formatAddress({ family: cidr.family, value: cidr.first });
    return [{ kind: 'external', ip }];
  }
}

function endText({ namespace, kind, name }: GroupName): string {
  if (kind === 'Namespace') return `namespace ${name}`;
  return namespace === undefined ? name : `${namespace}/${kind === 'Pod' ? '' : `${kind}/`}${name}`;
}

export const foreignPolicyWidens: Check = {
  id: 'foreign-policy-widens',
  title: 'No foreign NetworkPolicy allows more than the profiles of its namespace',
  severity: 'high',
  category: 'Boundary',
  controls: ['CIS 5.3.2', 'NSA/CISA network separation'],
  why: 'Policies add up: a policy of somebody else opens flows that the profile means to deny, and the profile cannot take them back.',
  remedy:
    'Add the flows to the profile if they are meant, and delete the policy. admission.tenantPolicies of the profile refuses such policies from then on.',
  needs: ['Namespace', 'Pod', 'NetworkPolicy', 'SegmentationProfile'],
  run: (context, report) => {
    const { enforced, ownerOf, policies } = context.snapshot;
    const foreign = policies.filter(
      (policy) => enforced.has(policy.metadata.namespace ?? '') && ownerOf(policy) === undefined,
    );
    if (foreign.length === 0) return;
    const groupOf = grouping(context, foreign);
    const flows = widenedFlows(context, foreign, groupOf);
    if (flows.length === 0) return;
    const podsOf = Map.groupBy(
      context.snapshot.pods.filter((pod) => networkPodOf({ kind: 'pod', pod }) !== undefined),
      (pod) => {
        const { kind, namespace = '', name } = groupOf(pod);
        return `${kind} ${namespace}/${name}`;
      },
    );
    for (const policy of foreign.filter((each) => context.audits(each))) {
      const attribution = new Attribution(policy, context, podsOf);
      const own = flows.filter((flow) => attribution.allows(flow));
      if (own.length === 0) continue;
      const texts = own.map(
        ({ from, to, ports }) => `${endText(from)} to ${endText(to)} (${formatPorts(ports)})`,
      );
      report({
        object: policyReference(policy),
        message: `it opens what no profile allows: ${shortList(texts, { most: MAX_FLOWS })}`,
      });
    }
  },
};
