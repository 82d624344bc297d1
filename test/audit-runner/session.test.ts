import assert from 'node:assert/strict';
import type { KubeObject } from '../../src/api/meta.ts';
import { ANNOTATION_WAIVERS } from '../../src/audit/waivers/waiver.ts';
import { CLUSTER_DEFAULTS } from '../../src/options/cluster-defaults.ts';
import type { Report } from '../../src/audit-runner/reports/open-reports.ts';
import { AuditSession, type SessionSettings } from '../../src/audit-runner/session.ts';
import { AUDIT_KINDS, KNOWN_KINDS } from '../../src/snapshot/objects.ts';
import { profile } from '../policy/fixture.ts';

const SETTINGS: SessionSettings = {
  minSeverity: 'medium',
  skip: [],
  registries: [],
  waivers: [],
  maxResults: 200,
  protectedNamespaces: ['kube-system'],
  configuration: CLUSTER_DEFAULTS,
};

type Objects = Readonly<Record<string, readonly object[]>>;

const namespace = (name: string, more: object = {}) => ({ metadata: { name, uid: name, ...more } });
const pod = (inNamespace: string, owner?: object) => ({
  metadata: { namespace: inNamespace, name: 'web', labels: { app: 'web' }, ...owner },
  spec: { containers: [{ name: 'web', image: 'web' }] },
  status: { phase: 'Running' },
});
const CLUSTER: Objects = { Namespace: [namespace('shop')], Pod: [pod('shop')] };

/** A session that has read these objects, by kind. */
function sessionOf(objects: Objects, settings: Partial<SessionSettings> = {}): AuditSession {
  const session = new AuditSession({ ...SETTINGS, ...settings });
  for (const [name, items] of Object.entries(objects)) {
    const kind = [...KNOWN_KINDS, ...AUDIT_KINDS].find((each) => each.kind === name);
    assert.ok(kind);
    session.page(kind, JSON.stringify({ metadata: {}, items }));
  }
  return session;
}

/** The reports that a session writes into an empty cluster, by namespace. */
function reportsOf(session: AuditSession): Map<string, Report> {
  session.judge('2026-01-01');
  session.reports(JSON.stringify({ items: [] }));
  session.changes(0);
  const writes = session.nextWrites(1000).flatMap((write) => (write.verb === 'delete' ? [] : [write.report]));
  return new Map(writes.map((report) => [report.metadata.namespace ?? '', report]));
}

const failed = (report: Report | undefined) =>
  (report?.results ?? []).filter(({ result }) => result === 'fail').map(({ policy }) => policy);

