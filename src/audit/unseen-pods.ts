/** Pods that a snapshot does not show: a selector without pods is a finding only where none of them can have its labels. Pure. */
import type { LabelSelector } from '../api/meta.ts';
import { type Account, Permissions, ruleAllows } from './service-accounts/permissions.ts';
import { isEverything } from './service-accounts/policy-rule.ts';
import type { AuditSnapshot } from './snapshot.ts';

/** Labels that the controllers of pods add to them, and that no template has. */
const ADDED_LABELS: ReadonlySet<string> = new Set([
  'apps.kubernetes.io/pod-index',
  'batch.kubernetes.io/controller-uid',
  'batch.kubernetes.io/job-completion-index',
  'batch.kubernetes.io/job-name',
  'controller-revision-hash',
  'controller-uid',
  'job-name',
  'pod-template-generation',
  'pod-template-hash',
  'statefulset.kubernetes.io/pod-name',
]);

/** The part of a selector that templates can be judged by: without labels that pods get when they are created. */
export function templateSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): LabelSelector {
  return {
    matchLabels: Object.fromEntries(Object.entries(matchLabels).filter(([key]) => !ADDED_LABELS.has(key))),
    matchExpressions: matchExpressions.filter(({ key }) => !ADDED_LABELS.has(key)),
  };
}

/** True for a selector that only excludes: it is for pods that nobody foresaw, such as those without some label. */
export function isExclusion({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  return (
    Object.keys(matchLabels).length === 0 &&
    matchExpressions.length > 0 &&
    matchExpressions.every(({ operator }) => operator === 'NotIn' || operator === 'DoesNotExist')
  );
}

/** Kinds whose objects are pods, or become pods. */
export const POD_MAKERS = [
  { group: '', resource: 'pods' },
  { group: '', resource: 'replicationcontrollers' },
  { group: 'apps', resource: 'daemonsets' },
  { group: 'apps', resource: 'deployments' },
  { group: 'apps', resource: 'replicasets' },
  { group: 'apps', resource: 'statefulsets' },
  { group: 'batch', resource: 'cronjobs' },
  { group: 'batch', resource: 'jobs' },
] as const;

/**
 * The namespaces in which a workload may make pods that no manifest describes, as operators and storage systems do: those
 * of the workloads whose accounts may create pods, or objects that become pods, there. The permission to do everything is no
 * sign of that: it is given to workloads whose needs nobody has listed.
 */
export function namespacesOfPodMakers(
  snapshot: Pick<AuditSnapshot, 'objects' | 'pods'>,
): ReadonlySet<string> {
  const permissions = new Permissions(snapshot);
  const makesPods = (account: Account) =>
    permissions
      .grantsOf(account)
      .some(
        ({ rule, namespace = account.namespace }) =>
          namespace === account.namespace &&
          !isEverything(rule) &&
          POD_MAKERS.some((kind) => ruleAllows(rule, { verb: 'create', ...kind })),
      );
  const accounts = new Map(
    snapshot.pods.map(({ namespace, serviceAccount: name }) => [`${namespace}/${name}`, { namespace, name }]),
  );
  return new Set([...accounts.values()].filter(makesPods).map(({ namespace }) => namespace));
}
