/** Tells of pods, by their labels, if a proxy of the mesh holds their connections. Pure. */
import type { StringMap } from '../../api/meta.ts';
import type { Candidate } from '../layers/engine-policy.ts';

/**
 * - `member`: its sidecar judges what it receives, and shows its identity to other members
 * - `ambient`: the ztunnel of its node does
 * - `outside`: it has no proxy, and no identity
 * - `unknown`: nothing tells, as with gateways, and pods of ambient namespaces that nobody has said to be redirected
 */
export type Membership = 'member' | 'ambient' | 'outside' | 'unknown';

/** Istio's node agent sets it on a pod once the pod's connections go through ztunnel; istiod reads it too. */
export const REDIRECTION = 'ambient.istio.io/redirection';

/** True if a pod with these annotations is redirected. */
export function isRedirected(annotations: StringMap = {}): boolean {
  return annotations[REDIRECTION] === 'enabled';
}

const DATAPLANE_MODE = 'istio.io/dataplane-mode';
const USE_WAYPOINT = 'istio.io/use-waypoint';
const INJECT = 'sidecar.istio.io/inject';
const REVISION = 'istio.io/rev';
/** The injector writes it into pods with a sidecar. */
const TLS_MODE = 'security.istio.io/tlsMode';
/** Labels of pods that are proxies themselves. */
const OF_GATEWAYS = ['gateway.networking.k8s.io/gateway-name', 'service.istio.io/canonical-name'];

export function membershipOf({ pod, namespaceLabels }: Candidate): Membership {
  const { labels, hostNetwork, fresh, isRedirected = false } = pod;
  if (hostNetwork === true) return 'outside';
  if (labels[TLS_MODE] === 'istio') return 'member';
  if (labels[DATAPLANE_MODE] === 'none') return 'outside';
  const isAsked = isAskedForAmbient({ pod, namespaceLabels });
  // The connections of a waypoint have its own identity. A pod that is still to be created will be redirected.
  if (isRedirected || (isAsked && fresh === true))
    return usesWaypoint({ pod, namespaceLabels }) ? 'unknown' : 'ambient';
  return isAsked ? 'unknown' : bySidecar({ pod, namespaceLabels });
}

/** True if the labels ask for ambient mode. */
export function isAskedForAmbient({ pod: { labels, isRedirected }, namespaceLabels }: Candidate): boolean {
  return isRedirected === true || (labels[DATAPLANE_MODE] ?? namespaceLabels[DATAPLANE_MODE]) === 'ambient';
}

function usesWaypoint({ pod: { labels }, namespaceLabels }: Candidate): boolean {
  const waypoint = labels[USE_WAYPOINT] ?? namespaceLabels[USE_WAYPOINT];
  return waypoint !== undefined && waypoint !== 'none';
}

function bySidecar({ pod: { labels, fresh }, namespaceLabels }: Candidate): Membership {
  if (labels[INJECT] === 'false') return 'outside';
  const isAsked = labels[INJECT] === 'true' || labels[REVISION] !== undefined;
  if (fresh !== true)
    return isAsked || OF_GATEWAYS.some((key) => labels[key] !== undefined) ? 'unknown' : 'outside';
  if (isAsked) return 'member';
  if (namespaceLabels['istio-injection'] === 'disabled') return 'outside';
  const isInjected =
    namespaceLabels['istio-injection'] === 'enabled' || namespaceLabels[REVISION] !== undefined;
  return isInjected ? 'member' : 'outside';
}
