/** Properties of rollouts over generated histories: edits, waiting, failures, people, namespaces that come, go and change. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ANNOTATION_PROMOTE, ANNOTATION_RETRY } from '../../src/api/names.ts';
import { isStopped } from '../../src/rollout/advance.ts';
import { answerAfter, type QueryGate } from '../../src/rollout/query-gate.ts';
import { none, type QueryResult } from '../../src/rollout/query-result.ts';
import { runs } from '../policy/fixture.ts';
import { Scene } from './scene.ts';

const soak = fc.constantFrom('0s', '10m', '30m');
const wave = fc.oneof(
  fc.record({ percent: fc.integer({ min: 1, max: 100 }), soak }),
  fc.record({
    namespaceSelector: fc.constantFrom(
      { matchLabels: { tier: 'test' } },
      { matchLabels: { tier: 'live' } },
      {},
    ),
    soak,
  }),
);
const waves = fc
  .array(wave, { minLength: 1, maxLength: 4 })
  .map((all) => all.map((each, index) => ({ name: `w${index}`, ...each })));
const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const labels = fc.constantFrom<Readonly<Record<string, string>>>({}, { tier: 'test' }, { tier: 'live' });

type Act = (scene: Scene) => void;
/** Acts that leave the waves and intents alone: then no namespace may go back to an older revision. */
const quietAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Act>((scene) => scene.judge()) },
  {
    weight: 3,
    arbitrary: fc.array(name).map(
      (names): Act =>
        (scene) =>
          scene.reconcile(known(scene, names)),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.integer({ min: 1, max: 40 }).map(
      (minutes): Act =>
        (scene) =>
          scene.wait(minutes),
    ),
  },
  fc.boolean().map(
    (paused): Act =>
      (scene) =>
        scene.editRollout({ paused }),
  ),
  fc.constant<Act>((scene) =>
    scene.annotate(ANNOTATION_PROMOTE, `${scene.state.revision}/${scene.state.wave}`),
  ),
);
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: quietAct },
  fc.integer({ min: 0, max: 3 }).map(
    (edit): Act =>
      (scene) =>
        scene.edit({ excludeNamespaces: [`e${edit}`] }),
  ),
  fc.constantFrom<'Rollback' | 'Pause'>('Rollback', 'Pause').map(
    (onFailure): Act =>
      (scene) =>
        scene.editRollout({ onFailure }),
  ),
  waves.map(
    (next): Act =>
      (scene) =>
        scene.editRollout({ waves: next }),
  ),
  fc.tuple(name, labels).map(
    ([each, next]): Act =>
      (scene) =>
        scene.label(each, next),
  ),
  name.map(
    (each): Act =>
      (scene) => {
        scene.namespaces.delete(each);
        scene.has.delete(each);
      },
  ),
  name.map(
    (each): Act =>
      (scene) =>
        scene.broken.add(`${each}:${scene.state.revision}`),
  ),
  fc.constant<Act>((scene) => scene.annotate(ANNOTATION_RETRY, String(scene.state.revision))),
);

function known(scene: Scene, names: readonly string[]): string[] {
  return names.filter((each) => scene.namespaces.has(each));
}

const history = fc.record({
  waves,
  maxParallel: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  acts: fc.array(act, { maxLength: 60 }),
});

type History = typeof history extends fc.Arbitrary<infer Value> ? Value : never;

function sceneOf({ waves: first, maxParallel }: History): Scene {
  const names = ['a', 'b', 'c', 'd', 'e'];
  return new Scene({ waves: first, ...(maxParallel !== undefined && { maxParallel }) }, names);
}

