/** The flows that policies beside those of profiles open and cut, of every kind: one evaluation for all checks. Pure. */
import type { Pod } from '../../../analysis/cluster.ts';
import type { GroupName } from '../../../analysis/group.ts';
import { formatPorts } from '../../../analysis/model/ports.ts';
import { type ChangedFlow, type Widening, widenings } from '../../../analysis/widening.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { type AuditContext, workloadsOf } from '../../context.ts';
import type { AuditPod } from '../../snapshot.ts';
import { type EngineView, engineView } from '../../../engines/layers/view.ts';
import { enginePolicies, type OwnedPolicy, usesCilium } from '../../../engines/layers/kinds.ts';

/** Flows that a message names. */
export const MAX_FLOWS = 5;

/** Workloads that messages name one by one. Above it, pods of other namespaces are named by their namespace. */
const MAX_WORKLOADS = 200;

export interface WidenedFlows {
  /** By policy: foreign NetworkPolicies, and those of `view` that stand for rules of engines' policies. */
  readonly found: readonly Widening[];
  readonly owned: readonly OwnedPolicy[];
  readonly view: EngineView<AuditPod>;
}

const KNOWN = new WeakMap<AuditContext, WidenedFlows>();

/** Computed once for an audit. */
export function widenedFlows(context: AuditContext): WidenedFlows {
  let known = KNOWN.get(context);
  if (known === undefined) KNOWN.set(context, (known = compute(context)));
  return known;
}

function compute(context: AuditContext): WidenedFlows {
  const { enforced, ownerOf, namespaces, policies } = context.snapshot;
  const all = enginePolicies(context.snapshot);
  const owned = all.filter(({ isGuard = false }) => !isGuard);
  const view = engineView({ pods: context.snapshot.pods, labelsOf: (name) => context.labelsOf(name) }, all);
  const isOfGuard = (policy: NetworkPolicy) => view.sources.get(policy)?.policy.isGuard === true;
  const isJudged = (policy: NetworkPolicy) => enforced.has(policy.metadata.namespace ?? '');
  const judged = [
    ...policies.filter((policy) => isJudged(policy) && ownerOf(policy) === undefined),
    ...view.policies.filter((policy) => isJudged(policy) && !isOfGuard(policy)),
  ];
  if (judged.length === 0) return { found: [], owned, view };
  const places = new Set(judged.map(({ metadata }) => metadata.namespace ?? ''));
  const found = widenings(
    { namespaces, pods: view.pods, policies: [...policies, ...view.policies] },
    {
      judged: new Set(judged),
      additive: view.additive,
      ranks: view.ranks,
      // Cilium's ipBlocks match no pods.
      podsInIPBlocks: !usesCilium(context.snapshot),
      groupOf: grouping(view.pods, places),
      most: MAX_FLOWS,
    },
  );
  return { found, owned, view };
}

/** The groups that messages name. */
function grouping(pods: readonly AuditPod[], judged: ReadonlySet<string>): (pod: Pod) => GroupName {
  const isSmall = workloadsOf(pods).length <= MAX_WORKLOADS;
  const workloads = new Map<Pod, GroupName>(pods.map((pod) => [pod, pod.workload]));
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

export function flowText({ from, to, ports }: ChangedFlow): string {
  return `${endText(from)} to ${endText(to)} (${formatPorts(ports)})`;
}
