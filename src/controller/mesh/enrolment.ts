/** The two ways into the mesh, and how the pods of a namespace are seen to have taken it. */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import { isRedirected } from '../../engines/istio/membership.ts';
import type { Resource } from '../../kube/resource.ts';
import { injectsAll, isAmbient, type MeshConfiguration } from '../../policy/mesh.ts';

export type Pods = Pick<Resource<KubeObject>, 'list'>;

export interface Enrolment {
  /** True if every pod of a namespace with these labels gets into the mesh this way, unless it refuses. */
  readonly includes: (mesh: MeshConfiguration, labels: StringMap) => boolean;
  /** True if a running pod of the namespace is not in the mesh. */
  readonly hasOthers: (pods: Pods, namespace: string, signal: AbortSignal) => Promise<boolean>;
}

/** istiod labels the pods that it injects sidecars into: clients speak mutual TLS to these. */
const WITHOUT_SIDECAR = 'security.istio.io/tlsMode!=istio';
const RUNNING = 'status.phase!=Succeeded,status.phase!=Failed';

export const SIDECARS: Enrolment = {
  includes: injectsAll,
  hasOthers: async (pods, namespace, signal) => {
    const { items } = await pods.list({
      namespace,
      limit: 1,
      labelSelector: WITHOUT_SIDECAR,
      fieldSelector: RUNNING,
      signal,
    });
    return items.length > 0;
  },
};

/** Pods in a page. */
const PAGE = 500;

/** A pod with a sidecar has an identity too, but shows it to pods without sidecars only if it speaks HBONE. */
export const AMBIENT_MODE: Enrolment = {
  includes: isAmbient,
  hasOthers: async (pods, namespace, signal) => {
    const page = { namespace, limit: PAGE, fieldSelector: RUNNING, metadataOnly: true, signal };
    for (let next: string | undefined; ; ) {
      const { metadata, items } = await pods.list({ ...page, continue: next });
      if (items.some(({ metadata: { annotations } }) => !isRedirected(annotations))) return true;
      next = metadata.continue || undefined;
      if (next === undefined) return false;
    }
  },
};
