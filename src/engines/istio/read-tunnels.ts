/**
 * The tunnel of ambient mode: between pods whose connections ztunnel carries, TCP connections to any port arrive on one
 * (https://istio.io/latest/docs/ambient/architecture/data-plane/). There, policies of the network decide; the gate of the mesh
 * is asked about the port behind it. Pure.
 */
import type { NetworkPolicyPort } from '../../api/network-policy.ts';
import type {
  Candidate,
  EngineObjects,
  EnginePolicy,
  EngineTunnel,
  IdentifiedPod,
  PodMatcher,
} from '../layers/engine-policy.ts';
import { isAskedForAmbient, membershipOf } from './membership.ts';
import { AMBIENT } from './mesh-config.ts';

/** All TCP ports but that of the tunnel. */
export const TUNNELLED_PORTS: readonly NetworkPolicyPort[] = [
  { protocol: 'TCP', port: 1, endPort: AMBIENT.port - 1 },
  { protocol: 'TCP', port: AMBIENT.port + 1, endPort: 65_535 },
];

/**
 * - `carried`: ztunnel carries its connections
 * - `perhaps`: it should, and nobody can tell if it does
 * - `proxied`: another proxy may send and receive by the tunnel too: a sidecar, a gateway
 * - `plain`: none
 */
type Carriage = 'carried' | 'perhaps' | 'proxied' | 'plain';

function carriageOf(candidate: Candidate): Carriage {
  const membership = membershipOf(candidate);
  if (membership === 'ambient') return 'carried';
  if (membership === 'outside') return 'plain';
  return membership === 'unknown' && isAskedForAmbient(candidate) ? 'perhaps' : 'proxied';
}

const isOf =
  (...wanted: readonly Carriage[]): PodMatcher =>
  (candidate) =>
    wanted.includes(carriageOf(candidate));

/** The peers with which pods use the tunnel, and those with which they may. */
const PEERS = {
  carried: { certain: isOf('carried'), possible: isOf('perhaps', 'proxied') },
  perhaps: { possible: isOf('carried', 'perhaps', 'proxied') },
  proxied: { possible: isOf('carried', 'perhaps') },
} as const;

/** A policy for each namespace with a pod that may use the tunnel; none if no pod is in ambient mode. */
export function ambientTunnels({
  namespaces,
  pods,
}: Pick<EngineObjects, 'namespaces' | 'pods'>): EnginePolicy[] {
  const labels = new Map(namespaces.map((each) => [each.name, each.labels]));
  const found = new Map<string, Set<Carriage>>();
  for (const pod of pods) {
    const carriage = carriageOf({
      pod: pod as IdentifiedPod,
      namespaceLabels: labels.get(pod.namespace) ?? {},
    });
    const known = found.get(pod.namespace);
    if (known === undefined) found.set(pod.namespace, new Set([carriage]));
    else known.add(carriage);
  }
  const isUsed = [...found.values()].some((each) => each.has('carried') || each.has('perhaps'));
  return isUsed ? [...found].flatMap(([name, carriages]) => tunnelsOf(name, carriages)) : [];
}

function tunnelsOf(name: string, carriages: ReadonlySet<Carriage>): EnginePolicy[] {
  const tunnels = (['carried', 'perhaps', 'proxied'] as const)
    .filter((carriage) => carriages.has(carriage))
    .flatMap((carriage): EngineTunnel[] => {
      const subject = Object.assign((candidate: Candidate) => carriageOf(candidate) === carriage, {
        namespace: name,
      });
      const peers: { readonly certain?: PodMatcher; readonly possible: PodMatcher } = PEERS[carriage];
      const { certain, possible } = peers;
      return [
        ...(certain === undefined ? [] : [{ subject, peers: certain }]),
        { subject, peers: possible, what: `if port ${AMBIENT.port} carries connections of its pods` },
      ].map((each) => ({ ...each, ports: TUNNELLED_PORTS, by: AMBIENT.port }));
    });
  if (tunnels.length === 0) return [];
  return [{ object: { kind: 'Namespace', name }, rules: [], unclear: [], isolates: [], tunnels }];
}
