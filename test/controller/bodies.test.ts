import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import { Bodies, policyOf } from '../../src/controller/bodies.ts';
import { keptPolicies } from '../../src/controller/kept.ts';
import { projectPolicy } from '../../src/controller/observed.ts';

const policy = (namespace: string, more: Partial<NetworkPolicy['metadata']> = {}): NetworkPolicy => ({
  metadata: {
    name: 'shop.ingress',
    namespace,
    uid: `uid-${namespace}`,
    resourceVersion: '7',
    labels: { 'app.kubernetes.io/managed-by': 'segmentation-operator', 'segmentation.dev/profile': 'shop' },
    annotations: { 'segmentation.dev/rules': '[]' },
    finalizers: ['example.com/hold'],
    managedFields: [{ manager: 'kubectl-edit', time: namespace }],
    ...more,
  },
  spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [{ podSelector: {} }] }] },
});

describe('the contents of policies', () => {
  it('are kept once for all that have the same', () => {
    const bodies = new Bodies();
    const one = bodies.of(policy('a'));
    const two = bodies.of(policy('b'));
    assert.equal(one.body, two.body);
    assert.deepEqual([one.shared, two.shared, bodies.size], [true, true, 1]);
  });

  it('differ where anything does that is kept', () => {
    const bodies = new Bodies();
    const variants = [
      policy('a'),
      policy('a', { labels: { x: 'y' } }),
      policy('a', { annotations: {} }),
      policy('a', { finalizers: [] }),
      policy('a', { managedFields: [{ manager: 'helm' }] }),
      policy('a', { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }] }),
      { ...policy('a'), spec: {} },
    ];
    assert.equal(new Set(variants.map((each) => bodies.of(each).body)).size, variants.length);
  });

  it('are not kept beyond their number, though they are still told', () => {
    const bodies = new Bodies(1);
    const first = bodies.of(policy('a'));
    const other = bodies.of(policy('a', { labels: {} }));
    assert.deepEqual([first.shared, other.shared, bodies.size], [true, false, 1]);
    assert.equal(other.body.profile, undefined);
    assert.equal(bodies.of(policy('b')).shared, true);
  });

  it('make the policy again, but for what nobody reads', () => {
    const { body } = new Bodies().of(policy('a'));
    const identity = { namespace: 'a', name: 'shop.ingress', uid: 'uid-a', resourceVersion: '7' };
    assert.deepEqual(policyOf(identity, body), policy('a', { managedFields: [{ manager: 'kubectl-edit' }] }));
  });
});

describe('the policies of a namespace', () => {
  it('are those that are kept', () => {
    const kept = keptPolicies([projectPolicy(policy('a')), projectPolicy(policy('b'))]);
    assert.deepEqual(
      kept?.map(({ metadata }) => metadata.uid),
      ['uid-a', 'uid-b'],
    );
  });

  it('reach other namespaces or not by the one that they are in, though their content is the same', () => {
    const own = (namespace: string) => ({
      ...policy(namespace),
      spec: {
        policyTypes: ['Ingress' as const],
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'a' } } }] }],
      },
    });
    const [inside, outside] = [projectPolicy(own('a')), projectPolicy(own('b'))];
    assert.equal(inside.body, outside.body);
    assert.notEqual(inside.reach, outside.reach);
  });

  it('have to be read where one is being deleted', () => {
    const going = projectPolicy(policy('b', { deletionTimestamp: '2026-01-01T00:00:00Z' }));
    assert.equal(keptPolicies([projectPolicy(policy('a')), going]), undefined);
  });
});
