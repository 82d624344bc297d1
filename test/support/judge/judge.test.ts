// The judge of the fault suite and the simulation reports violations.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Pod } from '../../../src/analysis/cluster.ts';
import { compileView } from '../../../src/analysis/evaluator.ts';
import type { StringMap } from '../../../src/api/meta.ts';
import {
  DIRECTIONS,
  type NetworkPolicy,
  type NetworkPolicyPeer,
  type NetworkPolicySpec,
  type PolicyType,
} from '../../../src/api/network-policy.ts';
import { Judge } from './judge.ts';

describe('judge of the invariants', () => {
  const pod: Pod = { namespace: 'shop', name: 'web', labels: {}, ips: ['10.0.0.1'] };
  const judge = new Judge([pod]);
  const labels = new Map([['shop', {}]]);
  const policy = (name: string, spec: NetworkPolicySpec): NetworkPolicy => ({
    metadata: { name, namespace: 'shop' },
    spec: { podSelector: {}, policyTypes: ['Ingress'], ...spec },
  });
  const deny = policy('deny', {});
  const some = policy('some', { ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.7/32' } }] }] });
  const other = policy('other', { ingress: [{ from: [{ ipBlock: { cidr: '198.51.100.1/32' } }] }] });
  const all = policy('all', { ingress: [{}] });
  const CASES: readonly (readonly [
    what: string,
    now: NetworkPolicy[],
    refs: NetworkPolicy[][],
    fault?: RegExp,
  ])[] = [
    ['policies that are unchanged', [deny, some], [[deny, some], [deny]]],
    ['policies that equal the intent', [deny], [[], [deny]]],
    ['policies between the old and the new intent', [deny, some], [[], [deny]]],
    [
      'a default-deny that is created before the policy that allows flows',
      [deny],
      [[], [deny, some]],
      /I2, cut: Ingress.*203\.0\.113\.7/,
    ],
    ['a policy that is deleted before its successor is created', [deny], [[deny, some], [some]], /I2, cut/],
    [
      'a policy that allows flows of no reference',
      [deny, all],
      [
        [deny, some],
        [deny, other],
      ],
      /I1, wider.*203\.0\.113\.129/,
    ],
    ['a default-deny that is deleted', [], [[deny], [deny, some]], /I1, wider/],
  ];
  for (const [what, now, references, fault] of CASES) {
    it(`${fault ? 'reports' : 'accepts'} ${what}`, () => {
      assert.match(
        judge.fault({ namespace: 'shop', policies: now, references, labels }) ?? '',
        fault ?? /^$/,
      );
    });
  }

  it('combines policies to the same flows as the evaluator', () => {
    const labelled = (name: string, of: StringMap): Pod => ({
      ...pod,
      name,
      labels: of,
      ips: [`10.0.0.${name}`],
    });
    const pods = [labelled('1', { app: 'a' }), labelled('2', { app: 'b' }), labelled('3', {})];
    const many = new Judge(pods);
    const peer = fc.constantFrom<NetworkPolicyPeer>(
      { podSelector: { matchLabels: { app: 'a' } } },
      { namespaceSelector: {} },
      { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } },
    );
    const peers = fc.array(fc.record({ peers: fc.array(peer, { maxLength: 2 }) }), { maxLength: 2 });
    const spec = fc
      .record({
        podSelector: fc.constantFrom({}, { matchLabels: { app: 'a' } }, { matchLabels: { app: 'b' } }),
        policyTypes: fc.constantFrom<PolicyType[]>(['Ingress'], ['Egress'], ['Ingress', 'Egress'], []),
        ingress: peers,
        egress: peers,
      })
      .map(({ ingress, egress, ...rest }) => ({
        ...rest,
        ingress: ingress.map((each) => ({ from: each.peers })),
        egress: egress.map((each) => ({ to: each.peers })),
      }));
    const specs = fc
      .array(spec, { maxLength: 4 })
      .map((all) => all.map((each, index) => policy(`p${index}`, each)));
    const different = new Set<number>();
    fc.assert(
      fc.property(specs, (policies) => {
        const evaluator = compileView({ namespaces: [{ name: 'shop', labels: {} }], policies });
        const expected = pods.flatMap((own) =>
          DIRECTIONS.flatMap((direction) =>
            pods.flatMap((other) =>
              [53, 8080, 9090]
                .filter((port) =>
                  evaluator.allows(direction, own, { kind: 'pod', pod: other }, { port, protocol: 'TCP' }),
                )
                .map((port) => `${direction} of shop/${own.name}, peer shop/${other.name}, port ${port}`),
            ),
          ),
        );
        const seen = many.allowed('shop', policies, labels).filter((flow) => flow.includes('peer shop/'));
        assert.deepEqual(seen, expected);
        different.add(seen.length);
      }),
      { numRuns: 300 },
    );
    assert.ok(different.size > 5, `${different.size} numbers of flows`);
  });
});
