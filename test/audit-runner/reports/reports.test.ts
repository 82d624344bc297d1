import assert from 'node:assert/strict';
import type { Finding } from '../../../src/audit/finding.ts';
import { observedReport, reportChanges } from '../../../src/audit-runner/reports/changes.ts';
import { compileReports, type ReportInput } from '../../../src/audit-runner/reports/compile.ts';
import type { Report } from '../../../src/audit-runner/reports/open-reports.ts';

const NOW = 1_800_000_000;
const LATER = NOW + 3600;

const finding = (check: string, more: Partial<Finding> = {}): Finding => ({
  check,
  category: 'Pods',
  severity: 'high',
  object: { kind: 'Deployment', namespace: 'shop', name: 'web' },
  message: 'it is so',
  remedy: 'Write it otherwise.',
  ...more,
});

function compiled(findings: readonly Finding[], more: Partial<ReportInput> = {}): Map<string, Report> {
  return compileReports({ findings, waived: [], skipped: [], controlsOf: () => [], maxResults: 10, ...more });
}

/** The reports as the API server would return them after the writes. */
function stored(reports: ReadonlyMap<string, Report>, observed: ReadonlyMap<string, Report> = new Map()) {
  const before = new Map([...observed].map(([scope, report]) => [scope, observedReport(report)]));
  const { writes } = reportChanges(reports, before, NOW);
  return new Map(
    writes.flatMap((write) => {
      if (write.verb === 'delete') return [];
      const metadata = { ...write.report.metadata, uid: 'u', resourceVersion: '1' };
      return [[write.report.metadata.namespace ?? '', { ...write.report, metadata }] as const];
    }),
  );
}

function changes(reports: ReadonlyMap<string, Report>, observed: ReadonlyMap<string, Report>) {
  const before = new Map([...observed].map(([scope, report]) => [scope, observedReport(report)]));
  const { writes, fresh } = reportChanges(reports, before, LATER);
  return {
    writes,
    verbs: writes.map(({ verb, report }) => {
      const { namespace = '-' } = verb === 'delete' ? report : report.metadata;
      return `${verb} ${namespace}`;
    }),
    fresh: [...fresh].map(
      ([namespace, results]) => `${namespace}: ${results.map(({ policy }) => policy).join()}`,
    ),
  };
}

describe('compiled report', () => {
  it('is that of the namespace of an object, of a Namespace itself, or of the cluster', () => {
    const reports = compiled([
      finding('a'),
      finding('b', { object: { kind: 'Namespace', name: 'shop' } }),
      finding('c', { object: { kind: 'ClusterRoleBinding', name: 'all' } }),
    ]);
    assert.deepEqual(
      [...reports].map(([scope, { kind, results }]) => [scope, kind, results.map(({ policy }) => policy)]),
      [
        ['shop', 'Report', ['a', 'b']],
        ['', 'ClusterReport', ['c']],
      ],
    );
  });

  it('names object, field, remedy and controls of a finding', () => {
    const report = compiled([finding('a', { field: 'spec.x' })], { controlsOf: () => ['CIS 5.1', 'C-0001'] });
    assert.deepEqual(report.get('shop')?.results, [
      {
        policy: 'a',
        category: 'Pods',
        severity: 'high',
        result: 'fail',
        scored: true,
        message: 'it is so',
        resources: [{ apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'shop', name: 'web' }],
        properties: { field: 'spec.x', remedy: 'Write it otherwise.', controls: 'CIS 5.1, C-0001' },
      },
    ]);
  });

  it('counts advice as warn, a waived finding as skip, and a check that could not run as error', () => {
    const waiver = {
      check: 'w',
      object: 'Deployment shop/web',
      reason: 'old',
      by: 'ops',
      until: '2027-01-01',
      place: '',
    };
    const check = { id: 's', category: 'Platform', title: 'It is read' } as never;
    const reports = compiled([finding('i', { severity: 'info' })], {
      waived: [{ finding: finding('w'), waiver }],
      skipped: [{ check, unread: ['Node'] }],
    });
    const summary = (scope: string) => reports.get(scope)?.summary;
    assert.deepEqual(summary('shop'), { pass: 0, fail: 0, warn: 1, error: 0, skip: 1 });
    assert.deepEqual(summary(''), { pass: 0, fail: 0, warn: 0, error: 1, skip: 0 });
    assert.match(reports.get('shop')?.results[1]?.message ?? '', /waived by ops until 2027-01-01: old$/);
  });

  it('has at most maxResults results, says so, and counts all', () => {
    const all = Array.from({ length: 25 }, (_, index) => finding(`check-${10 + index}`));
    const report = compiled(all).get('shop');
    assert.equal(report?.results.length, 10);
    assert.equal(report?.summary.fail, 25);
    assert.deepEqual(
      [report?.results[0]?.policy, report?.results[0]?.message.slice(0, 35), report?.results[1]?.policy],
      ['report-capped', 'the report has 9 of 25 results, the', 'check-10'],
    );
  });

  it('is small enough for etcd, whatever findings say', () => {
    const long = 'x'.repeat(100_000);
    const all = Array.from({ length: 600 }, (_, index) =>
      finding(`c-${index}`, { message: long, remedy: long, field: long }),
    );
    const size = JSON.stringify(compiled(all, { maxResults: 500 }).get('shop')).length;
    assert.ok(size < 1_400_000, `${size}`);
  });
});

