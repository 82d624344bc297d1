/** A small shop under a profile, an old namespace with a foreign policy, and monitoring, which is open. */
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { ClusterView, Pod } from '../../../src/analysis/cluster.ts';
import { type Reach, computeReach } from '../../../src/analysis/reach/reach.ts';

/** Text that would run a script if it were written as markup. */
export const EVIL = `</script><img src=x onerror="document.title='owned'">"; --> <!--`;

const named = (name: string) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } });

function policy(
  namespace: string,
  name: string,
  spec: NetworkPolicy['spec'],
  notes?: readonly { readonly rule: string; readonly description?: string }[],
): NetworkPolicy {
  const own = { 'app.kubernetes.io/managed-by': 'segmentation-operator', 'segmentation.dev/profile': 'shop' };
  return {
    metadata: {
      namespace,
      name,
      ...(name.startsWith('shop.') && { labels: own }),
      ...(notes && { annotations: { 'segmentation.dev/rules': JSON.stringify(notes) } }),
    },
    spec,
  };
}

const SHOP = ['checkout', 'payments'].flatMap((namespace) => [
  policy(namespace, 'shop.default-deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
  policy(
    namespace,
    'shop.ingress',
    {
      podSelector: {},
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ namespaceSelector: named('monitoring') }], ports: [{ port: 9090 }] }],
    },
    [{ rule: 'baseline.monitoring' }],
  ),
]);

const pod = (namespace: string, app: string, rest: Partial<Pod> = {}): Pod => ({
  namespace,
  name: `${app}-1`,
  labels: { app },
  ips: [],
  ...rest,
});

const VIEW: ClusterView = {
  namespaces: ['checkout', 'payments', 'monitoring', 'old'].map((name) => ({ name, labels: {} })),
  pods: [
    pod('checkout', 'cart'),
    pod('checkout', 'checkout'),
    pod('payments', 'payments'),
    pod('monitoring', 'prometheus'),
    pod('monitoring', 'node-exporter', { hostNetwork: true }),
    pod('old', 'billing'),
    pod('old', 'billing', { name: 'billing-2', labels: { app: 'billing', canary: 'yes' } }),
  ],
  policies: [
    ...SHOP,
    policy(
      'payments',
      'shop.ingress.from-checkout',
      {
        podSelector: { matchLabels: { app: 'payments' } },
        policyTypes: ['Ingress'],
        ingress: [{ from: [{ namespaceSelector: named('checkout') }], ports: [{ port: 8443 }] }],
      },
      [{ rule: 'from-checkout', description: `Orders are paid. ${EVIL}` }],
    ),
    policy(
      'checkout',
      'shop.egress.to-payments',
      {
        podSelector: { matchLabels: { app: 'checkout' } },
        policyTypes: ['Egress'],
        egress: [
          { to: [{ namespaceSelector: named('payments') }], ports: [{ port: 8443 }, { port: 9090 }] },
          { to: [{ ipBlock: { cidr: '203.0.113.0/24' } }], ports: [{ port: 443 }] },
        ],
      },
      [{ rule: 'to-payments' }],
    ),
    policy('old', 'tenant', {
      podSelector: { matchLabels: { canary: 'yes' } },
      policyTypes: ['Ingress'],
      ingress: [{ ports: [{ protocol: 'UDP', port: 53 }] }],
    }),
  ],
};

export const SHOP_REACH: Reach = computeReach(VIEW, { groupOf: workloadOf });

export function workloadOf({ namespace, labels }: Pod) {
  return { namespace, kind: 'Deployment', name: labels['app'] ?? '' };
}

/** As many namespaces, each with `workloads` workloads, in teams of five that may talk to each other. */
export function largeReach(namespaces: number, workloads: number): Reach {
  const names = Array.from({ length: namespaces }, (_, index) => `team-${index}`);
  return computeReach(
    {
      namespaces: names.map((name, index) => ({ name, labels: { team: String(Math.floor(index / 5)) } })),
      pods: names.flatMap((namespace) =>
        Array.from({ length: workloads }, (_, index) => pod(namespace, `app-${index}`)),
      ),
      policies: names.flatMap((namespace, index) => [
        policy(namespace, 'deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
        policy(namespace, 'team', {
          podSelector: {},
          policyTypes: ['Ingress'],
          ingress: [
            {
              from: [{ namespaceSelector: { matchLabels: { team: String(Math.floor(index / 5)) } } }],
              ports: [{ port: 8000 + index }],
            },
          ],
        }),
        policy(namespace, 'out', { podSelector: {}, policyTypes: ['Egress'], egress: [{}] }),
      ]),
    },
    { groupOf: workloadOf },
  );
}
