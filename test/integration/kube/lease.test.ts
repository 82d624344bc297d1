// Two replicas and a Lease on a real API server.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { systemClock } from '../../../src/util/clock.ts';
import { LEASES, LeaderElector } from '../../../src/kube/lease.ts';
import type { Lease } from '../../../src/kube/lease.ts';
import { Resource } from '../../../src/kube/resource.ts';
import type { Transport } from '../../../src/kube/http/transport.ts';
import { sharedControlPlane } from '../../env/index.ts';
import type { ControlPlane } from '../../env/index.ts';
import { Fixture, namespaces, until } from './fixture.ts';

const NAMESPACE = 'kube-lease';
/** Tolerance for a busy machine, milliseconds; less than the time in which a Lease expires. */
const SLACK = 1500;
const TIMES = { leaseDurationMs: 2000, renewDeadlineMs: 1200, retryPeriodMs: 300 };

describe('LeaderElector on a real API server', () => {
  let plane: ControlPlane;
  let fixture: Fixture;
  let admin: Transport;
  const campaigns: { stop(): Promise<void> }[] = [];

  before(async () => {
    plane = await sharedControlPlane();
    const setUp = new Fixture();
    const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } };
    await namespaces(setUp.transport(plane.kubeconfig)).create(object);
    await setUp.clean();
  });
  after(() => plane.kubectlRun(['delete', 'namespace', NAMESPACE, '--wait=false']));
  beforeEach(() => {
    fixture = new Fixture();
    admin = fixture.transport(plane.kubeconfig);
  });
  afterEach(async () => {
    await Promise.all(campaigns.splice(0).map((campaign) => campaign.stop()));
    await fixture.clean();
  });

  /** Starts a replica that runs for one term. */
  const campaign = (name: string, identity: string, transport: Transport) => {
    const elector = new LeaderElector({
      ...TIMES,
      leases: new Resource<Lease>(transport, LEASES),
      namespace: NAMESPACE,
      name,
      identity,
      clock: systemClock,
      random: Math.random,
    });
    const stop = new AbortController();
    const state = { elector, ended: false, stop: () => (stop.abort(), ended) };
    const ended = elector
      .run(stop.signal, async (term) => {
        await once(term, 'abort');
      })
      .finally(() => {
        state.ended = true;
      });
    campaigns.push(state);
    return state;
  };

  it('fails over within the lease duration and a retry period when the leader loses its connection', async () => {
    const proxy = await fixture.proxy(plane.server);
    const first = campaign('cut-off', 'first', fixture.transport(fixture.via(plane.kubeconfig, proxy.url)));
    await until('the first leads', () => first.elector.leading);
    const second = campaign('cut-off', 'second', admin);
    await proxy.stop();
    const since = performance.now();
    let overlap = false;
    await until('the second leads', () => {
      overlap ||= first.elector.leading && second.elector.leading;
      return second.elector.leading;
    });
    const took = performance.now() - since;
    assert.ok(took <= TIMES.leaseDurationMs + TIMES.retryPeriodMs + SLACK, `${took} ms`);
    assert.equal(overlap, false);
    assert.equal(first.ended, true, 'its work was told to end');
    const lease = await new Resource<Lease>(admin, LEASES).get('cut-off', NAMESPACE);
    assert.deepEqual([lease.spec?.holderIdentity, lease.spec?.leaseTransitions], ['second', 1]);
  });

  it('fails over within a retry period when the leader ends', async () => {
    const first = campaign('handed-over', 'first', admin);
    await until('the first leads', () => first.elector.leading);
    const second = campaign('handed-over', 'second', admin);
    await until('the second waits', () => fixture.requests.some(({ verb }) => verb === 'GET'));
    await first.stop();
    const since = performance.now();
    await until('the second leads', () => second.elector.leading);
    assert.ok(performance.now() - since < TIMES.retryPeriodMs + SLACK);
  });

  it('continues to lead while its connections are reset repeatedly', async () => {
    const proxy = await fixture.proxy(plane.server);
    const leader = campaign('reset', 'only', fixture.transport(fixture.via(plane.kubeconfig, proxy.url)));
    await until('it leads', () => leader.elector.leading);
    let lost = false;
    const resets = setInterval(() => proxy.reset(), 500);
    const end = performance.now() + 3000;
    await until('three seconds passed', () => {
      lost ||= !leader.elector.leading;
      return performance.now() > end;
    });
    clearInterval(resets);
    assert.equal(lost, false);
  });

  it('ends the term of a leader whose Lease was deleted', async () => {
    const leader = campaign('deleted', 'only', admin);
    await until('it leads', () => leader.elector.leading);
    await new Resource<Lease>(admin, LEASES).delete('deleted', NAMESPACE);
    await until('its term ends', () => leader.ended);
    assert.equal(leader.elector.leading, false);
  });
});