describe('rollouts over generated histories', () => {
  it('bring a namespace at each step to the latest revision or back to what it had, never to a third', () => {
    const check = (generated: History) => {
      const scene = sceneOf(generated);
      /** The content of each namespace without the latest revision. */
      let below: Record<string, number | string> = {};
      for (const each of generated.acts) {
        const [before, old] = [scene.assignments, scene.state];
        each(scene);
        const [after, state] = [scene.assignments, scene.state];
        if (state.revision !== old.revision) below = before;
        // Other labels are another place among the waves.
        if (JSON.stringify(Object.keys(before)) !== JSON.stringify(Object.keys(after))) below = {};
        const isRelabelled = JSON.stringify(state) === JSON.stringify(old);
        for (const [namespace, number] of Object.entries(after)) {
          if (isRelabelled || number === before[namespace] || number === state.revision) continue;
          assert.equal(state.phase, 'RolledBack');
          if (namespace in below) assert.equal(number, below[namespace]);
        }
        if (isRelabelled && JSON.stringify(before) !== JSON.stringify(after)) below = {};
      }
    };
    fc.assert(fc.property(history, check), { numRuns: runs(100) });
  });

  it('never take a revision from a namespace while nobody edits and nothing fails, and respect pauses', () => {
    const quiet = fc.tuple(history, fc.array(quietAct, { maxLength: 60 }));
    const check = ([generated, acts]: [History, readonly Act[]]) => {
      const scene = sceneOf(generated);
      for (const each of acts) {
        const [before, old] = [scene.assignments, scene.state];
        const { paused } = scene.profile.spec.rollout!;
        each(scene);
        if (scene.state.phase === 'RolledBack') return;
        for (const [namespace, number] of Object.entries(scene.assignments)) {
          if (before[namespace] === number) continue;
          assert.equal(number, scene.state.revision);
          assert.equal(paused, false);
          assert.equal(isStopped(old) && scene.state.phase === old.phase, false);
        }
      }
    };
    fc.assert(fc.property(quiet, check), { numRuns: runs(100) });
  });

  it('let in at most maxParallel namespaces that lack the revision', () => {
    const quiet = fc.tuple(history, fc.array(quietAct, { maxLength: 60 }));
    const check = ([generated, acts]: [History, readonly Act[]]) => {
      const scene = sceneOf(generated);
      const { maxParallel = 100 } = generated;
      for (const each of acts) {
        if (String(each).includes(ANNOTATION_PROMOTE)) continue;
        each(scene);
        const { revision, inForce } = scene.state;
        if (inForce[0]?.wave === undefined) continue;
        const open = Object.entries(scene.assignments).filter(
          ([namespace, number]) => number === revision && scene.has.get(namespace) !== number,
        );
        if (!scene.profile.metadata.annotations)
          assert.ok(open.length <= maxParallel, JSON.stringify(scene.state));
      }
    };
    fc.assert(fc.property(quiet, check), { numRuns: runs(60) });
  });

  it('let no namespace in while the query of a gate has no value within its bound', () => {
    const gate: QueryGate = { name: 'errors', query: 'errors', max: 1, for: '5m' };
    const result = fc.constantFrom<QueryResult>(
      { kind: 'value', value: 0 },
      { kind: 'value', value: 2 },
      none('no answer'),
    );
    const answered = result.map(
      (each): Act =>
        (scene) => {
          const answer = answerAfter(gate, scene.gates.queries.get('errors'), each, scene.now);
          scene.gates = { ...scene.gates, queries: new Map([['errors', answer]]) };
        },
    );
    const acts = fc.array(fc.oneof({ weight: 2, arbitrary: answered }, { weight: 5, arbitrary: quietAct }), {
      maxLength: 60,
    });
    const check = ([generated, all]: [History, readonly Act[]]) => {
      const scene = sceneOf(generated).editRollout({ gates: { prometheus: [gate] } });
      for (const each of all) {
        const before = scene.assignments;
        each(scene);
        // Somebody who promotes a wave does not wait for gates.
        if (scene.profile.metadata.annotations !== undefined) return;
        if (scene.gates.queries.get('errors')?.notWithinSince === undefined && scene.gates.queries.size > 0)
          continue;
        for (const [namespace, number] of Object.entries(scene.assignments))
          assert.ok(number === before[namespace] || scene.state.phase === 'RolledBack', namespace);
      }
    };
    fc.assert(fc.property(fc.tuple(history, acts), check), { numRuns: runs(100) });
  });

  it('reach every namespace once faults and people are gone, or have gone back everywhere', () => {
    const check = (generated: History) => {
      const scene = sceneOf(generated);
      for (const each of generated.acts) each(scene);
      scene.editRollout({ paused: false, onFailure: 'Rollback' }).annotate('none', 'none');
      for (let count = 0; count < 40; count++) scene.settle().wait(40);
      const { phase, inForce, revision } = scene.state;
      if (phase === 'Failed') return;
      assert.ok(phase === 'Complete' || phase === 'RolledBack', phase);
      if (phase === 'Complete') assert.deepEqual(inForce, [{ revision }]);
      assert.ok(phase === 'RolledBack' || scene.judge().record === undefined);
    };
    fc.assert(fc.property(history, check), { numRuns: runs(60) });
  });
});
