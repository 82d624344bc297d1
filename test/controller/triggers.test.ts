import assert from 'node:assert/strict';
import { LABEL_NAMESPACE_NAME, LABEL_SERVICE_ACCOUNT } from '../../src/api/names.ts';
import { Records } from '../../src/controller/records.ts';
import { Triggers } from '../../src/controller/triggers.ts';
import { encodeKey, type Key } from '../../src/controller/queue/key.ts';
import { ClusterState } from '../../src/cluster-state/state.ts';
import { projectNamespace, projectProfile } from '../../src/cluster-state/items.ts';
import { compile } from '../../src/policy/compile.ts';
import { facts, profile } from '../policy/fixture.ts';
import { VirtualClock } from '../support/clocks/virtual-clock.ts';

/** A policy with one peer: pods with labels, in the namespace `bank`. */
function policy(name: string, labels: Record<string, string>): object {
  const namespaceSelector = { matchLabels: { [LABEL_NAMESPACE_NAME]: 'bank' } };
  const from = [{ namespaceSelector, podSelector: { matchLabels: labels } }];
  return {
    metadata: { name, namespace: 'shop', uid: `uid-${name}`, resourceVersion: '7' },
    spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from }] },
  };
}

const NAMESPACES = 200;
const team = (index: number) => ({ name: `shop-${index}`, labels: { team: `team-${index % 20}` } });

/** Flows between neighbours by name, between teams by label, and within a team. */
const CONNECTED = profile({
  connections: [
    ...Array.from({ length: 20 }, (_, index) => ({
      name: `pair-${index}`,
      from: [{ namespaces: [`shop-${index}`] }],
      to: [{ namespaces: [`shop-${index + 1}`] }],
    })),
    {
      name: 'teams',
      from: [{ namespaceSelector: { matchLabels: { team: 'team-1' } } }],
      to: [{ namespaceSelector: { matchLabels: { team: 'team-2' } } }],
    },
    { name: 'within', from: [{ sameNamespaceLabels: ['team'] }], to: [{ sameNamespaceLabels: ['team'] }] },
  ],
});

describe('a change of the labels of one namespace, among 200 with connections', () => {
  it('enqueues the namespace, and no other', () => {
    const clusterState = new ClusterState([]);
    const asked: string[] = [];
    const ask = (key: Key) => asked.push(encodeKey(key));
    const queue = { add: ask, addAfter: ask };
    new Triggers({ clusterState, records: new Records(), queue, clock: new VirtualClock() }).subscribe();
    const put = (name: string, labels: Record<string, string>, resourceVersion: string) =>
      clusterState.namespaces.upsert(
        projectNamespace({ metadata: { name, labels, uid: `uid-${name}`, resourceVersion } }),
      );
    for (let index = 0; index < NAMESPACES; index += 1) put(team(index).name, team(index).labels, '1');
    asked.length = 0;
    put('shop-7', { team: 'team-1' }, '2');
    assert.deepEqual(
      asked.filter((key) => key.startsWith('namespace/')),
      ['namespace/shop-7'],
    );
  });

  it('changes the policies of the namespace, and of no other', () => {
    const texts = (changed?: string) =>
      Array.from({ length: NAMESPACES }, (_, index) => {
        const namespace = team(index);
        const labels = namespace.name === changed ? { team: 'team-1' } : namespace.labels;
        return JSON.stringify(compile(CONNECTED, { ...namespace, labels }, facts()).policies);
      });
    const [before, after] = [texts(), texts('shop-7')];
    const written = before.flatMap((text, index) => (text === after[index] ? [] : [team(index).name]));
    assert.deepEqual(written, ['shop-7']);
  });
});

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

  it('forget a profile and a namespace that a list shows replaced by another of the same name', () => {
    const clusterState = new ClusterState([]);
    const records = new Records();
    const queue = { add: () => {}, addAfter: () => {} };
    new Triggers({ clusterState, records, queue, clock: new VirtualClock() }).subscribe();
    const profiles = (uid: string, resourceVersion: string) => {
      const { metadata, ...rest } = profile({});
      const item = projectProfile({ ...rest, metadata: { ...metadata, uid, resourceVersion } });
      clusterState.profiles.replace([item], resourceVersion);
    };
    const namespaces = (uid: string, resourceVersion: string) => {
      const item = projectNamespace({ metadata: { name: 'shop', labels: {}, uid, resourceVersion } });
      clusterState.namespaces.replace([item], resourceVersion);
    };
    const state = { generation: 1, state: 'enforced', desired: 1, applied: 1 } as const;
    const record = () => {
      records.setResult('segmented', 'shop', { ...state, unresolved: [], connections: [], conflicts: [] });
      records.namespace('shop').enforced = new Map([
        ['segmented', { isolation: ['Ingress'], lastWritten: [] }],
      ]);
    };
    profiles('first', '1');
    namespaces('first', '2');
    record();
    profiles('first', '3');
    namespaces('first', '4');
    assert.ok(records.namespace('shop').wasIsolatedBy('segmented', 'Ingress'));
    assert.equal(records.resultsOf('segmented').size, 1);
    profiles('second', '5');
    assert.equal(records.resultsOf('segmented').size, 0);
    record();
    namespaces('second', '6');
    assert.equal(records.resultsOf('segmented').size, 0);
    assert.ok(!records.namespace('shop').wasIsolatedBy('segmented', 'Ingress'));
  });

  it('leave an event of a policy that is being written to the end of the write', () => {
    const clusterState = new ClusterState([]);
    const asked: string[] = [];
    const ask = (key: Key) => asked.push(encodeKey(key));
    const records = new Records();
    const queue = { add: ask, addAfter: ask };
    new Triggers({ clusterState, records, queue, clock: new VirtualClock() }).subscribe();

    records.namespace('shop').beginWrite('plain');
    clusterState.policies.upsert(clusterState.policies.project(policy('plain', { app: 'web' })));
    assert.deepEqual(asked, []);
    clusterState.policies.upsert(clusterState.policies.project(policy('other', { app: 'web' })));
    assert.deepEqual(asked, ['namespace/shop']);
    assert.ok(records.namespace('shop').endWrite('8'), 'the event has revision 7');
  });
});
