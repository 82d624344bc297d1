import assert from 'node:assert/strict';
import { Records } from '../../src/controller/records.ts';
import type { NamespaceResult } from '../../src/controller/results.ts';

const result: NamespaceResult = {
  generation: 1,
  state: 'enforced',
  desired: 1,
  applied: 1,
  unresolved: [],
  connections: [],
  conflicts: [],
};

describe('records of the controller', () => {
  let changed: string[];
  let records: Records;
  beforeEach(() => {
    changed = [];
    records = new Records();
    for (const namespace of ['a', 'b'])
      for (const profile of ['p', 'q']) records.setResult(profile, namespace, result);
    records.subscribe((profile) => changed.push(profile));
  });

  it('hold the last result of each profile and namespace', () => {
    const next = { ...result, applied: 0 };
    records.setResult('p', 'a', next);
    assert.deepEqual(
      [...records.resultsOf('p')],
      [
        ['a', next],
        ['b', result],
      ],
    );
    assert.equal(records.resultsOf('unknown').size, 0);
    assert.deepEqual(changed, ['p']);
  });

  it('of a namespace that is gone are forgotten with its results, and each profile is notified', () => {
    records.namespace('a').isCacheBehind = true;
    records.forgetNamespace('a');
    assert.equal(records.namespace('a').isCacheBehind, false);
    assert.deepEqual([...records.resultsOf('p').keys(), ...records.resultsOf('q').keys()], ['b', 'b']);
    assert.deepEqual(changed, ['p', 'q']);
  });

  it('lose the results of profiles that no longer concern a namespace', () => {
    records.keepResults('a', new Set(['q']));
    assert.deepEqual([...records.resultsOf('p').keys(), ...records.resultsOf('q').keys()], ['b', 'a', 'b']);
    assert.deepEqual(changed, ['p']);
  });

  it('keep equal results of namespaces once, and results with something to report apart', () => {
    const failure = { reason: 'Forbidden', message: 'not allowed', kind: 'retry' as const };
    const results = [
      result,
      { ...result, unresolved: [] },
      { ...result, connections: ['to-bank'] },
      { ...result, connections: ['to-bank'] },
      { ...result, failure },
      { ...result, failure: { ...failure, message: 'still not allowed' } },
      { ...result, conflicts: ['web'] },
      { ...result, generation: 2 },
    ];
    results.forEach((each, index) => records.setResult('new', `n-${index}`, each));
    const kept = [...records.resultsOf('new').values()];
    assert.deepEqual(kept, results);
    assert.equal(new Set(kept).size, 6);
  });

  it('notify nobody when a result is deleted that was not there', () => {
    records.deleteResult('p', 'c');
    records.deleteResult('r', 'a');
    assert.deepEqual(changed, []);
  });

  it('of a profile that is gone are forgotten with its results', () => {
    records.profile('p').hasJudgedStatus = true;
    records.forgetProfile('p');
    assert.equal(records.profile('p').hasJudgedStatus, false);
    assert.equal(records.resultsOf('p').size, 0);
    assert.equal(records.resultsOf('q').size, 2);
  });
});
