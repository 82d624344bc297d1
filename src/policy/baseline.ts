/**
 * The baseline of a profile: flows that nearly every workload needs, as rules like those that a user writes. Their names
 * start with `baseline.`. Pure.
 */
import { createHash } from 'node:crypto';
import type { NetworkPolicyPort, PolicyType } from '../api/network-policy.ts';
import type { Baseline, Peer, ProfileSpec } from '../api/profile.ts';
import type { ClusterFacts, NamespaceFacts } from './facts.ts';
import { asksForTunnels, controlPlanesOf, isAmbient } from './mesh.ts';
import type { MeshPart } from './peers/mesh.ts';
import { selects, targetPorts } from './peers/service.ts';
import type { SourceRule } from './rules.ts';
import { TUNNEL_RULE } from './tunnel-rule.ts';

/** The rule for the ports on which the sidecars and gateways of a mesh serve their metrics. */
export const PROXY_METRICS_RULE = 'baseline.mesh.metrics';

const MESH_RULES: Readonly<Record<MeshPart, { readonly name: string; readonly description: string }>> = {
  controlPlane: { name: 'baseline.mesh', description: "the mesh's control plane" },
  metrics: { name: PROXY_METRICS_RULE, description: 'the monitoring stack, on the ports of sidecars' },
  probes: { name: 'baseline.mesh.probes', description: 'probes of the kubelet, which the mesh carries' },
  tunnel: { name: TUNNEL_RULE, description: 'other pods of the mesh' },
};

/** The names of rules for webhooks start with it; a digest of the Service's name follows. */
export const WEBHOOK_RULE = 'baseline.webhook.';

interface BaselineEntry {
  readonly key: keyof Baseline;
  readonly directions: readonly PolicyType[];
  readonly peer: Peer;
  readonly description: string;
}

const ENTRIES: readonly BaselineEntry[] = [
  { key: 'dns', directions: ['Egress'], peer: { entity: 'ClusterDNS' }, description: "the cluster's DNS" },
  {
    key: 'sameNamespace',
    directions: ['Ingress', 'Egress'],
    peer: { podSelector: {} },
    description: 'pods of the same namespace',
  },
  {
    key: 'kubeAPIServer',
    directions: ['Egress'],
    peer: { entity: 'KubeAPIServer' },
    description: 'the API server',
  },
  {
    key: 'ingressControllers',
    directions: ['Ingress'],
    peer: { entity: 'IngressControllers' },
    description: 'the ingress controllers and gateways',
  },
  {
    key: 'monitoring',
    directions: ['Ingress'],
    peer: { entity: 'Monitoring' },
    description: 'the monitoring stack',
  },
];

/** The rules of the allowed entries for one direction; all but those for webhooks, which depend on the namespace. */
export function baselineRules(baseline: Baseline, direction: PolicyType): SourceRule[] {
  return ENTRIES.filter(
    ({ key, directions }) => directions.includes(direction) && baseline[key] === 'Allow',
  ).map(({ key, peer, description }) => ({ name: `baseline.${key}`, direction, description, peers: [peer] }));
}

/**
 * One ingress rule for each Service of the namespace that the API server calls: to the Service's pods, on their target
 * ports. A Service that doesn't exist has no pods, and gets no rule.
 */
export function webhookRules(
  baseline: Baseline,
  namespace: NamespaceFacts,
  cluster: ClusterFacts,
): SourceRule[] {
  if (baseline.admissionWebhooks !== 'Allow' || !cluster.isKnown({ kind: 'webhooks' })) return [];
  const called = cluster.webhookServices(namespace.name);
  if (called.length === 0 || !cluster.isKnown({ kind: 'services' })) return [];
  const peers = webhookCallers(cluster);
  const rules: SourceRule[] = [];
  for (const [name, calls] of Map.groupBy(called, (each) => each.name)) {
    const service = cluster.service(namespace.name, name);
    if (service === undefined || !selects(service)) continue;
    const calledPorts = new Set(calls.map(({ port }) => port));
    const ports: NetworkPolicyPort[] = targetPorts(service.ports.filter(({ port }) => calledPorts.has(port)));
    if (ports.length === 0) continue;
    rules.push({
      // The rule's name becomes a label's value. The name of a Service can fill that alone, so a digest stands for it.
      name: `${WEBHOOK_RULE}${createHash('sha256').update(name).digest('hex').slice(0, 12)}`,
      direction: 'Ingress',
      description: `the API server calls Service ${name}`,
      podSelector: { matchLabels: service.selector },
      peers,
      ports,
    });
  }
  return rules;
}

/** The peers that the API server's calls to webhooks come from. */
function webhookCallers({ configuration: { webhookSourceCIDRs } }: ClusterFacts): readonly Peer[] {
  if (webhookSourceCIDRs.length === 0) return [{ entity: 'Any' }];
  return webhookSourceCIDRs.map((cidr) => ({ ipBlock: { cidr } }));
}

/**
 * The rules for what sidecars need in a namespace into which the mesh injects them. As long as the mesh is unknown, they stand
 * in every namespace: their peers are unresolved, and keep their last known form. Where the mesh needs no sidecars, the
 * policies of its tunnel are made apart from these if the profile asks for them.
 */
export function meshRules(
  { baseline, mesh: overlay }: Pick<ProfileSpec, 'baseline' | 'mesh'>,
  namespace: NamespaceFacts,
  cluster: ClusterFacts,
  direction: PolicyType,
): SourceRule[] {
  if (baseline.mesh !== 'Allow') return [];
  const mesh = cluster.mesh();
  const isKnown = mesh?.kind === 'available';
  const parts: MeshPart[] = [];
  if (!isKnown || controlPlanesOf(mesh, namespace.labels).length > 0) {
    if (direction === 'Egress') parts.push('controlPlane');
    else if (cluster.configuration.monitoring.length > 0) parts.push('metrics');
  }
  if (mesh !== undefined && mesh.kind !== 'none' && isAmbient(mesh, namespace.labels)) {
    if (direction === 'Ingress') parts.push('probes');
    if (!asksForTunnels({ baseline, mesh: overlay })) parts.push('tunnel');
  }
  return parts.map((part) => meshRule(part, direction));
}

/**
 * The ingress rule for probes where the configuration names no mesh any more, and so nothing tells which namespaces are in
 * ambient mode. Its peer is unresolved: the rule is to be left out where it has no last known form.
 */
export function keptProbes(baseline: Baseline, cluster: ClusterFacts): SourceRule[] {
  return baseline.mesh === 'Allow' && cluster.mesh()?.kind === 'none' ? [meshRule('probes', 'Ingress')] : [];
}

function meshRule(part: MeshPart, direction: PolicyType): SourceRule {
  return { ...MESH_RULES[part], direction, peers: [{ mesh: part }] };
}
