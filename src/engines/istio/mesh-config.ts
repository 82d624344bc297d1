/** Reads Istio's mesh configuration (https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/). Pure. */
import { readDocuments } from '../../manifests/documents.ts';
import { YamlError } from '../../manifests/yaml.ts';
import type { ServiceName } from '../../policy/facts.ts';
import type { AmbientMesh, MeshControlPlane } from '../../policy/mesh.ts';
import { isRecord } from '../../util/is-record.ts';
import type { Injector } from './evidence.ts';

/** Istio's own default, for proxies whose configuration names none. */
const DISCOVERY_PORT = 15_012;
const STATUS_PORT = 15_020;
/** Envoy's metrics; fixed in Istio's bootstrap of Envoy. */
const ENVOY_METRICS_PORT = 15_090;
/** istiod.istio-system.svc:15012, with or without the cluster's domain. */
const ADDRESS = /^(?<name>[a-z0-9-]+)\.(?<namespace>[a-z0-9-]+)(?:\.svc(?:\..+)?)?:(?<port>\d+)$/;

/** https://istio.io/latest/docs/ambient/usage/networkpolicy/ */
export const AMBIENT: AmbientMesh = {
  namespaceSelector: { matchLabels: { 'istio.io/dataplane-mode': 'ambient' } },
  port: 15_008,
  probeCIDRs: ['169.254.7.127/32', 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128'],
};

/**
 * The control plane that an injector's sidecars connect to, or why the configuration does not tell.
 *
 * @param text the mesh configuration, as YAML
 */
export function controlPlaneOf(
  { service, webhooks }: Injector & { readonly service: ServiceName },
  text: string,
): MeshControlPlane | string {
  const config = parsed(text);
  if (typeof config === 'string') return config;
  const { trustDomain, defaultConfig, rootNamespace } = config;
  const proxy = isRecord(defaultConfig) ? defaultConfig : {};
  const address = proxy['discoveryAddress'];
  const found = typeof address === 'string' ? ADDRESS.exec(address)?.groups : undefined;
  if (typeof address === 'string' && found === undefined)
    return `sidecars connect to ${address}, which is no Service of the cluster; write an egress rule for it`;
  const status = proxy['statusPort'];
  const { name = service.name, namespace = service.namespace, port } = found ?? {};
  return {
    injects: webhooks,
    service: { namespace, name },
    port: port === undefined ? DISCOVERY_PORT : Number(port),
    metricsPorts: [typeof status === 'number' ? status : STATUS_PORT, ENVOY_METRICS_PORT],
    trustDomain: typeof trustDomain === 'string' && trustDomain !== '' ? trustDomain : 'cluster.local',
    rootNamespace: namedRoot(rootNamespace),
  };
}

/** Istio's own default. */
export const ROOT_NAMESPACE = 'istio-system';

/**
 * The namespace whose policies are for the whole mesh; undefined if the configuration can't be read.
 *
 * @param text the mesh configuration, as YAML
 */
export function rootNamespaceOf(text: string): string | undefined {
  const config = parsed(text);
  if (typeof config === 'string') return undefined;
  return namedRoot(config['rootNamespace']);
}

function namedRoot(name: unknown): string {
  return typeof name === 'string' && name !== '' ? name : ROOT_NAMESPACE;
}

/** The configuration, or why it can't be read. */
function parsed(text: string): Readonly<Record<string, unknown>> | string {
  try {
    const [document] = readDocuments(text);
    if (document === undefined) return {};
    return isRecord(document.value) ? document.value : 'it is no mapping';
  } catch (error) {
    if (error instanceof YamlError) return `line ${error.line}: ${error.message}`;
    throw error;
  }
}
