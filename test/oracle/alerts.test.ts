/** The alert rules of config/prometheus, tested by promtool. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { goIsThere, skippedWithoutGo } from '../env/tooling/go-tool.ts';
import { alerts, buildPrometheus, promtool, ruleFile } from '../support/monitoring/prometheus.ts';
import { AUDIT_CASES } from './alert-cases/audit.ts';
import { EXCEPTION_CASES } from './alert-cases/exceptions.ts';
import { REPLICA_CASES } from './alert-cases/replicas.ts';
import { SEGMENTATION_CASES } from './alert-cases/segmentation.ts';
import type { AlertCase } from './alert-cases/series.ts';
import { WORK_CASES } from './alert-cases/work.ts';

const ALERT_CASES = [
  ...REPLICA_CASES,
  ...SEGMENTATION_CASES,
  ...WORK_CASES,
  ...AUDIT_CASES,
  ...EXCEPTION_CASES,
];

(goIsThere ? describe : describe.skip)(`the alerts${skippedWithoutGo}`, () => {
  let directory: string;
  let rules: string;

  before(async function () {
    this.timeout('20m');
    await buildPrometheus();
    directory = mkdtempSync(join(tmpdir(), 'alerts-'));
    rules = join(directory, 'rules.yaml');
    writeFileSync(rules, stringify(ruleFile()));
  });
  after(() => {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  it('are accepted by Prometheus', async () => {
    const { code, output } = await promtool(['check', 'rules', '--lint=all', '--lint-fatal', rules]);
    assert.equal(code, 0, output);
  });

  it('each have a case in which they fire, and one in which they do not', () => {
    const names = alerts().map(({ alert }) => alert);
    const firing = ALERT_CASES.filter(({ fires }) => fires !== undefined).map(({ alert }) => alert);
    const quiet = ALERT_CASES.filter(({ quiet: times = [] }) => times.length > 0).map(({ alert }) => alert);
    for (const cases of [firing, quiet]) assert.deepEqual([...new Set(cases)].sort(), names.toSorted());
  });

  it('fire in the cases that say so, with the summary, and in no other', async () => {
    // promtool evaluates all rules of a file for each case: one file for each alert has the recording rules beside it.
    const files = [...Map.groupBy(ALERT_CASES, ({ alert }) => alert)].map(([alert, cases]) => {
      const own = join(directory, `${alert}.rules.yaml`);
      writeFileSync(own, stringify({ groups: groupsOf(alert) }));
      const tests = join(directory, `${alert}.yaml`);
      writeFileSync(
        tests,
        stringify({ rule_files: [own], evaluation_interval: '1m', tests: cases.map(unitTest) }),
      );
      return tests;
    });
    const { code, output } = await promtool(['test', 'rules', '--diff', ...files]);
    assert.equal(code, 0, output);
  });
});

/** The groups of rules without the other alerts. */
function groupsOf(alert: string): object[] {
  return ruleFile().groups.map((group) => ({
    ...group,
    rules: group.rules.filter((rule) => !('alert' in rule) || rule.alert === alert),
  }));
}

/** A case in the form of promtool's unit tests, with the rule's own summary and runbook. */
function unitTest({ alert, when, series, quiet = [], fires, start }: AlertCase): object {
  const rule = alerts().find((each) => each.alert === alert);
  const expected = fires && {
    exp_labels: { ...rule?.labels, ...fires.labels },
    exp_annotations: { ...rule?.annotations, description: fires.description },
  };
  return {
    name: `${alert}: ${when}`,
    interval: '1m',
    ...(start !== undefined && { start_timestamp: start }),
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    alert_rule_test: [
      ...quiet.map((time) => ({ eval_time: time, alertname: alert, exp_alerts: [] })),
      ...(fires === undefined ? [] : [{ eval_time: fires.at, alertname: alert, exp_alerts: [expected] }]),
    ],
  };
}
