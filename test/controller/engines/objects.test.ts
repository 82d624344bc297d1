/** The watched objects of a network engine, against the model of the API server in virtual time. */
import assert from 'node:assert/strict';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { EngineObjects } from '../../../src/controller/engines/objects.ts';
import { dice } from '../../faults/model.ts';
import { Link } from '../../simulation/faults/link.ts';
import { Network } from '../../simulation/faults/network.ts';
import { NO_FAULTS } from '../../simulation/faults/rates.ts';
import { ProcessClock, Scheduler } from '../../simulation/schedule/scheduler.ts';
import { NETWORK_POLICY } from '../../simulation/server/kinds.ts';
import { Server } from '../../simulation/server/server.ts';

const MINUTE = 60_000;
const POLICIES = '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies';

describe('objects of a network engine', () => {
  it('are listed again after the resync period, which shows an object whose event was lost', async () => {
    const scheduler = new Scheduler();
    const server = new Server(() => scheduler.time);
    const network = new Network(scheduler, server, dice(1), {
      onSend: () => {},
      onHandled: () => {},
      onNote: () => {},
    });
    const drifted: string[] = [];
    const objects = new EngineObjects(
      { kind: NETWORK_POLICY, component: '', since: '' },
      {
        transport: new Link('operator', network),
        clusterState: new ClusterState([]),
        clock: new ProcessClock(scheduler, 0),
        random: () => 0.5,
        resyncMs: MINUTE,
        onWrite: () => {},
        onWatchError: assert.ifError,
      },
      { onState: () => {}, onDrift: (namespace) => drifted.push(namespace) },
    );
    await scheduler.advance(MINUTE);
    assert.equal(objects.state.kind, 'available');
    network.rates = { ...NO_FAULTS, lost: 100 };
    const policy = { metadata: { name: 'web' }, spec: { podSelector: {} } };
    server.handle(
      { method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'shop' } } },
      'user',
    );
    assert.equal(server.handle({ method: 'POST', path: POLICIES, body: policy }, 'user').status, 201);
    await scheduler.advance(MINUTE);
    network.rates = NO_FAULTS;
    assert.deepEqual(drifted, []);
    // A watch ends after ten minutes at the latest.
    await scheduler.advance(15 * MINUTE);
    assert.deepEqual(drifted, ['shop']);
    await objects.stop();
  });
});
