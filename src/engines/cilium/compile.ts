/** From an extension to the rules of a CiliumNetworkPolicy. Pure. */
import type { LabelSelector } from '../../api/meta.ts';
import type { NetworkPolicyPort } from '../../api/network-policy.ts';
import type { ExtensionPeer, ExtensionPolicy, ExtensionRule } from '../../policy/extensions.ts';
import type { CompiledExtension } from '../extensions/engine.ts';
import {
  type AtLeastOne,
  type CiliumDNSPorts,
  type CiliumEgressRule,
  type CiliumEntity,
  type CiliumIngressRule,
  type CiliumName,
  type CiliumPods,
  type CiliumPort,
  type CiliumPorts,
  type CiliumSpec,
  MAX_PORTS,
  NAMESPACE_LABELS,
  POD_NAMESPACE,
  POD_SERVICE_ACCOUNT,
} from './policy.ts';

export const API_VERSION = 'cilium.io/v2';
export const KIND = 'CiliumNetworkPolicy';

export function compileExtension({ podSelector, direction, rules }: ExtensionPolicy): CompiledExtension {
  const spec: CiliumSpec = {
    endpointSelector: withSource(podSelector),
    enableDefaultDeny: { ingress: false, egress: false },
  };
  const compiled = rules.flatMap((each) => {
    const made: readonly object[] = direction === 'Ingress' ? ingressRules(each) : egressRules(each);
    return made.map((rule) => ({ rule, note: each.note }));
  });
  return { frame: { apiVersion: API_VERSION, kind: KIND, spec, direction }, rules: compiled };
}

const ENTITIES: Readonly<Record<'kubeAPIServer' | 'nodes' | 'engineIngress', AtLeastOne<CiliumEntity>>> = {
  kubeAPIServer: ['kube-apiserver'],
  nodes: ['host', 'remote-node'],
  // The identity of the Envoy that serves Cilium's Ingress and Gateway API.
  engineIngress: ['ingress'],
};

/** No name is known of a source: the CRD of profiles refuses names there. */
function ingressRules({ peer, ports }: ExtensionRule): CiliumIngressRule[] {
  switch (peer.kind) {
    case 'names':
      return [];
    case 'serviceAccount':
      return [{ fromEndpoints: [accountPods(peer)], ...toPorts(ports) }];
    default:
      return [{ fromEntities: ENTITIES[peer.kind], ...toPorts(ports) }];
  }
}

function egressRules({ peer, ports }: ExtensionRule): CiliumEgressRule[] {
  switch (peer.kind) {
    case 'names':
      return nameRules(peer, ports);
    case 'serviceAccount':
      return [{ toEndpoints: [accountPods(peer)], ...toPorts(ports) }];
    default:
      return [{ toEntities: ENTITIES[peer.kind], ...toPorts(ports) }];
  }
}

function nameRules(
  { names, dns }: Extract<ExtensionPeer, { kind: 'names' }>,
  ports: ExtensionRule['ports'],
): CiliumEgressRule[] {
  const [first, ...more] = names.map(nameOf);
  if (first === undefined) return [];
  const all = [first, ...more] as const;
  const [servers, ...further] = portEntries(dns.ports).map(
    (entry): CiliumDNSPorts => ({ ...entry, rules: { dns: all } }),
  );
  const named = { toFQDNs: all, ...toPorts(ports) };
  if (servers === undefined) return [named];
  // Cilium learns the addresses of names from the answers to the pods' own queries, which its DNS proxy sees.
  return [
    { toEndpoints: [serverPods(dns.namespace, dns.podSelector)], toPorts: [servers, ...further] },
    named,
  ];
}

function accountPods({
  namespace,
  name,
  namespaceLabels = {},
}: Extract<ExtensionPeer, { kind: 'serviceAccount' }>): CiliumPods {
  const ofNamespace = Object.entries(namespaceLabels).map(([key, value]) => [NAMESPACE_LABELS + key, value]);
  return {
    matchLabels: {
      ...(Object.fromEntries(ofNamespace) as Record<string, string>),
      [POD_NAMESPACE]: namespace,
      [POD_SERVICE_ACCOUNT]: name,
    },
  };
}

function nameOf(name: string): CiliumName {
  return name.startsWith('*') ? { matchPattern: name } : { matchName: name };
}

function serverPods(namespace: string, podSelector: LabelSelector): CiliumPods {
  const { matchLabels, ...rest } = withSource(podSelector);
  return { ...rest, matchLabels: { ...matchLabels, [POD_NAMESPACE]: namespace } };
}

/** Labels of Kubernetes have the source k8s. A key without a source would match labels of any. */
function withSource({ matchLabels, matchExpressions }: LabelSelector): LabelSelector {
  return {
    ...(matchLabels && {
      matchLabels: Object.fromEntries(
        Object.entries(matchLabels).map(([key, value]) => [`k8s:${key}`, value]),
      ),
    }),
    ...(matchExpressions && {
      matchExpressions: matchExpressions.map(({ key, ...rest }) => ({ key: `k8s:${key}`, ...rest })),
    }),
  };
}

function toPorts(ports: readonly NetworkPolicyPort[] | undefined): { toPorts?: AtLeastOne<CiliumPorts> } {
  const [first, ...more] = portEntries(ports ?? []);
  return first === undefined ? {} : { toPorts: [first, ...more] };
}

function portEntries(ports: readonly NetworkPolicyPort[]): CiliumPorts[] {
  const entries: CiliumPorts[] = [];
  for (let start = 0; start < ports.length; start += MAX_PORTS) {
    const [first, ...more] = ports.slice(start, start + MAX_PORTS).map(portOf);
    if (first !== undefined) entries.push({ ports: [first, ...more] });
  }
  return entries;
}

function portOf({ protocol = 'TCP', port = 0, endPort }: NetworkPolicyPort): CiliumPort {
  return { port: String(port), ...(endPort !== undefined && { endPort }), protocol };
}
