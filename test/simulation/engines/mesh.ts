/** The service mesh in a simulation: its traces in the cluster, and the namespaces that are in it. Reads the model only. */
import type { StringMap } from '../../../src/api/meta.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import type { AmbientMesh, MeshFacts } from '../../../src/policy/mesh.ts';
import { type Combination, selects } from '../schedule/combination.ts';
import {
  AUTHORIZATION_POLICY,
  CONFIG_MAP,
  INJECTOR,
  NAMESPACE,
  PEER_AUTHENTICATION,
  POD,
} from '../server/kinds.ts';
import type { Storage } from '../server/storage.ts';

export const INJECTED = { 'istio-injection': 'enabled' };
/** The label of pods that have a sidecar. */
export const SIDECAR = { 'security.istio.io/tlsMode': 'istio' };
export const AMBIENT_MODE = { 'istio.io/dataplane-mode': 'ambient' };
/** The annotation of pods that ztunnel carries the connections of. */
export const REDIRECTED = { 'ambient.istio.io/redirection': 'enabled' };
/** The port on which it does. */
export const TUNNEL_PORT = 15_008;
/** The addresses from which the kubelet's probes of redirected pods come. */
export const PROBES: AmbientMesh['probeCIDRs'] = [
  '169.254.7.127/32',
  'fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128',
];
const AMBIENT_MESH: AmbientMesh = {
  namespaceSelector: { matchLabels: AMBIENT_MODE },
  port: TUNNEL_PORT,
  probeCIDRs: PROBES,
};
export const MESH_KINDS = [AUTHORIZATION_POLICY, PEER_AUTHENTICATION];
/** The namespace and Service of the control plane. */
export const CONTROL_PLANE = { namespace: 'istio-system', name: 'istiod' };
/** The names of the mesh's configuration, and of the webhooks that inject sidecars. */
export const CONFIGURATION = 'istio';
export const INJECTOR_NAME = 'istio-sidecar-injector';

/** The facts of the mesh that the operator may have: all of them, or none since it could not read it. */
export const MESHES = [
  {
    kind: 'available',
    controlPlanes: [
      {
        injects: [{ namespaceSelector: { matchLabels: INJECTED }, podSelector: {} }],
        service: CONTROL_PLANE,
        port: 15_012,
        metricsPorts: [15_020, 15_090],
        trustDomain: 'cluster.local',
        rootNamespace: CONTROL_PLANE.namespace,
      },
    ],
    ambient: AMBIENT_MESH,
  },
  { kind: 'missing', message: 'not read', ambient: AMBIENT_MESH },
] as const satisfies readonly MeshFacts[];

/** True if sidecars are injected into the namespace, and all of its pods have one. */
export function isInMesh(storage: Storage, namespace: string): boolean {
  const { labels = {} } = storage.get(NAMESPACE, namespace)?.metadata ?? {};
  if (labels['istio-injection'] !== 'enabled') return false;
  return [...storage.values(POD)].every(
    ({ metadata }) =>
      metadata.namespace !== namespace || metadata.labels?.['security.istio.io/tlsMode'] === 'istio',
  );
}

/** True if the namespace is in ambient mode, and all of its pods are redirected. */
export function isAmbient(storage: Storage, namespace: string): boolean {
  const { labels = {} } = storage.get(NAMESPACE, namespace)?.metadata ?? {};
  if (!isLabelledAmbient(labels)) return false;
  return [...storage.values(POD)].every(
    ({ metadata }) =>
      metadata.namespace !== namespace ||
      metadata.annotations?.['ambient.istio.io/redirection'] === 'enabled',
  );
}

export function isProbeCIDR(cidr: string): boolean {
  return PROBES.includes(cidr);
}

export function isLabelledAmbient(labels: StringMap = {}): boolean {
  return labels['istio.io/dataplane-mode'] === 'ambient';
}

/** True if the operator finds the mesh: without its traces, a new leader writes nothing, and another one goes by what it knew. */
export function isFound(storage: Storage): boolean {
  const { namespace } = CONTROL_PLANE;
  return (
    storage.get(CONFIG_MAP, `${namespace}/${CONFIGURATION}`) !== undefined &&
    storage.get(INJECTOR, INJECTOR_NAME) !== undefined
  );
}

/** True if the profile asks for an overlay that is enforced. */
export function asksForAuthorization(profile: SegmentationProfile | undefined): boolean {
  return profile?.spec.mesh?.authorization === 'Enforce';
}

export function asksForStrict(profile: SegmentationProfile | undefined): boolean {
  return profile?.spec.mesh?.mtls === 'Strict';
}

/** The profiles that are enforced in the namespace and isolate ingress: others have no overlay there. */
export function overlaying({ profiles, labels }: Combination, namespace: string): SegmentationProfile[] {
  return profiles.flatMap(({ asItIs, profile }) => {
    if (asItIs === undefined || profile === undefined || labels === undefined) return [];
    const { metadata, spec } = profile;
    const isLeaving = metadata.deletionTimestamp !== undefined;
    const isEnforced = spec.mode === 'Enforce' && selects(profile, namespace, labels) && !isLeaving;
    return isEnforced && spec.isolation.includes('Ingress') ? [profile] : [];
  });
}
