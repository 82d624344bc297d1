/** The changes that the latest revision of a profile makes in namespaces: both it and the form before it are compiled. No I/O. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { compile } from '../../policy/compile.ts';
import type { ClusterFacts } from '../../policy/facts.ts';
import { assign, type Revisions, type RolloutState } from '../../rollout/assign.ts';
import type { RevisionForms } from '../../rollout/forms.ts';

export interface RevisionChange {
  readonly namespace: string;
  readonly before: readonly NetworkPolicy[];
  readonly after: readonly NetworkPolicy[];
}

export interface ChangeContext {
  readonly clusterState: ClusterState;
  readonly facts: ClusterFacts;
  readonly revisions: Revisions;
  readonly forms: RevisionForms;
}

/** The changes in these namespaces; none where it is not known what the namespace had before. */
export function changesOfLatest(
  profile: SegmentationProfile,
  { inForce: [top, ...inForce], base }: Pick<RolloutState, 'inForce' | 'base'>,
  namespaces: readonly string[],
  { clusterState, facts, revisions, forms }: ChangeContext,
): RevisionChange[] {
  const latest = top && revisions.get(top.revision);
  if (latest === undefined) return [];
  return namespaces.flatMap((name): RevisionChange[] => {
    const namespace = clusterState.namespaces.get(name);
    if (namespace === undefined) return [];
    const below = { inForce, ...(base !== undefined && { base }) };
    const was = assign(below, revisions, namespace, profile.metadata.name);
    if (was.kind === 'held') return [];
    const policiesOf = (form: SegmentationProfile) =>
      clusterState.relation(form, namespace) === 'enforce' ? compile(form, namespace, facts).policies : [];
    return [
      {
        namespace: name,
        before: was.kind === 'nothing' ? [] : policiesOf(forms.formOf(profile, was.revision)),
        after: policiesOf(forms.formOf(profile, latest)),
      },
    ];
  });
}
