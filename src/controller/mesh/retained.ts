/** The objects of an overlay that a profile leaves behind which is deleted under Retain. No I/O. */
import type { KubeObject } from '../../api/meta.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isAsWritten } from '../../engines/digests.ts';
import type { ObjectStep } from '../../engines/object-step.ts';
import { disowned } from '../../policy/ownership.ts';
import { isProfileReference } from '../../policy/semantics/normalize.ts';
import type { EngineObjects } from '../engines/objects.ts';

/** A write of an object of one of the overlay's kinds. */
export type OverlayWrite = readonly [EngineObjects, ObjectStep];

export interface RetainedContext {
  /** The writes that are planned besides: an object that one of them changes or deletes is left to it. */
  readonly planned: readonly OverlayWrite[];
  readonly clusterState: ClusterState;
}

/**
 * The writes that remove the deleted profile from the ownerReferences of objects that stay, so that the garbage collector does
 * not delete them. They are needed also while everything else stays as it is.
 */
export function disowningWrites(
  objects: EngineObjects,
  namespace: string,
  { planned, clusterState }: RetainedContext,
): OverlayWrite[] {
  if (objects.state.kind !== 'available') return [];
  const isPlanned = (object: KubeObject) =>
    planned.some(([, step]) => step.verb !== 'create' && step.before === object);
  const isRetained = (owner: string) => {
    const { metadata, spec } = clusterState.profile(owner) ?? {};
    return metadata?.deletionTimestamp !== undefined && spec?.deletionPolicy === 'Retain';
  };
  return objects.in(namespace).flatMap((before): OverlayWrite[] => {
    const owner = objects.ownerOf(before);
    if (owner === undefined || !before.metadata.ownerReferences?.some(isProfileReference)) return [];
    // An older definition hides fields of it, which a write would remove for good: a rule without its peers means everyone.
    if (!isRetained(owner) || isPlanned(before) || !isAsWritten(before)) return [];
    return [[objects, { verb: 'update', object: disowned(before, owner), before }]];
  });
}
