import assert from 'node:assert/strict';
import { projectProfile } from '../../../src/cluster-state/items.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { EngineDetection } from '../../../src/controller/engines/detection.ts';
import { EngineExtensions } from '../../../src/controller/engines/support.ts';
import type { EngineVerdict } from '../../../src/engines/detection/detect.ts';
import type { EngineSetting } from '../../../src/engines/engine.ts';
import type { ExtensionEngine } from '../../../src/engines/extensions/engine.ts';
import { EXTENSION_ENGINES } from '../../../src/engines/extensions/engines.ts';
import { SIGNATURES } from '../../../src/engines/signatures.ts';
import { errorOfStatus } from '../../../src/kube/errors.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { profile } from '../../policy/fixture.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

const ACCOUNT = { namespace: 'shop', name: 'web' };
const IDENTIFIED = profile({ ingress: [{ name: 'web', from: [{ serviceAccount: ACCOUNT }] }] });
const DEPENDENT = profile({ egress: [{ name: 'nodes', to: [{ entity: 'Nodes' }] }] });

describe('engine detection', () => {
  let clock: VirtualClock;
  let clusterState: ClusterState;
  let verdicts: EngineVerdict[];
  let reported: string[];
  let asked: string[];
  /** Ready pods of Cilium's agent; undefined if there is no such DaemonSet. */
  let ready: number | undefined;
  let detection: EngineDetection;

  beforeEach(() => {
    clock = new VirtualClock();
    clusterState = new ClusterState([]);
    verdicts = [];
    reported = [];
    asked = [];
    ready = 1;
    detection = detectionOf('Auto');
  });
  afterEach(() => detection.stop());

  function detectionOf(setting: EngineSetting, engines: readonly ExtensionEngine[] = []): EngineDetection {
    const transport: Transport = {
      request: async <T>(request: Request) => {
        asked.push(request.path);
        if (request.path === '/apis') return { groups: [{ name: 'cilium.io' }] } as T;
        if (ready === undefined || !request.path.endsWith('/namespaces/kube-system/daemonsets/cilium'))
          throw errorOfStatus(request, { kind: 'Status', code: 404 });
        return {
          metadata: { name: 'cilium' },
          status: { numberReady: ready },
        } as T;
      },
      watch: ({ path }) => ({
        [Symbol.asyncIterator]: () => ({
          next: () => Promise.reject(errorOfStatus({ method: 'WATCH', path }, { kind: 'Status', code: 404 })),
        }),
      }),
      close: async () => {},
    };
    return new EngineDetection({
      setting,
      signatures: SIGNATURES,
      transport,
      clusterState,
      clock,
      extensions: new EngineExtensions({
        engines,
        staging: [],
        transport,
        clusterState,
        clock,
        random: () => 0.5,
        resyncMs: 0,
        onWrite: () => {},
        onWatchError: () => {},
        onStagingRetry: () => {},
      }),
      onVerdict: (verdict) => verdicts.push(verdict),
    });
  }

  const lead = () => detection.lead((name) => reported.push(name));
  const put = (stored: SegmentationProfile, resourceVersion: string) =>
    clusterState.profiles.upsert(
      projectProfile({ ...stored, metadata: { ...stored.metadata, resourceVersion } }),
    );

  it('judges dependent profiles only once it has looked', async () => {
    assert.equal(detection.isJudged(DEPENDENT), false);
    assert.equal(detection.isJudged(profile()), true);
    lead();
    await clock.advance(0);
    assert.equal(detection.isJudged(DEPENDENT), true);
    assert.equal(detection.report(DEPENDENT)?.condition.status, 'True');
    assert.match(detection.report(DEPENDENT)?.condition.message ?? '', /\(Nodes depends on it\)$/);
  });

  it('reports nothing about a profile whose peers do not depend on the engine', async () => {
    lead();
    await clock.advance(0);
    assert.equal(detection.report(profile()), undefined);
  });

  it('looks again every minute, and tells only changes', async () => {
    put(DEPENDENT, '1');
    lead();
    await clock.advance(59_000);
    const once = asked.length;
    await clock.advance(2000);
    assert.equal(asked.length, 2 * once);
    assert.deepEqual(
      verdicts.map(({ engine }) => engine),
      ['Cilium'],
    );
    ready = undefined;
    await clock.advance(60_000);
    assert.deepEqual(
      verdicts.map(({ engine }) => engine),
      ['Cilium', 'None'],
    );
    assert.deepEqual(new Set(reported), new Set(['segmented']));
  });

  it('looks every ten seconds while the evidence is unclear, and keeps the engine', async () => {
    lead();
    await clock.advance(0);
    ready = 0;
    await clock.advance(60_000);
    assert.deepEqual([verdicts.at(-1)?.engine, verdicts.at(-1)?.reason], ['Cilium', 'AgentNotReady']);
    const before = asked.length;
    await clock.advance(10_000);
    assert.ok(asked.length > before);
  });

  it('looks at once when a profile begins to depend on the engine', async () => {
    lead();
    await clock.advance(30_000);
    const before = asked.length;
    put(profile(), '1');
    await clock.advance(1000);
    assert.equal(asked.length, before);
    put(DEPENDENT, '2');
    await clock.advance(1000);
    assert.ok(asked.length > before);
  });

  it('has as its reason that another engine runs than the configured one, whose policies can not be written either', async () => {
    await detection.stop();
    detection = detectionOf('Calico', EXTENSION_ENGINES);
    lead();
    await clock.advance(0);
    const facts = detection.engine.facts();
    assert.equal(facts?.kind === 'missing' && facts.reason, 'Unsupported');
    const { reason, message } = detection.report(IDENTIFIED)?.condition ?? {};
    assert.equal(reason, 'EngineDisagrees');
    assert.match(
      message ?? '',
      /says Calico, but Cilium runs: .*; correct engine there; the API server does not serve /,
    );
  });

  it('has the reason why the policies of the confirmed engine can not be written', async () => {
    await detection.stop();
    detection = detectionOf('Cilium', EXTENSION_ENGINES);
    lead();
    await clock.advance(0);
    assert.equal(detection.report(DEPENDENT)?.condition.reason, 'Unsupported');
  });

  it('reports on a service account where the engine in force knows accounts, as soon as it is found', async () => {
    await detection.stop();
    detection = detectionOf('Cilium', EXTENSION_ENGINES);
    assert.equal(detection.isJudged(IDENTIFIED), false);
    put(IDENTIFIED, '1');
    lead();
    await clock.advance(0);
    assert.deepEqual(new Set(reported), new Set(['segmented']));
    const { status, reason, message = '' } = detection.report(IDENTIFIED)?.condition ?? {};
    assert.deepEqual([status, reason], ['False', 'Unsupported']);
    assert.match(
      message,
      /does not serve ciliumnetworkpolicies\S* \(serviceAccount shop\/web depends on it\)$/,
    );
  });

  it('reports nothing on a service account where the engine in force tells it by labels', async () => {
    await detection.stop();
    detection = detectionOf('GKE', EXTENSION_ENGINES);
    lead();
    await clock.advance(0);
    assert.equal(detection.isJudged(IDENTIFIED), true);
    assert.equal(detection.report(IDENTIFIED), undefined);
  });

  it('does not miss policies of the engine that none of the peers needs', async () => {
    await detection.stop();
    detection = detectionOf('Calico', EXTENSION_ENGINES);
    lead();
    await clock.advance(0);
    const { reason, message = '' } = detection.report(DEPENDENT)?.condition ?? {};
    assert.equal(reason, 'EngineDisagrees');
    assert.doesNotMatch(message, /does not serve/);
  });

  it('asks nothing after it has stopped', async () => {
    lead();
    await clock.advance(0);
    await detection.stop();
    const before = asked.length;
    await clock.advance(600_000);
    assert.equal(asked.length, before);
  });
});
