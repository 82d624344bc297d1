/** Generated connections, and the clusters that they are in. */
import fc from 'fast-check';
import type { Pod } from '../../../src/analysis/cluster.ts';
import type { PolicyType } from '../../../src/api/network-policy.ts';
import type { Connection, Peer, SegmentationProfile } from '../../../src/api/profile.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../../src/api/names.ts';
import { selector } from '../../analysis/arbitrary.ts';
import { port, withPods } from '../arbitrary.ts';
import { type FactsInput, profile } from '../fixture.ts';

export const PLACES = ['alpha', 'beta', 'gamma'] as const;

/** Pods of every namespace that selectors, Services and ServiceAccounts tell apart. */
const POD_LABELS: readonly Record<string, string>[] = [
  {},
  { app: 'red', [LABEL_SERVICE_ACCOUNT]: 'runner' },
  { app: 'blue', tier: '' },
];

export const PODS: readonly Pod[] = PLACES.flatMap((namespace, place) =>
  POD_LABELS.map((labels, index) => ({
    namespace,
    name: `pod-${index}`,
    labels,
    ips: [`10.0.${place}.${index + 1}`],
    ports: [{ name: 'http', containerPort: index === 0 ? 8080 : 80, protocol: 'TCP' as const }],
  })),
);

export const ADDRESS = '198.51.100.7';

export const end: fc.Arbitrary<Peer> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ podSelector: selector }) },
  { weight: 2, arbitrary: withPods(fc.record({ namespaceSelector: selector })) },
  {
    weight: 4,
    arbitrary: withPods(
      fc
        .uniqueArray(fc.constantFrom(...PLACES), { minLength: 1, maxLength: 2 })
        .map((namespaces) => ({ namespaces })),
    ),
  },
  {
    weight: 3,
    arbitrary: withPods(
      fc
        .uniqueArray(fc.constantFrom('app', 'tier'), { minLength: 1 })
        .map((list) => ({ sameNamespaceLabels: list })),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Peer>(
      { service: { namespace: 'beta', name: 'api' } },
      { service: { namespace: 'gamma', name: 'bare' } },
      { serviceAccount: { namespace: 'alpha', name: 'runner' } },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Peer>(
      { ipBlock: { cidr: '198.51.100.0/24' } },
      { entity: 'Any' },
      { entity: 'Monitoring' },
    ),
  },
);

export const connections: fc.Arbitrary<Connection[]> = fc
  .array(
    fc.record({
      from: fc.array(end, { minLength: 1, maxLength: 3 }),
      to: fc.array(end, { minLength: 1, maxLength: 3 }),
      ports: fc.option(fc.array(port, { maxLength: 2 }), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((list) =>
    list.map(({ ports, ...ends }, index) => ({ name: `c${index}`, ...ends, ...(ports && { ports }) })),
  );

export const isolation = fc.constantFrom<PolicyType[]>(
  ['Ingress', 'Egress'],
  ['Ingress', 'Egress'],
  ['Ingress'],
  ['Egress'],
);

export const connected: fc.Arbitrary<SegmentationProfile> = fc
  .record({ connections, isolation })
  .map((spec) => profile(spec));

export const CLUSTER: FactsInput = {
  services: {
    'beta/api': {
      selector: { app: 'red' },
      ports: [
        { port: 443, targetPort: 80 },
        { port: 444, targetPort: 'http' },
      ],
    },
    'gamma/bare': { ports: [{ port: 80 }] },
  },
  endpoints: { 'gamma/bare': [{ addresses: [ADDRESS], ports: [{ port: 80 }] }] },
  configuration: { monitoring: [{ namespaceSelector: { matchLabels: { app: 'blue' } } }] },
};
