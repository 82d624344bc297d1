import assert from 'node:assert/strict';
import { LABEL_NAMESPACE_NAME, LABEL_SERVICE_ACCOUNT } from '../../src/api/names.ts';
import { Causes } from '../../src/controller/causes.ts';
import { EventHandlers } from '../../src/controller/triggers.ts';
import { encodeKey, type Key } from '../../src/controller/queue/key.ts';
import { StatusPace } from '../../src/controller/profile/status-pace.ts';
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

describe('event handlers', () => {
  it('look at the accounts for policies that rely on one, and for no others', () => {
    const clock = new VirtualClock();
    const clusterState = new ClusterState([]);
    const asked: string[] = [];
    const ask = (key: Key) => asked.push(encodeKey(key));
    const queue = { add: ask, addAfter: ask };
    new EventHandlers(clusterState, queue, new Causes(clock), new StatusPace(clock)).subscribe();

    clusterState.policies.upsert(clusterState.policies.project(policy('plain', { app: 'web' })));
    assert.deepEqual(asked, ['namespace/shop']);
    asked.length = 0;
    clusterState.policies.upsert(
      clusterState.policies.project(policy('relying', { [LABEL_SERVICE_ACCOUNT]: 'web' })),
    );
    assert.deepEqual(asked, ['service-accounts', 'namespace/shop']);
  });
});
