/** The take-up of bindings, held against a judge that looks at the whole story of events at each point of it. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  advance,
  isChanged,
  isFollowed,
  overdue,
  type TakeUp,
  type TakeUpEvent,
  UNKNOWN,
} from '../../../src/policy/admission/take-up.ts';

type Answer = 'notYet' | 'parametersBehind';
type Event = TakeUpEvent<Answer>;

const PATIENCE_MS = { notYet: 15, parametersBehind: 5 } as const;

const state = fc.constantFrom('s1', 's2', 's3');
const answer = fc.constantFrom<Answer | 'inForce'>('notYet', 'parametersBehind', 'inForce');
const step: fc.Arbitrary<(nowMs: number) => Event> = fc.oneof(
  state.map((each) => () => ({ kind: 'stored' as const, state: each })),
  fc.constant(() => ({ kind: 'writing' as const })),
  fc.tuple(state, answer).map(([of, given]) => (nowMs: number) => ({
    kind: 'answered' as const,
    state: of,
    answer: given,
    nowMs,
  })),
  fc.constant(() => ({ kind: 'lapsed' as const })),
);
/** Events in order, each some milliseconds after the one before. */
const stories: fc.Arbitrary<Event[]> = fc.array(fc.tuple(fc.nat(8), step), { maxLength: 40 }).map((steps) => {
  let nowMs = 0;
  return steps.map(([elapsedMs, make]) => make((nowMs += elapsedMs)));
});

const after = (events: readonly Event[]): TakeUp<Answer> =>
  events.reduce<TakeUp<Answer>>((takeUp, event) => advance(takeUp, event), UNKNOWN);

/** The stored state at the end of the story, and the events since it came to be so. */
function currentOf(events: readonly Event[]): { state: string | undefined; since: readonly Event[] } {
  let begin = 0;
  let current: string | undefined;
  for (const [index, event] of events.entries()) {
    const next = event.kind === 'stored' ? event.state : event.kind === 'writing' ? undefined : current;
    if (next !== current || event.kind === 'writing') begin = index + 1;
    current = next;
  }
  return { state: current, since: events.slice(begin) };
}

describe('the take-up of bindings', () => {
  it('is in force exactly if a probe confirmed the stored state, and nothing was written or lapsed since', () => {
    fc.assert(
      fc.property(stories, (events) => {
        const { state: stored, since } = currentOf(events);
        const lapse = since.findLastIndex(({ kind }) => kind === 'lapsed');
        const isConfirmed = since
          .slice(lapse + 1)
          .some((event) => event.kind === 'answered' && event.state === stored && event.answer === 'inForce');
        const takeUp = after(events);
        assert.equal(takeUp.stage === 'inForce', isConfirmed);
        if (takeUp.stage === 'inForce') assert.equal(takeUp.state, stored);
      }),
    );
  });

  it('is followed from the first confirmed state until it lapses, whatever is written meanwhile', () => {
    fc.assert(
      fc.property(stories, (events) => {
        const confirmed = (end: number) =>
          events[end]?.kind === 'answered' &&
          after(events.slice(0, end)).stage === 'written' &&
          after(events.slice(0, end + 1)).stage === 'inForce';
        const lapse = events.findLastIndex(({ kind }) => kind === 'lapsed');
        const expected = events.some((_, index) => index > lapse && confirmed(index));
        assert.equal(isFollowed(after(events)), expected);
      }),
    );
  });

  it('is changed if the bindings are read in another state than they were stored in last', () => {
    fc.assert(
      fc.property(stories, state, (events, found) => {
        const last = events.findLast((event) => event.kind === 'stored');
        assert.equal(isChanged(after(events), found), last !== undefined && last.state !== found);
      }),
    );
  });

  it('is overdue only with an answer that the stored state got without a break for longer than its patience', () => {
    fc.assert(
      fc.property(stories, fc.nat(30), (events, laterMs) => {
        const { state: stored, since } = currentOf(events);
        const answers = since.filter(
          (event) => event.kind === 'answered' && event.state === stored,
        ) as Extract<Event, { kind: 'answered' }>[];
        const last = answers.at(-1);
        const nowMs = laterMs + Math.max(0, ...events.map((each) => ('nowMs' in each ? each.nowMs : 0)));
        const found = overdue(after(events), PATIENCE_MS, nowMs);
        if (found === undefined) return;
        assert.equal(last?.answer, found);
        const other = answers.findLastIndex((each) => each.answer !== found);
        const first = answers[other + 1];
        assert.ok(first && nowMs - first.nowMs > PATIENCE_MS[found]);
      }),
    );
  });

  it('is overdue once its answer was given for longer than its patience, and no longer when the state changes', () => {
    const told = (given: Answer, nowMs: number): Event => ({
      kind: 'answered',
      state: 's1',
      answer: given,
      nowMs,
    });
    const behind: Event[] = [
      { kind: 'stored', state: 's1' },
      told('notYet', 0),
      told('parametersBehind', 10),
      told('parametersBehind', 14),
    ];
    assert.equal(overdue(after(behind), PATIENCE_MS, 15), undefined);
    assert.equal(overdue(after(behind), PATIENCE_MS, 16), 'parametersBehind');
    assert.equal(overdue(after([...behind, { kind: 'lapsed' }]), PATIENCE_MS, 16), 'parametersBehind');
    const rewritten: Event[] = [...behind, { kind: 'stored', state: 's2' }];
    assert.equal(overdue(after(rewritten), PATIENCE_MS, 100), undefined);
  });

  it('is not in force again when a state returns, before a probe has confirmed it once more', () => {
    const events: Event[] = [
      { kind: 'stored', state: 's1' },
      { kind: 'answered', state: 's1', answer: 'inForce', nowMs: 0 },
      { kind: 'stored', state: 's2' },
      { kind: 'stored', state: 's1' },
    ];
    assert.deepEqual(after(events), { stage: 'written', state: 's1', isFollowed: true });
  });
});
