/** Gates of rollouts that ask Prometheus: which answers are values, which values count, and what becomes of the rollout. */
import assert from 'node:assert/strict';
import {
  answerAfter,
  isNews,
  judgeQueries,
  type QueryAnswer,
  type QueryGate,
} from '../../src/rollout/query-gate.ts';
import { errorIn, none, type QueryResult, resultOf } from '../../src/rollout/query-result.ts';
import { Scene } from './scene.ts';

const vector = (...values: readonly string[]) =>
  JSON.stringify({
    status: 'success',
    data: { resultType: 'vector', result: values.map((each) => ({ metric: {}, value: [1, each] })) },
  });

describe('answer of Prometheus to a query', () => {
  const VALUES: readonly (readonly [what: string, body: string, value: number])[] = [
    ['one sample', vector('0.25'), 0.25],
    ['an infinite sample', vector('+Inf'), Infinity],
    ['a negative infinite sample', vector('-Inf'), -Infinity],
    ['a number in scientific notation', vector('1.5e-07'), 1.5e-7],
    ['a scalar', '{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}', 7],
  ];
  for (const [what, body, value] of VALUES)
    it(`is a value if it is ${what}`, () => assert.deepEqual(resultOf(body), { kind: 'value', value }));

  const NONE: readonly (readonly [what: string, body: string, reason: RegExp])[] = [
    ['it has no sample', vector(), /^no sample; .* `or vector\(0\)`/],
    ['it has several samples', vector('1', '2'), /^2 samples: aggregate them/],
    ['it is NaN', vector('NaN'), /NaN, such as of 0\/0/],
    ['it is a range', '{"status":"success","data":{"resultType":"matrix","result":[]}}', /gives a matrix/],
    [
      'it is a text',
      '{"status":"success","data":{"resultType":"string","result":[1,"a"]}}',
      /gives a string/,
    ],
    [
      'it is an error',
      '{"status":"error","errorType":"execution","error":"query timed out"}',
      /^query timed out$/,
    ],
    ['it is HTML', '<html>', /did not answer as Prometheus does/],
    ['it is another JSON', '{"data":{}}', /did not answer as Prometheus does/],
    ['its value is no number', vector('abc'), /did not answer as Prometheus does/],
  ];
  for (const [what, body, reason] of NONE)
    it(`has no value if ${what}`, () => {
      const result = resultOf(body);
      assert.ok(result.kind === 'none');
      assert.match(result.reason, reason);
    });

  it('has in the reason what the server wrote with an error status, shortened', () => {
    assert.deepEqual(
      errorIn(400, '{"status":"error","errorType":"bad_data","error":"parse error"}'),
      none('the server answered 400: parse error'),
    );
    assert.deepEqual(errorIn(502, 'Bad Gateway\n'), none('the server answered 502: Bad Gateway'));
    assert.deepEqual(errorIn(503, ''), none('the server answered 503: without a text'));
    const long = errorIn(500, 'x'.repeat(1000));
    assert.ok(long.kind === 'none' && long.reason.length < 250);
  });
});

const NOW = Date.parse('2026-11-30T01:00:00Z');
const MINUTE = 60_000;
const gate = (more: Partial<QueryGate> = {}): QueryGate => ({
  name: 'errors',
  query: 'errors',
  max: 0.5,
  for: '2m',
  ...more,
});
const value = (number: number): QueryResult => ({ kind: 'value', value: number });

describe('gate of a query', () => {
  const judge = (answer: QueryAnswer | undefined, more: object = {}, of = gate()) =>
    judgeQueries([of], new Map(answer === undefined ? [] : [['errors', answer]]), {
      recorded: [{ name: 'errors', value: '0.1' }],
      deadlineMs: 10 * MINUTE,
      now: NOW,
      ...more,
    });
  const since = (result: QueryResult, minutes: number) =>
    answerAfter(gate(), undefined, result, NOW - minutes * MINUTE);

  it('is open, with the value, if the value is within its bound', () => {
    assert.deepEqual(judge(since(value(0.5), 60)), {
      kind: 'open',
      values: [{ name: 'errors', value: '0.5' }],
    });
    const min = gate({ name: 'errors', min: -1 });
    delete (min as { max?: number }).max;
    assert.equal(judge(answerAfter(min, undefined, value(-1), NOW), {}, min).kind, 'open');
  });
  it('is closed until the first answer', () => assert.equal(judge(undefined).kind, 'closed'));
  it('fails if the value has been beyond its bound for long enough, and says what it was before the wave', () =>
    assert.deepEqual(judge(since(value(0.75), 2)), {
      kind: 'failed',
      reason: 'QueryOutOfBounds',
      message:
        'query errors is 0.75, more than max 0.5, after the wave began; it was 0.1 when the wave began',
    }));
  it('is closed, until then, if the value is beyond its bound', () =>
    assert.deepEqual(judge(since(value(0.75), 1)), {
      kind: 'closed',
      reason: 'query errors is 0.75, more than max 0.5',
      wakeAt: NOW + MINUTE,
    }));
  it('does not fail before the wave by a value that is beyond its bound, until the deadline', () => {
    const before = { recorded: undefined };
    assert.equal(judge(since(value(0.75), 9), before).kind, 'closed');
    const verdict = judge(since(value(0.75), 10), before);
    assert.ok(verdict.kind === 'failed');
    assert.match(
      verdict.message,
      /was 0\.75, more than max 0\.5, before the wave began and up to the deadline/,
    );
  });
  it('is closed without a value, and fails at the deadline', () => {
    assert.deepEqual(judge(since(none('no sample'), 9)), {
      kind: 'closed',
      reason: 'query errors has no value: no sample',
      wakeAt: NOW + MINUTE,
    });
    const verdict = judge(since(none('no sample'), 10));
    assert.ok(verdict.kind === 'failed' && verdict.reason === 'QueryUnanswered');
  });
  it('keeps to a time that is longer than the deadline', () =>
    assert.equal(judge(since(value(0.75), 11), {}, gate({ for: '20m' })).kind, 'closed'));

  it('counts the time beyond the bound anew after an answer within it, or without a value', () => {
    const beyond = answerAfter(gate(), undefined, value(1), 1);
    assert.equal(answerAfter(gate(), beyond, value(2), 2).beyondSince, 1);
    assert.deepEqual(answerAfter(gate(), beyond, value(0), 2), { result: value(0), at: 2 });
    const unanswered = answerAfter(gate(), beyond, none('x'), 2);
    assert.deepEqual(unanswered, { result: none('x'), at: 2, notWithinSince: 1 });
    assert.deepEqual(answerAfter(gate(), unanswered, value(1), 3), {
      result: value(1),
      at: 3,
      beyondSince: 3,
      notWithinSince: 1,
    });
  });
  it('is news only if the side of the bound changes, or the reason for no value', () => {
    const [low, lower] = [0.2, 0.1].map((each) => answerAfter(gate(), undefined, value(each), 1));
    const high = answerAfter(gate(), low, value(1), 2);
    assert.equal(isNews(undefined, low!), true);
    assert.equal(isNews(low, lower!), false);
    assert.equal(isNews(low, high), true);
    assert.equal(isNews(high, answerAfter(gate(), high, value(2), 3)), false);
    const refused = answerAfter(gate(), low, none('refused'), 2);
    assert.equal(isNews(refused, answerAfter(gate(), refused, none('reset'), 3)), true);
  });
});

