/** Generated profiles, and clusters that their peers resolve in or not. */
import fc from 'fast-check';
import type { NetworkPolicyPort, PolicyType } from '../../src/api/network-policy.ts';
import type {
  Baseline,
  EgressRule,
  Entity,
  IngressRule,
  Peer,
  SegmentationProfile,
} from '../../src/api/profile.ts';
import { selector } from '../analysis/arbitrary.ts';
import { type FactsInput, profile } from './fixture.ts';

/** The namespace that profiles are compiled for. */
export const NAMESPACE = 'alpha';
const ENTITIES: Entity[] = [
  'KubeAPIServer',
  'ClusterDNS',
  'Nodes',
  'IngressControllers',
  'Monitoring',
  'World',
  'Any',
];
const BASELINE: (keyof Baseline)[] = [
  'dns',
  'admissionWebhooks',
  'sameNamespace',
  'kubeAPIServer',
  'ingressControllers',
  'monitoring',
];
const NAMES = ['alpha', 'beta', 'gamma'];

/** The peer, for all pods or for those of a podSelector beside it. */
export const withPods = <T extends object>(peer: fc.Arbitrary<T>) =>
  fc
    .tuple(peer, fc.option(selector, { nil: undefined }))
    .map(([each, podSelector]) => ({ ...each, ...(podSelector && { podSelector }) }));

export const peer: fc.Arbitrary<Peer> = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: selector }),
  fc.record({ namespaceSelector: selector, podSelector: selector }),
  withPods(fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1 }).map((list) => ({ namespaces: list }))),
  withPods(
    fc
      .uniqueArray(fc.constantFrom('app', 'tier'), { minLength: 1 })
      .map((list) => ({ sameNamespaceLabels: list })),
  ),
  fc.constantFrom<Peer>(
    { ipBlock: { cidr: '10.0.0.0/16' } },
    { ipBlock: { cidr: '10.0.0.0/16', except: ['10.0.1.0/24', '10.0.0.2/32'] } },
    { ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } },
    { ipBlock: { cidr: '::/0', except: ['fd00:0:0:1::/64'] } },
    { ipBlock: { cidr: '198.51.100.0/24' } },
  ),
  fc
    .constantFrom('selecting', 'static', 'alias', 'missing')
    .map((name) => ({ service: { namespace: 'beta', name } })),
  fc
    .constantFrom('well', 'partly', 'forged', 'unsupported')
    .map((name) => ({ serviceAccount: { namespace: 'beta', name } })),
  fc.constantFrom(...ENTITIES).map((entity) => ({ entity })),
);
export const port = fc.constantFrom(
  { protocol: 'TCP' as const, port: 80 },
  { protocol: 'UDP' as const, port: 53 },
  { protocol: 'TCP' as const, port: 'http' },
  { protocol: 'TCP' as const, port: 80, endPort: 90 },
  { protocol: 'SCTP' as const },
);
const rule = fc.record({
  podSelector: fc.option(selector, { nil: undefined }),
  peers: fc.array(peer, { minLength: 1, maxLength: 4 }),
  ports: fc.option(fc.array(port, { maxLength: 2 }), { nil: undefined }),
});

export const profiles: fc.Arbitrary<SegmentationProfile> = fc
  .record({
    isolation: fc.constantFrom<PolicyType[]>(['Ingress'], ['Egress'], ['Ingress', 'Egress']),
    allowed: fc.subarray(BASELINE),
    ingress: fc.array(rule, { maxLength: 4 }),
    egress: fc.array(rule, { maxLength: 4 }),
  })
  .map(({ isolation, allowed, ingress, egress }) => {
    const parts = (
      { podSelector, ports }: { podSelector?: Peer['podSelector']; ports?: NetworkPolicyPort[] },
      i: number,
    ) =>
      ({ name: `r${i}`, ...(podSelector && { podSelector }), ...(ports && { ports }) }) as IngressRule &
        EgressRule;
    return profile({
      isolation,
      baseline: Object.fromEntries(allowed.map((key) => [key, 'Allow'])),
      ...(isolation.includes('Ingress') && {
        ingress: ingress.map((each, i) => ({ ...parts(each, i), from: each.peers })),
      }),
      ...(isolation.includes('Egress') && {
        egress: egress.map((each, i) => ({ ...parts(each, i), to: each.peers })),
      }),
    });
  });

/** Cluster facts; objects that are left out make the peers that need them unresolvable. */
export const clusterFacts: fc.Arbitrary<FactsInput> = fc
  .record({
    selecting: fc.record({
      selector: fc.constantFrom<Record<string, string>[]>({ app: 'red' }, { app: 'blue', tier: '' }),
      ports: fc.constantFrom(
        [],
        [
          { port: 443, targetPort: 80 },
          { port: 444, targetPort: 'http' },
        ],
      ),
    }),
    static: fc.constantFrom(
      [],
      [{ addresses: ['198.51.100.7', '2001:db8::7'], ports: [{ port: 80 }] }],
      [{ addresses: ['198.51.100.7'], ports: [{}] }],
    ),
    server: fc.constantFrom(
      [],
      [
        { addresses: ['203.0.113.1'], ports: [{ port: 8080 }] },
        { addresses: ['2001:db9::1'], ports: [{ port: 80 }] },
      ],
    ),
    dns: fc.boolean(),
    nodes: fc.constantFrom(
      [],
      [{ addresses: ['198.51.100.200', '2001:db8:1::1'], podCIDRs: ['10.0.0.0/16', 'fd00::/48'] }],
      [{ podCIDRs: ['10.0.0.0/16'] }],
    ),
    serviceCIDRs: fc.constantFrom([], ['10.96.0.0/16'], ['fd02::/112']),
    configured: fc.boolean(),
  })
  .map(({ selecting, static: fixed, server, dns, nodes, serviceCIDRs, configured }) => ({
    services: {
      'beta/selecting': selecting,
      'beta/static': { ports: [{ port: 80 }] },
      'beta/alias': { type: 'ExternalName' },
      'default/kubernetes': { ports: [{ port: 443 }], clusterIPs: ['10.96.0.1'] },
      'alpha/hook': { selector: { tier: 'red' }, ports: [{ port: 443, targetPort: 8080 }] },
      ...(dns && {
        'gamma/kube-dns': {
          selector: { app: 'red' },
          ports: [{ port: 53, protocol: 'UDP' as const, targetPort: 'dns' }],
        },
      }),
    },
    accounts: {
      'beta/partly': { unlabelled: 2 },
      'beta/forged': { mislabelled: 1 },
      'beta/unsupported': { failure: { reason: 'Unsupported', message: 'too old' } },
    },
    endpoints: { 'beta/static': fixed, 'default/kubernetes': server },
    nodes,
    serviceCIDRs,
    webhooks: [{ namespace: 'alpha', name: 'hook', port: 443 }],
    configuration: {
      clusterDNS: {
        namespace: 'gamma',
        service: dns ? 'kube-dns' : 'other',
        podSelector: { matchLabels: { app: 'blue' } },
        nodeLocalAddresses: ['198.51.100.7'],
      },
      ...(configured && {
        ingressControllers: [{ namespaceSelector: { matchLabels: { tier: 'red' } } }],
        monitoring: [{ podSelector: { matchLabels: { app: 'red' } } }],
      }),
    },
  }));
