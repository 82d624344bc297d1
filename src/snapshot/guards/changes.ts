/** The flows between workloads that differ between two sets of layers, in the namespaces of guards. Pure. */
import type { Pod } from '../../analysis/cluster.ts';
import { type FlowChanges, flowChanges } from '../../analysis/flow-changes.ts';
import type { GroupName } from '../../analysis/group.ts';
import type { PortRange } from '../../analysis/model/ports.ts';
import type { LabelSelector, StringMap } from '../../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import { matches } from '../../policy/semantics/selector.ts';
import { judgedView, type SnapshotLayers } from '../layers.ts';
import type { WorkloadPod } from '../pods.ts';
import type { Snapshot } from '../snapshot.ts';

/** A flow between at least one pod of each workload. */
export interface GuardedLink {
  readonly from: GroupName;
  readonly to: GroupName;
  readonly ports: readonly PortRange[];
}

/** Links that are compared at most; more take longer than anybody waits. */
const MAX_LINKS = 400_000;

/**
 * The flows that change from the first layers to the second ones, with an end in a namespace that one of the subjects selects.
 * Profiles under Audit count as enforced: a guard comes with the NetworkPolicies of its profile.
 *
 * @throws TooManyLinksError
 */
export function changesBetween(
  [before, after]: readonly [SnapshotLayers | undefined, SnapshotLayers | undefined],
  subjects: readonly LabelSelector[],
  snapshot: Snapshot,
): FlowChanges {
  const labelsOf = namespaceLabels(snapshot);
  const within = new Set(
    snapshot.namespaces
      .map(({ name }) => name)
      .filter((name) => subjects.some((subject) => matches(subject, labelsOf(name)))),
  );
  const all = [before, after].flatMap((layers) => layers?.pods ?? snapshot.pods);
  const pods = new Map<Pod, WorkloadPod>(all.map((pod) => [pod, pod]));
  const groupOf = (pod: Pod): GroupName =>
    pods.get(pod)?.workload ?? { namespace: pod.namespace, kind: 'Pod', name: pod.name };
  const policies = snapshot.effective(true);
  return flowChanges(judgedView(snapshot, policies, before), judgedView(snapshot, policies, after), {
    groupOf,
    isTemplate: (pod) => pods.get(pod)?.template === true,
    within,
    maxLinks: MAX_LINKS,
  });
}

/** The labels of a namespace by its name, with the label that names it. */
export function namespaceLabels({ namespaces }: Snapshot): (namespace: string) => StringMap {
  const labels = new Map(namespaces.map((each) => [each.name, each.labels]));
  return (name) => ({ ...labels.get(name), [LABEL_NAMESPACE_NAME]: name });
}

/** The flow of a change, without what else is known of its ends. */
export function linkOf({ from, to, ports }: GuardedLink): GuardedLink {
  return { from: nameOf(from), to: nameOf(to), ports };
}

function nameOf({ namespace, kind, name }: GroupName): GroupName {
  return { ...(namespace !== undefined && { namespace }), kind, name };
}
