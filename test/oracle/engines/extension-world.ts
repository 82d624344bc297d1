/**
 * Generated profiles whose peers a network engine has to carry, the cluster that they are compiled for, and their meaning: the
 * verdict on each flow, by a definition that does not use the compiler.
 */
import fc from 'fast-check';
import { LABEL_SERVICE_ACCOUNT } from '../../../src/api/names.ts';
import type { Peer, SegmentationProfile } from '../../../src/api/profile.ts';
import { CILIUM_EXTENSIONS } from '../../../src/engines/cilium/extensions.ts';
import type { ServiceAccountFacts } from '../../../src/policy/facts.ts';
import { type FactsInput, profile } from '../../policy/fixture.ts';
import type { JudgedFlow as Flow, JudgedPod } from './cilium-judge.ts';

export const SHOP = { name: 'shop', labels: { 'kubernetes.io/metadata.name': 'shop' } };

const pod = (place: string, app: string, account = 'default', label?: string): JudgedPod => {
  const [namespace = '', name = ''] = place.split('/');
  return {
    namespace,
    name,
    serviceAccount: account,
    labels: { app, ...(label !== undefined && { [LABEL_SERVICE_ACCOUNT]: label }) },
    namespaceLabels: { 'kubernetes.io/metadata.name': namespace },
  };
};

/** `other/old` is from before pods were labelled, and `other/forged` got the label of an account that it does not run as. */
export const PODS = [
  pod('shop/web', 'web'),
  pod('shop/db', 'db'),
  pod('kube-system/dns', 'kube-dns'),
  pod('other/client', 'client', 'client', 'client'),
  pod('other/old', 'old', 'client'),
  pod('other/tool', 'tool', 'tool', 'tool'),
  pod('other/forged', 'forged', 'default', 'tool'),
  pod('edge/nginx', 'nginx'),
];

/** Ends that are no pods, with the labels of their identities in Cilium. */
export const ENDS: Readonly<Record<string, readonly string[]>> = {
  apiserver: ['reserved:kube-apiserver', 'reserved:remote-node'],
  node: ['reserved:remote-node'],
  ingress: ['reserved:ingress'],
  payments: ['reserved:world', 'fqdn:api.payments.example'],
  supplier: ['reserved:world', 'fqdn:**.supplier.example'],
  internet: ['reserved:world'],
};

const isOfShop = (place: string) => place.startsWith('shop/');
const places = PODS.map(({ namespace, name }) => `${namespace}/${name}`);
const OUTSIDE = [...places.filter((each) => !isOfShop(each)), ...Object.keys(ENDS)];
const PORTS = [
  { protocol: 'TCP', port: 443 },
  { protocol: 'TCP', port: 6443 },
  { protocol: 'TCP', port: 53 },
  { protocol: 'UDP', port: 53 },
  { protocol: 'TCP', port: 10250 },
] as const;

/** Flows between a pod of the selected namespace and an end outside of it, so that one end decides. */
export const FLOWS: readonly Flow[] = places.filter(isOfShop).flatMap((place) =>
  OUTSIDE.flatMap((end) =>
    PORTS.flatMap((port) => [
      { from: place, to: end, ...port },
      { from: end, to: place, ...port },
    ]),
  ),
);

/** A profile, and what is known of service accounts at that time. */
export interface Intent {
  readonly profile: SegmentationProfile | undefined;
  /** `unlabelled`: some pods of the account `client` have no label; `failing`: the label proves nothing. */
  readonly accounts: 'unlabelled' | 'failing';
}

const ACCOUNTS: Readonly<Record<Intent['accounts'], Partial<ServiceAccountFacts>>> = {
  unlabelled: { unlabelled: 1 },
  failing: { failure: { reason: 'NotInstalled', message: 'not installed' } },
};
const API_SERVER = '172.18.0.2';
const NODE = '172.18.0.3';

export function cluster(accounts: Intent['accounts']): FactsInput {
  return {
    services: {
      'kube-system/kube-dns': {
        selector: { app: 'kube-dns' },
        ports: [
          { protocol: 'UDP', port: 53 },
          { protocol: 'TCP', port: 53 },
        ],
      },
      'default/kubernetes': { ports: [{ port: 443, targetPort: 6443 }], clusterIPs: ['10.96.0.1'] },
      'ops/kubelet': { ports: [{ port: 10250 }] },
      'ops/one-node': { ports: [{ port: 10250 }] },
    },
    endpoints: {
      'default/kubernetes': [{ addresses: [API_SERVER], ports: [{ port: 6443 }] }],
      'ops/kubelet': [API_SERVER, NODE].map((address) => ({
        addresses: [address],
        ports: [{ port: 10250 }],
      })),
      'ops/one-node': [{ addresses: [NODE], ports: [{ port: 10250 }] }],
    },
    nodes: [{ addresses: [API_SERVER] }, { addresses: [NODE] }],
    accounts: { 'other/client': ACCOUNTS[accounts], 'other/tool': { mislabelled: 1 } },
    configuration: {
      engineIngress: true,
      ingressControllers: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'edge' } } }],
    },
    engine: { kind: 'available', carries: CILIUM_EXTENSIONS.carries },
  };
}

const one = <T>(...values: T[]) => fc.constantFrom(...values);
const optional = <T>(each: fc.Arbitrary<T>) => fc.option(each, { nil: undefined });
const few = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: 1, maxLength: 2 });

