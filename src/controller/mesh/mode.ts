/** How the pods of a namespace get into the mesh. Pure. */
import type { StringMap } from '../../api/meta.ts';
import { injectsAll, isAmbient, isRootNamespace, type MeshConfiguration } from '../../policy/mesh.ts';

/**
 * `outside`: not all pods get into the mesh. `root`: the policies of the namespace hold for the whole mesh, so that an overlay there
 * would deny connections in other namespaces. Nothing is written in either.
 */
export type MeshMode = 'sidecars' | 'ambient' | 'outside' | 'root';

export function modeOf(
  facts: MeshConfiguration,
  { key, labels }: { readonly key: string; readonly labels: StringMap },
): MeshMode {
  if (isRootNamespace(facts, key)) return 'root';
  if (isAmbient(facts, labels)) return 'ambient';
  return injectsAll(facts, labels) ? 'sidecars' : 'outside';
}

/** True if an overlay is written in a namespace of this mode. */
export function hasOverlay(mode: MeshMode): boolean {
  return mode === 'sidecars' || mode === 'ambient';
}
