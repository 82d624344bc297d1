import assert from 'node:assert/strict';
import { alternativeName, policyName } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import { compile } from '../../../src/policy/compile.ts';
import { facts, profile, SHOP } from '../fixture.ts';

const database = { service: { namespace: 'data', name: 'db' } };
const made = profile({
  egress: [
    { name: 'r', to: [database, { entity: 'Any' }] },
    { name: 'own', podSelector: { matchLabels: { app: 'web' } }, to: [database] },
  ],
});
const there = facts({ services: { 'data/db': { selector: { app: 'db' }, ports: [{ port: 5432 }] } } });
const { policies } = compile(made, SHOP, there);
const rule = {
  peers: [
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'data' } },
      podSelector: { matchLabels: { app: 'db' } },
    },
  ],
  ports: [{ protocol: 'TCP', port: 5432 }],
};
const ask = (observed: readonly NetworkPolicy[], peer = 'service data/db') =>
  lastKnownFrom(observed).rules('segmented.egress', 'Egress', 'r', peer);
const withMetadata = (change: (metadata: NetworkPolicy['metadata']) => Partial<NetworkPolicy['metadata']>) =>
  policies.map((policy) => ({ ...policy, metadata: { ...policy.metadata, ...change(policy.metadata) } }));

describe('the last known form of a peer', () => {
  const cases: [name: string, observed: readonly NetworkPolicy[], found: boolean][] = [
    ['is read from the observed policy', policies, true],
    [
      'is found under an alternative name',
      withMetadata(({ name }) => ({ name: alternativeName('segmented', name) })),
      true,
    ],
    [
      'is found under the alternative of an alternative',
      withMetadata(({ name }) => ({
        name: alternativeName('segmented', alternativeName('segmented', name)),
      })),
      true,
    ],
    ['is found by the owner if the labels were removed', withMetadata(() => ({ labels: {} })), true],
    [
      'is found under the longer name that an earlier release wrote',
      withMetadata(({ name }) => ({ name: name + '-of-an-earlier-release' })),
      true,
    ],
    ['is not read from a foreign policy', withMetadata(() => ({ labels: {}, ownerReferences: [] })), false],
    [
      'is not read from a policy of another profile',
      withMetadata(({ labels }) => ({
        labels: { ...labels, 'segmentation.dev/profile': 'other' },
        ownerReferences: [],
      })),
      false,
    ],
    [
      'is not read from a transition policy',
      withMetadata(({ labels }) => ({
        labels: { ...labels, 'segmentation.dev/role': 'transition' },
        ownerReferences: [],
      })),
      false,
    ],
    ['is unknown without notes', withMetadata(() => ({ annotations: {} })), false],
    [
      'is unknown if the notes are no JSON',
      withMetadata(() => ({ annotations: { 'segmentation.dev/rules': '{[' } })),
      false,
    ],
    [
      'is unknown if the notes are no list',
      withMetadata(() => ({ annotations: { 'segmentation.dev/rules': '{"0":{"rule":"r"}}' } })),
      false,
    ],
    [
      'is unknown if the notes name no rule',
      withMetadata(() => ({ annotations: { 'segmentation.dev/rules': '[null, 1]' } })),
      false,
    ],
    ['is unknown without policies', [], false],
  ];
  for (const [name, observed, found] of cases) {
    it(name, () => assert.deepEqual(ask(observed), found ? [rule] : []));
  }

  it('is found by the owner under a name that an earlier release did not shorten', () => {
    const name = 'p'.repeat(63);
    const long = { ...made, metadata: { ...made.metadata, name } };
    const observed = compile(long, SHOP, there).policies.map((policy) => ({
      ...policy,
      metadata: {
        ...policy.metadata,
        name: `${name}.${policy.metadata.labels?.['segmentation.dev/role']}`,
        labels: {},
      },
    }));
    const lastKnown = lastKnownFrom(observed);
    assert.deepEqual(lastKnown.rules(policyName(name, 'egress'), 'Egress', 'r', 'service data/db'), [rule]);
  });

  it('is never everyone', () => {
    assert.deepEqual(ask(policies, 'entity Any'), []);
    const emptied = policies.map((policy) => ({
      ...policy,
      spec: { ...policy.spec, egress: policy.spec.egress?.map(() => ({ to: [] })) ?? [] },
    }));
    assert.deepEqual(ask(emptied), []);
  });

  it('belongs to one rule and direction of one profile', () => {
    const lastKnown = lastKnownFrom(policies);
    const peer = 'service data/db';
    assert.deepEqual(lastKnown.rules('segmented.egress.own', 'Egress', 'own', peer), [rule]);
    assert.deepEqual(lastKnown.rules('segmented.egress.own', 'Egress', 'r', peer), []);
    assert.deepEqual(lastKnown.rules('segmented.egress', 'Ingress', 'r', peer), []);
    assert.deepEqual(lastKnown.rules('other.egress', 'Egress', 'r', peer), []);
    assert.deepEqual(lastKnown.rules('segmented.exception.e.egress', 'Egress', 'r', peer), []);
  });

  it('follows its rule to other pods, and its connection to other ends', () => {
    const end = (app: string) => ({ namespaces: ['shop'], podSelector: { matchLabels: { app } } });
    const podSelector = { matchLabels: { app: 'a' } };
    const ofRule = (spec: object) => profile({ egress: [{ name: 'r', to: [database], ...spec }] });
    const ofEnds = (...from: readonly ReturnType<typeof end>[]) =>
      profile({ connections: [{ name: 'c', from, to: [database] }] });
    const forms = [
      [ofRule({}), ofRule({ podSelector })],
      [ofRule({ podSelector }), ofRule({})],
      [ofEnds(end('a')), ofEnds(end('a'), end('b'))],
      [ofEnds(end('a'), end('b')), ofEnds(end('a'))],
      [ofEnds(end('a'), end('b')), ofEnds(end('a'), end('c'))],
    ] as const;
    const rulesOf = (list: readonly NetworkPolicy[]) =>
      list.map(({ metadata, spec }) => [metadata.name, spec.podSelector, spec.egress]);
    for (const [before, edited] of forms) {
      const last = lastKnownFrom(compile(before, SHOP, there).policies);
      const { policies: kept, unresolved } = compile(edited, SHOP, facts(), last);
      assert.ok(unresolved.length > 0 && unresolved.every(({ hasLastKnown }) => hasLastKnown));
      assert.deepEqual(rulesOf(kept), rulesOf(compile(edited, SHOP, there).policies));
    }
  });

  it('keeps the policies as they are when the Service is deleted', () => {
    const after = compile(made, SHOP, facts(), lastKnownFrom(policies));
    assert.equal(JSON.stringify(after.policies), JSON.stringify(policies));
    assert.ok(after.unresolved.length > 0 && after.unresolved.every(({ hasLastKnown }) => hasLastKnown));
  });

  it('of sameNamespaceLabels changes nothing once a label of the namespace is removed', () => {
    const tenants = profile({ egress: [{ name: 'r', to: [{ sameNamespaceLabels: ['team'] }] }] });
    const before = compile(tenants, SHOP, facts()).policies;
    const after = compile(tenants, { ...SHOP, labels: {} }, facts(), lastKnownFrom(before));
    assert.equal(after.unresolved[0]?.hasLastKnown, true);
    assert.deepEqual(after.policies, before);
  });
});
