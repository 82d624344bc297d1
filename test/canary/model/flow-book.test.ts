import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import {
  FlowBook,
  type FlowVerdict,
  type Outcome,
  PROOF_MS,
  ROUNDS_BEFORE_CUT,
  ROUNDS_BEFORE_LEAK,
  SETTLE_MS,
} from '../../../src/canary/model/flow-book.ts';
import { type PlannedFlow, plannedFlows, targetName } from '../../../src/canary/model/matrix.ts';
import { runs } from '../../policy/fixture.ts';
import { IN_2, OUT_1, surroundings } from '../fixture.ts';

const PASSED: Outcome = { kind: 'passed', seenAs: '' };
const DROPPED: Outcome = { kind: 'blocked', how: 'timeout' };
const REFUSED: Outcome = { kind: 'blocked', how: 'refused' };
const ROUND_MS = 10_000;
/** Rounds until a difference counts. */
const SETTLED = SETTLE_MS / ROUND_MS + 1;

const flows = plannedFlows(surroundings(OUT_1, { pods: [OUT_1, IN_2] }), 0).filter(
  ({ family, protocol }) => family === 4 && protocol === 'TCP',
);
const [allowed, denied] = [8601, 8602].map((port) => flows.find((flow) => flow.port === port)!) as [
  PlannedFlow,
  PlannedFlow,
];

/** The verdicts of one flow, round by round. */
function verdicts(
  of: PlannedFlow,
  rounds: readonly (readonly [control: Outcome, outcome: Outcome])[],
  change: (flow: PlannedFlow, round: number) => PlannedFlow = (flow) => flow,
): FlowVerdict[] {
  const book = new FlowBook();
  return rounds.map(([control, outcome], round) => {
    const tried = [...new Set([allowed, of])].map((flow) => change(flow, round));
    const outcomes = new Map([
      [allowed.key, control],
      [of.key, outcome],
    ]);
    const monotonic = round * ROUND_MS;
    book.note(tried, outcomes, { now: 1e12 + monotonic, monotonic });
    return book.records.find(({ flow }) => flow.key === of.key)!.verdict;
  });
}

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

