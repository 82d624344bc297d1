import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import {
  type NamespaceOverlay,
  OverlayReports,
  unwrittenProfiles,
} from '../../../src/controller/mesh/report.ts';
import type { OverlayPlan } from '../../../src/engines/istio/overlay.ts';
import { profile } from '../../policy/fixture.ts';

const ASKED: SegmentationProfile = profile({ mesh: { authorization: 'Enforce', mtls: 'Strict' } });
const DONE: NamespaceOverlay = {
  mode: 'sidecars',
  hasTunnel: false,
  injectsToo: false,
  waiting: [],
  outOfMesh: [],
  tls: 'strict',
};

function reportOf(overlays: Readonly<Record<string, NamespaceOverlay>>) {
  const reports = new OverlayReports(() => {});
  for (const [namespace, overlay] of Object.entries(overlays)) reports.record(namespace, [ASKED], overlay);
  return reports.of(ASKED);
}

describe('profiles without AuthorizationPolicy in a namespace', () => {
  const ownerOf = ({ metadata }: KubeObject) => metadata.labels?.['segmentation.dev/profile'];
  const own = {
    metadata: { name: 'segmented.default-deny', labels: { 'segmentation.dev/profile': 'segmented' } },
  };
  const nothing = { widen: [], narrow: [] };

  it('are those of which none is observed, and none is to be created', () => {
    const names = (objects: readonly KubeObject[], plan: OverlayPlan = nothing) =>
      unwrittenProfiles([ASKED], { objects, ownerOf }, plan);
    assert.deepEqual(names([]), ['segmented']);
    assert.deepEqual(names([{ metadata: { name: 'foreign' } }]), ['segmented']);
    assert.deepEqual(names([own]), []);
    assert.deepEqual(names([], { widen: [], narrow: [{ verb: 'create', object: own }] }), []);
  });

  it('are none that ask for no AuthorizationPolicy, or isolate no ingress', () => {
    const spec = [
      { mesh: { authorization: 'Disabled', mtls: 'Strict' } },
      { isolation: ['Egress'], mesh: { authorization: 'Enforce', mtls: 'Disabled' } },
    ] as const;
    const profiles = spec.map((each) => profile(each));
    assert.deepEqual(unwrittenProfiles(profiles, { objects: [], ownerOf }, nothing), []);
  });
});

describe('report of a mesh overlay', () => {
  it('names the modes, and how many namespaces have them', () => {
    assert.deepEqual(reportOf({ a: DONE, b: DONE }), {
      status: 'True',
      reason: 'Enforced',
      message: 'authorization: Enforce and mtls: Strict in 2 namespaces',
    });
  });

  it('names the namespaces that are not in the mesh', () => {
    const { status, message } = reportOf({ a: DONE, b: { ...DONE, mode: 'outside' } });
    assert.equal(status, 'True');
    assert.match(message, /in 1 namespace; 1 namespace out of the mesh, .* ambient mode, .* sidecars .*: b$/);
  });

  it('names the root namespace of the mesh, in which nothing is written', () => {
    const { status, message } = reportOf({ a: DONE, 'istio-system': { ...DONE, mode: 'root' } });
    assert.equal(status, 'True');
    assert.match(message, /in 1 namespace; none in istio-system, as policies of the root namespace/);
  });

  it('is False in ambient mode where authorization has no effect, and says what it needs', () => {
    const { status, reason, message } = reportOf({ a: DONE, b: { ...DONE, mode: 'ambient' } });
    assert.deepEqual([status, reason], ['False', 'AmbientMode']);
    assert.match(
      message,
      /authorization: Enforce needs baseline.mesh: Allow in ambient mode, in 1 namespace: b$/,
    );
    const reports = new OverlayReports(() => {});
    const audited = profile({ mesh: { authorization: 'Audit', mtls: 'Disabled' } });
    reports.record('b', [audited], { ...DONE, mode: 'ambient' });
    assert.match(
      reports.of(audited).message,
      /authorization: Audit has no effect in ambient mode, in 1 namespace: b\. .* write Enforce, or Disabled$/,
    );
  });

  it('is True in ambient mode with its tunnel, or if mutual TLS alone is asked for', () => {
    assert.equal(reportOf({ b: { ...DONE, mode: 'ambient', hasTunnel: true } }).status, 'True');
    const reports = new OverlayReports(() => {});
    const strict = profile({ mesh: { authorization: 'Disabled', mtls: 'Strict' } });
    reports.record('b', [strict], { ...DONE, mode: 'ambient' });
    const { status, message } = reports.of(strict);
    assert.deepEqual([status, message], ['True', 'mtls: Strict in 1 namespace']);
  });

  it('is False while no AuthorizationPolicy stands in a namespace, and counts the others', () => {
    const waiting = { ...DONE, mode: 'ambient', hasTunnel: true, waiting: ['segmented'] } as const;
    const { status, reason, message } = reportOf({ a: DONE, b: waiting });
    assert.deepEqual([status, reason], ['False', 'Waiting']);
    assert.match(
      message,
      /in 1 namespace; not in b yet, where no AuthorizationPolicy is written .*see PeersResolved/,
    );
    assert.equal(reportOf({ a: DONE, b: { ...waiting, waiting: ['other'] } }).status, 'True');
  });

  it('names namespaces in ambient mode into which sidecars are injected too', () => {
    const { status, message } = reportOf({
      a: DONE,
      b: { ...DONE, mode: 'ambient', hasTunnel: true, injectsToo: true },
    });
    assert.equal(status, 'True');
    assert.match(message, /in 2 namespaces; sidecars are injected in ambient mode too, .*: b$/);
  });

  it('names the rules that strict mutual TLS would cut', () => {
    const { status, reason, message } = reportOf({
      a: { ...DONE, outOfMesh: ['office', 'probe'], tls: 'blocked' },
    });
    assert.deepEqual([status, reason], ['False', 'PeersOutOfMesh']);
    assert.match(message, /a: office, probe/);
  });

  it('names the namespaces in which a foreign PeerAuthentication decides', () => {
    const { status, reason, message } = reportOf({ a: { ...DONE, tls: 'taken' } });
    assert.deepEqual([status, reason], ['False', 'Conflict']);
    assert.match(message, /decides in a: delete it/);
  });

  it('is announced when it changes, and only then', () => {
    const announced: string[] = [];
    const reports = new OverlayReports((name) => announced.push(name));
    reports.record('a', [ASKED], DONE);
    reports.record('a', [ASKED], DONE);
    assert.deepEqual(announced, ['segmented']);
    reports.record('a', [], DONE);
    reports.forget('a');
    assert.deepEqual(announced, ['segmented', 'segmented']);
  });
});
