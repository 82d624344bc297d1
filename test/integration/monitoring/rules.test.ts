/** The real Prometheus scrapes a running operator, and answers every query of the rules, dashboard and runbooks. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeMetrics } from '../../../src/observability/metrics/registry.ts';
import { page, quoted, readRepositoryFile, rows, samples } from '../../docs/pages.ts';
import type { ControlPlane } from '../../env/index.ts';
import { goIsThere, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators, vacateLease } from '../../support/operator.ts';
import {
  alerts,
  buildPrometheus,
  Prometheus,
  promtool,
  recordings,
  ruleFile,
  rules,
} from '../../support/monitoring/prometheus.ts';
import { scrape } from '../../support/monitoring/scrape.ts';
import { selectorText, type Selector, usageOf } from '../../support/monitoring/promql.ts';
import { install, uninstall } from '../exceptions/scene.ts';
import { grant, revoke } from '../rollout/scene.ts';
import { configuration, JOB, pausedRollout, work } from './fixture.ts';

/** The metrics of the audit, of the network engine and of queries are there only with them. They need no permission to exist. */
const WITH_AUDIT = JSON.stringify({
  apiVersion: 'config.segmentation.dev/v1alpha1',
  kind: 'OperatorConfiguration',
  audit: { changeDelay: '1s', minSeverity: 'info' },
  engine: 'Auto',
  mesh: 'Istio',
  prometheus: { url: 'http://127.0.0.1:9' },
});
const SETTLED = 15_000; // ms: many scrapes and evaluations
/** Values for Grafana's variables; the test is shorter than ten minutes. */
const VARIABLES: Readonly<Record<string, string>> = {
  $__rate_interval: '10m',
  $__range: '10m',
  $cluster: '.*',
  $profile: '.*',
  $job: JOB,
};

interface Target {
  readonly labels: { readonly job: string };
  readonly health: string;
  readonly lastError: string;
}

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const dashboard = JSON.parse(readRepositoryFile('config/grafana/segmentation-operator.json')) as Dashboard;
const panels = dashboard.panels
  .map(({ title, targets = [] }) => ({ title, queries: targets.map(({ expr }) => filled(expr)) }))
  .filter(({ queries }) => queries.length > 0);
const runbookQueries = samples(page('docs/runbooks.md'))
  .filter(({ language }) => language === 'promql')
  .flatMap(({ text }) => text.trim().split('\n'));

function filled(expression: string): string {
  return Object.entries(VARIABLES).reduce((text, [name, value]) => text.replaceAll(name, value), expression);
}

