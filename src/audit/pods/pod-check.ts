/** Checks of single pods: they judge a pod's spec and annotations, and report fields of its workload. Pure. */
import type { StringMap } from '../../api/meta.ts';
import type { Check } from '../check.ts';
import type { AuditSettings } from '../context.ts';
import type { Severity } from '../finding.ts';
import { containersOf, type PlacedContainer, type PodSpec, type SharedSecurityContext } from '../pod-spec.ts';
import type { AuditWorkload } from '../snapshot.ts';

export interface JudgedPod {
  readonly spec: PodSpec;
  readonly annotations: StringMap;
  readonly workload: AuditWorkload;
  readonly settings: AuditSettings;
}

export interface Violation {
  /** Path within the PodSpec, such as `containers[web].securityContext.privileged`. */
  readonly path: string;
  readonly message: string;
  /** The check's severity if absent. */
  readonly severity?: Severity;
}

export interface PodCheck extends Check {
  readonly judge: (pod: JudgedPod) => readonly Violation[];
}

/**
 * A check of the family Pods. @param wider a check that reports some of the same fields, so that this one does not report
 * them: the level Restricted includes Baseline
 */
export function podCheck(
  about: Omit<Check, 'category' | 'needs' | 'run'>,
  judge: (pod: JudgedPod) => readonly Violation[],
  wider?: PodCheck,
): PodCheck {
  return {
    ...about,
    category: 'Pods',
    needs: ['Pod'],
    judge,
    run: ({ pods, settings }, report) => {
      for (const { spec, annotations = {}, workload } of pods) {
        const pod = { spec, annotations, workload, settings };
        const known = wider?.judge(pod) ?? [];
        for (const { path, ...violation } of judge(pod)) {
          if (known.some((each) => each.path === path || each.path.startsWith(`${path}.`))) continue;
          report({ object: workload, field: fieldOf(workload, path), ...violation });
        }
      }
    },
  };
}

/** The path of a field of the pods within the object that makes them. Custom kinds are taken to have a template too. */
export function fieldOf({ kind }: AuditWorkload, path: string): string {
  if (path.startsWith('metadata')) return path;
  if (kind === 'Pod') return `spec.${path}`;
  return kind === 'CronJob' ? `spec.jobTemplate.spec.template.spec.${path}` : `spec.template.spec.${path}`;
}

/** The violations of all containers of a pod, where `judge` returns the path within the container, and a message. */
export function ofContainers(
  spec: PodSpec,
  judge: (container: PlacedContainer['container'], placed: PlacedContainer) => readonly Violation[],
): Violation[] {
  return containersOf(spec).flatMap((placed) =>
    judge(placed.container, placed).map((violation) => ({
      ...violation,
      path: `${placed.path}.${violation.path}`,
    })),
  );
}

/** The violations of the security contexts of the pod and of all its containers. */
export function ofContexts(
  spec: PodSpec,
  judge: (context: SharedSecurityContext) => readonly Violation[],
): Violation[] {
  const within = (context: SharedSecurityContext | undefined): Violation[] =>
    context === undefined
      ? []
      : judge(context).map((violation) => ({ ...violation, path: `securityContext.${violation.path}` }));
  return [
    ...within(spec.securityContext),
    ...ofContainers(spec, ({ securityContext }) => within(securityContext)),
  ];
}

/** True for pods of Windows nodes, which have no Linux security contexts. */
export function isWindows({ os }: PodSpec): boolean {
  return os?.name === 'windows';
}