describe('audit session', () => {
  it('reports what the checks find, without protected and terminating namespaces', () => {
    const reports = reportsOf(
      sessionOf({
        Namespace: [
          namespace('shop'),
          namespace('kube-system'),
          namespace('gone', { deletionTimestamp: '2026-01-01T00:00:00Z' }),
        ],
        Pod: [pod('shop'), pod('kube-system'), pod('gone')],
      }),
    );
    assert.deepEqual([...reports.keys()].filter(Boolean), ['shop']);
    assert.ok(failed(reports.get('shop')).includes('namespace-without-policy'));
  });

  it('leaves out findings that are less severe, and checks that are skipped', () => {
    const all = failed(reportsOf(sessionOf(CLUSTER, { minSeverity: 'low' })).get('shop'));
    assert.ok(all.includes('pod-resources') && all.includes('namespace-pod-security'));
    const some = failed(reportsOf(sessionOf(CLUSTER, { skip: ['boundary'] })).get('shop'));
    assert.ok(!some.includes('pod-resources') && !some.includes('namespace-without-policy'));
    assert.ok(some.includes('namespace-pod-security'));
  });

  it('names what it should skip and does not know', () => {
    assert.deepEqual(sessionOf({}, { skip: ['boundary', 'pod-resources', 'pod-resource'] }).unknownChecks(), [
      'pod-resource',
    ]);
  });

  it('sums up the findings of each profile that selects their namespaces', () => {
    const chosen = profile({ namespaceSelector: { matchLabels: { team: 'a' } } });
    const session = sessionOf({
      ...CLUSTER,
      Namespace: [namespace('shop', { labels: { team: 'a' } }), namespace('other')],
      Pod: [pod('shop'), pod('other')],
      SegmentationProfile: [chosen],
    });
    const { profiles } = session.judge('2026-01-01');
    const summary = profiles.get(chosen.metadata.name);
    assert.deepEqual([summary?.namespaces, summary?.affected], [1, 1]);
    assert.match(summary?.worst[0] ?? '', /^high namespace-without-policy \(Namespace shop\)$/);
  });

  it('reports waivers that have ended or waive nothing, as the plugin does', () => {
    const waivers = [
      { check: 'namespace-without-policy', reason: 'a test', by: 'ops', until: '2026-12-31' },
      { check: 'namespace-pod-security', reason: 'a test', by: 'ops', until: '2025-12-31' },
      { check: 'policies-not-enforced', reason: 'a test', by: 'ops', until: '2026-12-31' },
    ];
    const annotations = { [ANNOTATION_WAIVERS]: JSON.stringify(waivers) };
    const objects = { ...CLUSTER, Namespace: [namespace('shop', { annotations })] };
    const all = reportsOf(sessionOf(objects, { minSeverity: 'info' })).get('');
    assert.deepEqual(failed(all).toSorted(), ['waiver-expired']);
    const unused = (all?.results ?? []).filter(({ policy }) => policy === 'waiver-unused');
    assert.match(unused.map(({ message }) => message).join('\n'), /^.*waives no finding.*$/);
    assert.deepEqual(failed(reportsOf(sessionOf(objects)).get('')), ['waiver-expired']);
  });

  it('takes waivers from the configuration, and reports those that can not be read', () => {
    const waiver = {
      check: 'namespace-without-policy',
      object: 'Namespace sh*',
      reason: 'a test',
      by: 'ops',
      until: '2026-12-31',
    };
    const ended = { ...waiver, check: 'policies-not-enforced', until: '2025-12-31' };
    const { object: _, ...incomplete } = waiver;
    const waivers = [incomplete, waiver, 'no waiver', ended];
    const reports = reportsOf(sessionOf(CLUSTER, { waivers }));
    const results = reports.get('')?.results ?? [];
    const messages = (check: string) =>
      results.filter(({ policy }) => policy === check).map(({ message }) => message);
    assert.match(
      messages('waiver-invalid').join('\n'),
      /audit\.waivers\[0\] of the operator's configuration: object/,
    );
    assert.match(
      messages('waiver-invalid').join('\n'),
      /audit\.waivers\[2\] of the operator's configuration/,
    );
    assert.match(
      messages('waiver-expired').join('\n'),
      /^.*audit\.waivers\[3\] of the operator's configuration.*$/,
    );
    const waived = reports.get('shop')?.results?.filter(({ result }) => result === 'skip') ?? [];
    assert.deepEqual(
      waived.map(({ policy }) => policy),
      ['namespace-without-policy'],
    );
  });

  it('does not take the waiver of a less severe finding for unused', () => {
    const waiver = { check: 'pod-resources', reason: 'a test', by: 'ops', until: '2026-12-31' };
    const annotations = { [ANNOTATION_WAIVERS]: JSON.stringify([waiver]) };
    const objects = { ...CLUSTER, Pod: [pod('shop', { annotations })] };
    const cluster = reportsOf(sessionOf(objects, { minSeverity: 'info' })).get('');
    const checks = cluster?.results?.map(({ policy }) => policy) ?? [];
    assert.ok(checks.length > 0 && !checks.includes('waiver-unused'));
    assert.deepEqual(failed(reportsOf(sessionOf(objects)).get('')), []);
  });

  it('counts all pods of a workload', () => {
    const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'agent', uid: 'd', controller: true };
    const replicas = ['a', 'b', 'c'].map((name) => pod('shop', { name, ownerReferences: [owner] }));
    const report = reportsOf(sessionOf({ ...CLUSTER, Pod: replicas })).get('shop');
    const found = report?.results?.find(({ policy }) => policy === 'namespace-without-policy');
    assert.match(found?.message ?? '', /isolates its 3 pods/);
  });

  it('reads no Secrets, and does not take that for a lack', () => {
    const session = sessionOf(CLUSTER);
    assert.ok(!session.kinds().some(({ kind }) => kind === 'Secret'));
    assert.deepEqual(session.judge('2026-01-01').skipped, []);
  });

  it('names checks whose kinds it may not read, and reports them as errors', () => {
    const session = sessionOf(CLUSTER);
    const kind = AUDIT_KINDS.find((each) => each.kind === 'ClusterRoleBinding');
    assert.ok(kind);
    session.unread(kind, 'forbidden');
    const { skipped } = session.judge('2026-01-01');
    assert.ok(skipped.length > 0);
    session.changes(0);
    const [cluster] = session
      .nextWrites(1000)
      .flatMap((write) =>
        write.verb === 'create' && write.report.kind === 'ClusterReport' ? [write.report] : [],
      );
    assert.equal(cluster?.summary.error, skipped.length);
  });

  it('asks for Jobs only if they own pods', () => {
    assert.deepEqual(sessionOf(CLUSTER).furtherKinds(), []);
    const ownerReferences = [
      { apiVersion: 'batch/v1', kind: 'Job', name: 'once', uid: 'j', controller: true },
    ];
    const session = sessionOf({ Pod: [pod('shop', { ownerReferences })] });
    assert.deepEqual(
      session.furtherKinds().map(({ kind }) => kind),
      ['Job'],
    );
  });

  it('lets the ClusterRole of config/audit own the reports', () => {
    const labels = {
      'app.kubernetes.io/name': 'segmentation-operator',
      'app.kubernetes.io/component': 'audit',
    };
    const role: KubeObject = { metadata: { name: 'x-audit', uid: 'role', labels } };
    const owned = reportsOf(sessionOf({ ...CLUSTER, ClusterRole: [role] })).get('shop');
    assert.deepEqual(owned?.metadata.ownerReferences, [
      { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: 'x-audit', uid: 'role' },
    ]);
    assert.equal(reportsOf(sessionOf(CLUSTER)).get('shop')?.metadata.ownerReferences, undefined);
  });

  it('drops the objects of a list that begins again', () => {
    const session = sessionOf(CLUSTER);
    const kind = KNOWN_KINDS.find((each) => each.kind === 'Pod');
    assert.ok(kind);
    session.restart(kind);
    assert.equal(session.judge('2026-01-01').findings, 0);
  });

  it('refuses an answer that is no list', () => {
    const [kind] = KNOWN_KINDS;
    assert.ok(kind);
    assert.throws(() => sessionOf({}).page(kind, '{"items": "none"}'), /^TypeError: not a list/);
  });
});
