import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compileView } from '../../../src/analysis/evaluator.ts';
import type { NetworkPolicy, NetworkPolicySpec, PolicyType } from '../../../src/api/network-policy.ts';
import {
  fingerprint,
  isolates,
  rulesOf,
  specKey,
  withRules,
} from '../../../src/policy/semantics/normalize.ts';
import { flow, namespaces, pods, policySpec } from '../../analysis/arbitrary.ts';
import { runs } from '../fixture.ts';

const from = (
  ...peers: NonNullable<NonNullable<NetworkPolicySpec['ingress']>[number]['from']>
): NetworkPolicySpec => ({ ingress: [{ from: peers }] });
const ports = (
  ...list: NonNullable<NonNullable<NetworkPolicySpec['ingress']>[number]['ports']>
): NetworkPolicySpec => ({ ingress: [{ ports: list }] });
const block = (cidr: string, ...except: string[]) =>
  from({ ipBlock: { cidr, ...(except.length > 0 && { except }) } });
const a = { matchLabels: { app: 'a' } };
const b = { matchLabels: { app: 'b' } };

type Pair = [name: string, one: NetworkPolicySpec, other: NetworkPolicySpec];

const same: Pair[] = [
  ['an absent podSelector and {}', {}, { podSelector: {} }],
  [
    'absent policyTypes and those of ingress rules',
    { ingress: [{}] },
    { ingress: [{}], policyTypes: ['Ingress'] },
  ],
  [
    'absent policyTypes and those of egress rules',
    { egress: [{}] },
    { egress: [{}], policyTypes: ['Ingress', 'Egress'] },
  ],
  ['empty policyTypes and absent ones', { policyTypes: [] }, {}],
  [
    'policyTypes in another order, or repeated',
    { policyTypes: ['Egress', 'Ingress', 'Egress'] },
    { policyTypes: ['Ingress', 'Egress'] },
  ],
  [
    'no ingress and an empty list of it',
    { policyTypes: ['Ingress'] },
    { policyTypes: ['Ingress'], ingress: [] },
  ],
  ['no egress and an empty list of it', { policyTypes: ['Egress'] }, { policyTypes: ['Egress'], egress: [] }],
  ['an absent `from` and an empty one: everyone', { ingress: [{ from: [] }] }, { ingress: [{}] }],
  [
    'absent ports and an empty list',
    { ingress: [{ from: [{ podSelector: a }], ports: [] }] },
    from({ podSelector: a }),
  ],
  ['an absent protocol and TCP', ports({ port: 80 }), ports({ port: 80, protocol: 'TCP' })],
  ['a range of one port and the port', ports({ port: 80, endPort: 80 }), ports({ port: 80 })],
  [
    'ports in another order, and repeated',
    ports({ port: 80 }, { port: 81 }),
    ports({ port: 81 }, { port: 80 }, { port: 80, protocol: 'TCP' }),
  ],
  [
    'peers in another order, and repeated',
    from({ podSelector: a }, { podSelector: b }),
    from({ podSelector: b }, { podSelector: a }, { podSelector: b }),
  ],
  [
    'rules in another order, and repeated',
    { ingress: [{ from: [{ podSelector: a }] }, {}] },
    { ingress: [{}, { from: [{ podSelector: a }] }, {}] },
  ],
  [
    'matchLabels and In with one value',
    from({ podSelector: a }),
    from({ podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['a'] }] } }),
  ],
  [
    'keys in another order',
    { podSelector: { matchLabels: { x: '1', y: '2' } } },
    { podSelector: { matchLabels: { y: '2', x: '1' } } },
  ],
  [
    'all pods of namespaces, said or not',
    from({ namespaceSelector: a }),
    from({ namespaceSelector: a, podSelector: {} }),
  ],
  ['spellings of an IPv6 CIDR', block('2001:DB8:0:0::/32'), block('2001:db8::/32')],
  ['bits after the prefix', block('10.0.0.1/8'), block('10.0.0.0/8')],
  [
    'exceptions in another order and spelling',
    block('10.0.0.0/8', '10.1.0.0/16', '10.2.0.0/16'),
    block('10.0.0.0/8', '10.2.0.9/16', '10.1.0.0/16'),
  ],
  ['empty and absent exceptions', from({ ipBlock: { cidr: '10.0.0.0/8', except: [] } }), block('10.0.0.0/8')],
];