describe('changes of reports', () => {
  it('are none if the reports are as before, whenever that was', () => {
    const reports = compiled([finding('a'), finding('b')]);
    assert.deepEqual(changes(reports, stored(reports)).verbs, []);
  });

  it('create, update and delete, in the revision that was read', () => {
    const before = stored(
      compiled([finding('a'), finding('b', { object: { kind: 'Pod', namespace: 'old', name: 'x' } })]),
    );
    const after = compiled([
      finding('a', { message: 'it is otherwise' }),
      finding('c', { object: { kind: 'Pod', namespace: 'new', name: 'x' } }),
    ]);
    const { verbs, writes } = changes(after, before);
    assert.deepEqual(verbs, ['update shop', 'create new', 'delete old']);
    const [update, , removal] = writes;
    assert.partialDeepStrictEqual(update, { report: { metadata: { uid: 'u', resourceVersion: '1' } } });
    assert.partialDeepStrictEqual(removal, { report: { uid: 'u', resourceVersion: '1' } });
  });

  it('keep the time at which a finding was found first', () => {
    const before = stored(compiled([finding('a')]));
    const [write] = changes(compiled([finding('a'), finding('b')]), before).writes;
    assert.ok(write?.verb === 'update');
    assert.deepEqual(
      write.report.results.map(({ timestamp }) => timestamp?.seconds),
      [NOW, LATER],
    );
  });

  it('tell what is new since the last audit', () => {
    const before = stored(compiled([finding('a')]));
    const other = { kind: 'Pod', namespace: 'new', name: 'x' };
    const after = compiled([
      finding('a', { message: 'another text' }),
      finding('b'),
      finding('c', { object: other }),
    ]);
    assert.deepEqual(changes(after, before).fresh, ['shop: b', 'new: c']);
  });

  it('tell of nothing new after the first audit of all', () => {
    assert.deepEqual(changes(compiled([finding('a')]), new Map()).fresh, []);
  });

  it('tell of nothing new that a capped report may have left out', () => {
    const all = Array.from({ length: 12 }, (_, index) => finding(`check-${10 + index}`));
    const before = stored(compiled(all));
    // If the first three are gone, results that the cap left out move up. They are not new.
    assert.deepEqual(changes(compiled(all.slice(3)), before).fresh, []);
    const severe = finding('worse', { severity: 'critical' });
    assert.deepEqual(changes(compiled([severe, ...all]), before).fresh, ['shop: worse']);
  });

  it('repair a report whose label somebody removed, or whose results somebody changed', () => {
    const reports = compiled([finding('a')]);
    for (const change of [{ results: [] }, { summary: undefined }, { source: 'x' }] as Partial<Report>[]) {
      const before = new Map(
        [...stored(reports)].map(([scope, report]) => [scope, { ...report, ...change }]),
      );
      assert.deepEqual(changes(reports, before as Map<string, Report>).verbs, ['update shop']);
    }
  });
});