describe('canary flow book', () => {
  it('counts a denial only if an allowed flow to the same target passes in the same round', () => {
    assert.deepEqual(
      verdicts(denied, [
        [PASSED, DROPPED],
        [DROPPED, DROPPED],
        [PASSED, REFUSED],
      ]),
      ['denied', 'unproven', 'denied'],
    );
  });

  it('takes a flow for leaked after two rounds, and not before the engine had its time', () => {
    const found = verdicts(denied, times(SETTLED + 2, [PASSED, PASSED]));
    assert.deepEqual(found, [...times(SETTLED - 1, 'settling'), ...times(3, 'leaked')]);
    const later = verdicts(denied, [
      ...times(SETTLED, [PASSED, DROPPED] as const),
      [PASSED, PASSED],
      [PASSED, PASSED],
      [PASSED, DROPPED],
    ]);
    assert.deepEqual(later.slice(SETTLED), ['settling', 'leaked', 'denied']);
  });

  it('takes a flow for cut after three rounds in which its Ready target does not answer', () => {
    const rounds = [...times(SETTLED, [PASSED, PASSED] as const), ...times(3, [DROPPED, DROPPED] as const)];
    assert.deepEqual(verdicts(allowed, rounds).slice(SETTLED), ['settling', 'settling', 'cut']);
  });

  it('takes a target whose process is down for no cut', () => {
    const rounds = [...times(SETTLED, [PASSED, PASSED] as const), ...times(5, [REFUSED, REFUSED] as const)];
    assert.ok(
      verdicts(allowed, rounds)
        .slice(SETTLED)
        .every((verdict) => verdict === 'unproven'),
    );
    const notReady = (flow: PlannedFlow): PlannedFlow => ({
      ...flow,
      target: { kind: 'pod', pod: { ...IN_2, isReady: false } },
    });
    assert.ok(
      verdicts(allowed, times(9, [DROPPED, DROPPED]), notReady).every((verdict) => verdict === 'unproven'),
    );
  });

  it('gives the engine time again when the expectation changes', () => {
    const open = (flow: PlannedFlow, round: number): PlannedFlow =>
      flow.key === denied.key && round < SETTLED ? { ...flow, expectation: { verdict: 'allow' } } : flow;
    const found = verdicts(denied, times(2 * SETTLED + 1, [PASSED, PASSED]), open);
    assert.deepEqual(found, [
      ...times(SETTLED, 'passed'),
      ...times(SETTLED - 1, 'settling'),
      ...times(2, 'leaked'),
    ]);
  });

  it('takes an answer of somebody else, a proxy, or a failure of its own for no proof', () => {
    for (const outcome of [
      { kind: 'stranger' },
      { kind: 'unanswered' },
      { kind: 'failed', message: 'EMFILE' },
    ] as const) {
      assert.deepEqual(verdicts(denied, times(9, [PASSED, outcome] as const)), times(9, 'unproven'));
    }
  });

  it('keeps a denial as proof for a minute while the target does not answer, and not beside a leak', () => {
    const book = new FlowBook();
    const proven = (control: Outcome, outcome: Outcome, monotonic: number): boolean | undefined => {
      const outcomes = new Map([
        [allowed.key, control],
        [denied.key, outcome],
      ]);
      book.note([allowed, denied], outcomes, { now: 1e12 + monotonic, monotonic });
      return book.records.find(({ flow }) => flow.key === denied.key)?.isProof;
    };
    assert.equal(proven(PASSED, DROPPED, 0), true);
    assert.equal(proven(REFUSED, REFUSED, PROOF_MS), true);
    assert.equal(proven(REFUSED, REFUSED, PROOF_MS + 1), false);
    assert.equal(proven(PASSED, DROPPED, 70_000), true);
    assert.equal(proven(PASSED, PASSED, 80_000), false);
    assert.equal(proven(REFUSED, REFUSED, 90_000), false);
  });

  it('keeps the time since when a verdict holds, and forgets targets that are gone', () => {
    const book = new FlowBook();
    for (const [round, outcome] of [PASSED, PASSED, DROPPED].entries())
      book.note([allowed], new Map([[allowed.key, outcome]]), { now: 1000 + round, monotonic: round });
    assert.deepEqual(
      book.records.map(({ verdict, since }) => `${verdict} ${since}`),
      ['settling 1002'],
    );
    book.keep(new Set([IN_2.uid]));
    assert.equal(book.records.length, 1);
    book.keep(new Set());
    assert.deepEqual(book.records, []);
  });

  it('counts a leak of an earlier process of the Pod at once, with its time, and only if it still stands', () => {
    const { target, port, protocol, family } = denied;
    const difference = {
      to: targetName(target),
      port,
      protocol,
      family,
      verdict: 'leaked',
      since: 5,
    } as const;
    for (const [outcome, verdict, since] of [
      [PASSED, 'leaked', 5],
      [DROPPED, 'denied', 1000],
    ] as const) {
      const book = new FlowBook();
      book.resume([difference]);
      const outcomes = new Map([
        [allowed.key, PASSED],
        [denied.key, outcome],
      ]);
      book.note([allowed, denied], outcomes, { now: 1000, monotonic: 0 });
      const found = book.records.find(({ flow }) => flow.key === denied.key);
      assert.deepEqual([found?.verdict, found?.since], [verdict, since]);
    }
  });

  it('takes a leak of an earlier process for nothing if the flow is allowed now', () => {
    const { target, port, protocol, family } = allowed;
    const book = new FlowBook();
    book.resume([{ to: targetName(target), port, protocol, family, verdict: 'leaked', since: 5 }]);
    book.note([allowed], new Map([[allowed.key, DROPPED]]), { now: 1000, monotonic: 0 });
    assert.deepEqual(
      book.records.map(({ verdict }) => verdict),
      ['settling'],
    );
  });

  it('never blames an engine that does what it is asked, whatever else happens', () => {
    const noise = fc.constantFrom<Outcome['kind'] | 'as expected'>(
      'as expected',
      'as expected',
      'unanswered',
      'stranger',
      'failed',
    );
    const outcomeOf = (kind: Outcome['kind'] | 'as expected', flow: PlannedFlow): Outcome => {
      if (kind === 'unanswered' || kind === 'stranger') return { kind };
      if (kind === 'failed') return { kind, message: 'x' };
      return flow.expectation.verdict === 'allow' ? PASSED : DROPPED;
    };
    fc.assert(
      fc.property(
        fc.array(fc.array(noise, { minLength: flows.length, maxLength: flows.length })),
        (rounds) => {
          const book = new FlowBook();
          for (const [round, kinds] of rounds.entries()) {
            const outcomes = new Map(flows.map((flow, index) => [flow.key, outcomeOf(kinds[index]!, flow)]));
            book.note(flows, outcomes, { now: round, monotonic: round * ROUND_MS });
            const hasControl = flows.some(
              ({ key, expectation }) =>
                expectation.verdict === 'allow' && outcomes.get(key)?.kind === 'passed',
            );
            for (const { flow, verdict } of book.records) {
              assert.ok(verdict !== 'leaked' && verdict !== 'cut');
              if (verdict === 'denied') assert.ok(hasControl, flow.key);
            }
          }
        },
      ),
      { numRuns: runs(100) },
    );
  });

  it('never calls a flow leaked or cut before it differed for that many rounds in a row', () => {
    const outcome = fc.constantFrom(PASSED, DROPPED);
    fc.assert(
      fc.property(fc.array(fc.tuple(outcome, outcome), { maxLength: 30 }), (rounds) => {
        for (const [flow, wrong, verdict, least] of [
          [denied, PASSED, 'leaked', ROUNDS_BEFORE_LEAK],
          [allowed, DROPPED, 'cut', ROUNDS_BEFORE_CUT],
        ] as const) {
          const pairs = rounds.map(([a, b]) => (flow === allowed ? ([b, b] as const) : ([a, b] as const)));
          for (const [round, found] of verdicts(flow, pairs).entries()) {
            if (found !== verdict) continue;
            const last = pairs.slice(round + 1 - least, round + 1);
            assert.equal(last.length, least);
            assert.ok(last.every(([, each]) => each === wrong));
          }
        }
      }),
      { numRuns: runs(200) },
    );
  });
});
