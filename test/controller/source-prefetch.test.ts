import assert from 'node:assert/strict';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { projectNamespace } from '../../src/cluster-state/items.ts';
import { RecordedFacts } from '../../src/cluster-state/peer-sources/dependencies.ts';
import { PeerSources } from '../../src/cluster-state/peer-sources/sources.ts';
import { ClusterState } from '../../src/cluster-state/state.ts';
import { NO_SUPPORT } from '../../src/controller/engine-support.ts';
import { NO_MESH_SUPPORT } from '../../src/controller/mesh-support.ts';
import { SourcePrefetch } from '../../src/controller/source-prefetch.ts';
import { compile } from '../../src/policy/compile.ts';
import { ScriptedTransport, type WatchCall } from '../kube/scripted-transport.ts';
import { CONFIGURATION, profile } from '../policy/fixture.ts';
import { flush, VirtualClock } from '../support/clocks/virtual-clock.ts';

const MINUTE = 60_000; // ms
/** A Service without a selector: its addresses are those of its EndpointSlices. */
const LEGACY = {
  metadata: { namespace: 'bank', name: 'legacy', uid: 'uid-legacy', resourceVersion: '1' },
  spec: { type: 'ClusterIP', ports: [{ port: 80 }], clusterIPs: ['10.96.0.7'] },
};
const TO_LEGACY = profile({
  egress: [{ name: 'to-legacy', to: [{ service: { namespace: 'bank', name: 'legacy' } }] }],
});

class Fixture {
  readonly clock = new VirtualClock();
  readonly server = new ScriptedTransport();
  readonly clusterState = new ClusterState([]);
  readonly #end = new AbortController();
  readonly sources: PeerSources;
  readonly prefetch: SourcePrefetch;

  constructor() {
    this.sources = new PeerSources(
      {
        relistMs: 0,
        engine: NO_SUPPORT,
        mesh: NO_MESH_SUPPORT,
        accounts: { facts: () => undefined, failure: undefined, need: () => {}, release: () => {} },
        transport: this.server,
        configuration: CONFIGURATION,
        clock: this.clock,
        random: () => 0.5,
        onChange: () => {},
        onReadable: () => this.prefetch.sourceRead(),
        onError: () => {},
      },
      this.#end.signal,
    );
    this.prefetch = new SourcePrefetch(this);
    this.clusterState.namespaces.upsert(
      projectNamespace({ metadata: { name: 'shop', uid: 'uid-shop', resourceVersion: '2' } }),
    );
  }

  put(intent: SegmentationProfile): void {
    this.clusterState.profiles.upsert({
      key: intent.metadata.name,
      uid: intent.metadata.uid ?? '',
      resourceVersion: String(2 + (intent.metadata.generation ?? 0)),
      profile: intent,
    });
  }

  /** The next watch, once it has delivered these objects. */
  async filled(...objects: object[]): Promise<WatchCall> {
    const watch = await this.server.next('watch');
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    const bookmark = { type: 'BOOKMARK', object: { metadata: { resourceVersion: '10', annotations } } };
    watch.send(...objects.map((object) => ({ type: 'ADDED', object })), bookmark);
    await flush();
    return watch;
  }

  /** Subscribes the namespace to what the profile asks of the cluster, as its reconcile does. */
  reconcile(namespace: string, intent: SegmentationProfile): void {
    const facts = new RecordedFacts(this.sources.facts);
    compile(intent, { name: namespace, labels: {} }, facts);
    this.sources.subscribe(namespace, facts.dependencies);
  }

  async end(): Promise<void> {
    this.#end.abort();
    await flush();
  }
}

describe('the prefetch of peer sources', () => {
  let fixture: Fixture;
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(() => fixture.end());

  it('watches the sources of a profile, and those that depend on what has been read, before any reconcile', async () => {
    fixture.put(TO_LEGACY);
    fixture.prefetch.start();
    await fixture.filled(LEGACY);
    assert.equal(fixture.sources.facts.isKnown({ kind: 'services' }), true);
    await fixture.filled();
    assert.equal(fixture.sources.facts.isKnown({ kind: 'endpointSlices', namespace: 'bank' }), true);
    assert.deepEqual(await fixture.server.waiting(), []);
  });

  it('watches the sources of profiles that are created or edited later', async () => {
    fixture.prefetch.start();
    fixture.put(profile());
    assert.deepEqual(await fixture.server.waiting(), []);
    fixture.put({ ...TO_LEGACY, metadata: { ...TO_LEGACY.metadata, generation: 4 } });
    assert.deepEqual(await fixture.server.waiting(), ['watch']);
  });

  it('watches nothing for a profile that selects no namespace', async () => {
    fixture.put({ ...TO_LEGACY, spec: { ...TO_LEGACY.spec, excludeNamespaces: ['shop'] } });
    fixture.prefetch.start();
    assert.deepEqual(await fixture.server.waiting(), []);
  });

  it('keeps the watches of a standby', async () => {
    fixture.put(TO_LEGACY);
    fixture.prefetch.start();
    const watch = await fixture.filled(LEGACY);
    await fixture.clock.advance(10 * MINUTE);
    assert.equal(watch.closed, false);
  });

  it('ends the watches that no namespace needs within a minute after all have been reconciled', async () => {
    fixture.put(TO_LEGACY);
    fixture.prefetch.start();
    const services = await fixture.filled(LEGACY);
    const slices = await fixture.filled();
    const toDNS = profile({ baseline: { dns: 'Allow' } });
    fixture.put(toDNS);
    fixture.reconcile('shop', toDNS);
    fixture.prefetch.release();
    await fixture.clock.advance(MINUTE);
    await flush();
    assert.deepEqual([services.closed, slices.closed], [false, true]);
  });

  it('ends the watches for a profile that is deleted before a namespace needs them', async () => {
    fixture.prefetch.start();
    fixture.prefetch.release();
    fixture.put(TO_LEGACY);
    const watch = await fixture.filled(LEGACY);
    await fixture.clock.advance(2 * MINUTE);
    await flush();
    assert.equal(watch.closed, true);
  });
});
