import assert from 'node:assert/strict';
import { FINALIZER, LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../src/api/names.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import { Enforced } from '../../src/controller/enforced.ts';
import { type NamespaceReconciler, reconcileNamespace } from '../../src/controller/namespace.ts';
import { Results } from '../../src/controller/results.ts';
import { atOnce } from '../../src/controller/turns.ts';
import { World } from '../../src/controller/world.ts';
import { facts, profile } from '../policy/fixture.ts';

const RETAINED: NetworkPolicy = {
  metadata: {
    name: 'strict.default-deny',
    namespace: 'shop',
    uid: 'p1',
    resourceVersion: '7',
    labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: 'strict' },
  },
  spec: { podSelector: {}, policyTypes: ['Ingress'] },
};

describe('the reconciliation of a namespace', () => {
  it('writes nothing for a profile that goes while the namespace is read', async () => {
    const world = new World([]);
    const name = 'strict';
    const metadata = { name, uid: 'u1', finalizers: [FINALIZER], deletionTimestamp: '2026-01-01T00:00:00Z' };
    const going = profile({ deletionPolicy: 'Retain' });
    const item = { key: name, uid: 'u1', resourceVersion: '1', profile: { ...going, metadata } };
    world.profiles.upsert(item);
    world.namespaces.upsert({
      key: 'shop',
      uid: 'n1',
      resourceVersion: '2',
      labels: {},
      terminating: false,
    });
    world.policies.upsert(world.policies.project(RETAINED));
    const written: string[] = [];
    const reconciler = {
      world,
      sources: {
        view: () => ({ facts: facts(), missing: new Set() }),
        whyMissing: () => undefined,
        forget: () => {},
      },
      results: new Results(() => {}),
      enforced: new Enforced(),
      policies: {
        listAll: async () => {
          // The finalizer is off, and the watch tells before the answer is here.
          world.profiles.remove({ ...item, resourceVersion: '9' });
          return { metadata: { resourceVersion: '8' }, items: [RETAINED] };
        },
        create: async (policy: NetworkPolicy) => {
          written.push(`create ${policy.metadata.name}`);
          return policy;
        },
      },
      pods: { list: async () => ({ items: [] }) },
      send: atOnce,
      onWrite: () => {},
    } as unknown as NamespaceReconciler;
    await reconcileNamespace('shop', reconciler, new AbortController().signal);
    assert.deepEqual(written, []);
  });
});
