/** The service mesh in a simulation: its traces in the cluster, and the namespaces that are in it. Reads the model only. */
import type { PolicyType } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import type { Combination } from '../schedule/combination.ts';
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
export const MESH_KINDS = [AUTHORIZATION_POLICY, PEER_AUTHENTICATION];
/** The namespace and Service of the control plane. */
export const CONTROL_PLANE = { namespace: 'istio-system', name: 'istiod' };
/** The names of the mesh's configuration, and of the webhooks that inject sidecars. */
export const CONFIGURATION = 'istio';
export const INJECTOR_NAME = 'istio-sidecar-injector';

/** True if sidecars are injected into the namespace, and all of its pods have one. */
export function isInMesh(storage: Storage, namespace: string): boolean {
  const { labels = {} } = storage.get(NAMESPACE, namespace)?.metadata ?? {};
  if (labels['istio-injection'] !== 'enabled') return false;
  return [...storage.values(POD)].every(
    ({ metadata }) =>
      metadata.namespace !== namespace || metadata.labels?.['security.istio.io/tlsMode'] === 'istio',
  );
}

/** True if the operator finds the mesh: without its traces, a new leader writes nothing, and another one goes by what it knew. */
export function isFound(storage: Storage): boolean {
  const { namespace } = CONTROL_PLANE;
  return (
    storage.get(CONFIG_MAP, `${namespace}/${CONFIGURATION}`) !== undefined &&
    storage.get(INJECTOR, INJECTOR_NAME) !== undefined
  );
}

/** True if the profile asks for an overlay that restricts connections. */
function isOverlaid(profile: SegmentationProfile | undefined): boolean {
  const { mesh } = profile?.spec ?? {};
  return mesh?.authorization === 'Enforce' || mesh?.mtls === 'Strict';
}

/** The directions in which overlays restrict the pods of a namespace to what its own policies allow, or more. */
export function overlaidDirections({ profiles, labels }: Combination): PolicyType[] {
  const isAsked = profiles.some(({ asItIs, profile }) => isOverlaid(profile) || isOverlaid(asItIs));
  return isAsked && labels?.['istio-injection'] === 'enabled' ? ['Ingress'] : [];
}
