/** What nearly every workload needs, as rules like those that a user writes; their names start with `baseline.`. */
import { createHash } from 'node:crypto';
import type { NetworkPolicyPort, PolicyType } from '../api/network-policy.ts';
import type { Baseline, Peer } from '../api/profile.ts';
import type { ClusterFacts, NamespaceFacts } from './facts.ts';
import { selects, targetPorts } from './peers/service.ts';
import type { SourceRule } from './rules.ts';

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

export function baselineRules(baseline: Baseline, direction: PolicyType): SourceRule[] {
  return ENTRIES.filter(
    ({ key, directions }) => directions.includes(direction) && baseline[key] === 'Allow',
  ).map(({ key, peer, description }) => ({ name: `baseline.${key}`, direction, description, peers: [peer] }));
}

/**
 * A rule for each Service of the namespace that the API server calls: its pods, on their target ports. Webhooks that
 * name a Service that doesn't exist have no pods to allow anything for.
 */
export function webhookRules(
  baseline: Baseline,
  namespace: NamespaceFacts,
  cluster: ClusterFacts,
): SourceRule[] {
  if (baseline.admissionWebhooks !== 'Allow' || !cluster.isKnown({ kind: 'webhooks' })) return [];
  const called = cluster.webhookServices(namespace.name);
  if (called.length === 0 || !cluster.isKnown({ kind: 'services' })) return [];
  const { webhookSourceCIDRs } = cluster.configuration;
  const peers: Peer[] =
    webhookSourceCIDRs.length > 0
      ? webhookSourceCIDRs.map((cidr) => ({ ipBlock: { cidr } }))
      : [{ entity: 'Any' }];
  const rules: SourceRule[] = [];
  for (const [name, uses] of Map.groupBy(called, (each) => each.name)) {
    const service = cluster.service(namespace.name, name);
    if (service === undefined || !selects(service)) continue;
    const wanted = new Set(uses.map(({ port }) => port));
    const ports: NetworkPolicyPort[] = targetPorts(service.ports.filter(({ port }) => wanted.has(port)));
    if (ports.length === 0) continue;
    rules.push({
      // The Service's name can be as long as a label's value, which the rule's name becomes: a digest fits.
      name: `baseline.webhook.${createHash('sha256').update(name).digest('hex').slice(0, 12)}`,
      direction: 'Ingress',
      description: `the API server calls Service ${name}`,
      podSelector: { matchLabels: service.selector },
      peers,
      ports,
    });
  }
  return rules;
}
