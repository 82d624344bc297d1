import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { PolicyContentPool, SharedPolicy } from '../../../src/cluster-state/policies/content-pool.ts';
import { cachedPolicies } from '../../../src/cluster-state/policies/cached.ts';
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

describe('pool of policy contents', () => {
  it('gives policies with equal contents the same object', () => {
    const pool = new PolicyContentPool();
    const one = pool.intern(policy('a'));
    const two = pool.intern(policy('b'));
    assert.equal(one.content, two.content);
    assert.deepEqual([one.shared, two.shared, pool.size], [true, true, 1]);
  });

  it('gives policies that differ in anything but identity different objects', () => {
    const pool = new PolicyContentPool();
    const variants = [
      policy('a'),
      policy('a', { labels: { x: 'y' } }),
      policy('a', { annotations: {} }),
      policy('a', { finalizers: [] }),
      policy('a', { managedFields: [{ manager: 'helm' }] }),
      policy('a', { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }] }),
      { ...policy('a'), spec: {} },
    ];
    assert.equal(new Set(variants.map((each) => pool.intern(each).content)).size, variants.length);
  });

  it('shares no new content once it is full', () => {
    const pool = new PolicyContentPool(1);
    const first = pool.intern(policy('a'));
    const other = pool.intern(policy('a', { labels: {} }));
    assert.deepEqual([first.shared, other.shared, pool.size], [true, false, 1]);
    assert.equal(other.content.profile, undefined);
    assert.equal(pool.intern(policy('b')).shared, true);
  });

  it('lets a policy be made again from its content, without the times of its managers', () => {
    const { content } = new PolicyContentPool().intern(policy('a'));
    const identity = { namespace: 'a', name: 'shop.ingress', uid: 'uid-a', resourceVersion: '7' };
    const { metadata, spec } = new SharedPolicy(identity, content);
    assert.deepEqual({ metadata, spec }, policy('a', { managedFields: [{ manager: 'kubectl-edit' }] }));
  });
});

describe('store of policies', () => {
  const other = (namespace: string, resourceVersion: string) =>
    policy(namespace, { labels: {}, resourceVersion });

  it('drops a content with the last policy that has it', () => {
    const pool = new PolicyContentPool(1);
    const store = new PolicyStore(pool);
    for (const namespace of ['a', 'b']) store.upsert(store.project(policy(namespace)));
    store.remove(store.project(policy('a', { resourceVersion: '8' })));
    assert.equal(store.project(other('b', '9')).content, undefined);
    store.remove(store.project(policy('b', { resourceVersion: '9' })));
    assert.equal(pool.size, 0);
    assert.ok(store.project(other('c', '10')).content);
  });

  it('keeps a content that a policy has before and after a change', () => {
    const pool = new PolicyContentPool();
    const store = new PolicyStore(pool);
    store.upsert(store.project(policy('a')));
    const before = store.get('a/shop.ingress')?.content;
    store.upsert(store.project(policy('a', { resourceVersion: '8' })));
    assert.equal(store.get('a/shop.ingress')?.content, before);
    store.upsert(store.project(other('a', '9')));
    assert.equal(pool.size, 1);
  });

  it('drops the contents of outdated events at the next list', () => {
    const pool = new PolicyContentPool(2);
    const store = new PolicyStore(pool);
    store.upsert(store.project(policy('a', { resourceVersion: '8' })));
    store.upsert(store.project(other('a', '7')));
    assert.equal(pool.size, 2);
    store.replace([policy('a', { resourceVersion: '8' })].map(store.project), '9');
    assert.equal(pool.size, 1);
    assert.equal(store.project(policy('b')).content, store.get('a/shop.ingress')?.content);
  });
});

describe('cached policies of a namespace', () => {
  const project = (raw: NetworkPolicy) => new PolicyStore().project(raw);

  it('are made from the cached contents', () => {
    const cached = cachedPolicies([project(policy('a')), project(policy('b'))]);
    assert.deepEqual(
      cached?.map(({ metadata }) => metadata.uid),
      ['uid-a', 'uid-b'],
    );
  });

  it('have peer scopes of their own though they share a content that names a namespace', () => {
    const own = (namespace: string) => ({
      ...policy(namespace),
      spec: {
        policyTypes: ['Ingress' as const],
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'a' } } }] }],
      },
    });
    const [inside, outside] = ['a', 'b'].map(own).map(new PolicyStore().project);
    assert.ok(inside && outside);
    assert.equal(inside.content, outside.content);
    assert.notEqual(inside.peerScopes, outside.peerScopes);
  });

  it('are undefined if one of them is being deleted', () => {
    const deleted = project(policy('b', { deletionTimestamp: '2026-01-01T00:00:00Z' }));
    assert.equal(cachedPolicies([project(policy('a')), deleted]), undefined);
  });
});
