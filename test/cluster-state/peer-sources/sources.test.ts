import assert from 'node:assert/strict';
import { RecordedFacts } from '../../../src/cluster-state/peer-sources/dependencies.ts';
import { PeerSources } from '../../../src/cluster-state/peer-sources/sources.ts';
import { NO_SUPPORT } from '../../../src/controller/engine-support.ts';
import { NO_MESH_SUPPORT } from '../../../src/controller/mesh-support.ts';
import type { ClusterConfiguration } from '../../../src/policy/facts.ts';
import { ScriptedTransport, type WatchCall } from '../../kube/scripted-transport.ts';
import { flush, VirtualClock } from '../../support/clocks/virtual-clock.ts';

const MINUTE = 60_000; // ms
const SERVICES = { kind: 'services' } as const;

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
  /** The namespaces that were notified, in order. */
  readonly notified: string[] = [];
  readonly #end = new AbortController();
  readonly sources = new PeerSources(
    {
      relistMs: 0,
      engine: NO_SUPPORT,
      mesh: NO_MESH_SUPPORT,
      accounts: { facts: () => undefined, failure: undefined, need: () => {}, release: () => {} },
      transport: this.server,
      configuration: {} as ClusterConfiguration,
      clock: this.clock,
      random: () => 0.5,
      onChange: (namespace) => this.notified.push(namespace),
      onError: () => {},
    },
    this.#end.signal,
  );

  /** Asks for a Service, as compiling a peer of a rule does, and subscribes the namespace to what was asked. */
  compile(namespace: string, name = 'api'): { isKnown: boolean; selector: unknown } {
    const facts = new RecordedFacts(this.sources.facts);
    const isKnown = facts.isKnown(SERVICES);
    const selector = isKnown ? facts.service('shop', name)?.selector : undefined;
    this.sources.subscribe(namespace, facts.dependencies);
    return { isKnown, selector };
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

describe('peer sources', () => {
  let fixture: Fixture;
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(() => fixture.end());

  it('are not watched because somebody reads their facts', async () => {
    const { facts } = fixture.sources;
    assert.equal(facts.isKnown(SERVICES), false);
    assert.equal(facts.service('shop', 'api'), undefined);
    assert.deepEqual(facts.endpoints('default', 'kubernetes'), []);
    assert.equal(fixture.sources.readError(SERVICES), undefined);
    assert.deepEqual(await fixture.server.waiting(), []);
  });

  it('are watched once a namespace subscribes to them, and notify it when they have been read', async () => {
    assert.deepEqual(fixture.compile('a'), { isKnown: false, selector: undefined });
    fixture.sources.subscribe('b', new Map());
    await fixture.filled(service('api', 1, 'api'));
    assert.deepEqual(fixture.notified, ['a']);
    assert.deepEqual(fixture.compile('a'), { isKnown: true, selector: { app: 'api' } });
  });

  it('are watched once for all namespaces', async () => {
    fixture.compile('a');
    fixture.compile('b');
    assert.deepEqual(await fixture.server.waiting(), ['watch']);
  });

  it('notify the namespaces that depend on an object of a change of its facts, and no others', async () => {
    fixture.compile('a');
    const watch = await fixture.filled(service('api', 1, 'api'), service('other', 1, 'other'));
    fixture.compile('a');
    fixture.compile('b', 'other');
    fixture.notified.length = 0;
    watch.send({ type: 'MODIFIED', object: service('api', 11, 'api-v2') });
    await flush();
    assert.deepEqual(fixture.notified, ['a']);
    // Only its resourceVersion is new.
    watch.send({ type: 'MODIFIED', object: service('other', 12, 'other') });
    await flush();
    assert.deepEqual(fixture.notified, ['a']);
  });

  it('find the Service that is labelled as DNS, and notify of another one', async () => {
    const dns = (name: string, revision: number, label: string) => ({
      ...service(name, revision, 'dns'),
      metadata: {
        ...service(name, revision, 'dns').metadata,
        namespace: 'kube-system',
        labels: { 'k8s-app': label },
      },
    });
    const ask = () => {
      const facts = new RecordedFacts(fixture.sources.facts);
      const found = facts.isKnown(SERVICES) ? facts.labelledDNS()?.name : undefined;
      fixture.sources.subscribe('a', facts.dependencies);
      return found;
    };
    ask();
    const watch = await fixture.filled(service('api', 1, 'api'), dns('resolver', 2, 'coredns'));
    assert.equal(ask(), 'resolver');
    fixture.notified.length = 0;
    watch.send({ type: 'ADDED', object: dns('other', 11, 'kube-dns') });
    await flush();
    assert.deepEqual(fixture.notified, ['a']);
    assert.equal(ask(), 'other');
    watch.send({ type: 'MODIFIED', object: dns('other', 12, 'cache') });
    await flush();
    assert.equal(ask(), 'resolver');
  });

  it('notify a namespace no longer of an object that its last compilation did not ask for', async () => {
    fixture.compile('a');
    const watch = await fixture.filled(service('api', 1, 'api'), service('other', 1, 'other'));
    fixture.compile('a');
    fixture.compile('a', 'other');
    fixture.notified.length = 0;
    watch.send({ type: 'MODIFIED', object: service('api', 11, 'api-v2') });
    await flush();
    assert.deepEqual(fixture.notified, []);
  });

  it('are watched until a minute after the last namespace needed them, and anew when one needs them again', async () => {
    fixture.compile('a');
    const watch = await fixture.filled(service('api', 1, 'api'));
    fixture.compile('a');
    fixture.compile('b');
    fixture.sources.unsubscribe('a');
    await fixture.clock.advance(2 * MINUTE);
    assert.equal(watch.closed, false, 'b still needs it');

    fixture.sources.unsubscribe('b');
    await fixture.clock.advance(MINUTE - 1);
    assert.equal(watch.closed, false, 'not at once');
    await fixture.clock.advance(1);
    await flush();
    assert.equal(watch.closed, true);

    assert.deepEqual(fixture.compile('a'), { isKnown: false, selector: undefined });
    await fixture.filled(service('api', 20, 'api-v3'));
    assert.deepEqual(fixture.compile('a'), { isKnown: true, selector: { app: 'api-v3' } });
  });

  it('stay watched while a namespace is compiled again and again', async () => {
    fixture.compile('a');
    const watch = await fixture.filled(service('api', 1, 'api'));
    for (let i = 0; i < 5; i++) {
      fixture.compile('a');
      await fixture.clock.advance(MINUTE);
    }
    assert.equal(watch.closed, false);
  });
});
