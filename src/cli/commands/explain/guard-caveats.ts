/** Guards that deny what the verdicts allow: profiles ask for them, and they are no part of the verdicts. Pure. */
import { networkPodOf } from '../../../analysis/cluster.ts';
import { LABEL_NAMESPACE_NAME } from '../../../api/names.ts';
import type { PolicyType } from '../../../api/network-policy.ts';
import { type OtherEnd, passesFlow } from '../../../policy/guard/flow.ts';
import { matches } from '../../../policy/semantics/selector.ts';
import { guardsOf, type SnapshotGuard } from '../../../snapshot/guards/guards.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import type { SegmentationProfile } from '../../../api/profile.ts';
import { GUARD_CARRIERS } from '../../../engines/guards/carriers.ts';
import type { CaveatInput } from './caveat-input.ts';
import type { Answer } from './questions.ts';

/** A line for each guard that denies an allowed flow, or that may do so. */
export function guardCaveats({ answers, snapshot, asEnforced, isLayered }: CaveatInput): string[] {
  const allowed = answers.filter(({ explanation }) => explanation.allowed);
  if (allowed.length === 0) return [];
  const guards = guardsOf(snapshot).filter(
    ({ profile, mode }) =>
      (asEnforced ? profile.spec.guard?.mode === 'Enforce' : mode === 'Enforce') &&
      !(isLayered && isLayer(profile, snapshot, asEnforced)),
  );
  return guards.flatMap((guard) => {
    const denied = allowed.filter((answer) =>
      (['Egress', 'Ingress'] as const).some((direction) => isDenied(answer, direction, guard, snapshot)),
    );
    if (denied.length === 0) return [];
    const flows = [
      ...new Set(denied.map(({ from, to, port }) => `${from.label} → ${to.label} on ${port.label}`)),
    ];
    const { metadata, status } = guard.profile;
    const isWritten = status?.guard?.policy !== undefined || !snapshot.isObserved;
    const verb = isWritten ? 'denies' : 'would deny';
    return [
      `the guard of profile ${metadata.name} ${verb}, before NetworkPolicies decide: ${flows.join('; ')}`,
    ];
  });
}

/** True if the guard is one of the layers: as an object of the cluster, or by the setting of the operator. */
function isLayer({ metadata }: SegmentationProfile, snapshot: Snapshot, asEnforced: boolean): boolean {
  if (!snapshot.isObserved || asEnforced) return snapshot.guard !== undefined;
  return GUARD_CARRIERS.some(({ kind }) =>
    snapshot.objects.of(kind).some((each) => snapshot.ownerOf(each) === metadata.name),
  );
}

function isDenied(
  { from, to, port }: Answer,
  direction: PolicyType,
  { guard, directions }: SnapshotGuard,
  snapshot: Snapshot,
): boolean {
  const [own, other] = direction === 'Egress' ? [from, to] : [to, from];
  const pod = networkPodOf(own.endpoint);
  if (pod === undefined || !directions.has(direction)) return false;
  if (!matches(guard.subject, labelsOf(pod.namespace, snapshot))) return false;
  const end = otherEnd(other.endpoint, snapshot);
  // Guards know only pods as sources.
  if (end === undefined || (direction === 'Ingress' && end.kind === 'address')) return false;
  const { protocol, port: first, to: last = first } = port;
  return !passesFlow(guard, { direction, other: end, protocol, from: first, to: last });
}

function otherEnd(endpoint: Answer['to']['endpoint'], snapshot: Snapshot): OtherEnd | undefined {
  const pod = networkPodOf(endpoint);
  if (pod !== undefined)
    return { kind: 'pod', namespaceLabels: labelsOf(pod.namespace, snapshot), labels: pod.labels };
  // The address of a pod on the host network is its node's.
  const ip = endpoint.kind === 'external' ? endpoint.ip : endpoint.pod.ips[0];
  return ip === undefined ? undefined : { kind: 'address', ip };
}

function labelsOf(namespace: string, { namespaces }: Snapshot) {
  const labels = namespaces.find(({ name }) => name === namespace)?.labels;
  return { ...labels, [LABEL_NAMESPACE_NAME]: namespace };
}
