/** The states of a rollout, one after the other, by named cases. */
import assert from 'node:assert/strict';
import type { ProfileSpec } from '../../src/api/profile.ts';
import { ANNOTATION_PROMOTE, ANNOTATION_RETRY } from '../../src/api/names.ts';
import { Scene } from './scene.ts';

const CANARY = { name: 'canary', namespaceSelector: { matchLabels: { tier: 'test' } }, soak: '30m' };
const HALF = { name: 'half', percent: 50, soak: '1h' };

/** The namespace a is the canary. By their names, c, b and h, in this order, are in the wave `half`, and d in the last. */
function sceneWith(rollout: Partial<NonNullable<ProfileSpec['rollout']>> = {}): Scene {
  const scene = new Scene({ waves: [CANARY, HALF], ...rollout }, ['a', 'b', 'c', 'd', 'h']);
  return scene.label('a', { tier: 'test' });
}

/** All namespaces have revision 1. */
function completeScene(rollout?: Partial<NonNullable<ProfileSpec['rollout']>>): Scene {
  const scene = sceneWith(rollout).settle().wait(30).settle().wait(60).settle();
  assert.equal(scene.state.summary, 'Complete');
  return scene;
}

const EDITED = { excludeNamespaces: ['edited'] };
const EDITED_AGAIN = { excludeNamespaces: ['edited', 'again'] };

