// A network plugin in small: makes packet filters of each node from NetworkPolicies, and can be broken on purpose. It
// understands the selectors that the canary's policies use: kubernetes.io/metadata.name, and matchLabels of pods.
import type { LabelSelector } from '../../../src/api/meta.ts';
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  PolicyType,
} from '../../../src/api/network-policy.ts';
import type { Network, NodeName } from './network.ts';

export interface EnforcedPod {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly node: NodeName;
  readonly ips: readonly string[];
}

/** How the plugin is broken. */
export interface Faults {
  /** Nodes on which it enforces nothing. */
  readonly nodes?: readonly NodeName[];
  readonly directions?: readonly PolicyType[];
  readonly families?: readonly (4 | 6)[];
  /** True if rules by named ports are ignored. */
  readonly namedPorts?: boolean;
}

const NAMED = new Map<number | string, number>([
  ['canary-named', 8606],
  ['metrics', 8080],
]);

/** Replaces the filters of both nodes. */
export function enforce(
  network: Network,
  pods: readonly EnforcedPod[],
  policies: readonly NetworkPolicy[],
  faults: Faults,
): void {
  for (const node of ['node-1', 'node-2'] as const) {
    const isBroken = faults.nodes?.includes(node) ?? false;
    network.filter(
      node,
      ruleset(isBroken ? [] : pods.filter((pod) => pod.node === node), pods, policies, faults),
    );
  }
}

function ruleset(
  own: readonly EnforcedPod[],
  pods: readonly EnforcedPod[],
  policies: readonly NetworkPolicy[],
  faults: Faults,
): string {
  // Every chain sees a packet: one that lets it pass does not decide for the other direction.
  const jumps: string[] = [];
  const chains: string[] = [];
  for (const direction of ['Egress', 'Ingress'] as const) {
    if (faults.directions?.includes(direction)) continue;
    for (const [index, pod] of own.entries()) {
      const selecting = policies.filter((policy) => isSelected(policy, direction, pod));
      if (selecting.length === 0) continue;
      for (const ip of pod.ips) {
        const family = ip.includes(':') ? 6 : 4;
        if (faults.families?.includes(family)) continue;
        const name = `${direction.toLowerCase()}-${index}-${family}`;
        const field = direction === 'Ingress' ? 'daddr' : 'saddr';
        jumps.push(`${family === 4 ? 'ip' : 'ip6'} ${field} ${ip} jump ${name}`);
        const rules = selecting.flatMap((policy) => rulesOf(policy, direction, { pods, family, faults }));
        chains.push(`chain ${name} {\n${rules.join('\n')}\ndrop\n}`);
      }
    }
  }
  return `table inet canary {}
delete table inet canary
table inet canary {
${chains.join('\n')}
chain forward {
type filter hook forward priority 0; policy accept;
ct state established,related accept
meta l4proto ipv6-icmp accept
${jumps.join('\n')}
}
}
`;
}

function isSelected({ metadata, spec }: NetworkPolicy, direction: PolicyType, pod: EnforcedPod): boolean {
  return (
    metadata.namespace === pod.namespace &&
    (spec.policyTypes ?? []).includes(direction) &&
    matches(spec.podSelector, pod.labels)
  );
}

interface RuleContext {
  readonly pods: readonly EnforcedPod[];
  readonly family: 4 | 6;
  readonly faults: Faults;
}

function rulesOf({ metadata, spec }: NetworkPolicy, direction: PolicyType, context: RuleContext): string[] {
  const { pods, family, faults } = context;
  const rules =
    direction === 'Ingress'
      ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
      : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
  return rules.flatMap(({ peers, ports }) => {
    const addresses = peers?.flatMap((peer) => addressesOf(peer, metadata.namespace ?? '', pods, family));
    if (addresses?.length === 0) return [];
    const field = `${family === 4 ? 'ip' : 'ip6'} ${direction === 'Ingress' ? 'saddr' : 'daddr'}`;
    const where = addresses === undefined ? '' : `${field} { ${[...new Set(addresses)].join(', ')} } `;
    if (ports === undefined) return [`${where}return`];
    return ports
      .map((port) => portText(port, faults))
      .filter((port) => port !== undefined)
      .map((port) => `${where}${port} return`);
  });
}

function portText({ protocol = 'TCP', port }: NetworkPolicyPort, faults: Faults): string | undefined {
  if (typeof port === 'string' && faults.namedPorts === true) return undefined;
  const number = port === undefined ? undefined : (NAMED.get(port) ?? port);
  return number === undefined
    ? `meta l4proto ${protocol.toLowerCase()}`
    : `${protocol.toLowerCase()} dport ${number}`;
}

function addressesOf(
  { ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer,
  namespace: string,
  pods: readonly EnforcedPod[],
  family: 4 | 6,
): string[] {
  const isFamily = (ip: string) => ip.includes(':') === (family === 6);
  if (ipBlock !== undefined) return [ipBlock.cidr].filter(isFamily);
  return pods
    .filter((pod) =>
      namespaceSelector === undefined
        ? pod.namespace === namespace
        : matches(namespaceSelector, { 'kubernetes.io/metadata.name': pod.namespace }),
    )
    .filter((pod) => matches(podSelector, pod.labels))
    .flatMap(({ ips }) => ips.filter(isFamily));
}

function matches(selector: LabelSelector | undefined, labels: Readonly<Record<string, string>>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      if (operator === 'In') return values.includes(labels[key] ?? '');
      if (operator === 'NotIn') return !values.includes(labels[key] ?? '');
      return (operator === 'Exists') === key in labels;
    })
  );
}
