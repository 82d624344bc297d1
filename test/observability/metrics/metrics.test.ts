import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { metricsDocument } from '../../../scripts/generators/monitoring/metrics.ts';
import { KeyQueue, Priority } from '../../../src/controller/queue/key-queue.ts';
import {
  createMetrics,
  describeMetrics,
  type ProfileCounts,
} from '../../../src/observability/metrics/registry.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';
import { parseExposition } from './exposition-parser.ts';

const COUNTS: ProfileCounts = {
  namespaces: { enforced: 3, pending: 1, failed: 0 },
  policies: { desired: 12, applied: 9 },
  conflicts: 1,
  refusing: 0,
  unresolvedPeers: 2,
  conditions: { Ready: true, Stalled: false },
  violations: { images: 4, exposure: 0 },
  rollout: { phase: 'Soaking', completeWaves: 1, namespaces: { reached: 2, outstanding: 2 } },
};

/** A registry in which every metric was recorded at least once. */
function used() {
  const metrics = createMetrics({ version: '1.2.3' });
  const queue = metrics.queue('namespaces');
  queue.sample(() => ({ ready: { live: 1, backfill: 2 }, unfinishedMs: 1500, longestMs: 700 }));
  queue.onAdd();
  queue.onStart(12);
  queue.onDone(30);
  queue.onRetry();
  metrics.request({ verb: 'WATCH', host: 'api:6443', status: 200, durationMs: 3 });
  metrics.request({
    verb: 'POST',
    host: 'api:6443',
    status: 201,
    durationMs: 3,
    requestBytes: 70,
    responseBytes: 300,
  });
  metrics.request({ verb: 'POST', host: 'api:6443', status: '<error>', durationMs: 3, requestBytes: 70 });
  const leader = metrics.leader('segmentation-operator');
  leader.held(true);
  leader.slowPath();
  const reconciles = metrics.reconcile('namespace', 16);
  for (const why of [undefined, 'terminal', 'panic'] as const) {
    reconciles.start();
    reconciles.done('error', 20, why);
  }
  reconciles.start();
  metrics.certificate.read(false);
  metrics.certificate.read(true);
  metrics.setProfile('strict', COUNTS);
  metrics.policyWritten('create', 'missing');
  metrics.driftRepaired();
  metrics.enforced(40);
  metrics.fullSync(1_700_000_000_500);
  metrics.watches(() => new Map([['namespaces', 2500]]));
  return metrics;
}

const exposition = async (metrics: ReturnType<typeof createMetrics>) =>
  parseExposition(await metrics.render('prometheus'));

