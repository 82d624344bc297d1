/** Gates of rollouts that look at workloads: which of them count, and what becomes of the rollout. */
import assert from 'node:assert/strict';
import {
  isPodUnavailable,
  isUnavailable,
  judgeWorkloads,
  type PodReadiness,
  recordedOf,
  type UnavailableWorkload,
  type WorkloadInput,
} from '../../src/rollout/workload-gate.ts';
import { Scene } from './scene.ts';

describe('availability of a workload', () => {
  const CASES: readonly (readonly [
    what: string,
    desired: number,
    available: number,
    tolerated: number | string,
    is: boolean,
  ])[] = [
    ['all pods are available', 3, 3, '25%', false],
    ['one of four is not, which an update would tolerate', 4, 3, '25%', false],
    ['one of three is not, which an update would not tolerate', 3, 2, '25%', true],
    ['its only pod is not, though an update would tolerate that', 1, 0, 1, true],
    ['none of many is, though an update would tolerate that', 5, 0, '100%', true],
    ['it wants no pod', 0, 0, 1, false],
    ['it has more than it wants', 2, 3, 0, false],
  ];
  for (const [what, desired, available, maxUnavailable, expected] of CASES)
    it(`is ${expected ? 'missing' : 'given'} if ${what}`, () =>
      assert.equal(isUnavailable({ desired, available, maxUnavailable }), expected));
});

describe('readiness of a pod', () => {
  const ready = (status: string) => [{ type: 'Ready', status }];
  const CASES: readonly (readonly [what: string, status: PodReadiness['status'], is: boolean])[] = [
    ['it is ready', { phase: 'Running', conditions: ready('True') }, false],
    ['it is not ready', { phase: 'Running', conditions: ready('False') }, true],
    ['its node does not answer', { phase: 'Running', conditions: ready('Unknown') }, true],
    ['it has no condition yet', { phase: 'Pending' }, true],
    ['it ended with success', { phase: 'Succeeded', conditions: ready('False') }, false],
    ['it failed', { phase: 'Failed', conditions: ready('False') }, true],
  ];
  for (const [what, status, expected] of CASES)
    it(`is ${expected ? 'missing' : 'given'} if ${what}`, () =>
      assert.equal(isPodUnavailable({ ...(status && { status }) }), expected));
});

const NOW = Date.parse('2026-11-30T01:00:00Z');
const SINCE = '2026-11-30T00:30:00Z';
const workload = (name: string, more: Partial<UnavailableWorkload> = {}): UnavailableWorkload => ({
  namespace: 'a',
  name: `a/Deployment/${name}`,
  created: Date.parse('2026-11-01T00:00:00Z'),
  since: NOW - 10 * 60_000,
  ...more,
});
const GATE = { maxUnavailable: 0, for: '2m' };
const NONE = { failed: [], suspects: [] };
const names = (all: readonly UnavailableWorkload[]) => all.map(({ name }) => name);

describe('gate of workloads', () => {
  const judge = (unavailable: readonly UnavailableWorkload[], gate = GATE, known: readonly string[] = []) =>
    judgeWorkloads(gate, { since: SINCE, unavailable: known }, unavailable, {
      namespaces: new Set(['a']),
      now: NOW,
    });

  it('counts a workload that was available when the wave began', () =>
    assert.deepEqual(names(judge([workload('web')]).failed), ['a/Deployment/web']));
  it('does not count one that was unavailable then', () =>
    assert.deepEqual(judge([workload('web')], GATE, ['a/Deployment/web']), NONE));
  it('does not count one that was created since', () =>
    assert.deepEqual(judge([workload('web', { created: NOW - 60_000 })]), NONE));
  it('does not count one of another namespace', () =>
    assert.deepEqual(judge([workload('web', { namespace: 'b' })]), NONE));
  it('waits until a workload has been unavailable for long enough', () => {
    const suspect = workload('web', { since: NOW - 60_000 });
    assert.deepEqual(judge([suspect]), { failed: [], suspects: [suspect], wakeAt: NOW + 60_000 });
  });
  it('does not wait for a workload that it would allow', () => {
    const suspect = workload('web', { since: NOW - 60_000 });
    assert.deepEqual(judge([suspect], { ...GATE, maxUnavailable: 1 }), NONE);
    assert.equal(judge([suspect, workload('db')], { ...GATE, maxUnavailable: 1 }).suspects.length, 1);
  });
  it('fails only if more count than it allows', () => {
    const gate = { ...GATE, maxUnavailable: 1 };
    assert.deepEqual(judge([workload('web')], gate), NONE);
    assert.equal(judge([workload('web'), workload('db')], gate).failed.length, 2);
  });
  it('records the unavailable workloads of the wave alone, and refuses too many', () => {
    const [web, other] = [workload('web'), workload('db', { namespace: 'b' })];
    assert.deepEqual(recordedOf([web, other], new Set(['a'])), ['a/Deployment/web']);
    const many = Array.from({ length: 101 }, (_, index) => workload(`w${index}`));
    assert.equal(recordedOf(many, new Set(['a'])), undefined);
  });
});