(goIsThere ? describe : describe.skip)(`Prometheus${skippedWithoutGo}`, () => {
  const operators = new Operators();
  let plane: ControlPlane;
  let box: Sandbox;
  let operator: Operator;
  let url: string;
  let token: string;
  let prometheus: Prometheus;
  let profile: string;
  let directory: string | undefined;

  before(async function () {
    this.timeout('20m');
    await buildPrometheus();
    plane = await sharedControlPlane();
    box = new Sandbox(plane, 'monitoring');
    const kubeconfig = await installOperator(plane);
    // The metrics of exceptions are there only where they are installed.
    await install(plane);
    await grant(plane);
    await vacateLease(plane);
    directory = mkdtempSync(join(tmpdir(), 'monitoring-'));
    const file = join(directory, 'operator.yaml');
    writeFileSync(file, WITH_AUDIT);
    operator = await operators.start(
      kubeconfig,
      '--leader-elect',
      '--metrics-secure',
      '--canary',
      `--config=${file}`,
    );
    url = String((await operator.line('listening'))['metrics']);
    const how = await configuration(box, url);
    token = how.token;
    prometheus = await Prometheus.start(how.configuration, { 'rules.yaml': ruleFile() });
    // Prometheus sees no increase for events before the first scrape.
    await settled(async () => assert.equal((await prometheus.query('sum(up)'))[0]?.value, 2));
    profile = await work(box);
    await pausedRollout(box);
  });
  after(async () => {
    await prometheus?.stop();
    await box?.remove();
    await uninstall(plane);
    await revoke(plane);
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  /** Waits for a condition that takes a few scrapes. */
  const settled = <T>(attempt: () => Promise<T>) => eventually(attempt, SETTLED);

  const value = async (expression: string) => {
    const series = await prometheus.query(expression);
    assert.equal(series.length, 1, `${expression}: ${JSON.stringify(series)}`);
    return series[0]?.value;
  };

  /** Waits until an expression has a series with a finite value. */
  const hasValues = (expression: string) =>
    settled(async () => {
      const series = await prometheus.query(expression);
      assert.ok(
        series.some((each) => Number.isFinite(each.value)),
        `${expression}: ${JSON.stringify(series)}`,
      );
    });

  describe('scrapes', () => {
    it('both formats without an error or warning', async () => {
      const { activeTargets } = (await prometheus.api('targets')) as { activeTargets: Target[] };
      assert.deepEqual(
        Object.fromEntries(
          activeTargets.map(({ labels: { job }, health, lastError }) => [job, health + lastError]),
        ),
        { [JOB]: 'up', text: 'up' },
      );
      assert.deepEqual(
        await prometheus.query('min_over_time(up[1m]) == 0'),
        [],
        'a scrape has failed in between',
      );
      assert.deepEqual(prometheus.complaints(), []);
    });

    it('the same series from both formats', async () => {
      const names = async (job: string) => {
        const series = await prometheus.query(
          `count by (__name__) ({job="${job}", __name__!~".*:.*|ALERTS.*"})`,
        );
        return series.map(({ metric }) => metric['__name__'] ?? '').sort();
      };
      // The jobs scrape one after the other.
      await settled(async () => {
        const openmetrics = await names(JOB);
        assert.ok(openmetrics.length > 50);
        assert.deepEqual(await names('text'), openmetrics);
      });
      const bounds = async (job: string) => {
        const series = await prometheus.query(`segmentation_enforcement_seconds_bucket{job="${job}"}`);
        return series.map(({ metric }) => metric['le'] ?? '').sort();
      };
      assert.ok((await bounds(JOB)).includes('5.0'));
      assert.deepEqual(await bounds('text'), await bounds(JOB));
    });

    for (const [job, family] of [
      // OpenMetrics names the family without the suffix that the samples of a counter have.
      [JOB, (name: string) => name.replace(/_total$/, '')],
      ['text', (name: string) => name],
    ] as const) {
      it(`the type and help of each metric from ${job === JOB ? 'OpenMetrics' : 'the text format'}`, async () => {
        const target = `{job="${job}"}`;
        const metadata = (await prometheus.api('targets/metadata', { match_target: target })) as {
          metric: string;
          type: string;
          help: string;
        }[];
        const scraped = metadata.map(({ metric, type, help }) => [metric, type, help].join(' | ')).sort();
        const described = describeMetrics().map(({ name, type, help }) =>
          [family(name), type, help].join(' | '),
        );
        assert.deepEqual(scraped, described.sort());
      });
    }

    it('metrics that promtool accepts', async () => {
      const { text } = await scrape(url, { token });
      const { code, output } = await promtool(['check', 'metrics'], text);
      assert.deepEqual([code, output], [0, '']);
    });

    it('the activity of the operator', async () => {
      const of = `profile="${profile}"`;
      for (const [expression, expected] of [
        [`segmentation_namespaces{job="${JOB}", ${of}, state="enforced"}`, 3],
        [`segmentation_namespaces{job="${JOB}", ${of}, state="failed"}`, 0],
        [`segmentation_profile_condition{job="${JOB}", ${of}, condition="PeersResolved"}`, 0],
        [`segmentation_conflicts{job="${JOB}", ${of}}`, 1],
        [`segmentation_unresolved_peers{job="${JOB}", ${of}} > bool 0`, 1],
        [`segmentation_drift_repairs_total{job="${JOB}"} > bool 0`, 1],
        [`sum(segmentation_policy_writes_total{job="${JOB}", verb="create"}) > bool 0`, 1],
        [`segmentation_enforcement_seconds_count{job="${JOB}"} > bool 0`, 1],
        [`leader_election_master_status{job="${JOB}"}`, 1],
        [`time() - segmentation_last_full_sync_timestamp_seconds{job="${JOB}"} < bool 60`, 1],
      ] as const) {
        await settled(async () => assert.equal(await value(expression), expected, expression));
      }
    });
  });

  describe('evaluates', () => {
    it('every rule without an error', async () => {
      const { groups } = await settled(async () => {
        const answer = (await prometheus.api('rules')) as {
          groups: { rules: { name: string; health: string; lastError?: string }[] }[];
        };
        const unknown = answer.groups
          .flatMap((group) => group.rules)
          .filter(({ health }) => health === 'unknown');
        assert.deepEqual(unknown, []);
        return answer;
      });
      const evaluated = groups.flatMap((group) => group.rules);
      assert.equal(evaluated.length, rules().length);
      assert.deepEqual(
        evaluated.filter(({ health, lastError }) => health !== 'ok' || lastError !== undefined),
        [],
      );
    });

    for (const { record } of recordings()) {
      it(`the recording ${record} to a value`, () => hasValues(record));
    }

    /**
     * Series that exist only after failures, those of other exporters (here, no probe of the canary is scraped), and
     * conditions of what no profile asks for here.
     */
    const isAbsent = ({ metric, matchers }: Selector) =>
      /^(?:kube|segmentation_canary_latency)_/.test(metric) ||
      matchers.some(
        ({ name, value }) => name === 'code' || /^(?:Admission|PodSecurity|Rollout)Ready$/.test(value),
      );

    for (const { alert, expr } of alerts()) {
      it(`the alert ${alert} on existing series`, async () => {
        const { selectors } = await usageOf(prometheus, expr);
        assert.notDeepEqual(selectors, []);
        for (const selector of selectors.filter((each) => !isAbsent(each))) {
          await settled(async () => {
            const text = selectorText(selector);
            assert.notDeepEqual(await prometheus.query(text), [], text);
          });
        }
      });
    }

    it('no alert as firing', async () => {
      assert.deepEqual(await prometheus.query('ALERTS{alertstate="firing"}'), []);
    });

    for (const { title, queries } of panels) {
      it(`the panel "${title}" to values`, async () => {
        for (const query of queries) await hasValues(query);
      });
    }

    for (const { name, definition } of dashboard.templating.list) {
      if (definition === undefined) continue;
      it(`the dashboard's variable ${name}`, async () => {
        const [, selector = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(definition) ?? [];
        const found = (await prometheus.api(`label/${label}/values`, {
          'match[]': filled(selector),
        })) as string[];
        if (name === 'cluster') assert.deepEqual(found, ['here']);
        if (name === 'job') assert.deepEqual(found.sort(), [JOB, 'text']);
        if (name === 'profile') assert.ok(found.includes(profile));
      });
    }

    it('each query of the runbooks, which name the log line of a repair', async () => {
      const [, sought = ''] = /grep '("reason":"drift)'/.exec(page('docs/runbooks.md').text) ?? [];
      assert.ok(sought !== '' && operator.log().includes(sought));
      assert.ok(runbookQueries.length >= 30);
      for (const query of runbookQueries) await prometheus.query(query);
    });
  });

  it('gets queries only for metrics and labels of docs/metrics.md', async () => {
    const documented = new Map(
      rows(page('docs/metrics.md'))
        .filter(([name = '']) => name.startsWith('`'))
        .map(([name = '', type = '', labels = '']) => [
          quoted(name)[0] ?? '',
          { type, labels: quoted(labels) },
        ]),
    );
    const ofTarget = ['job', 'instance', 'cluster', 'namespace', 'pod'];
    const others: Readonly<Record<string, readonly string[]>> = {
      up: [],
      ALERTS: ['alertname', 'alertstate'],
      kube_pod_container_resource_limits: ['resource', 'container'],
      ...Object.fromEntries(recordings().map(({ record }) => [record, ['controller']])),
    };
    const labelsOf = (metric: string): readonly string[] | undefined => {
      const exact = documented.get(metric) ?? others[metric];
      if (exact !== undefined) return 'labels' in exact ? exact.labels : exact;
      const [, family = '', suffix = ''] = /^(.+)_(bucket|sum|count)$/.exec(metric) ?? [];
      const histogram = documented.get(family);
      if (histogram?.type !== 'histogram') return undefined;
      return suffix === 'bucket' ? [...histogram.labels, 'le'] : histogram.labels;
    };
    const expressions = [
      ...rules().map(({ expr }) => expr),
      ...panels.flatMap(({ queries }) => queries),
      ...runbookQueries,
    ];
    const faults: string[] = [];
    for (const expression of expressions) {
      const { selectors, grouping } = await usageOf(prometheus, expression);
      const known = new Set(ofTarget);
      for (const { metric, matchers } of selectors) {
        const labels = labelsOf(metric);
        if (labels === undefined) faults.push(`no metric ${metric}: ${expression}`);
        for (const label of labels ?? []) known.add(label);
        for (const { name } of matchers) {
          if (![...ofTarget, ...(labels ?? [])].includes(name)) {
            faults.push(`${metric} has no label ${name}: ${expression}`);
          }
        }
      }
      for (const label of grouping) {
        if (!known.has(label)) faults.push(`nothing has the label ${label}: ${expression}`);
      }
    }
    assert.deepEqual(faults, []);
  });
});
