/**
 * The flows between workloads that NetworkPolicies allow and a guard denies. They are those of a reach, so that the evaluator of
 * all other commands decides which are allowed. Pure.
 */
import type { Pod } from '../analysis/cluster.ts';
import { groupKey, type GroupName } from '../analysis/group.ts';
import { EVERY_PORT, type PortRange, subtractPorts, unionPorts } from '../analysis/model/ports.ts';
import { computeReach, type GroupLink } from '../analysis/reach.ts';
import type { StringMap } from '../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../api/names.ts';
import { DIRECTIONS, type PolicyType } from '../api/network-policy.ts';
import { type OtherEnd, passedPorts } from '../policy/guard/flow.ts';
import { matches } from '../policy/semantics/selector.ts';
import type { SnapshotGuard } from './guards.ts';
import type { WorkloadPod } from './pods.ts';
import type { Snapshot } from './snapshot.ts';

/** A flow that is denied between at least one pod of each workload. */
export interface GuardCut {
  readonly from: GroupName;
  readonly to: GroupName;
  readonly ports: readonly PortRange[];
}

/** Links that are compared at most; more take longer than anybody waits. */
const MAX_LINKS = 400_000;

/** The pods of one group that a guard can't tell apart, each by one of them. */
interface Ends {
  readonly namespaceLabels: StringMap;
  readonly pods: readonly OtherEnd[];
}

/**
 * The cuts of each guard, sorted by source, then by destination. Profiles under Audit count as enforced: a guard comes
 * with the NetworkPolicies of its profile.
 *
 * @throws TooManyLinksError
 */
export function cutsOf(
  guards: readonly SnapshotGuard[],
  snapshot: Snapshot,
): ReadonlyMap<SnapshotGuard, readonly GuardCut[]> {
  const labelsOf = namespaceLabels(snapshot);
  const within = new Set(
    snapshot.namespaces
      .map(({ name }) => name)
      .filter((name) => guards.some(({ guard }) => matches(guard.subject, labelsOf(name)))),
  );
  const pods = new Map<Pod, WorkloadPod>(snapshot.pods.map((pod) => [pod, pod]));
  const groupOf = (pod: Pod): GroupName =>
    pods.get(pod)?.workload ?? { namespace: pod.namespace, kind: 'Pod', name: pod.name };
  const { groups, links } = computeReach(
    { namespaces: snapshot.namespaces, pods: snapshot.pods, policies: snapshot.effective(true) },
    {
      groupOf,
      isTemplate: (pod) => pods.get(pod)?.template === true,
      within,
      maxLinks: MAX_LINKS,
    },
  );
  const ends = endsOf(snapshot.pods, groupOf, labelsOf);
  const cutsOfGuard = (guard: SnapshotGuard) =>
    links.flatMap((link): GuardCut[] => {
      const [from, to] = [groups[link.from], groups[link.to]];
      const [source, destination] = [from, to].map((each) => each && ends.get(groupKey(each)));
      if (!from || !to || !source || !destination) return [];
      const ports = deniedPorts(guard, link, { Egress: source, Ingress: destination });
      return ports.length === 0 ? [] : [{ from: nameOf(from), to: nameOf(to), ports }];
    });
  return new Map(guards.map((guard) => [guard, cutsOfGuard(guard)]));
}

/** The ports of a link that the guard denies at one of its ends. @param ends by the direction in which each is guarded */
function deniedPorts(
  { guard, directions }: SnapshotGuard,
  { ports }: GroupLink,
  ends: Readonly<Record<PolicyType, Ends>>,
): PortRange[] {
  const denied = DIRECTIONS.filter((direction) => directions.has(direction)).flatMap((direction) => {
    const [own, other] = direction === 'Egress' ? [ends.Egress, ends.Ingress] : [ends.Ingress, ends.Egress];
    if (!matches(guard.subject, own.namespaceLabels)) return [];
    return other.pods.map((pod) => {
      const passed = passedPorts(guard, direction, pod).map((each) => each ?? EVERY_PORT);
      return subtractPorts(ports, unionPorts(passed));
    });
  });
  return unionPorts(denied);
}

/** The ends of groups, by their keys. Guards do not concern pods on the host network. */
function endsOf(
  pods: readonly Pod[],
  groupOf: (pod: Pod) => GroupName,
  labelsOf: (namespace: string) => StringMap,
): ReadonlyMap<string, Ends> {
  const ofGroups = Map.groupBy(
    pods.filter(({ hostNetwork }) => hostNetwork !== true),
    (pod) => groupKey(groupOf(pod)),
  );
  return new Map(
    [...ofGroups].map(([key, members]) => {
      const labels = labelsOf(members[0]?.namespace ?? '');
      const distinct = new Map(members.map((pod) => [JSON.stringify(pod.labels), pod.labels]));
      const ends = [...distinct.values()].map(
        (each): OtherEnd => ({ kind: 'pod', namespaceLabels: labels, labels: each }),
      );
      return [key, { namespaceLabels: labels, pods: ends }];
    }),
  );
}

function namespaceLabels({ namespaces }: Snapshot): (namespace: string) => StringMap {
  const labels = new Map(namespaces.map((each) => [each.name, each.labels]));
  return (name) => ({ ...labels.get(name), [LABEL_NAMESPACE_NAME]: name });
}

function nameOf({ namespace, kind, name }: GroupName): GroupName {
  return { ...(namespace !== undefined && { namespace }), kind, name };
}
