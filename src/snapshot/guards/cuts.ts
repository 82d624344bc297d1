/**
 * The flows between workloads that guards close and open, beside policies of all kinds. They are the differences of two
 * reaches, so that the evaluation of all other commands decides. Pure.
 */
import type { FlowChange } from '../../analysis/flow-changes.ts';
import { groupKey } from '../../analysis/group.ts';
import type { LayerRule } from '../../analysis/layers/layered-view.ts';
import { unclearRules } from '../../analysis/layers/unclear-rules.ts';
import { EVERY_PORT, type PortRange, subtractPorts, unionPorts } from '../../analysis/model/ports.ts';
import type { StringMap } from '../../api/meta.ts';
import { DIRECTIONS, type PolicyType } from '../../api/network-policy.ts';
import { type OtherEnd, passedPorts } from '../../policy/guard/flow.ts';
import { matches } from '../../policy/semantics/selector.ts';
import { changesBetween, type GuardedLink, linkOf, namespaceLabels } from './changes.ts';
import type { SnapshotGuard } from './guards.ts';
import { layersOf, layersOfGuards, type SnapshotLayers } from '../layers.ts';
import type { WorkloadPod } from '../pods.ts';
import type { Snapshot } from '../snapshot.ts';

/** The flows that one guard changes. */
export interface FlowsOfGuard {
  readonly cuts: readonly GuardedLink[];
  /** Flows that a policy of the same tier denies which is asked after the guard: it is not asked about what the guard passes. */
  readonly opens: readonly GuardedLink[];
  /** Flows of which it is known only without the guard, or only with it, if policies allow them. */
  readonly unclear: readonly GuardedLink[];
}

export interface GuardCuts {
  readonly of: ReadonlyMap<SnapshotGuard, FlowsOfGuard>;
  /** The rules on which unclear flows depend. */
  readonly dependsOn: readonly LayerRule[];
}

/** The pods of one group that a guard can't tell apart, each by one of them. */
interface Ends {
  readonly namespaceLabels: StringMap;
  readonly pods: readonly OtherEnd[];
}

/**
 * The flows of each guard, sorted by source, then by destination.
 *
 * A flow that a foreign policy allows before the guard is asked is no cut. All guards are compared at once. A flow that they
 * close is a cut of each guard that does not pass it. Other changes are those of each guard with an end of the flow as its
 * subject.
 *
 * @param isLayered false: NetworkPolicies alone decide which flows are allowed without guards
 * @throws TooManyLinksError
 */
export function cutsOf(
  guards: readonly SnapshotGuard[],
  snapshot: Snapshot,
  { isLayered }: { readonly isLayered: boolean },
): GuardCuts {
  const layers = layersBeside(guards, snapshot, isLayered);
  const subjects = guards.map(({ guard }) => guard.subject);
  const { closed, opened, unclear } = changesBetween(layers, subjects, snapshot);
  const [, withGuards] = layers;
  const ends = endsOf(snapshot.pods, namespaceLabels(snapshot));
  const [cuts, opens, mayBe] = [closed, opened, unclear].map((changes) => byGuard(guards, changes, ends));
  const flowsOf = (guard: SnapshotGuard): FlowsOfGuard => ({
    cuts: cuts?.get(guard) ?? [],
    opens: opens?.get(guard) ?? [],
    unclear: mayBe?.get(guard) ?? [],
  });
  return {
    of: new Map(guards.map((guard) => [guard, flowsOf(guard)])),
    dependsOn: unclear.length === 0 || withGuards === undefined ? [] : unclearRules(withGuards.roles),
  };
}

/** The changes by the guards that make them. */
function byGuard(
  guards: readonly SnapshotGuard[],
  changes: readonly FlowChange[],
  ends: ReadonlyMap<string, Ends>,
): ReadonlyMap<SnapshotGuard, readonly GuardedLink[]> {
  const found = new Map<SnapshotGuard, GuardedLink[]>(guards.map((guard) => [guard, []]));
  for (const { from, to, ports } of changes) {
    const [source, destination] = [from, to].map((each) => ends.get(groupKey(each)));
    if (!source || !destination) continue;
    const both = { Egress: source, Ingress: destination };
    const denied = guards.map((guard) => deniedPorts(guard, ports, both));
    const others = subtractPorts(ports, unionPorts(denied));
    for (const [index, guard] of guards.entries()) {
      const own = unionPorts([denied[index] ?? [], guardsOneOf(guard, both) ? others : []]);
      if (own.length > 0) found.get(guard)?.push(linkOf({ from, to, ports: own }));
    }
  }
  return found;
}

/** The layers without guards, and with these. */
function layersBeside(
  guards: readonly SnapshotGuard[],
  snapshot: Snapshot,
  isLayered: boolean,
): readonly [SnapshotLayers | undefined, SnapshotLayers | undefined] {
  const objects = guards.flatMap(({ object }) => object ?? []);
  if (!isLayered) return [undefined, layersOfGuards(snapshot, objects)];
  const layersWith = (some: typeof objects) => layersOf(snapshot, { asEnforced: true, guards: some });
  return [layersWith([]), layersWith(objects)];
}

/** The ends of a flow, by the direction in which each is guarded. */
type BothEnds = Readonly<Record<PolicyType, Ends>>;

/** True if one of the ends is a subject of the guard in a direction in which that denies something. */
function guardsOneOf({ guard, directions }: SnapshotGuard, ends: BothEnds): boolean {
  return [...directions].some((direction) => matches(guard.subject, ends[direction].namespaceLabels));
}

/** The ports among these that the guard denies at one of the ends. */
function deniedPorts(
  { guard, directions }: SnapshotGuard,
  ports: readonly PortRange[],
  ends: BothEnds,
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
  pods: readonly WorkloadPod[],
  labelsOf: (namespace: string) => StringMap,
): ReadonlyMap<string, Ends> {
  const ofGroups = Map.groupBy(
    pods.filter(({ hostNetwork }) => hostNetwork !== true),
    ({ workload }) => groupKey(workload),
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
