// What peers are resolved from: watched while somebody needs it, and told to those who looked.
import assert from 'node:assert/strict';
import { PeerSources } from '../../../src/cluster-state/peer-sources/sources.ts';
import type { ClusterConfiguration } from '../../../src/policy/facts.ts';
import { ScriptedTransport, type WatchCall } from '../../kube/scripted-transport.ts';
import { flush, VirtualClock } from '../../support/virtual-clock.ts';

const MINUTE = 60_000; // ms

const service = (name: string, revision: number, app: string) => ({
  metadata: { namespace: 'shop', name, uid: `uid-${name}`, resourceVersion: String(revision) },
  spec: {
    type: 'ClusterIP',
    selector: { app },
    ports: [{ port: 80, targetPort: 8080 }],
    clusterIPs: ['10.96.0.7'],
  },
});
const listEnd = (revision: number) => ({
  type: 'BOOKMARK',
  object: {
    metadata: { resourceVersion: String(revision), annotations: { 'k8s.io/initial-events-end': 'true' } },
  },
});

class Fixture {
  readonly clock = new VirtualClock();
  readonly server = new ScriptedTransport();
  readonly told: string[] = [];
  readonly #end = new AbortController();
  readonly sources = new PeerSources(
    {
      accounts: { facts: () => undefined, failure: undefined },
      transport: this.server,
      configuration: {} as ClusterConfiguration,
      clock: this.clock,
      random: () => 0.5,
      onChange: (namespace) => this.told.push(namespace),
      onError: () => {},
    },
    this.#end.signal,
  );

  /** Looks at a Service as a compilation for `namespace` does. */
  look(namespace: string, name = 'api'): { known: boolean; selector: unknown } {
    const { facts } = this.sources.view(namespace);
    const known = facts.known('services');
    return { known, selector: known ? facts.service('shop', name)?.selector : undefined };
  }

  /** The watch of Services, with what it begins with. */
  async filled(...objects: object[]): Promise<WatchCall> {
    const watch = await this.server.next('watch');
    watch.send(...objects.map((object) => ({ type: 'ADDED', object })), listEnd(10));
    await flush();
    return watch;
  }

  async end(): Promise<void> {
    this.#end.abort();
    await flush();
  }
}

describe('the sources of peers', () => {
  let fixture: Fixture;
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(() => fixture.end());

  it('are not watched before anybody asks', async () => {
    fixture.sources.view('a');
    assert.deepEqual(await fixture.server.waiting(), []);
  });

  it('are missing until they were read, and tell those who wait', async () => {
    assert.deepEqual(fixture.look('a'), { known: false, selector: undefined });
    assert.deepEqual([...fixture.sources.view('b').missing], []);
    await fixture.filled(service('api', 1, 'api'));
    assert.deepEqual(fixture.told, ['a']);
    assert.deepEqual(fixture.look('a'), { known: true, selector: { app: 'api' } });
  });

  it('are watched once, whoever asks', async () => {
    fixture.look('a');
    fixture.look('b');
    assert.deepEqual(await fixture.server.waiting(), ['watch']);
  });

  it('tell a change to those who looked at what changed, and to nobody of what did not', async () => {
    fixture.look('a');
    const watch = await fixture.filled(service('api', 1, 'api'), service('other', 1, 'other'));
    fixture.look('a');
    fixture.look('b', 'other');
    fixture.told.length = 0;
    watch.send({ type: 'MODIFIED', object: service('api', 11, 'api-v2') });
    await flush();
    assert.deepEqual(fixture.told, ['a']);
    // Only its resourceVersion is new.
    watch.send({ type: 'MODIFIED', object: service('other', 12, 'other') });
    await flush();
    assert.deepEqual(fixture.told, ['a']);
  });

  it('are watched no longer than somebody needs them, and anew when somebody does again', async () => {
    fixture.look('a');
    const watch = await fixture.filled(service('api', 1, 'api'));
    fixture.look('a');
    fixture.look('b');
    fixture.sources.forget('a');
    await fixture.clock.advance(2 * MINUTE);
    assert.equal(watch.closed, false, 'b still needs it');

    fixture.sources.forget('b');
    await fixture.clock.advance(MINUTE - 1);
    assert.equal(watch.closed, false, 'not at once');
    await fixture.clock.advance(1);
    await flush();
    assert.equal(watch.closed, true);

    assert.deepEqual(fixture.look('a'), { known: false, selector: undefined });
    await fixture.filled(service('api', 20, 'api-v3'));
    assert.deepEqual(fixture.look('a'), { known: true, selector: { app: 'api-v3' } });
  });

  it('stay watched across a compilation, which forgets what it looked at before it looks again', async () => {
    fixture.look('a');
    const watch = await fixture.filled(service('api', 1, 'api'));
    for (let i = 0; i < 5; i++) {
      fixture.look('a');
      await fixture.clock.advance(MINUTE);
    }
    assert.equal(watch.closed, false);
  });
});
