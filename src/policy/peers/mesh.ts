/** The peers of `baseline.mesh`: the parts of a service mesh that its pods talk to. No profile can name them. Pure. */
import type { NetworkPolicyPort } from '../../api/network-policy.ts';
import { type AmbientMesh, controlPlanesOf, type MeshConfiguration, type MeshControlPlane } from '../mesh.ts';
import { entityPeer } from './entity.ts';
import {
  type Grant,
  type PeerContext,
  type Resolution,
  resolved,
  resolvedIfAny,
  unresolved,
} from './resolution.ts';
import { podsIn } from './selectors.ts';
import { selects, targetPorts } from './service.ts';

/**
 * `controlPlane`: the pods that sidecars are configured by. `metrics`: the monitoring stack, on the sidecars' own ports.
 * `probes`: the kubelet, where the mesh carries its probes. `tunnel`: other pods of a mesh without sidecars.
 */
export type MeshPart = 'controlPlane' | 'metrics' | 'probes' | 'tunnel';

export function meshPeer(part: MeshPart, context: PeerContext): Resolution {
  const mesh = context.cluster.mesh();
  if (mesh === undefined)
    return unresolved('SourceUnavailable', 'the configuration of the service mesh is not known yet');
  if (mesh.kind === 'none') return unresolved('NoMesh', mesh.message);
  if (part === 'probes') return probes(mesh.ambient);
  if (mesh.kind === 'missing') return unresolved('MeshUnavailable', mesh.message);
  switch (part) {
    case 'controlPlane':
      return controlPlanes(mesh, context);
    case 'metrics':
      return metrics(mesh, context);
    case 'tunnel':
      return tunnel(mesh);
  }
}

/** Every control plane that injects into the namespace: its pods' sidecars may be of any of them. */
function controlPlanes(mesh: MeshConfiguration, { namespace, cluster }: PeerContext): Resolution {
  if (!cluster.isKnown({ kind: 'services' }))
    return unresolved('SourceUnavailable', 'Services cannot be read yet');
  const grants: Grant[] = [];
  for (const { service: name, port } of controlPlanesOf(mesh, namespace.labels)) {
    const service = cluster.service(name.namespace, name.name);
    const place = `the Service ${name.namespace}/${name.name} of the mesh's control plane`;
    if (service === undefined) return unresolved('ServiceNotFound', `${place} does not exist`);
    if (!selects(service))
      return unresolved('ServiceUnsupported', `${place} has no selector; write an egress rule`);
    const ports = targetPorts(service.ports.filter((each) => each.port === port));
    if (ports.length === 0) return unresolved('NoPorts', `${place} has no port ${port}`);
    grants.push({ peers: [podsIn(name.namespace, { matchLabels: service.selector })], ports });
  }
  return resolvedIfAny(grants, 'MeshUnavailable', 'no control plane of the mesh injects sidecars here');
}

function metrics(mesh: MeshConfiguration, context: PeerContext): Resolution {
  const ports = metricsPorts(controlPlanesOf(mesh, context.namespace.labels));
  const monitoring = entityPeer('Monitoring', context);
  return monitoring.kind === 'resolved'
    ? resolvedIfAny(
        monitoring.grants.map((grant) => ({ ...grant, ports })),
        'NotConfigured',
        'no monitoring stack',
      )
    : monitoring;
}

function metricsPorts(controlPlanes: readonly MeshControlPlane[]): NetworkPolicyPort[] {
  const ports = new Set(controlPlanes.flatMap((each) => each.metricsPorts));
  return [...ports].sort((a, b) => a - b).map((port) => ({ protocol: 'TCP', port }));
}

function probes({ probeCIDRs }: AmbientMesh): Resolution {
  const [first, ...more] = probeCIDRs;
  const block = (cidr: string) => ({ ipBlock: { cidr } });
  return resolved({ peers: [block(first), ...more.map(block)] });
}

/**
 * In a mesh without sidecars one port carries the connections to every other port. Opened for the peers of the rules alone, it
 * would allow them every port.
 */
function tunnel({ ambient: { port } }: MeshConfiguration): Resolution {
  return unresolved(
    'Unsupported',
    `the namespace is in the mesh without sidecars: port ${port} carries the connections to all other ports, and a ` +
      "NetworkPolicy can't tell them apart. Write `mesh: {authorization: Enforce}` in the profile, by which the mesh does",
  );
}
