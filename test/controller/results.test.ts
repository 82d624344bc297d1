import assert from 'node:assert/strict';
import { type NamespaceResult, Results } from '../../src/controller/results.ts';

const result: NamespaceResult = {
  generation: 1,
  state: 'enforced',
  desired: 1,
  applied: 1,
  unresolved: [],
  conflicts: [],
};

describe('results', () => {
  let changed: string[];
  let results: Results;
  beforeEach(() => {
    changed = [];
    results = new Results((profile) => changed.push(profile));
    for (const namespace of ['a', 'b'])
      for (const profile of ['p', 'q']) results.set(profile, namespace, result);
    changed.length = 0;
  });

  it('are kept by profile and namespace, the last of each', () => {
    const next = { ...result, applied: 0 };
    results.set('p', 'a', next);
    assert.deepEqual(
      [...results.of('p')],
      [
        ['a', next],
        ['b', result],
      ],
    );
    assert.equal(results.of('unknown').size, 0);
    assert.deepEqual(changed, ['p']);
  });

  it('of a namespace that is gone are forgotten in every profile, which is told', () => {
    results.forgetNamespace('a');
    assert.deepEqual([...results.of('p').keys(), ...results.of('q').keys()], ['b', 'b']);
    assert.deepEqual(changed, ['p', 'q']);
  });

  it('that were not there change nothing when deleted', () => {
    results.delete('p', 'c');
    results.delete('r', 'a');
    assert.deepEqual(changed, []);
  });

  it('of a profile that is gone are forgotten', () => {
    results.forgetProfile('p');
    assert.deepEqual([...results.profiles()], ['q']);
    assert.equal(results.of('p').size, 0);
  });
});
