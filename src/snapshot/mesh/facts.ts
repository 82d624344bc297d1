/** The service mesh of a snapshot, as far as NetworkPolicies depend on it. Pure. */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import { detectIstio } from '../../engines/istio/detect.ts';
import {
  configMapName,
  type Injector,
  type InjectorEvidence,
  injectorOf,
  isInjector,
  type RawInjector,
} from '../../engines/istio/evidence.ts';
import { AMBIENT, rootNamespaceOf } from '../../engines/istio/mesh-config.ts';
import { type MeshFacts, NO_MESH } from '../../policy/mesh.ts';
import type { SnapshotInput } from '../input.ts';
import type { ObjectSet } from '../objects.ts';

/** The facts of the mesh, by the webhooks that inject sidecars and the mesh configuration of each istiod. */
export function meshFacts({
  mesh,
  objects,
  unread,
}: Pick<SnapshotInput, 'mesh' | 'objects' | 'unread'>): MeshFacts {
  if (mesh === undefined || mesh === 'None') return NO_MESH;
  const found = injectorsIn(objects);
  if (found.length === 0) return UNREAD_MESH;
  const injectors = found.map((injector): InjectorEvidence => {
    const { service, revision } = injector;
    const text = configurationOf(injector, objects);
    const message =
      unread.get('ConfigMap') ??
      `ConfigMap ${service?.namespace}/${configMapName(revision)} with Istio's mesh configuration is not among the objects`;
    const configuration =
      text === undefined
        ? ({ kind: 'missing', isUnreadable: unread.has('ConfigMap'), message } as const)
        : ({ kind: 'found', text } as const);
    return { injector, configuration, isReady: true };
  });
  return detectIstio({ kind: 'injectors', injectors }).facts;
}

/**
 * The namespaces whose policies are for the whole mesh: as the mesh configuration of each istiod names it, or the namespace of
 * istiod, as its installation sets it. Undefined if no istiod is known.
 */
export function meshRoots(objects: ObjectSet): ReadonlySet<string> | undefined {
  const roots = injectorsIn(objects).flatMap((injector) => {
    const text = configurationOf(injector, objects);
    const root = text === undefined ? undefined : rootNamespaceOf(text);
    return root ?? injector.service?.namespace ?? [];
  });
  return roots.length === 0 ? undefined : new Set(roots);
}

function injectorsIn(objects: ObjectSet): Injector[] {
  return objects.of<RawInjector>('MutatingWebhookConfiguration').filter(isInjector).map(injectorOf);
}

/** The mesh configuration of an istiod, as YAML; undefined if it is not among the objects. */
function configurationOf({ service, revision }: Injector, objects: ObjectSet): string | undefined {
  const map: ConfigMap | undefined = objects.get('ConfigMap', configMapName(revision), service?.namespace);
  return map?.data?.['mesh'];
}

interface ConfigMap extends KubeObject {
  readonly data?: StringMap;
}

const UNREAD_MESH: MeshFacts = {
  kind: 'missing',
  ambient: AMBIENT,
  message:
    "only the operator reads the mesh's own configuration; here, rules for it are those of the policies that it wrote. " +
    "Name the manifests of istiod's MutatingWebhookConfiguration and of its ConfigMap istio to have them here",
};
