import assert from 'node:assert/strict';
import { FlowBook, type Outcome } from '../../../src/canary/model/flow-book.ts';
import { plannedFlows, type Surroundings } from '../../../src/canary/model/matrix.ts';
import { parseReport, type Report, reportOf } from '../../../src/canary/model/report.ts';
import { IN_1, OUT_1, pod, surroundings } from '../fixture.ts';

/** The report after some rounds in which the engine enforces these directions. */
function reportAfter(at: Surroundings, enforced: readonly ('Ingress' | 'Egress')[], rounds = 6): Report {
  const book = new FlowBook();
  for (let round = 0; round < rounds; round++) {
    const flows = plannedFlows(at, round);
    const outcomes = new Map(
      flows.map(({ key, expectation }): [string, Outcome] => {
        const isBlocked =
          expectation.verdict === 'deny' && expectation.by.some((direction) => enforced.includes(direction));
        return [key, isBlocked ? { kind: 'blocked', how: 'timeout' } : { kind: 'passed', seenAs: '' }];
      }),
    );
    book.note(flows, outcomes, { now: 1e12 + round, monotonic: round * 10_000 });
  }
  return reportOf({
    round: rounds,
    request: '',
    self: at.self,
    families: [4, 6],
    records: book.records,
    foreignPolicies: [],
    soundSince: 1e12,
  });
}

describe('report of a probe', () => {
  it('proves egress of its own node, and ingress of the nodes of its targets', () => {
    assert.deepEqual(reportAfter(surroundings(IN_1), ['Ingress', 'Egress']).proofs, [
      { node: 'node-1', direction: 'Egress', families: [4, 6] },
    ]);
    assert.deepEqual(reportAfter(surroundings(OUT_1), ['Ingress', 'Egress']).proofs, [
      { node: 'node-1', direction: 'Ingress', families: [4, 6] },
      { node: 'node-2', direction: 'Ingress', families: [4, 6] },
    ]);
  });

  it('proves nothing by flows that the other end may have denied', () => {
    // Ingress alone denies the flows within the namespace, so that they are denied as expected.
    const { proofs, findings, counts } = reportAfter(surroundings(IN_1), ['Ingress']);
    assert.deepEqual(proofs, []);
    assert.ok(counts.denied > 0 && counts.leaked > 0);
    assert.ok(findings.every(({ verdict, denied }) => verdict === 'leaked' && denied.join() === 'Egress'));
  });

  it('says since when nothing has leaked, and only then', () => {
    assert.equal(reportAfter(surroundings(OUT_1), ['Ingress']).since, '2001-09-09T01:46:40Z');
    assert.equal(reportAfter(surroundings(OUT_1), []).since, undefined);
  });

  it('has findings of each kind of flow that leaks, however many flows of one kind there are', () => {
    // In the order of keys, all flows to the pods come first.
    const outside = ['00', '01'].map((uid, index) => ({
      ...pod(uid, 'outside', `node-${index}`, index + 10),
      uid,
    }));
    const addresses = [{ address: '192.0.2.1' }, { address: '2001:db8::1' }];
    const { findings } = reportAfter(surroundings(IN_1, { pods: [IN_1, ...outside], addresses }), [
      'Ingress',
    ]);
    const kinds = findings.map(({ to, toNode, family }) => `${toNode === '' ? to : 'pod'} IPv${family}`);
    const expected = ['192.0.2.1 IPv4', '2001:db8::1 IPv6', 'pod IPv4', 'pod IPv6'];
    assert.deepEqual([...new Set(kinds)].sort(), expected);
    assert.deepEqual(new Set(findings.map(({ toNode }) => toNode)), new Set(['', 'node-0', 'node-1']));
  });

  it('is read again as it was written, and is bounded on a large cluster', () => {
    const many = Array.from({ length: 200 }, (_, index) =>
      pod(`in-${index + 10}`, 'inside', `a-node-with-a-rather-long-name-${index}.example.com`, index + 10),
    );
    for (const enforced of [['Ingress'], []] as const) {
      const found = reportAfter(surroundings(OUT_1, { pods: [OUT_1, ...many] }), enforced, 12);
      const text = JSON.stringify(found);
      assert.deepEqual(parseReport(text), found);
      assert.ok(text.length < 64 * 1024, `${text.length} bytes`);
    }
  });

  it('is none if the text is not of this version or form', () => {
    const good = reportAfter(surroundings(OUT_1), []);
    for (const bad of [
      undefined,
      '',
      'null',
      '[]',
      '{}',
      JSON.stringify({ ...good, version: 2 }),
      JSON.stringify({ ...good, proofs: [null] }),
      JSON.stringify({ ...good, findings: [{}] }),
      JSON.stringify({ ...good, counts: {} }),
      JSON.stringify({ ...good, foreignPolicies: [1] }),
    ])
      assert.equal(parseReport(bad), undefined, bad);
  });
});
