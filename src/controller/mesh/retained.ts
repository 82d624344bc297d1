/** The owners of an overlay's objects that stay as they are, as under Retain. No I/O. */
import type { KubeObject } from '../../api/meta.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isAsWritten } from '../../engines/digests.ts';
import type { ObjectStep } from '../../engines/object-step.ts';
import { disowned, withOwnerLabels } from '../../policy/ownership.ts';
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
 * The writes of objects that stay as they are: they get back the labels that tell whose they are, and an object that a deleted
 * profile leaves behind loses its owner, so that the garbage collector does not delete it.
 */
export function ownershipWrites(
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
    // An older definition hides fields of it, which a write would remove for good: a rule without its peers means everyone.
    if (owner === undefined || isPlanned(before) || !isAsWritten(before)) return [];
    const isOwned = before.metadata.ownerReferences?.some(isProfileReference) === true;
    const object = isOwned && isRetained(owner) ? disowned(before, owner) : withOwnerLabels(before, owner);
    return object === before ? [] : [[objects, { verb: 'update', object, before }]];
  });
}
