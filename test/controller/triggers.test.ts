import assert from 'node:assert/strict';
import { LABEL_NAMESPACE_NAME, LABEL_SERVICE_ACCOUNT } from '../../src/api/names.ts';
import { Records } from '../../src/controller/records.ts';
import { Triggers } from '../../src/controller/triggers.ts';
import { encodeKey, type Key } from '../../src/controller/queue/key.ts';
import { ClusterState } from '../../src/cluster-state/state.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** A policy with one peer: pods with labels, in the namespace `bank`. */
function policy(name: string, labels: Record<string, string>): object {
  const namespaceSelector = { matchLabels: { [LABEL_NAMESPACE_NAME]: 'bank' } };
  const from = [{ namespaceSelector, podSelector: { matchLabels: labels } }];
  return {
    metadata: { name, namespace: 'shop', uid: `uid-${name}`, resourceVersion: '7' },
    spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from }] },
  };
}

describe('triggers', () => {
  it('enqueue service accounts for policies that rely on the label of one, and for no other policies', () => {
    const clock = new VirtualClock();
    const clusterState = new ClusterState([]);
    const asked: string[] = [];
    const ask = (key: Key) => asked.push(encodeKey(key));
    const queue = { add: ask, addAfter: ask };
    new Triggers({ clusterState, records: new Records(), queue, clock }).subscribe();

    clusterState.policies.upsert(clusterState.policies.project(policy('plain', { app: 'web' })));
    assert.deepEqual(asked, ['namespace/shop']);
    asked.length = 0;
    clusterState.policies.upsert(
      clusterState.policies.project(policy('relying', { [LABEL_SERVICE_ACCOUNT]: 'web' })),
    );
    assert.deepEqual(asked, ['service-accounts', 'namespace/shop']);
  });
});
