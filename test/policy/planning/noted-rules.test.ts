import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ANNOTATION_RULES } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { notesOf, type RuleNote } from '../../../src/policy/notes.ts';
import { arranged, union } from '../../../src/policy/planning/noted-rules.ts';
import { fingerprint, ruleKey, rulesOf } from '../../../src/policy/semantics/normalize.ts';
import { runs } from '../fixture.ts';

/** `a` is a rule that allows address a; `a/r` the same one, written for rule r. The note of `a` is for rule a. */
function policy(...rules: readonly string[]): NetworkPolicy {
  const notes = rules.map((text): RuleNote => {
    const [address = '', source = address] = text.split('/');
    return { rule: source, peer: 'service data/db', description: `why ${source}` };
  });
  const described = notes.map(({ description, ...note }, index) =>
    notes.findIndex((each) => each.rule === note.rule) === index ? { ...note, description } : note,
  );
  return {
    metadata: {
      name: 'p.ingress',
      namespace: 'shop',
      annotations: { [ANNOTATION_RULES]: JSON.stringify(described) },
    },
    spec: {
      podSelector: {},
      policyTypes: ['Ingress'],
      ingress: rules.map((text) => ({
        from: [{ podSelector: { matchLabels: { app: text.split('/')[0] ?? '' } } }],
      })),
    },
  };
}

function written(made: NetworkPolicy): string[] {
  const notes = notesOf(made);
  return (made.spec.ingress ?? []).map(({ from }, index) => {
    const app = from?.[0]?.podSelector?.matchLabels?.app ?? '';
    return notes[index]?.rule === app ? app : `${app}/${notes[index]?.rule}`;
  });
}

describe('the rules of an updated policy', () => {
  for (const [name, observed, desired, expected] of [
    ['keep their order if it is the only difference', ['a', 'b', 'c'], ['c', 'a', 'b'], ['a', 'b', 'c']],
    ['are appended if they are new', ['a', 'b'], ['x', 'a', 'b'], ['a', 'b', 'x']],
    [
      'take the position of a removed rule if they are new',
      ['a', 'b', 'c'],
      ['a', 'c', 'x'],
      ['a', 'x', 'c'],
    ],
    [
      'move from the end into the gap of a removed rule',
      ['a', 'b', 'c', 'd'],
      ['a', 'c', 'd'],
      ['a', 'd', 'c'],
    ],
    ['stay if the last one is removed', ['a', 'b', 'c'], ['b', 'a'], ['a', 'b']],
    ['are written as desired if all are new', ['a'], ['x', 'y'], ['x', 'y']],
    ['keep the notes of sources that allow the same', ['a/r', 'a/s'], ['a/s', 'a/r'], ['a/r', 'a/s']],
    ['get the note of their new source', ['b', 'a/r'], ['a/s', 'b'], ['b', 'a/s']],
  ] as const) {
    it(name, () => {
      assert.deepEqual(written(arranged(policy(...observed), policy(...desired))), expected);
    });
  }

  it('follow the observed order, and then that of other observed policies', () => {
    const desired = policy('c', 'a', 'b');
    const order = (...rules: string[]) => written(arranged(policy(...rules), desired));
    assert.deepEqual(order('a', 'b', 'c'), ['a', 'b', 'c']);
    assert.deepEqual(order('b', 'a', 'c'), ['b', 'a', 'c']);
    assert.deepEqual(order('c', 'a', 'b'), ['c', 'a', 'b']);
  });

  it('are the same object in all namespaces whose observed policies share theirs', () => {
    const [observed, desired] = [policy('a', 'b'), policy('b', 'a')];
    const [shop, pay] = ['shop', 'pay'].map((namespace) => {
      const inNamespace = (each: NetworkPolicy) => ({ ...each, metadata: { ...each.metadata, namespace } });
      return arranged(inNamespace(observed), inNamespace(desired));
    });
    assert.equal(shop?.spec, pay?.spec);
    assert.deepEqual([shop?.metadata.namespace, pay?.metadata.namespace], ['shop', 'pay']);
  });

  it('carry the description of their source on its first note', () => {
    const made = arranged(policy('b/r', 'c/s'), policy('a/r', 'b/r', 'c/s'));
    assert.deepEqual(
      notesOf(made).map((note) => note?.description),
      ['why r', 'why s', undefined],
    );
  });

  const some = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'a/r', 'b/r', 'c/s'), {
    maxLength: 6,
  });

  it('mean what is desired, and keep their positions unless there are too few of them', () => {
    fc.assert(
      fc.property(some, some, (before, after) => {
        const [observed, desired] = [policy(...before), policy(...after)];
        const made = arranged(observed, desired);
        assert.equal(fingerprint(made), fingerprint(desired));
        assert.equal(made.spec.ingress?.length, after.length);
        const now = written(made);
        const moved = before.filter(
          (rule, index) => after.includes(rule) && index < after.length && now[index] !== rule,
        );
        assert.deepEqual(moved, []);
        assert.equal(arranged(made, desired).spec.ingress?.length, after.length);
        assert.deepEqual(written(arranged(made, desired)), now);
      }),
      { numRuns: runs(2000) },
    );
  });

  it('are those of both forms in their union, those of the observed form first', () => {
    fc.assert(
      fc.property(some, some, (before, after) => {
        const both = union(policy(...before), policy(...after));
        const keys = new Set(rulesOf(both.spec, 'Ingress').map(ruleKey));
        const expected = [...before, ...after].flatMap((each) =>
          rulesOf(policy(each).spec, 'Ingress').map(ruleKey),
        );
        assert.deepEqual(keys, new Set(expected));
        assert.deepEqual(
          rulesOf(both.spec, 'Ingress').slice(0, before.length).map(ruleKey),
          rulesOf(policy(...before).spec, 'Ingress').map(ruleKey),
        );
        // Each desired rule is there with its own note, from which its last known form is read.
        for (const rule of after) assert.ok(written(both).includes(rule), rule);
      }),
      { numRuns: runs(1000) },
    );
  });
});
