/** The reach of a snapshot, by the flags of `matrix` and `graph`. */
import type { GroupName } from '../../analysis/group.ts';
import { type Reach, computeReach } from '../../analysis/reach.ts';
import type { Pod } from '../../analysis/cluster.ts';
import type { Flag } from '../shell/flags.ts';
import type { WorkloadPod } from '../../snapshot/pods.ts';
import { namespacesNamed } from '../snapshot/select.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';
import type { Terminal } from '../shell/terminal.ts';
import { reachWithin } from './model.ts';

export const BY_FLAG: Flag = {
  name: 'by',
  value: 'UNIT',
  choices: ['workload', 'namespace'],
  help: 'group pods by workload (default) or by namespace',
};

/** @param namespace only what has an end there, with the other ends. @throws CliError if there is no such namespace */
export function reachOf(snapshot: Snapshot, by: string | undefined, namespace: string | undefined): Reach {
  const chosen = namespacesNamed(snapshot, namespace);
  const pods = new Map<Pod, WorkloadPod>(snapshot.pods.map((pod) => [pod, pod]));
  const groupOf = (pod: Pod): GroupName =>
    by === 'namespace'
      ? { namespace: pod.namespace, kind: 'Namespace', name: pod.namespace }
      : (pods.get(pod)?.workload ?? { namespace: pod.namespace, kind: 'Pod', name: pod.name });
  const view = { namespaces: snapshot.namespaces, pods: snapshot.pods, policies: snapshot.effective() };
  const whole = computeReach(view, { groupOf, isTemplate: (pod) => pods.get(pod)?.template === true });
  return namespace === undefined ? whole : reachWithin(whole, new Set(chosen.map(({ name }) => name)));
}

/** A note if there is nobody to talk to. */
export function noteMissingPods({ pods, origin }: Snapshot, terminal: Terminal): void {
  if (pods.length === 0) terminal.note(`there are no pods in ${origin}: nothing talks to anything`);
}
