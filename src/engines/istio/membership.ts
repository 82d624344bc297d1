/** Tells of pods, by their labels, if a proxy of the mesh holds their connections. Pure. */
import type { Candidate } from '../layers/engine-policy.ts';

/**
 * - `member`: its proxy judges what it receives, and shows its identity to other members
 * - `outside`: it has no proxy, and no identity
 * - `unknown`: its labels do not tell, as with ambient mode and gateways
 */
export type Membership = 'member' | 'outside' | 'unknown';

const DATAPLANE_MODE = 'istio.io/dataplane-mode';
const INJECT = 'sidecar.istio.io/inject';
const REVISION = 'istio.io/rev';
/** The injector writes it into pods with a sidecar. */
const TLS_MODE = 'security.istio.io/tlsMode';
/** Labels of pods that are proxies themselves. */
const OF_GATEWAYS = ['gateway.networking.k8s.io/gateway-name', 'service.istio.io/canonical-name'];

export function membershipOf({ pod, namespaceLabels }: Candidate): Membership {
  const { labels, hostNetwork, fresh } = pod;
  if (hostNetwork === true) return 'outside';
  if (labels[TLS_MODE] === 'istio') return 'member';
  if (labels[DATAPLANE_MODE] === 'none') return 'outside';
  if ((labels[DATAPLANE_MODE] ?? namespaceLabels[DATAPLANE_MODE]) === 'ambient') return 'unknown';
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
