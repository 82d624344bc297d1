/** The service mesh, as the reconcile of a namespace sees it. The core knows only this interface; a capability may implement it. */
import { type MeshFacts, NO_MESH } from '../policy/mesh.ts';

export interface MeshSupport {
  /** Undefined as long as nothing is known. */
  facts(): MeshFacts | undefined;
  /** Why nothing is known, if finding out has failed. */
  readonly failure: string | undefined;
  subscribe(listener: MeshListener): void;
}

export interface MeshListener {
  /** The facts have changed. */
  readonly onFacts: () => void;
}

/** Where the configuration names no mesh. */
export const NO_MESH_SUPPORT: MeshSupport = {
  facts: () => NO_MESH,
  failure: undefined,
  subscribe: () => {},
};