describe('rollout with a gate of a query', () => {
  const WAVES = [{ name: 'canary', namespaceSelector: { matchLabels: { tier: 'test' } }, soak: '30m' }];
  const scene = () =>
    new Scene({ waves: WAVES, gates: { prometheus: [gate()] } }, ['a', 'b']).label('a', { tier: 'test' });
  const see = (made: Scene, result: QueryResult) => {
    const before = made.gates.queries.get('errors');
    const answer = answerAfter(gate(), before, result, made.now);
    made.gates = { workloads: { kind: 'off' }, queries: new Map([['errors', answer]]) };
    return made.settle();
  };

  it('lets no namespace in before the query has a value within its bound, and records it', () => {
    const made = scene().settle();
    assert.equal(made.assignments['a'], 'nothing');
    see(made, none('no answer'));
    assert.equal(made.judge().obstacle, 'query errors has no value: no answer');
    see(made, value(2));
    assert.equal(made.assignments['a'], 'nothing');
    see(made, value(0.25));
    assert.equal(made.state.summary, 'Soaking 0/2');
    assert.deepEqual(made.state.gates?.queries, [{ name: 'errors', value: '0.25' }]);
  });

  it('goes back if the value stays beyond its bound', () => {
    const made = see(scene(), value(0.25)).wait(10);
    see(made, value(0.75));
    assert.equal(made.state.phase, 'Soaking');
    made.wait(2).settle();
    assert.equal(made.state.phase, 'RolledBack');
    assert.deepEqual(made.state.failure, {
      wave: 'canary',
      reason: 'QueryOutOfBounds',
      message:
        'query errors is 0.75, more than max 0.5, after the wave began; it was 0.25 when the wave began',
    });
    assert.equal(made.assignments['a'], 'nothing');
  });

  it('neither passes nor goes back while Prometheus is away, but fails after the deadline', () => {
    const made = see(scene(), value(0.25)).wait(25);
    see(made, none('connection refused'));
    made.wait(9).settle();
    assert.equal(made.state.summary, 'Soaking 0/2');
    see(made, value(0.25));
    assert.equal(made.state.summary, 'Soaking 1/2');
    see(made.wait(1), value(0.25));
    assert.equal(made.state.summary, 'Complete');

    const other = see(scene(), value(0.25)).wait(25);
    see(other, none('connection refused')).wait(10).settle();
    assert.equal(other.state.phase, 'RolledBack');
    assert.equal(other.state.failure?.reason, 'QueryUnanswered');
  });

  it('does not end a wave while the value is beyond its bound, though not for long', () => {
    const made = see(scene(), value(0.25)).wait(29);
    see(made, value(0.75)).wait(1).settle();
    assert.equal(made.state.summary, 'Soaking 0/2');
    see(made, value(0.25));
    assert.equal(made.state.summary, 'Soaking 1/2');
    see(made.wait(1), value(0.25));
    assert.equal(made.state.summary, 'Complete');
  });

  it('does not end a wave without soak time before an answer from after its namespaces got the revision', () => {
    const [canary] = WAVES;
    const made = scene().editRollout({ waves: [{ ...canary!, soak: '0m' }], paused: true });
    see(made, value(0.25)).wait(1).editRollout({ paused: false }).settle();
    assert.equal(made.state.summary, 'Soaking 0/2');
    assert.equal(made.assignments['a'], 1);
    assert.equal(made.judge().obstacle, 'query errors is being asked');
    // The beginning of a phase is known to the second.
    see(made, value(0.25));
    assert.equal(made.state.summary, 'Soaking 0/2');
    see(made.wait(1), value(0.25));
    assert.equal(made.state.summary, 'Soaking 1/2');
  });

  it('fails before the first wave if the value is not within its bound up to the deadline', () => {
    const made = see(scene(), value(0.75)).wait(10).settle();
    assert.equal(made.state.phase, 'RolledBack');
    assert.equal(made.assignments['a'], 'nothing');
  });
});
