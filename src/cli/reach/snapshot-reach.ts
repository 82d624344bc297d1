/** The reach of a snapshot, by the flags of `matrix` and `graph`. */
import type { GroupName } from '../../analysis/group.ts';
import { type Reach, computeReach, TooManyLinksError } from '../../analysis/reach.ts';
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

export interface ReachInput {
  readonly by?: string | undefined;
  /** Value of -n: only links with an end there, with the other ends. */
  readonly namespace: string | undefined;
  /** Links that the caller can hold; any number if absent. */
  readonly maxLinks?: number;
}

/** @throws CliError if there is no such namespace; TooManyLinksError */
export function reachOf(snapshot: Snapshot, { by, namespace, maxLinks }: ReachInput): Reach {
  const chosen = namespacesNamed(snapshot, namespace);
  const within = namespace === undefined ? undefined : new Set(chosen.map(({ name }) => name));
  const pods = new Map<Pod, WorkloadPod>(snapshot.pods.map((pod) => [pod, pod]));
  const groupOf = (pod: Pod): GroupName =>
    by === 'namespace'
      ? { namespace: pod.namespace, kind: 'Namespace', name: pod.namespace }
      : (pods.get(pod)?.workload ?? { namespace: pod.namespace, kind: 'Pod', name: pod.name });
  const view = { namespaces: snapshot.namespaces, pods: snapshot.pods, policies: snapshot.effective() };
  const whole = computeReach(view, {
    groupOf,
    isTemplate: (pod) => pods.get(pod)?.template === true,
    ...(within && { within }),
    ...(maxLinks !== undefined && { maxLinks }),
  });
  return within === undefined ? whole : reachWithin(whole, within);
}

/** Links between workloads that a page has. More make it larger than ten megabytes, and slow to open. */
const MAX_PAGE_LINKS = 400_000;

/** The reach of a page. */
export interface PageReach {
  readonly reach: Reach;
  /** Present if more links between workloads are allowed, so that the links are between namespaces. */
  readonly maxLinks?: number;
}

/** Warns if the links are between namespaces. @throws CliError if there is no such namespace */
export function pageReach(
  snapshot: Snapshot,
  namespace: string | undefined,
  terminal: Terminal,
  maxLinks = MAX_PAGE_LINKS,
): PageReach {
  terminal.progress('working out who may talk to whom');
  try {
    return { reach: reachOf(snapshot, { namespace, maxLinks }) };
  } catch (error) {
    if (!(error instanceof TooManyLinksError)) throw error;
    terminal.warn(
      `more than ${maxLinks} links between workloads are allowed: the page shows those between namespaces; narrow it by -n`,
    );
    return { reach: reachOf(snapshot, { by: 'namespace', namespace }), maxLinks };
  } finally {
    terminal.progress('');
  }
}

/** A note if there is nobody to talk to. */
export function noteMissingPods({ pods, origin }: Snapshot, terminal: Terminal): void {
  if (pods.length === 0) terminal.note(`there are no pods in ${origin}: nothing talks to anything`);
}
