import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Finding } from '../../../src/canary/model/findings.ts';
import type { Report } from '../../../src/canary/model/report.ts';
import { type ObservedReport, REPORT_TTL_MS, verify } from '../../../src/canary/model/verification.ts';
import { runs } from '../../policy/fixture.ts';

const counts = { passed: 9, denied: 9, leaked: 0, cut: 0, settling: 0, unproven: 0 };
const report = (change: Partial<Report>): Report => ({
  version: 1,
  round: 100,
  pod: 'segmentation-canary/in-1',
  node: 'node-1',
  side: 'inside',
  families: [4],
  counts,
  proofs: [],
  findings: [],
  foreignPolicies: [],
  ...change,
});
const egress = (node: string, families: readonly (4 | 6)[] = [4]) =>
  ({ node, direction: 'Egress', families }) as const;
const ingress = (node: string, families: readonly (4 | 6)[] = [4]) =>
  ({ node, direction: 'Ingress', families }) as const;
const finding = (change: Partial<Finding>): Finding => ({
  verdict: 'leaked',
  from: 'segmentation-canary-outside/out-1',
  fromNode: 'node-1',
  to: 'segmentation-canary/in-2',
  toNode: 'node-2',
  port: 8602,
  protocol: 'TCP',
  family: 4,
  denied: ['Ingress'],
  since: '2026-01-01T00:00:00Z',
  detail: '',
  ...change,
});

const inside1 = report({ proofs: [egress('node-1')] });
const inside2 = report({ pod: 'segmentation-canary/in-2', node: 'node-2', proofs: [egress('node-2')] });
const outside = report({
  pod: 'segmentation-canary-outside/out-1',
  side: 'outside',
  proofs: [ingress('node-1'), ingress('node-2')],
});
const sound = [inside1, inside2, outside];

/** @param ageMs undefined: the report has not changed since the reader began a second ago */
const observed = (each: Report | undefined, ageMs: number | undefined = 1000): ObservedReport => ({
  lease: 'segmentation-canary/lease',
  report: each,
  age: { kind: 'known', ms: ageMs },
});
const unseen = (each: Report, seenForMs: number): ObservedReport => ({
  lease: 'segmentation-canary/lease',
  report: each,
  age: { kind: 'unknown', seenForMs },
});

const cases: [what: string, reports: ObservedReport[], isNewReader: boolean, expected: RegExp][] = [
  [
    'both nodes are proven',
    sound.map((each) => observed(each)),
    false,
    /^True Verified .*on 2 nodes: node-1, node-2$/,
  ],
  ['there is no report', [], false, /^Unknown NoReport no probe of the canary reports/],
  ['there is no report yet', [], true, /^pending$/],
  [
    'a report is old',
    [observed(inside1, REPORT_TTL_MS + 1), observed(outside)],
    false,
    /^Unknown NoReport no word from segmentation-canary\/in-1 on node node-1/,
  ],
  [
    'a report is old for a new reader',
    [observed(inside1, REPORT_TTL_MS + 1), observed(outside)],
    true,
    /^pending$/,
  ],
  [
    'the age of a report is unknown at first',
    [unseen(inside1, 1000), observed(inside2), observed(outside)],
    true,
    /^pending$/,
  ],
  [
    'a pod is new',
    [...sound.map((each) => observed(each)), unseen(report({ node: 'node-3' }), 1000)],
    false,
    /^True Verified .*2 nodes/,
  ],
  ['a report has never changed', [unseen(inside1, REPORT_TTL_MS + 1)], false, /^Unknown NoReport/],
  [
    'a Lease carries no report',
    [...sound.map((each) => observed(each)), observed(undefined)],
    false,
    /^Unknown NoReport no word from segmentation-canary\/lease/,
  ],
  [
    'a flow leaks',
    [...sound.map((each) => observed(each)), observed(report({ findings: [finding({})] }))],
    false,
    /^False FlowLeaked ingress on node node-2 is not enforced: .*out-1 on node node-1 to segmentation-canary\/in-2 on node node-2, TCP 8602, IPv4 passes and must not$/,
  ],
  [
    'a flow leaks, and the reader is new',
    [observed(report({ findings: [finding({})] })), unseen(inside2, 1)],
    true,
    /^False FlowLeaked/,
  ],
  [
    'both directions leak',
    [observed(report({ findings: [finding({ denied: ['Ingress', 'Egress'] })] }))],
    false,
    /^False FlowLeaked ingress on node node-2 and egress on node node-1 are not enforced/,
  ],
  [
    'an old report told of a leak',
    [
      ...sound.map((each) => observed(each)),
      observed(report({ findings: [finding({})] }), REPORT_TTL_MS + 1),
    ],
    false,
    /^Unknown NoReport/,
  ],
  [
    'a flow is cut',
    [observed(report({ findings: [finding({ verdict: 'cut', denied: [], detail: 'timeout' })] }))],
    false,
    /^False FlowCut .* does not pass and must \(timeout\)$/,
  ],
  [
    'a node is not proven in one direction',
    [observed(inside1), observed(inside2), observed({ ...outside, proofs: [ingress('node-1')] })],
    false,
    /^Unknown NotProven no packet has shown ingress by IPv4 on node node-2/,
  ],
  [
    'a node is not proven in one family',
    [observed({ ...inside1, families: [4, 6] }), observed(outside)],
    false,
    /^Unknown NotProven no packet has shown ingress by IPv6 on node node-1, egress by IPv6 on node node-1/,
  ],
  [
    'a new probe is not proven yet',
    [...sound.map((each) => observed(each)), observed(report({ node: 'node-3', round: 2 }))],
    false,
    /^True Verified .*on 2 nodes: node-1, node-2$/,
  ],
  [
    'foreign policies leave nothing to be denied',
    [observed(report({ foreignPolicies: ['segmentation-canary/all'] }))],
    false,
    /^Unknown NotProven .*foreign NetworkPolicies .*\(segmentation-canary\/all\)/,
  ],
  [
    'only probes outside run',
    [observed(outside)],
    false,
    /^Unknown NotProven no probe runs in namespace segmentation-canary,/,
  ],
];