describe('rollout of a profile', () => {
  it('brings the first revision to one wave after the other, and waits for the soak time of each', () => {
    const scene = sceneWith();
    assert.equal(scene.state.base, 'Nothing');
    assert.equal(scene.judge().record, 1);
    scene.settle();
    assert.equal(scene.state.summary, 'Soaking 0/3');
    assert.deepEqual(scene.assignments, { a: 1, b: 'nothing', c: 'nothing', d: 'nothing', h: 'nothing' });
    scene.wait(29).settle();
    assert.equal(scene.state.summary, 'Soaking 0/3');
    scene.wait(1).settle();
    assert.equal(scene.state.summary, 'Soaking 1/3');
    assert.deepEqual(scene.assignments, { a: 1, b: 1, c: 1, d: 'nothing', h: 1 });
    scene.wait(60).settle();
    assert.deepEqual(scene.state.inForce, [{ revision: 1 }]);
    assert.equal(scene.state.base, undefined);
    assert.deepEqual(scene.assignments, { a: 1, b: 1, c: 1, d: 1, h: 1 });
  });

  it('records a state before a namespace acts on it, and counts no namespace before it has acted', () => {
    const scene = completeScene().edit(EDITED);
    scene.judge();
    assert.equal(scene.judge().state.summary, 'Applying 0/3');
    assert.equal(scene.judge().state.summary, 'Applying 0/3');
    assert.equal(scene.assignments['a'], 2);
    scene.reconcile(['a']);
    assert.equal(scene.judge().state.summary, 'Soaking 0/3');
  });

  it('is neither complete nor failed from the moment at which the profile has changed', () => {
    const scene = completeScene().edit(EDITED);
    assert.equal(scene.judge().state.summary, 'Recording');
    scene.broken.add('a:2');
    scene.settle().annotate(ANNOTATION_RETRY, '2');
    assert.equal(scene.judge().state.summary, 'Recording');
    assert.equal(scene.judge().state.revision, 3);
  });

  it('lets in at most maxParallel namespaces at a time, in the fixed order of their names', () => {
    const scene = completeScene().editRollout({ maxParallel: 1 }).edit(EDITED).settle().wait(30);
    scene.judge();
    assert.deepEqual(scene.assignments, { a: 2, b: 1, c: 2, d: 1, h: 1 });
    scene.judge();
    assert.deepEqual(scene.assignments, { a: 2, b: 1, c: 2, d: 1, h: 1 });
    scene.reconcile().judge();
    assert.deepEqual(scene.assignments, { a: 2, b: 2, c: 2, d: 1, h: 1 });
    scene.reconcile().judge();
    assert.deepEqual(scene.assignments, { a: 2, b: 2, c: 2, d: 1, h: 2 });
    scene.settle();
    assert.equal(scene.state.summary, 'Soaking 1/3');
  });

  it('does not wait for a wave without namespaces', () => {
    const scene = sceneWith({
      waves: [{ ...CANARY, namespaceSelector: { matchLabels: { no: 'one' } } }, HALF],
    });
    scene.settle();
    assert.equal(scene.state.summary, 'Soaking 1/3');
  });

  it('takes a failed revision back everywhere, and does not begin it again', () => {
    const scene = completeScene().edit(EDITED).settle().wait(30);
    scene.broken.add('b:2');
    scene.settle();
    assert.equal(scene.state.phase, 'RolledBack');
    assert.deepEqual(scene.state.failure, {
      wave: 'half',
      namespace: 'b',
      reason: 'NamespaceFailed',
      message: "namespace b can't be enforced: it is broken",
    });
    assert.deepEqual(scene.assignments, { a: 1, b: 1, c: 1, d: 1, h: 1 });
    scene.wait(600).settle();
    assert.equal(scene.state.phase, 'RolledBack');
  });

  it('takes a failed first revision back to nothing', () => {
    const scene = sceneWith();
    scene.broken.add('a:1');
    scene.settle();
    assert.equal(scene.state.phase, 'RolledBack');
    assert.deepEqual(new Set(Object.values(scene.assignments)), new Set(['nothing']));
  });

  it('begins a corrected profile as a new revision after a failure', () => {
    const scene = completeScene().edit(EDITED);
    scene.broken.add('a:2');
    scene.settle().edit(EDITED_AGAIN).settle();
    assert.equal(scene.state.summary, 'Soaking 0/3');
    assert.equal(scene.state.failure, undefined);
    assert.equal(scene.assignments['a'], 3);
  });

  it('is complete at once if the profile is set back to what the failed revision replaced', () => {
    const scene = completeScene().edit(EDITED);
    scene.broken.add('a:2');
    scene.settle().edit({ excludeNamespaces: undefined }).settle();
    assert.equal(scene.state.summary, 'Complete');
  });

  it('leaves a failed revision where it is under onFailure: Pause, until somebody promotes the wave', () => {
    const scene = completeScene({ onFailure: 'Pause' }).edit(EDITED);
    scene.broken.add('a:2');
    scene.settle().wait(600).settle();
    assert.equal(scene.state.summary, 'Failed 0/3');
    assert.equal(scene.assignments['a'], 2);
    scene.annotate(ANNOTATION_PROMOTE, '2/canary').settle();
    assert.equal(scene.state.summary, 'Soaking 1/3');
  });

  it('fails if namespaces that were let in lack the revision at the deadline', () => {
    const scene = completeScene().edit(EDITED);
    scene.judge();
    scene.judge();
    scene.wait(9).judge();
    assert.equal(scene.state.phase, 'Applying');
    scene.wait(1).judge();
    assert.equal(scene.state.phase, 'RolledBack');
    assert.equal(scene.state.failure?.reason, 'DeadlineExceeded');
  });

  it('stops for a person where policies from before the first rollout are not recorded', () => {
    const scene = sceneWith();
    scene.has.set('b', 'unrecorded');
    scene.broken.add('a:1');
    scene.settle();
    assert.equal(scene.state.phase, 'Failed');
    assert.deepEqual(scene.assignments, { a: 1, b: 'held', c: 'held', d: 'held', h: 'held' });
  });

  it('takes up policies that are already as the profile asks without any wave', () => {
    const scene = sceneWith();
    scene.has.set('b', 'unrecorded');
    scene.judge('unknown');
    scene.judge('unknown');
    assert.equal(scene.state.phase, 'Recording');
    scene.judge('converged');
    assert.equal(scene.state.summary, 'Complete');
  });

  it('begins again at the first wave after an edit in the middle, from what each namespace has', () => {
    const scene = completeScene().edit(EDITED).settle().wait(30).settle().edit(EDITED_AGAIN).settle();
    assert.deepEqual(scene.assignments, { a: 3, b: 2, c: 2, d: 1, h: 2 });
    scene.wait(30).settle();
    assert.deepEqual(scene.assignments, { a: 3, b: 3, c: 3, d: 1, h: 3 });
    scene.wait(60).settle();
    assert.deepEqual(scene.state.inForce, [{ revision: 3 }]);
  });

  it('goes back at once if an edit in the middle asks for what the other namespaces have', () => {
    const scene = completeScene().edit(EDITED).settle().edit({ excludeNamespaces: undefined });
    scene.settle();
    assert.equal(scene.state.summary, 'Complete');
    assert.deepEqual(new Set(Object.values(scene.assignments)), new Set([3]));
  });

  it('gives back to each namespace what it had if a revision on top of an unfinished one fails', () => {
    const scene = completeScene().edit(EDITED).settle().wait(30).settle().edit(EDITED_AGAIN);
    scene.broken.add('a:3');
    scene.settle();
    assert.deepEqual(scene.assignments, { a: 2, b: 2, c: 2, d: 1, h: 2 });
  });

  it('lets in no namespace while it is paused, and soaks anew afterwards', () => {
    const scene = completeScene().edit(EDITED).settle().editRollout({ paused: true }).wait(600).settle();
    assert.equal(scene.state.summary, 'Paused 0/3');
    assert.deepEqual(scene.assignments, { a: 2, b: 1, c: 1, d: 1, h: 1 });
    scene.editRollout({ paused: false }).settle();
    assert.equal(scene.state.summary, 'Soaking 0/3');
    scene.wait(30).settle();
    assert.equal(scene.state.summary, 'Soaking 1/3');
  });

  it('does not begin while it is paused', () => {
    const scene = completeScene().editRollout({ paused: true }).edit(EDITED).settle();
    assert.equal(scene.state.summary, 'Paused 0/3');
    assert.equal(scene.assignments['a'], 1);
  });

  it('ends a soak time that somebody promotes, of this revision and wave alone', () => {
    const scene = completeScene().edit(EDITED).settle();
    scene.annotate(ANNOTATION_PROMOTE, '1/canary').settle();
    assert.equal(scene.state.summary, 'Soaking 0/3');
    scene.annotate(ANNOTATION_PROMOTE, '2/canary').settle();
    assert.equal(scene.state.summary, 'Soaking 1/3');
    scene.annotate(ANNOTATION_PROMOTE, '2/*').settle();
    assert.equal(scene.state.summary, 'Complete');
  });

  it('tries a failed revision again as a new one if somebody asks, once', () => {
    const scene = completeScene().edit(EDITED);
    scene.broken.add('a:2').add('a:3');
    scene.settle().annotate(ANNOTATION_RETRY, '2').settle();
    assert.equal(scene.state.revision, 3);
    assert.equal(scene.state.phase, 'RolledBack');
  });

  it('needs no waves from one audited revision to the next', () => {
    const scene = new Scene({ waves: [CANARY] }, ['a', 'b'], { mode: 'Audit' }).settle();
    assert.equal(scene.state.summary, 'Complete');
    scene.edit(EDITED).settle();
    assert.equal(scene.state.summary, 'Complete');
    scene.label('a', { tier: 'test' }).edit({ mode: 'Enforce' }).settle();
    assert.equal(scene.state.summary, 'Soaking 0/2');
    assert.deepEqual(scene.assignments, { a: 3, b: 2 });
  });

  it('gives a namespace whose labels change what the other namespaces of its new wave have', () => {
    const scene = completeScene().edit(EDITED).settle();
    assert.equal(scene.assignments['d'], 1);
    scene.label('d', { tier: 'test' });
    assert.equal(scene.assignments['d'], 2);
    scene.label('d', {});
    assert.equal(scene.assignments['d'], 1);
  });

  it('keeps the waves with which it began', () => {
    const scene = completeScene().edit(EDITED).settle();
    scene.editRollout({ waves: [{ name: 'other', percent: 100, soak: '1m' }] }).settle();
    assert.equal(scene.state.revision, 2);
    assert.equal(scene.state.summary, 'Soaking 0/3');
    scene.edit(EDITED_AGAIN).settle();
    assert.equal(scene.state.summary, 'Soaking 0/2');
  });

  it('holds the policies of namespaces whose revision is not known, and goes on with a new one', () => {
    const scene = completeScene();
    scene.revisions.delete(1);
    assert.deepEqual(new Set(Object.values(scene.assignments)), new Set(['held']));
    scene.settle();
    assert.equal(scene.state.revision, 2);
    assert.deepEqual(scene.assignments, { a: 2, b: 'held', c: 'held', d: 'held', h: 'held' });
  });

  it('completes the latest of many unfinished revisions before it begins another one', () => {
    const scene = completeScene();
    for (let count = 0; count < 12; count++) scene.edit({ excludeNamespaces: [`edit-${count}`] }).settle();
    assert.equal(scene.state.inForce.length, 8);
    for (let count = 0; count < 6; count++) scene.wait(60).settle();
    assert.equal(scene.state.summary, 'Complete');
    assert.deepEqual(scene.revisions.get(scene.state.revision)?.intent.excludeNamespaces, ['edit-11']);
  });
});