const different: Pair[] = [
  ['no rule and a rule for everyone', {}, { ingress: [{}] }],
  ['everyone and all pods of the namespace', { ingress: [{}] }, from({ podSelector: {} })],
  [
    'pods of the namespace and of all namespaces',
    from({ podSelector: a }),
    from({ podSelector: a, namespaceSelector: {} }),
  ],
  ['podSelector {} and namespaceSelector {}', from({ podSelector: {} }), from({ namespaceSelector: {} })],
  [
    'two peers and one with both selectors',
    from({ podSelector: a }, { namespaceSelector: b }),
    from({ podSelector: a, namespaceSelector: b }),
  ],
  [
    'two rules and one with both peers and ports',
    { ingress: [{ from: [{ podSelector: a }] }, { ports: [{ port: 80 }] }] },
    { ingress: [{ from: [{ podSelector: a }], ports: [{ port: 80 }] }] },
  ],
  ['protocols', ports({ port: 80 }), ports({ port: 80, protocol: 'UDP' })],
  ['a port and every port of the protocol', ports({ port: 80 }), ports({ protocol: 'TCP' })],
  ['every port of TCP and every port', ports({ protocol: 'TCP' }), { ingress: [{}] }],
  ['a range and its first port', ports({ port: 80, endPort: 81 }), ports({ port: 80 })],
  ['a number and a name that looks like it', ports({ port: 80 }), ports({ port: '80' })],
  ['exceptions', block('10.0.0.0/8', '10.1.0.0/16'), block('10.0.0.0/8')],
  ['prefix lengths', block('10.0.0.0/8'), block('10.0.0.0/16')],
  [
    'directions of a rule',
    { policyTypes: ['Ingress', 'Egress'], ingress: [{}] },
    { policyTypes: ['Ingress', 'Egress'], egress: [{}] },
  ],
  ['isolated directions', { policyTypes: ['Ingress'] }, { policyTypes: ['Ingress', 'Egress'] }],
  ['podSelectors', { podSelector: a }, { podSelector: b }],
  [
    'lists whose keys are long',
    block('10.0.0.0/8', ...Array.from({ length: 30 }, (_, i) => `10.${i}.0.0/16`)),
    block('10.0.0.0/8', ...Array.from({ length: 31 }, (_, i) => `10.${i}.0.0/16`)),
  ],
];

describe('the key of a spec', () => {
  for (const [name, one, other] of same) {
    it(`is the same for ${name}`, () => assert.equal(specKey(one), specKey(other)));
  }
  for (const [name, one, other] of different) {
    it(`tells apart ${name}`, () => assert.notEqual(specKey(one), specKey(other)));
  }

  it('is equal only for specs that allow the same flows', () => {
    // A second form that is often equal: with lists reversed and defaults written out, and sometimes one part dropped.
    const mutation = fc.record({
      spec: policySpec,
      drop: fc.constantFrom('none', 'ports', 'peers', 'rule', 'types'),
    });
    let equal = 0;
    fc.assert(
      fc.property(
        mutation,
        namespaces,
        pods.chain((list) =>
          fc.tuple(fc.constant(list), fc.array(flow(list), { minLength: 1, maxLength: 15 })),
        ),
        ({ spec, drop }, inNamespaces, [, flows]) => {
          const other = mutated(stored(spec), drop);
          if (specKey(spec) !== specKey(other)) return;
          equal += 1;
          const view = (each: NetworkPolicySpec) =>
            compileView({
              namespaces: inNamespaces,
              policies: [{ metadata: { name: 'p', namespace: 'alpha' }, spec: each }],
            });
          for (const each of flows)
            assert.equal(view(spec).verdict(each).allowed, view(other).verdict(each).allowed);
        },
      ),
      { numRuns: runs(2000) },
    );
    assert.ok(equal > runs(400), `only ${equal} pairs had equal keys`);
  });

  it('is equal for a spec and the form in which the API server stores it', () => {
    fc.assert(
      fc.property(policySpec, (spec) => assert.equal(specKey(stored(spec)), specKey(spec))),
      { numRuns: runs(500) },
    );
  });
});

/** As the API server stores it: defaults filled in, empty lists of rules, peers and ports dropped, keys sorted. */
function stored(spec: NetworkPolicySpec): NetworkPolicySpec {
  let result: NetworkPolicySpec = { podSelector: spec.podSelector ?? {}, policyTypes: isolates(spec) };
  for (const direction of ['Ingress', 'Egress'] as const) {
    const rules = rulesOf(spec, direction).map(({ peers, ports: list }) => ({
      ...(peers && { peers }),
      ...(list && { ports: list.map((port) => ({ ...port, protocol: port.protocol ?? ('TCP' as const) })) }),
    }));
    if (rules.length > 0) result = withRules(result, direction, rules);
  }
  return result;
}

