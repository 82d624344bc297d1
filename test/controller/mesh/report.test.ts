import assert from 'node:assert/strict';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { type NamespaceOverlay, OverlayReports } from '../../../src/controller/mesh/report.ts';
import { profile } from '../../policy/fixture.ts';

const ASKED: SegmentationProfile = profile({ mesh: { authorization: 'Enforce', mtls: 'Strict' } });
const DONE: NamespaceOverlay = { mode: 'sidecars', hasTunnel: false, outOfMesh: [], tls: 'strict' };

function reportOf(overlays: Readonly<Record<string, NamespaceOverlay>>) {
  const reports = new OverlayReports(() => {});
  for (const [namespace, overlay] of Object.entries(overlays)) reports.record(namespace, [ASKED], overlay);
  return reports.of(ASKED);
}

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
    assert.match(message, /in 1 namespace; 1 namespace out of the mesh, .*: b$/);
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
      /authorization: Enforce needs baseline.mesh: Allow in ambient mode: 1 namespace: b$/,
    );
    const reports = new OverlayReports(() => {});
    const audited = profile({ mesh: { authorization: 'Audit', mtls: 'Disabled' } });
    reports.record('b', [audited], { ...DONE, mode: 'ambient' });
    assert.match(reports.of(audited).message, /authorization: Audit has no effect in ambient mode, as Istio/);
  });

  it('is True in ambient mode with its tunnel, or if mutual TLS alone is asked for', () => {
    assert.equal(reportOf({ b: { ...DONE, mode: 'ambient', hasTunnel: true } }).status, 'True');
    const reports = new OverlayReports(() => {});
    const strict = profile({ mesh: { authorization: 'Disabled', mtls: 'Strict' } });
    reports.record('b', [strict], { ...DONE, mode: 'ambient' });
    const { status, message } = reports.of(strict);
    assert.deepEqual([status, message], ['True', 'mtls: Strict in 1 namespace']);
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
