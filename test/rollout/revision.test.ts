import assert from 'node:assert/strict';
import { intentOf, sameIntent, withIntent } from '../../src/rollout/revision.ts';
import { profile } from '../policy/fixture.ts';

describe('revision of a profile', () => {
  const plain = profile({ egress: [{ name: 'r', to: [{ entity: 'World' }] }] });
  const guarded = { ...plain, spec: { ...plain.spec, guard: { mode: 'Audit' } } } as const;

  it('is the same with another guard, which takes effect at once', () => {
    assert.ok(sameIntent(intentOf(plain.spec), intentOf(guarded.spec)));
    assert.deepEqual(withIntent(guarded, intentOf(plain.spec)).spec.guard, { mode: 'Audit' });
    assert.equal(withIntent(plain, intentOf(guarded.spec)).spec.guard, undefined);
  });

  it('is another one with other rules', () => {
    const other = profile({ egress: [{ name: 'r', to: [{ entity: 'Any' }] }] });
    assert.ok(!sameIntent(intentOf(plain.spec), intentOf(other.spec)));
  });
});