function mutated(spec: NetworkPolicySpec, drop: string): NetworkPolicySpec {
  let result: NetworkPolicySpec = { ...spec };
  if (drop === 'types') delete (result as { policyTypes?: PolicyType[] }).policyTypes;
  for (const direction of ['Ingress', 'Egress'] as const) {
    const rules = rulesOf(spec, direction)
      .toReversed()
      .map(({ peers, ports: list }) => ({
        ...(peers && drop !== 'peers' && { peers: peers.toReversed() }),
        ...(list && drop !== 'ports' && { ports: list.toReversed() }),
      }));
    result = withRules(result, direction, drop === 'rule' ? rules.slice(1) : rules);
  }
  return result;
}

describe('the fingerprint of a policy', () => {
  const labels = {
    'app.kubernetes.io/managed-by': 'segmentation-operator',
    'segmentation.dev/profile': 'p',
    'segmentation.dev/role': 'ingress',
  };
  const annotations = { 'segmentation.dev/rules': '[{"rule":"a"}]' };
  const owner = { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationProfile', name: 'p', uid: 'u' };
  const policy: NetworkPolicy = {
    metadata: { name: 'p.ingress', namespace: 'shop', labels, annotations, ownerReferences: [owner] },
    spec: { ingress: [{}] },
  };
  const changed = (metadata: Partial<NetworkPolicy['metadata']>): NetworkPolicy => ({
    ...policy,
    metadata: { ...policy.metadata, ...metadata },
  });

  const unmoved: [string, Partial<NetworkPolicy['metadata']>][] = [
    ['labels of others', { labels: { ...labels, team: 'x' } }],
    ['annotations of others', { annotations: { ...annotations, note: 'x' } }],
    [
      'owners of another kind',
      { ownerReferences: [owner, { apiVersion: 'v1', kind: 'ConfigMap', name: 'c', uid: 'c' }] },
    ],
    ['fields that the API server adds', { resourceVersion: '1', uid: 'x', generation: 2 }],
  ];
  for (const [name, metadata] of unmoved) {
    it(`does not depend on ${name}`, () => assert.equal(fingerprint(changed(metadata)), fingerprint(policy)));
  }

  const moved: [string, Partial<NetworkPolicy['metadata']>][] = [
    [
      'a removed label of ours',
      { labels: { ...labels, 'segmentation.dev/role': undefined as unknown as string } },
    ],
    ['a changed label of ours', { labels: { ...labels, 'segmentation.dev/profile': 'q' } }],
    ['a changed annotation of ours', { annotations: { 'segmentation.dev/rules': '[]' } }],
    ['a removed annotation of ours', { annotations: {} }],
    ['an emptied annotation of ours', { annotations: { 'segmentation.dev/rules': '' } }],
    ['a removed owner', { ownerReferences: [] }],
    ['an owner with another uid', { ownerReferences: [{ ...owner, uid: 'v' }] }],
  ];
  for (const [name, metadata] of moved) {
    it(`depends on ${name}`, () => assert.notEqual(fingerprint(changed(metadata)), fingerprint(policy)));
  }

  const noted = (...rules: readonly (readonly [app: string, source: string])[]) => ({
    ...changed({
      annotations: { 'segmentation.dev/rules': JSON.stringify(rules.map(([, rule]) => ({ rule }))) },
    }),
    spec: { ingress: rules.map(([app]) => ({ from: [{ podSelector: { matchLabels: { app } } }] })) },
  });

  it('does not depend on the order of rules, whose notes move with them', () => {
    assert.equal(
      fingerprint(noted(['web', 'a'], ['api', 'b'])),
      fingerprint(noted(['api', 'b'], ['web', 'a'])),
    );
  });

  it('depends on the rule that a note is for', () => {
    assert.notEqual(
      fingerprint(noted(['web', 'a'], ['api', 'b'])),
      fingerprint(noted(['api', 'a'], ['web', 'b'])),
    );
  });

  it('depends on notes beyond the rules', () => {
    const { spec } = noted(['web', 'a']);
    assert.notEqual(
      fingerprint({ ...noted(['web', 'a'], ['api', 'b']), spec }),
      fingerprint(noted(['web', 'a'])),
    );
  });

  it('depends on the meaning of the spec, and not on its spelling', () => {
    assert.notEqual(fingerprint({ ...policy, spec: { ingress: [] } }), fingerprint(policy));
    assert.equal(
      fingerprint({ ...policy, spec: { ingress: [{ from: [] }], policyTypes: ['Ingress'] } }),
      fingerprint(policy),
    );
  });
});
