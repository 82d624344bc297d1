import assert from 'node:assert/strict';
import { ANNOTATION_RULES } from '../../src/api/names.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import { excess } from '../../src/policy/limits.ts';

function policy(notes: number, peers: number): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'p.egress', namespace: 'shop', annotations: { [ANNOTATION_RULES]: 'x'.repeat(notes) } },
    spec: {
      podSelector: {},
      policyTypes: ['Egress'],
      egress: [
        {
          to: Array.from({ length: peers }, (_, i) => ({
            ipBlock: { cidr: `10.${i >> 8}.${i & 255}.0/24` },
          })),
        },
      ],
    },
  };
}

describe('excess', () => {
  for (const [name, notes, peers, message] of [
    ['a usual policy', 2000, 50, undefined],
    ['notes just within the limit', 262_000, 1, undefined],
    [
      'too many notes',
      262_200,
      1,
      /^policy p\.egress would have 257 KiB of notes on its rules, more than 256 KiB; use fewer/,
    ],
    ['many peers', 10, 20_000, undefined],
    [
      'too many peers',
      10,
      40_000,
      /^policy p\.egress would have \d+ KiB, more than 1024 KiB; .* divide the profile in two$/,
    ],
  ] as const) {
    it(`${message === undefined ? 'takes' : 'refuses, with a remedy,'} ${name}`, () => {
      const said = excess(policy(notes, peers));
      if (message === undefined) assert.equal(said, undefined);
      else assert.match(said ?? '', message);
    });
  }
});