const BOTH: readonly Peer[] = [
  { entity: 'KubeAPIServer' },
  { entity: 'Nodes' },
  { entity: 'IngressControllers' },
  { service: { namespace: 'default', name: 'kubernetes' } },
  { service: { namespace: 'ops', name: 'kubelet' } },
  { service: { namespace: 'ops', name: 'one-node' } },
  { serviceAccount: { namespace: 'other', name: 'client' } },
  { serviceAccount: { namespace: 'other', name: 'tool' } },
  { namespaces: ['other'] },
];
const NAMES: readonly Peer[] = [
  { fqdn: { names: ['api.payments.example'] } },
  { fqdn: { names: ['**.supplier.example', 'api.payments.example'] } },
];
const ports = optional(
  few(
    one<{ protocol: 'TCP' | 'UDP'; port: number; endPort?: number }>(
      { protocol: 'TCP', port: 443 },
      { protocol: 'UDP', port: 53 },
      { protocol: 'TCP', port: 6000, endPort: 11_000 },
    ),
  ),
);
const pods = optional(one({ matchLabels: { app: 'web' } }, { matchLabels: { app: 'db' } }));
const rule = { name: one('a', 'b'), podSelector: pods, ports };
const clean = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
const distinct = <T extends { name: string }>(rules: readonly T[]): T[] => [
  ...new Map(rules.map((each) => [each.name, each])).values(),
];
const allowOrDeny = one<'Allow' | 'Deny'>('Allow', 'Deny');

const profiles: fc.Arbitrary<SegmentationProfile> = fc
  .record({
    isolation: one<('Ingress' | 'Egress')[]>(['Ingress', 'Egress'], ['Egress'], ['Ingress']),
    baseline: fc.record({ dns: allowOrDeny, kubeAPIServer: allowOrDeny, ingressControllers: allowOrDeny }),
    egress: fc.array(fc.record({ ...rule, to: few(one(...BOTH, ...NAMES)) }), { maxLength: 3 }),
    ingress: fc.array(fc.record({ ...rule, from: few(one(...BOTH)) }), { maxLength: 2 }),
  })
  .map(({ isolation, baseline, egress, ingress }) =>
    profile(
      clean({
        isolation,
        baseline,
        egress: isolation.includes('Egress') ? distinct(egress) : [],
        ingress: isolation.includes('Ingress') ? distinct(ingress) : [],
      }) as Parameters<typeof profile>[0],
    ),
  );

export const intents: fc.Arbitrary<Intent> = fc.record({
  profile: fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 8, arbitrary: profiles }),
  accounts: one<Intent['accounts']>('unlabelled', 'failing'),
});

interface MeantRule {
  readonly peers: readonly Peer[];
  readonly podSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly ports?: readonly PortRange[];
}

interface PortRange {
  readonly protocol?: string;
  readonly port?: number | string;
  readonly endPort?: number;
}

/** True if the profile means the flow to pass. */
export function means({ profile: intent }: Intent, { from, to, protocol, port }: Flow): boolean {
  if (intent === undefined) return true;
  const { isolation, baseline, egress = [], ingress = [] } = intent.spec;
  const isEgress = isOfShop(from);
  if (!isolation.includes(isEgress ? 'Egress' : 'Ingress')) return true;
  const [own, other] = isEgress ? [from, to] : [to, from];
  const isDNS = port === 53 && other === 'kube-system/dns';
  if (isEgress && baseline.dns === 'Allow' && isDNS) return true;
  const rules: readonly MeantRule[] = isEgress
    ? [
        ...egress.map(({ to: peers, ...rest }) => ({ peers, ...rest })),
        ...(baseline.kubeAPIServer === 'Allow' ? [{ peers: [{ entity: 'KubeAPIServer' }] as Peer[] }] : []),
      ]
    : [
        ...ingress.map(({ from: peers, ...rest }) => ({ peers, ...rest })),
        ...(baseline.ingressControllers === 'Allow'
          ? [{ peers: [{ entity: 'IngressControllers' }] as Peer[] }]
          : []),
      ];
  return rules.some(({ peers, podSelector, ports: listed = [] }) => {
    const app = podSelector?.matchLabels?.['app'];
    if (app !== undefined && own !== `shop/${app}`) return false;
    return peers.some((peer) => {
      if (peer.fqdn !== undefined && isDNS) return true;
      const allowed = listed.length > 0 ? listed : isEgress ? impliedPorts(peer) : [];
      return isPeer(peer, other) && (allowed.length === 0 || allowed.some(includes(protocol, port)));
    });
  });
}

const includes =
  (protocol: string, port: number) =>
  ({ protocol: of = 'TCP', port: first = 0, endPort = Number(first) }: PortRange) =>
    of === protocol && Number(first) <= port && port <= endPort;

function impliedPorts({ entity, service }: Peer): PortRange[] {
  if (entity === 'KubeAPIServer') return [{ port: 443 }, { port: 6443 }];
  if (service === undefined) return [];
  return [{ port: service.namespace === 'default' ? 6443 : 10_250 }];
}

function isPeer({ entity, service, serviceAccount, fqdn, namespaces }: Peer, end: string): boolean {
  // The API server runs on a node.
  const isNode = end === 'apiserver' || end === 'node';
  if (entity === 'KubeAPIServer' || service?.name === 'kubernetes') return end === 'apiserver';
  if (entity === 'Nodes' || service?.name === 'kubelet') return isNode;
  if (entity === 'IngressControllers') return end === 'ingress' || end === 'edge/nginx';
  // Cilium tells no node from another one: this peer is reported, and allows nothing.
  if (service !== undefined) return false;
  if (serviceAccount !== undefined)
    return PODS.some(
      (each) => `${each.namespace}/${each.name}` === end && each.serviceAccount === serviceAccount.name,
    );
  if (fqdn !== undefined)
    return (
      (end === 'payments' && fqdn.names.includes('api.payments.example')) ||
      (end === 'supplier' && fqdn.names.includes('**.supplier.example'))
    );
  return namespaces?.some((name) => end.startsWith(`${name}/`)) ?? false;
}
