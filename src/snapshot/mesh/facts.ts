/** The service mesh of a snapshot, as far as NetworkPolicies depend on it. Pure. */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import { detectIstio } from '../../engines/istio/detect.ts';
import {
  configMapName,
  type InjectorEvidence,
  injectorOf,
  isInjector,
  type RawInjector,
} from '../../engines/istio/evidence.ts';
import { type MeshFacts, NO_MESH } from '../../policy/mesh.ts';
import type { SnapshotInput } from '../input.ts';

/** The facts of the mesh, by the webhooks that inject sidecars and the mesh configuration of each istiod. */
export function meshFacts({
  mesh,
  objects,
  unread,
}: Pick<SnapshotInput, 'mesh' | 'objects' | 'unread'>): MeshFacts {
  if (mesh === undefined || mesh === 'None') return NO_MESH;
  const found = objects.of<RawInjector>('MutatingWebhookConfiguration').filter(isInjector);
  if (found.length === 0) return UNREAD_MESH;
  const injectors = found.map((raw): InjectorEvidence => {
    const injector = injectorOf(raw);
    const { service, revision } = injector;
    const name = configMapName(revision);
    const map: ConfigMap | undefined = objects.get('ConfigMap', name, service?.namespace);
    const text = map?.data?.['mesh'];
    const message =
      unread.get('ConfigMap') ??
      `ConfigMap ${service?.namespace}/${name} with Istio's mesh configuration is not among the objects`;
    const configuration =
      text === undefined
        ? ({ kind: 'missing', isUnreadable: unread.has('ConfigMap'), message } as const)
        : ({ kind: 'found', text } as const);
    return { injector, configuration, isReady: true };
  });
  return detectIstio({ kind: 'injectors', injectors }).facts;
}

interface ConfigMap extends KubeObject {
  readonly data?: StringMap;
}

const UNREAD_MESH: MeshFacts = {
  kind: 'missing',
  message:
    "only the operator reads the mesh's own configuration; here, rules for it are those of the policies that it wrote. " +
    "Name the manifests of istiod's MutatingWebhookConfiguration and of its ConfigMap istio to have them here",
};
