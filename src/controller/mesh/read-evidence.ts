/** Reads the traces of Istio from the API server: the webhooks that inject sidecars, and of each istiod two single reads. */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import {
  configMapName,
  INJECTOR_LABEL,
  type InjectorEvidence,
  injectorOf,
  type MeshEvidence,
  type RawInjector,
} from '../../engines/istio/evidence.ts';
import { ApiError, isAborted, isForbidden, isNotFound } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource, type ResourceKind } from '../../kube/resource.ts';
import type { ServiceName } from '../../policy/facts.ts';

const INJECTORS: ResourceKind = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'mutatingwebhookconfigurations',
  namespaced: false,
};
const CONFIG_MAPS: ResourceKind = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };
const ENDPOINT_SLICES: ResourceKind = {
  group: 'discovery.k8s.io',
  version: 'v1',
  plural: 'endpointslices',
  namespaced: true,
};

interface ConfigMap extends KubeObject {
  readonly data?: StringMap;
}

interface EndpointSlice extends KubeObject {
  readonly endpoints?: readonly { readonly conditions?: { readonly ready?: boolean } }[] | null;
}

/** @throws ApiError if the signal is aborted */
export async function readMeshEvidence(transport: Transport, signal: AbortSignal): Promise<MeshEvidence> {
  const injectors = new Resource<RawInjector>(transport, INJECTORS);
  const found = await attempt(injectors.listAll({ labelSelector: INJECTOR_LABEL, signal }));
  if (found instanceof ApiError)
    return { kind: 'unreadable', message: `MutatingWebhookConfigurations can't be read: ${causeOf(found)}` };
  const read = found.items.map(async (raw): Promise<InjectorEvidence> => {
    const injector = injectorOf(raw);
    const { service, revision } = injector;
    if (service === undefined) return { injector, configuration: EXTERNAL, isReady: undefined };
    const [configuration, isReady] = await Promise.all([
      readConfiguration(transport, { namespace: service.namespace, name: configMapName(revision) }, signal),
      readReadiness(transport, service, signal),
    ]);
    return { injector, configuration, isReady };
  });
  return { kind: 'injectors', injectors: await Promise.all(read) };
}

const EXTERNAL = {
  kind: 'missing',
  isUnreadable: false,
  message: 'istiod is outside of the cluster',
} as const;

async function readConfiguration(
  transport: Transport,
  { namespace, name }: ServiceName,
  signal: AbortSignal,
): Promise<InjectorEvidence['configuration']> {
  const configMaps = new Resource<ConfigMap>(transport, CONFIG_MAPS);
  const found = await attempt(configMaps.get(name, namespace, { signal }));
  const place = `ConfigMap ${namespace}/${name} with Istio's mesh configuration`;
  if (found instanceof ApiError) {
    if (isNotFound(found))
      return { kind: 'missing', isUnreadable: false, message: `${place} does not exist` };
    return { kind: 'missing', isUnreadable: true, message: `${place} can't be read: ${causeOf(found)}` };
  }
  const text = found.data?.['mesh'];
  return text === undefined
    ? { kind: 'missing', isUnreadable: false, message: `${place} has no key mesh` }
    : { kind: 'found', text };
}

/** True if the Service has a ready endpoint; undefined if its EndpointSlices can't be read. */
async function readReadiness(
  transport: Transport,
  { namespace, name }: ServiceName,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const slices = new Resource<EndpointSlice>(transport, ENDPOINT_SLICES);
  const labelSelector = `kubernetes.io/service-name=${name}`;
  const found = await attempt(slices.listAll({ namespace, labelSelector, signal }));
  if (found instanceof ApiError) return undefined;
  // https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#ready: an absent condition counts as true.
  return found.items.some(({ endpoints }) =>
    endpoints?.some(({ conditions }) => conditions?.ready !== false),
  );
}

async function attempt<T>(request: Promise<T>): Promise<T | ApiError> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof ApiError && !isAborted(error)) return error;
    throw error;
  }
}

function causeOf(error: ApiError): string {
  const { message } = error;
  return isForbidden(error) ? 'the permission is missing: kubectl apply -k config/engines/istio' : message;
}
