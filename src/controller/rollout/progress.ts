/** How the namespaces of a profile stand with its rollout. No I/O. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { InForce } from '../../cluster-state/in-force.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import { type ClusterState, isWritten } from '../../cluster-state/state.ts';
import type { Progress, RolloutInput } from '../../rollout/advance.ts';
import type { NamespaceResult } from '../results.ts';

export interface Survey extends Pick<RolloutInput, 'progress' | 'convergence'> {
  /** True if every namespace was reconciled with the revision that it has. */
  readonly isCurrent: boolean;
}

/** The namespaces that the profile selects, now or by the revision that they have, or that have policies of it. */
export function surveyOf(
  profile: SegmentationProfile,
  results: ReadonlyMap<string, NamespaceResult>,
  clusterState: ClusterState,
): Survey {
  const withPolicies = new Set(clusterState.namespacesWithPoliciesOf(profile.metadata.name));
  const progress: Progress[] = [];
  let isCurrent = true;
  let convergence: Survey['convergence'] = 'converged';
  for (const namespace of clusterState.namespaces.values()) {
    if (namespace.terminating) continue;
    const hasPolicies = withPolicies.has(namespace.key);
    const inForce = clusterState.inForce(profile, namespace);
    const isSelected = clusterState.relation(profile, namespace) !== 'none';
    if (!isSelected && !isWritten(inForce) && !hasPolicies) continue;
    const found = results.get(namespace.key);
    const result = found?.generation === profile.metadata.generation ? found : undefined;
    const next = progressOf(namespace, { inForce, hasPolicies, result });
    progress.push(next);
    if (isWritten(inForce) && next.revision !== inForce.revision) isCurrent = false;
    if (isSelected && result === undefined) convergence = 'unknown';
    else if (convergence === 'converged' && !(isSelected && isInPlace(result))) convergence = 'differs';
  }
  return { progress, isCurrent, convergence };
}

interface Standing {
  readonly inForce: InForce;
  readonly hasPolicies: boolean;
  /** The part that belongs to the profile as it is. */
  readonly result: NamespaceResult | undefined;
}

function progressOf({ name, labels }: NamespaceItem, { inForce, hasPolicies, result }: Standing): Progress {
  const { revision } = inForce;
  // The revision does not select the namespace: its policies have to go.
  if (revision !== undefined && !isWritten(inForce))
    return { name, labels, revision, state: hasPolicies ? 'pending' : 'applied' };
  const reached = result?.revision;
  const failure = result?.failure;
  return {
    name,
    labels,
    ...(reached !== undefined && { revision: reached }),
    state: isInPlace(result) ? 'applied' : result?.state === 'failed' ? 'failed' : 'pending',
    ...(failure && { reason: failure.reason, message: failure.message }),
  };
}

function isInPlace(result: NamespaceResult | undefined): boolean {
  return result?.state === 'enforced' || result?.state === 'audited';
}