const seen = (workloads: WorkloadInput) => ({ workloads, queries: new Map() });

describe('rollout with a gate of workloads', () => {
  const WAVES = [{ name: 'canary', namespaceSelector: { matchLabels: { tier: 'test' } }, soak: '30m' }];
  const scene = () => {
    const made = new Scene({ waves: WAVES, gates: { workloads: GATE } }, ['a', 'b']).label('a', {
      tier: 'test',
    });
    made.gates = seen({ kind: 'read', covers: () => true, unavailable: [] });
    return made.settle();
  };
  const see = (made: Scene, ...unavailable: readonly UnavailableWorkload[]) => {
    made.gates = seen({ kind: 'read', covers: () => true, unavailable });
    return made.settle();
  };

  it('lets no namespace in before workloads are read', () => {
    const made = new Scene({ waves: WAVES, gates: { workloads: GATE } }, ['a', 'b']).label('a', {
      tier: 'test',
    });
    made.gates = seen({ kind: 'unread' });
    made.settle();
    assert.equal(made.assignments['a'], 'nothing');
    made.gates = seen({ kind: 'read', covers: (name) => name !== 'a', unavailable: [] });
    made.settle();
    assert.equal(made.assignments['a'], 'nothing');
    see(made, workload('old'));
    assert.equal(made.state.summary, 'Soaking 0/2');
    assert.deepEqual(made.state.gates?.unavailable, ['a/Deployment/old']);
  });

  it('goes back if a workload becomes unavailable in the soak time, and says which', () => {
    const made = scene().wait(10);
    see(made, workload('web', { since: made.now }));
    assert.equal(made.state.phase, 'Soaking');
    made.wait(2).settle();
    assert.equal(made.state.phase, 'RolledBack');
    assert.deepEqual(made.state.failure, {
      wave: 'canary',
      namespace: 'a',
      reason: 'WorkloadsUnavailable',
      message: 'Deployment a/web became unavailable after the wave began',
    });
    assert.equal(made.state.gates, undefined);
    assert.equal(made.assignments['a'], 'nothing');
  });

  it('goes on if the workload is available again in time', () => {
    const made = scene().wait(10);
    see(made, workload('web', { since: made.now })).wait(1);
    see(made).wait(20).settle();
    assert.equal(made.state.summary, 'Complete');
  });

  it('does not end a wave while a workload is unavailable, though not for long', () => {
    const made = scene().wait(29);
    see(made, workload('web', { since: made.now }))
      .wait(1)
      .settle();
    assert.equal(made.state.summary, 'Soaking 0/2');
    assert.equal(made.judge().obstacle, 'Deployment a/web is unavailable, with time to recover');
    see(made);
    assert.equal(made.state.summary, 'Complete');
  });

  it('ends no wave while workloads are not known', () => {
    const made = scene();
    made.gates = seen({ kind: 'unread' });
    made.wait(60).settle();
    assert.equal(made.state.summary, 'Soaking 0/2');
    see(made);
    assert.equal(made.state.summary, 'Complete');
  });

  it('records anew what is unavailable when each wave begins', () => {
    const waves = [...WAVES, { name: 'all', percent: 100, soak: '30m' }];
    const made = new Scene({ waves, gates: { workloads: GATE } }, ['a', 'b']).label('a', { tier: 'test' });
    see(made).wait(30);
    see(made, workload('db', { namespace: 'b', name: 'b/Deployment/db' }));
    assert.equal(made.state.summary, 'Soaking 1/3');
    assert.deepEqual(made.state.gates?.unavailable, ['b/Deployment/db']);
  });
});
