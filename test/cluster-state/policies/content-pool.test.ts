import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { PolicyContentPool, SharedPolicy } from '../../../src/cluster-state/policies/content-pool.ts';
import { keptPolicies } from '../../../src/controller/namespace/cached-policies.ts';
import { PolicyStore } from '../../../src/cluster-state/policies/store.ts';

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
    const bodies = new PolicyContentPool();
    const one = bodies.of(policy('a'));
    const two = bodies.of(policy('b'));
    assert.equal(one.body, two.body);
    assert.deepEqual([one.shared, two.shared, bodies.size], [true, true, 1]);
  });

  it('differ where anything does that is kept', () => {
    const bodies = new PolicyContentPool();
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
    const bodies = new PolicyContentPool(1);
    const first = bodies.of(policy('a'));
    const other = bodies.of(policy('a', { labels: {} }));
    assert.deepEqual([first.shared, other.shared, bodies.size], [true, false, 1]);
    assert.equal(other.body.profile, undefined);
    assert.equal(bodies.of(policy('b')).shared, true);
  });

  it('make the policy again, but for what nobody reads', () => {
    const { body } = new PolicyContentPool().of(policy('a'));
    const identity = { namespace: 'a', name: 'shop.ingress', uid: 'uid-a', resourceVersion: '7' };
    const { metadata, spec } = new SharedPolicy(identity, body);
    assert.deepEqual({ metadata, spec }, policy('a', { managedFields: [{ manager: 'kubectl-edit' }] }));
  });
});

describe('the store of policies', () => {
  const other = (namespace: string, resourceVersion: string) =>
    policy(namespace, { labels: {}, resourceVersion });

  it('lets go of a content with the last policy that has it', () => {
    const bodies = new PolicyContentPool(1);
    const store = new PolicyStore(bodies);
    for (const namespace of ['a', 'b']) store.upsert(store.project(policy(namespace)));
    store.remove(store.project(policy('a', { resourceVersion: '8' })));
    assert.equal(store.project(other('b', '9')).body, undefined);
    store.remove(store.project(policy('b', { resourceVersion: '9' })));
    assert.equal(bodies.size, 0);
    assert.ok(store.project(other('c', '10')).body);
  });

  it('keeps a content that a policy has before and after a change', () => {
    const bodies = new PolicyContentPool();
    const store = new PolicyStore(bodies);
    store.upsert(store.project(policy('a')));
    const before = store.get('a/shop.ingress')?.body;
    store.upsert(store.project(policy('a', { resourceVersion: '8' })));
    assert.equal(store.get('a/shop.ingress')?.body, before);
    store.upsert(store.project(other('a', '9')));
    assert.equal(bodies.size, 1);
  });

  it('lets go, at the next list, of what came with an event that was outdated', () => {
    const bodies = new PolicyContentPool(2);
    const store = new PolicyStore(bodies);
    store.upsert(store.project(policy('a', { resourceVersion: '8' })));
    store.upsert(store.project(other('a', '7')));
    assert.equal(bodies.size, 2);
    store.replace([policy('a', { resourceVersion: '8' })].map(store.project), '9');
    assert.equal(bodies.size, 1);
    assert.equal(store.project(policy('b')).body, store.get('a/shop.ingress')?.body);
  });
});

describe('the policies of a namespace', () => {
  const project = (raw: NetworkPolicy) => new PolicyStore().project(raw);

  it('are those that are kept', () => {
    const kept = keptPolicies([project(policy('a')), project(policy('b'))]);
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
    const [inside, outside] = ['a', 'b'].map(own).map(new PolicyStore().project);
    assert.ok(inside && outside);
    assert.equal(inside.body, outside.body);
    assert.notEqual(inside.peerScopes, outside.peerScopes);
  });

  it('have to be read where one is being deleted', () => {
    const going = project(policy('b', { deletionTimestamp: '2026-01-01T00:00:00Z' }));
    assert.equal(keptPolicies([project(policy('a')), going]), undefined);
  });
});