describe('metrics', () => {
  it('have each family once, with help and type, and no repeated series', async () => {
    for (const format of ['prometheus', 'openmetrics'] as const) {
      // The parser throws on a repeated family or series, on a sample outside its family, and on bad syntax.
      const { families } = parseExposition(await used().render(format), format);
      assert.ok(families.size > 50);
      for (const [name, { help, type }] of families) {
        assert.ok(help.length > 10, name);
        assert.match(type, /^(counter|gauge|histogram)$/, name);
      }
    }
  });

  it('follow the naming conventions that promtool checks', () => {
    for (const { name, type, help, labels } of describeMetrics()) {
      assert.match(name, /^[a-z][a-z0-9_]*$/);
      assert.equal(
        name.endsWith('_total'),
        type === 'counter',
        `${name}: _total is for counters, and all of them`,
      );
      assert.doesNotMatch(name, /_(count|sum|bucket|counter|gauge|histogram)$/);
      assert.doesNotMatch(name, /(milli|micro|kilo|mega|minutes|hours|_ms|_mb)/, `${name}: base units only`);
      assert.ok(help.endsWith('.') || !name.startsWith('segmentation_'), name);
      if (type === 'histogram') assert.match(name, /_(seconds|bytes)$/);
      for (const label of labels)
        assert.ok(!['namespace', 'policy', 'key', 'le'].includes(label), `${name}{${label}}`);
    }
  });

  // The metrics of controller-runtime 0.25 and client-go 0.36, but for reconcile_timeouts (only requests have deadlines),
  // request_retries (only a 401 is repeated, which requests_total shows) and rate_limiter (there is none).
  const CONVENTIONAL: readonly (readonly [name: string, type: string, labels: readonly string[]])[] = [
    ['certwatcher_read_certificate_errors_total', 'counter', []],
    ['certwatcher_read_certificate_total', 'counter', []],
    ['controller_runtime_active_workers', 'gauge', ['controller']],
    ['controller_runtime_max_concurrent_reconciles', 'gauge', ['controller']],
    ['controller_runtime_reconcile_errors_total', 'counter', ['controller']],
    ['controller_runtime_reconcile_panics_total', 'counter', ['controller']],
    ['controller_runtime_reconcile_time_seconds', 'histogram', ['controller']],
    ['controller_runtime_reconcile_total', 'counter', ['controller', 'result']],
    ['controller_runtime_terminal_reconcile_errors_total', 'counter', ['controller']],
    ['leader_election_master_status', 'gauge', ['name']],
    ['leader_election_slowpath_total', 'counter', ['name']],
    ['rest_client_request_duration_seconds', 'histogram', ['verb', 'host']],
    ['rest_client_request_size_bytes', 'histogram', ['verb', 'host']],
    ['rest_client_requests_total', 'counter', ['code', 'method', 'host']],
    ['rest_client_response_size_bytes', 'histogram', ['verb', 'host']],
    ['workqueue_adds_total', 'counter', ['name', 'controller']],
    ['workqueue_depth', 'gauge', ['name', 'controller', 'priority']],
    ['workqueue_longest_running_processor_seconds', 'gauge', ['name', 'controller']],
    ['workqueue_queue_duration_seconds', 'histogram', ['name', 'controller']],
    ['workqueue_retries_total', 'counter', ['name', 'controller']],
    ['workqueue_unfinished_work_seconds', 'gauge', ['name', 'controller']],
    ['workqueue_work_duration_seconds', 'histogram', ['name', 'controller']],
  ];

  it('have the names, types and labels of controller-runtime and client-go where those exist', () => {
    const covered = describeMetrics().filter(({ name }) => !/^(segmentation|nodejs|process)_/.test(name));
    assert.deepEqual(
      covered.map(({ name, type, labels }) => [name, type, labels]),
      CONVENTIONAL,
    );
  });

  it('are in seconds if measured in milliseconds', async () => {
    const { value } = await exposition(used());
    assert.equal(value('workqueue_unfinished_work_seconds{name="namespaces",controller="namespaces"}'), 1.5);
    assert.equal(
      value('workqueue_longest_running_processor_seconds{name="namespaces",controller="namespaces"}'),
      0.7,
    );
    assert.equal(
      value('workqueue_queue_duration_seconds_sum{name="namespaces",controller="namespaces"}'),
      0.012,
    );
    assert.equal(
      value('workqueue_work_duration_seconds_sum{name="namespaces",controller="namespaces"}'),
      0.03,
    );
    assert.equal(value('rest_client_request_duration_seconds_sum{verb="WATCH",host="api:6443"}'), 0.003);
    assert.equal(value('controller_runtime_reconcile_time_seconds_sum{controller="namespace"}'), 0.06);
    assert.equal(value('segmentation_enforcement_seconds_sum'), 0.04);
    assert.equal(value('segmentation_enforcement_seconds_bucket{le="0.05"}'), 1);
    assert.equal(value('segmentation_enforcement_seconds_bucket{le="0.025"}'), 0);
    assert.equal(value('segmentation_last_full_sync_timestamp_seconds'), 1_700_000_000.5);
    assert.equal(value('segmentation_watch_age_seconds{resource="namespaces"}'), 2.5);
  });

  it('count with the labels of client-go and controller-runtime', async () => {
    const { value } = await exposition(used());
    assert.equal(value('workqueue_depth{name="namespaces",controller="namespaces",priority="live"}'), 1);
    assert.equal(value('workqueue_depth{name="namespaces",controller="namespaces",priority="backfill"}'), 2);
    assert.equal(value('workqueue_adds_total{name="namespaces",controller="namespaces"}'), 1);
    assert.equal(value('workqueue_retries_total{name="namespaces",controller="namespaces"}'), 1);
    assert.equal(value('rest_client_requests_total{code="200",method="GET",host="api:6443"}'), 1);
    assert.equal(value('rest_client_requests_total{code="<error>",method="POST",host="api:6443"}'), 1);
    assert.equal(value('leader_election_master_status{name="segmentation-operator"}'), 1);
    assert.equal(value('rest_client_request_size_bytes_sum{verb="POST",host="api:6443"}'), 140);
    assert.equal(value('rest_client_response_size_bytes_sum{verb="POST",host="api:6443"}'), 300);
    assert.equal(value('rest_client_response_size_bytes_count{verb="POST",host="api:6443"}'), 1);
    assert.equal(value('rest_client_request_size_bytes_count{verb="WATCH",host="api:6443"}'), undefined);
    assert.equal(value('leader_election_slowpath_total{name="segmentation-operator"}'), 1);
    assert.equal(value('certwatcher_read_certificate_total'), 2);
    assert.equal(value('certwatcher_read_certificate_errors_total'), 1);
    assert.equal(value('controller_runtime_reconcile_total{controller="namespace",result="error"}'), 3);
    assert.equal(value('controller_runtime_reconcile_errors_total{controller="namespace"}'), 3);
    assert.equal(value('controller_runtime_terminal_reconcile_errors_total{controller="namespace"}'), 1);
    assert.equal(value('controller_runtime_reconcile_panics_total{controller="namespace"}'), 1);
    assert.equal(value('controller_runtime_max_concurrent_reconciles{controller="namespace"}'), 16);
    assert.equal(value('controller_runtime_active_workers{controller="namespace"}'), 1);
    assert.equal(value('segmentation_policy_writes_total{verb="create",reason="missing"}'), 1);
    assert.equal(value('segmentation_drift_repairs_total'), 1);
    assert.equal(value(`segmentation_build_info{version="1.2.3",node_version="${process.version}"}`), 1);
  });

  it('begin at 0 for all labels that are known in advance', async () => {
    const metrics = createMetrics({ version: '1' });
    metrics.queue('q').sample(() => ({ ready: { live: 0 }, unfinishedMs: 0, longestMs: 0 }));
    metrics.reconcile('c', 1);
    metrics.leader('l');
    const { value } = await exposition(metrics);
    for (const series of [
      'workqueue_depth{name="q",controller="q",priority="live"}',
      'workqueue_adds_total{name="q",controller="q"}',
      'workqueue_retries_total{name="q",controller="q"}',
      'workqueue_queue_duration_seconds_count{name="q",controller="q"}',
      'workqueue_work_duration_seconds_count{name="q",controller="q"}',
      'controller_runtime_reconcile_total{controller="c",result="success"}',
      'controller_runtime_reconcile_total{controller="c",result="error"}',
      'controller_runtime_reconcile_total{controller="c",result="requeue_after"}',
      'controller_runtime_reconcile_errors_total{controller="c"}',
      'controller_runtime_terminal_reconcile_errors_total{controller="c"}',
      'controller_runtime_reconcile_panics_total{controller="c"}',
      'controller_runtime_active_workers{controller="c"}',
      'controller_runtime_reconcile_time_seconds_count{controller="c"}',
      'leader_election_slowpath_total{name="l"}',
      'certwatcher_read_certificate_total',
      'certwatcher_read_certificate_errors_total',
      'segmentation_events_total{result="created"}',
      'segmentation_events_total{result="continued"}',
      'segmentation_events_total{result="dropped"}',
      'leader_election_master_status{name="l"}',
      'segmentation_profiles',
      'segmentation_configuration_stale',
      'segmentation_policy_writes_total{verb="create",reason="missing"}',
      'segmentation_policy_writes_total{verb="create",reason="transition"}',
      'segmentation_policy_writes_total{verb="update",reason="changed"}',
      'segmentation_policy_writes_total{verb="update",reason="transition"}',
      'segmentation_policy_writes_total{verb="delete",reason="unwanted"}',
      'segmentation_policy_writes_total{verb="delete",reason="transition"}',
      'segmentation_drift_repairs_total',
      'segmentation_enforcement_seconds_count',
      'segmentation_last_full_sync_timestamp_seconds',
    ]) {
      assert.equal(value(series), 0, series);
    }
  });

  it('show the state of each profile, and no series of a deleted one', async () => {
    const metrics = createMetrics({ version: '1' });
    metrics.setProfile('strict', COUNTS);
    const { rollout: _, ...withoutRollout } = COUNTS;
    metrics.setProfile('tenants', { ...withoutRollout, conflicts: 0 });
    const before = await exposition(metrics);
    assert.equal(before.value('segmentation_profiles'), 2);
    assert.equal(before.value('segmentation_namespaces{profile="strict",state="enforced"}'), 3);
    assert.equal(before.value('segmentation_namespaces{profile="strict",state="pending"}'), 1);
    assert.equal(before.value('segmentation_namespaces{profile="strict",state="failed"}'), 0);
    assert.equal(before.value('segmentation_policies{profile="strict",kind="desired"}'), 12);
    assert.equal(before.value('segmentation_policies{profile="strict",kind="applied"}'), 9);
    assert.equal(before.value('segmentation_conflicts{profile="strict"}'), 1);
    assert.equal(before.value('segmentation_unresolved_peers{profile="strict"}'), 2);
    assert.equal(before.value('segmentation_profile_condition{profile="strict",condition="Ready"}'), 1);
    assert.equal(before.value('segmentation_profile_condition{profile="strict",condition="Stalled"}'), 0);
    assert.equal(before.value('segmentation_workload_violations{profile="strict",group="images"}'), 4);
    const rollouts = [...before.series].filter(([series]) => series.startsWith('segmentation_rollout_'));
    assert.deepEqual(
      rollouts.filter(([, value]) => value !== 0).map(([series]) => series),
      [
        'segmentation_rollout_complete_waves{profile="strict"}',
        'segmentation_rollout_namespaces{profile="strict",state="reached"}',
        'segmentation_rollout_namespaces{profile="strict",state="outstanding"}',
        'segmentation_rollout_phase{profile="strict",phase="Soaking"}',
      ],
    );
    assert.equal(rollouts.length, 10);
    metrics.removeProfile('strict');
    const after = await exposition(metrics);
    assert.equal(after.value('segmentation_profiles'), 1);
    assert.deepEqual(
      [...after.series.keys()].filter((series) => series.includes('"strict"')),
      [],
    );
    assert.equal(after.value('segmentation_conflicts{profile="tenants"}'), 0);
  });

  it('show the age of every watch, and no series of an ended one', async () => {
    const metrics = createMetrics({ version: '1' });
    const ages = new Map([
      ['namespaces', 100],
      ['services', 2000],
    ]);
    metrics.watches(() => ages);
    const series = (resource: string) => `segmentation_watch_age_seconds{resource="${resource}"}`;
    const before = await exposition(metrics);
    assert.deepEqual([before.value(series('namespaces')), before.value(series('services'))], [0.1, 2]);
    ages.delete('services');
    assert.equal((await exposition(metrics)).value(series('services')), undefined);
  });

  it('show the state of a work queue', async () => {
    const metrics = createMetrics({ version: '1' });
    const clock = new VirtualClock();
    const observer = metrics.queue('namespaces');
    const queue = new KeyQueue<string>({
      identify: (key) => key,
      concurrency: 1,
      clock,
      random: () => 1,
      observer,
    });
    observer.sample(() => queue.stats());
    queue.start(async (key) => (key === 'bad' ? { kind: 'retry', error: 'refused' } : { kind: 'done' }));
    queue.add('good', Priority.live);
    queue.add('bad', Priority.backfill);
    await queue.idle();
    queue.pause();
    queue.add('good', Priority.live);
    assert.equal(
      (await exposition(metrics)).value(
        'workqueue_depth{name="namespaces",controller="namespaces",priority="live"}',
      ),
      1,
    );
    queue.resume();
    await queue.idle();
    const { value } = await exposition(metrics);
    assert.equal(value('workqueue_adds_total{name="namespaces",controller="namespaces"}'), 3);
    assert.equal(value('workqueue_retries_total{name="namespaces",controller="namespaces"}'), 1);
    assert.equal(
      value('workqueue_work_duration_seconds_count{name="namespaces",controller="namespaces"}'),
      3,
    );
    await queue.close();
  });

  it('escape labels', async () => {
    const metrics = createMetrics({ version: 'a"b\\c\nd' });
    for (const format of ['prometheus', 'openmetrics'] as const) {
      assert.match(await metrics.render(format), /segmentation_build_info\{version="a\\"b\\\\c\\nd",/);
    }
  });

  it('are described in docs/metrics.md (npm run generate)', () => {
    assert.equal(
      readFileSync(join(import.meta.dirname, '../../../docs/metrics.md'), 'utf8'),
      metricsDocument(),
    );
  });
});

describe('the two formats of metrics', () => {
  it('do not affect each other in turn or at the same time', async () => {
    const metrics = createMetrics({ version: '1' });
    const names = (text: string) =>
      text.split('\n').filter((line) => /^(# TYPE )?(segmentation|workqueue|rest|controller)/.test(line));
    const first = names(await metrics.render('prometheus'));
    const [open, second] = await Promise.all([metrics.render('openmetrics'), metrics.render('prometheus')]);
    assert.deepEqual(names(second), first);
    assert.match(open, /^# TYPE segmentation_policy_writes counter$/m);
    assert.match(open, /^segmentation_policy_writes_total\{/m);
    assert.match(second, /^# TYPE segmentation_policy_writes_total counter$/m);
  });

  it('differ only as their specifications do', async () => {
    const metrics = createMetrics({ version: '1' });
    const open = await metrics.render('openmetrics');
    const text = await metrics.render('prometheus');
    assert.ok(open.endsWith('\n# EOF\n') && !text.includes('# EOF'));
    assert.match(open, /_bucket\{le="1\.0"\} 0/);
    assert.match(text, /_bucket\{le="1"\} 0/);
  });
});
