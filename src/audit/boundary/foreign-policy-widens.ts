import type { GroupName } from '../../analysis/group.ts';
import { formatPorts } from '../../analysis/model/ports.ts';
import { type OpenedFlow, widenings } from '../../analysis/widening.ts';
import type { Pod } from '../../analysis/cluster.ts';
import { shortList } from '../../util/list-text.ts';
import type { Check } from '../check.ts';
import { type AuditContext, policyReference, workloadsOf } from '../context.ts';
import type { AuditWorkload } from '../snapshot.ts';

/** Flows that a message names. */
const MAX_FLOWS = 5;

/** Workloads that a message names one by one. Above it, pods of other namespaces are named by their namespace. */
const MAX_WORKLOADS = 200;

/** The groups that messages name. */
function grouping(
  { snapshot: { pods } }: AuditContext,
  judged: ReadonlySet<string>,
): (pod: Pod) => GroupName {
  const isSmall = workloadsOf(pods).length <= MAX_WORKLOADS;
  const workloads = new Map<Pod, AuditWorkload>(pods.map((pod) => [pod, pod.workload]));
  return (pod) => {
    const { namespace } = pod;
    const workload = isSmall || judged.has(namespace) ? workloads.get(pod) : undefined;
    return workload ?? { namespace, kind: 'Namespace', name: namespace };
  };
}

function endText({ namespace, kind, name }: GroupName): string {
  if (kind === 'Namespace') return `namespace ${name}`;
  return namespace === undefined ? name : `${namespace}/${kind === 'Pod' ? '' : `${kind}/`}${name}`;
}

function flowText({ from, to, ports }: OpenedFlow): string {
  return `${endText(from)} to ${endText(to)} (${formatPorts(ports)})`;
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
    const { enforced, ownerOf, namespaces, pods, policies } = context.snapshot;
    const judged = policies.filter(
      (policy) => enforced.has(policy.metadata.namespace ?? '') && ownerOf(policy) === undefined,
    );
    if (judged.length === 0) return;
    const places = new Set(judged.map(({ metadata }) => metadata.namespace ?? ''));
    const found = widenings(
      { namespaces, pods, policies },
      { judged: new Set(judged), groupOf: grouping(context, places), most: MAX_FLOWS },
    );
    for (const { policy, flows, total } of found) {
      if (!context.audits(policy)) continue;
      report({
        object: policyReference(policy),
        message: `it opens what no profile allows: ${shortList(flows.map(flowText), { most: MAX_FLOWS, total })}`,
      });
    }
  },
};
