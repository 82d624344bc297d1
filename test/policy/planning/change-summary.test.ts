import assert from 'node:assert/strict';
import type { NetworkPolicy, NetworkPolicySpec } from '../../../src/api/network-policy.ts';
import { summarizeChange, type ChangeSummary } from '../../../src/policy/planning/change-summary.ts';

const LABELS = {
  'app.kubernetes.io/managed-by': 'segmentation-operator',
  'segmentation.dev/profile': 'strict',
  'segmentation.dev/role': 'ingress',
};
const OWNER = {
  apiVersion: 'segmentation.dev/v1alpha1',
  kind: 'SegmentationProfile',
  name: 'strict',
  uid: 'u1',
};

function policy(spec: NetworkPolicySpec, metadata: object = {}): NetworkPolicy {
  return {
    metadata: {
      name: 'strict.ingress',
      namespace: 'shop',
      labels: LABELS,
      ownerReferences: [OWNER],
      ...metadata,
    },
    spec: { podSelector: {}, policyTypes: ['Ingress'], ...spec },
  };
}

const fromShop = { namespaceSelector: { matchLabels: { name: 'shop' } } };
const open = policy({ ingress: [{ from: [fromShop], ports: [{ port: 8443 }] }, {}] });
const closed = policy({ ingress: [{ from: [fromShop], ports: [{ protocol: 'TCP', port: 8443 }] }] });

const CASES: readonly (readonly [
  what: string,
  before: NetworkPolicy | undefined,
  after: NetworkPolicy | undefined,
  change: ChangeSummary,
])[] = [
  [
    'a new policy: whom it selects, what it isolates and allows',
    undefined,
    policy({
      podSelector: {
        matchLabels: { app: 'web' },
        matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['b', 'a'] }],
      },
      ingress: [
        {
          from: [
            { ...fromShop, podSelector: { matchExpressions: [{ key: 'x', operator: 'Exists' }] } },
            { ipBlock: { cidr: '10.0.0.0/8', except: ['10.2.0.0/16', '10.1.0.0/16'] } },
            { podSelector: {} },
          ],
          ports: [
            { protocol: 'UDP', port: 53 },
            { port: 8000, endPort: 8080 },
            { protocol: 'SCTP' },
            { port: 'http' },
          ],
        },
      ],
    }),
    {
      after: { pods: 'app=web,tier notin (a,b)', isolates: 'Ingress' },
      added: [
        'Ingress from namespaces(name=shop) pods(x) on TCP 8000-8080, TCP http, UDP 53, any SCTP',
        'Ingress from 10.0.0.0/8 except 10.1.0.0/16, 10.2.0.0/16 on TCP 8000-8080, TCP http, UDP 53, any SCTP',
        'Ingress from pods(all) on TCP 8000-8080, TCP http, UDP 53, any SCTP',
      ],
    },
  ],
  [
    'a deny that is deleted',
    policy({ policyTypes: ['Ingress', 'Egress'] }),
    undefined,
    { before: { pods: 'all', isolates: 'Ingress, Egress' } },
  ],
  ['a rule that is taken out', open, closed, { removed: ['Ingress from anyone on any port'] }],
  [
    'another port',
    closed,
    policy({ ingress: [{ from: [fromShop], ports: [{ port: 9443 }] }] }),
    {
      added: ['Ingress from namespaces(name=shop) on TCP 9443'],
      removed: ['Ingress from namespaces(name=shop) on TCP 8443'],
    },
  ],
  [
    'another pod selector and direction',
    policy({ podSelector: { matchLabels: { app: 'none' } }, policyTypes: ['Ingress', 'Egress'] }),
    policy({}),
    {
      before: { pods: 'app=none', isolates: 'Ingress, Egress' },
      after: { pods: 'all', isolates: 'Ingress' },
    },
  ],
  [
    'stripped labels, owner and annotation',
    policy({}, { labels: { team: 'a', 'segmentation.dev/role': 'ingress' }, ownerReferences: undefined }),
    policy({}, { annotations: { 'segmentation.dev/rules': '[]' } }),
    {
      before: {
        owner: null,
        rules: null,
        labels: { 'app.kubernetes.io/managed-by': null, 'segmentation.dev/profile': null },
      },
      after: {
        owner: 'u1',
        rules: '[]',
        labels: {
          'app.kubernetes.io/managed-by': 'segmentation-operator',
          'segmentation.dev/profile': 'strict',
        },
      },
    },
  ],
  [
    'nothing where only the spelling differs',
    closed,
    policy({ ingress: [{ ports: [{ port: 8443 }], from: [fromShop] }], egress: [] }),
    {},
  ],
];

describe('the summary of a change', () => {
  for (const [what, before, after, change] of CASES) {
    it(`tells ${what}`, () => assert.deepEqual(summarizeChange(before, after), change));
  }

  it('is bounded, however large the policies are', () => {
    const from = (count: number, third: number) =>
      Array.from({ length: count }, (_, index) => ({
        ipBlock: { cidr: `10.${third}.${index >> 8}.${index & 255}/32` },
      }));
    const values = Array.from({ length: 500 }, (_, index) => `value-${index}`);
    const podSelector = { matchExpressions: [{ key: 'app', operator: 'In' as const, values }] };
    const before = policy({ podSelector, ingress: [{ from: from(5000, 1) }] });
    const after = policy(
      { ingress: [{ from: from(4000, 2) }] },
      { annotations: { 'segmentation.dev/rules': 'x'.repeat(9000) } },
    );
    for (const change of [
      summarizeChange(before, after),
      summarizeChange(undefined, after),
      summarizeChange(before, undefined),
    ]) {
      assert.ok(JSON.stringify(change).length < 10_000, String(JSON.stringify(change).length));
    }
    const { added, removed } = summarizeChange(before, after);
    assert.deepEqual([added?.length, added?.at(-1)], [21, 'and 3980 more']);
    assert.deepEqual([removed?.length, removed?.at(-1)], [21, 'and 4980 more']);
    assert.equal(summarizeChange(undefined, after).added?.at(-1), 'and 3980 more');
  });
});
