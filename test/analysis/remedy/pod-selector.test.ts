/** The selector with the fewest requirements that tells some pods from others. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { StringMap } from '../../../src/api/meta.ts';
import type { Pod } from '../../../src/analysis/cluster.ts';
import { selectPods, type Selection } from '../../../src/analysis/remedy/pod-selector.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import { labels } from '../arbitrary.ts';

const pod = (name: string, labels: StringMap): Pod => ({ namespace: 'a', name, labels, ips: [] });

function select(members: readonly Pod[], others: readonly Pod[], forbidden: readonly Pod[] = []): Selection {
  return selectPods({ members, others: [...others, ...forbidden], forbidden });
}

describe('selectPods', () => {
  it('uses the most telling label, and none that changes from run to run', () => {
    const web = pod('web', { zone: 'x', app: 'web', 'pod-template-hash': '7f' });
    assert.deepEqual(select([web], [pod('db', { app: 'db' })]), {
      kind: 'selector',
      selector: { matchLabels: { app: 'web' } },
      also: [],
    });
  });

  it('uses two labels if one is not enough', () => {
    const web = pod('web', { app: 'shop', tier: 'web' });
    const others = [pod('db', { app: 'shop', tier: 'db' }), pod('blog', { app: 'blog', tier: 'web' })];
    const selection = select([web], others);
    assert.ok(selection.kind === 'selector');
    assert.deepEqual(selection.selector, { matchLabels: { app: 'shop', tier: 'web' } });
  });

  it('excludes pods that have more labels than the members', () => {
    const selection = select(
      [pod('web', { app: 'web' })],
      [],
      [pod('canary', { app: 'web', track: 'canary' })],
    );
    assert.deepEqual(selection, {
      kind: 'selector',
      selector: {
        matchLabels: { app: 'web' },
        matchExpressions: [{ key: 'track', operator: 'DoesNotExist' }],
      },
      also: [],
    });
  });

  it('selects members whose values of a label differ', () => {
    const members = [pod('a', { app: 'a' }), pod('b', { app: 'b' })];
    const selection = select(members, [pod('c', { app: 'c' })]);
    assert.ok(selection.kind === 'selector');
    assert.deepEqual(selection.selector, {
      matchExpressions: [{ key: 'app', operator: 'In', values: ['a', 'b'] }],
    });
  });

  it('names the other pods that have the same stable labels', () => {
    const twin = pod('twin', { app: 'web' });
    const selection = select([pod('web', { app: 'web', 'pod-template-hash': '7f' })], [twin]);
    assert.ok(selection.kind === 'selector');
    assert.deepEqual(selection.also, [twin]);
  });

  it('never selects by the absence of labels alone', () => {
    const others = [pod('db', { app: 'db' })];
    assert.deepEqual(select([pod('bare', {})], others), { kind: 'unlabelled' });
    assert.deepEqual(select([pod('run', { 'job-name': 'run-1' })], others), { kind: 'unlabelled' });
  });

  it('names the forbidden pods that no stable label tells from the members', () => {
    const twin = pod('twin', { app: 'web' });
    const selection = select([pod('web', { app: 'web' })], [], [twin]);
    assert.deepEqual(selection, { kind: 'indistinct', pods: [twin] });
  });

  it('matches every member, no forbidden pod, and no other pod but those that it names', () => {
    const pods = fc.array(labels, { maxLength: 4 }).map((all) => all.map((each, i) => pod(`p${i}`, each)));
    fc.assert(
      fc.property(pods, pods, pods, (members, others, forbidden) => {
        fc.pre(members.length > 0);
        const selection = select(members, others, forbidden);
        fc.pre(selection.kind === 'selector');
        const { selector, also } = selection;
        const isMatched = (each: Pod) => matches(selector, each.labels);
        assert.ok(members.every(isMatched));
        assert.ok(!forbidden.some(isMatched));
        assert.deepEqual(others.filter(isMatched), also);
      }),
      { numRuns: 1000 },
    );
  });
});
