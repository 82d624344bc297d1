// The judge of the fault suite and the simulation can object.
import assert from 'node:assert/strict';
import type { Pod } from '../../src/analysis/cluster.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../src/api/network-policy.ts';
import { Judge } from './judge.ts';

describe('the judge of the invariants', () => {
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
    ['what is as before', [deny, some], [[deny, some], [deny]]],
    ['what is as intended', [deny], [[], [deny]]],
    ['what lies between', [deny, some], [[], [deny]]],
    [
      'a deny that comes before what it is to allow',
      [deny],
      [[], [deny, some]],
      /I2, cut: Ingress.*203\.0\.113\.7/,
    ],
    ['a rule that goes before its successor comes', [deny], [[deny, some], [some]], /I2, cut/],
    [
      'an opening that nobody wants',
      [deny, all],
      [
        [deny, some],
        [deny, other],
      ],
      /I1, wider.*203\.0\.113\.129/,
    ],
    ['a deny that is taken away', [], [[deny], [deny, some]], /I1, wider/],
  ];
  for (const [what, now, references, fault] of CASES) {
    it(`${fault ? 'objects to' : 'accepts'} ${what}`, () => {
      assert.match(judge.fault('shop', now, references, labels) ?? '', fault ?? /^$/);
    });
  }
});