const text = (reports: readonly ObservedReport[], isNewReader: boolean): string => {
  const found = verify(reports, { isNew: isNewReader });
  return found === 'pending' ? found : `${found.status} ${found.reason} ${found.message}`;
};

describe('canary verification', () => {
  for (const [what, reports, isNewReader, expected] of cases) {
    const [, verdict = ''] = /^\/\^(\w+(?: \w+)?)/.exec(String(expected)) ?? [];
    it(`says ${verdict} where ${what}`, () => assert.match(text(reports, isNewReader), expected));
  }

  it('never says True without proof of each direction on each node, nor on old reports', () => {
    const proof = fc.record({
      node: fc.constantFrom('node-1', 'node-2'),
      direction: fc.constantFrom('Ingress' as const, 'Egress' as const),
      families: fc.subarray([4, 6] as const),
    });
    const any = fc.record({
      node: fc.constantFrom('node-1', 'node-2'),
      side: fc.constantFrom('inside' as const, 'outside' as const),
      families: fc.subarray([4, 6] as const, { minLength: 1 }),
      proofs: fc.array(proof, { maxLength: 6 }),
      ageMs: fc.constantFrom(0, REPORT_TTL_MS, REPORT_TTL_MS + 1),
      isBad: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 5 }), (all) => {
        const reports = all.map(({ ageMs, isBad, ...each }) =>
          observed(report({ ...each, findings: isBad ? [finding({})] : [] }), ageMs),
        );
        if (!text(reports, false).startsWith('True')) return;
        assert.ok(all.every(({ ageMs, isBad }) => ageMs <= REPORT_TTL_MS && !isBad));
        for (const { node, families } of all.filter(({ side }) => side === 'inside')) {
          for (const direction of ['Ingress', 'Egress']) {
            for (const family of families) {
              assert.ok(
                all.some(({ proofs }) =>
                  proofs.some(
                    (each) =>
                      each.node === node && each.direction === direction && each.families.includes(family),
                  ),
                ),
              );
            }
          }
        }
      }),
      { numRuns: runs(500) },
    );
  });

  it('does not depend on the order of the reports', () => {
    const mixed = [...sound, report({ findings: [finding({}), finding({ port: 8603 })] })].map((each) =>
      observed(each),
    );
    assert.equal(text(mixed, false), text(mixed.toReversed(), false));
  });
});
