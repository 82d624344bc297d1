/** The reach of a snapshot, by the flags of `matrix` and `graph`. */
import type { GroupName } from '../../analysis/group.ts';
import { type Reach, computeReach, TooManyLinksError } from '../../analysis/reach/reach.ts';
import type { Pod } from '../../analysis/cluster.ts';
import { unclearRules } from '../../analysis/layers/unclear-rules.ts';
import { counted } from '../../util/list-text.ts';
import { dependsText, layerObjectText } from '../commands/explain/layer-text.ts';
import type { Flag } from '../shell/flags.ts';
import type { WorkloadPod } from '../../snapshot/pods.ts';
import { namespacesNamed } from '../snapshot/select.ts';
import type { SnapshotLayers } from '../../snapshot/layers.ts';
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
  /** True to name the policies of other kinds that decide about each link. */
  readonly namesLayers?: boolean;
  /** Policies of other kinds; absent if NetworkPolicies alone decide. */
  readonly layers?: SnapshotLayers | undefined;
}

/** @throws CliError if there is no such namespace; TooManyLinksError */
export function reachOf(
  snapshot: Snapshot,
  { by, namespace, maxLinks, layers, namesLayers = false }: ReachInput,
): Reach {
  const chosen = namespacesNamed(snapshot, namespace);
  const within = namespace === undefined ? undefined : new Set(chosen.map(({ name }) => name));
  const all = layers?.pods ?? snapshot.pods;
  const pods = new Map<Pod, WorkloadPod>(all.map((pod) => [pod, pod]));
  const groupOf = (pod: Pod): GroupName =>
    by === 'namespace'
      ? { namespace: pod.namespace, kind: 'Namespace', name: pod.namespace }
      : (pods.get(pod)?.workload ?? { namespace: pod.namespace, kind: 'Pod', name: pod.name });
  const policies = [...snapshot.effective(), ...(layers?.standIns ?? [])];
  const view = { namespaces: snapshot.namespaces, pods: all, policies };
  const whole = computeReach(view, {
    ...(layers && { roles: layers.roles, podsInIPBlocks: layers.podsInIPBlocks }),
    namesLayers,
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
  { namespace, layers, maxLinks = MAX_PAGE_LINKS }: Omit<ReachInput, 'by'>,
  terminal: Terminal,
): PageReach {
  terminal.progress('working out who may talk to whom');
  try {
    return { reach: reachOf(snapshot, { namespace, maxLinks, layers, namesLayers: true }) };
  } catch (error) {
    if (!(error instanceof TooManyLinksError)) throw error;
    terminal.warn(
      `more than ${maxLinks} links between workloads are allowed: the page shows those between namespaces; narrow it by -n`,
    );
    return { reach: reachOf(snapshot, { by: 'namespace', namespace, layers, namesLayers: true }), maxLinks };
  } finally {
    terminal.progress('');
  }
}

/** The names of the policies of other kinds that links go by, all together. */
export function layerNames(layers: SnapshotLayers | undefined): string[] {
  const rules = [...new Set(layers?.roles.values() ?? [])]
    .filter(({ kind }) => kind !== 'tunnel')
    .map(({ rule }) => layerObjectText(rule.object));
  return [...new Set(rules)].sort();
}

/** A note of the policies on which links depend that are not known to be allowed. */
export function noteUnknownLinks(
  { links }: Reach,
  layers: SnapshotLayers | undefined,
  terminal: Terminal,
): void {
  const unknown = links.filter((link) => link.unknown !== undefined);
  if (layers === undefined || unknown.length === 0) return;
  const rules = unclearRules(layers.roles);
  terminal.note(
    `of ${counted(unknown.length, 'link')}, some ports are unknown: that ${dependsText(rules)}; explain names the rule of each`,
  );
}

/** A note if there is nobody to talk to. */
export function noteMissingPods({ pods, origin }: Snapshot, terminal: Terminal): void {
  if (pods.length === 0) terminal.note(`there are no pods in ${origin}: nothing talks to anything`);
}
