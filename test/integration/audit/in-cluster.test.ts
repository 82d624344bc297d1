/** The audit in the cluster: reports in OpenReports, conditions, metrics and Events, by a real operator and API server. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Report } from '../../../src/audit-runner/reports/open-reports.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { goIsThere, goModuleFolder, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { auditedRequests, isRefused } from '../../support/audit.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';

const ROOT = join(import.meta.dirname, '../../..');
const API = '/apis/openreports.io/v1alpha1';
const GATEWAY = 'gateway.networking.k8s.io';
/** The kinds of the Gateway API that an audit reads. */
const GATEWAY_KINDS = [
  'gateways',
  'grpcroutes',
  'httproutes',
  'listenersets',
  'referencegrants',
  'tcproutes',
  'tlsroutes',
  'udproutes',
];
/** Reports, statuses and metrics follow an audit, which follows a change after a second. */
const SOON = 60_000;

interface RBACRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

(goIsThere ? describe : describe.skip)(`operator's audit${skippedWithoutGo}`, function () {
  this.timeout('3m');
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let directory: string;
  let crds: string;
  let gatewayCRDs: string;
  let box: Sandbox;
  let operator: Operator;
  /** When the operator began to use the permissions of config/audit. */
  let since: string;
  /** A namespace with findings of its own, one of a profile, one with a foreign report, one with a route alone. */
  let [open, shop, taken, routed] = ['', '', '', ''];
  let profile: string;

  const kubectl = (...args: readonly string[]) => plane.kubectlRun([...args]);
  const pathOf = (namespace: string) => `${API}/namespaces/${namespace}/reports/segmentation-audit`;
  const report = async (namespace: string) => (await box.read(pathOf(namespace))) as unknown as Report;
  const clusterReport = async () =>
    (await box.read(`${API}/clusterreports/segmentation-audit`)) as unknown as Report;
  const expiredWaivers = async () =>
    (await clusterReport()).results.filter(({ policy }) => policy === 'waiver-expired').length;
  const resultOf = ({ results }: Report, check: string) => results.find(({ policy }) => policy === check);

  /** Starts an operator whose configuration has `audit`. */
  async function start(audit: object): Promise<void> {
    const file = join(directory, 'operator.yaml');
    const header = { apiVersion: 'config.segmentation.dev/v1alpha1', kind: 'OperatorConfiguration' };
    writeFileSync(file, JSON.stringify({ ...header, audit }));
    operator = await operators.start(kubeconfig, `--config=${file}`);
  }

  async function restart(audit: object = { changeDelay: '1s' }): Promise<void> {
    await operator.stop();
    await start(audit);
  }

  /** Resolves with the log line of the operator's n-th audit. */
  const auditEnd = (count: number) =>
    eventually(() => {
      const line = operator.lines().filter(({ msg }) => msg === 'audit complete')[count - 1];
      assert.ok(line, operator.log());
      return line;
    }, SOON);

  async function installCRDs(): Promise<void> {
    await kubectl('apply', '--server-side', '-f', crds);
    for (const kind of ['reports', 'clusterreports'])
      await eventually(() => kubectl('get', `${kind}.openreports.io`, '-A'), SOON);
  }

  /** From the module of the Gateway API. */
  async function installGatewayAPI(): Promise<void> {
    const folder = join(
      await goModuleFolder('gateway-api', 'sigs.k8s.io/gateway-api'),
      'config/crd/standard',
    );
    gatewayCRDs = GATEWAY_KINDS.map((plural) => join(folder, `${GATEWAY}_${plural}.yaml`)).join(',');
    await kubectl('apply', '--server-side', '-f', gatewayCRDs);
    const names = GATEWAY_KINDS.map((plural) => `crd/${plural}.${GATEWAY}`);
    await kubectl('wait', '--for=condition=Established', ...names);
  }

  async function createForeignReport(): Promise<void> {
    await plane.admin.send('POST', `${API}/namespaces/${taken}/reports`, {
      apiVersion: 'openreports.io/v1alpha1',
      kind: 'Report',
      metadata: { name: 'segmentation-audit' },
      source: 'somebody',
    });
  }

  /** Annotates a namespace with a waiver, and changes a label, as annotations alone cause no audit. */
  async function waive(namespace: string, waiver: object | null): Promise<void> {
    const annotations = { 'segmentation.dev/audit-waivers': waiver && JSON.stringify([waiver]) };
    const labels = { changed: `${Date.now()}` };
    await box.patch(`/api/v1/namespaces/${namespace}`, { metadata: { annotations, labels } });
  }
  const waiver = { check: 'namespace-without-policy', reason: 'a test', by: 'ops', until: '2999-12-31' };
  const expired = { ...waiver, until: '2020-12-31' };

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    directory = mkdtempSync(join(tmpdir(), 'audit-'));
    crds = join(await goModuleFolder('openreports', 'github.com/openreports/reports-api'), 'config/crd');
    await kubectl('apply', '-k', join(ROOT, 'config/audit'));
    await Promise.all([installCRDs(), installGatewayAPI()]);
    box = new Sandbox(plane, 'in-cluster');
    open = await box.namespace('open', null);
    shop = await box.namespace('shop');
    taken = await box.namespace('taken', null);
    for (const namespace of [open, shop, taken]) await box.pod(namespace, 'web', { app: 'web' });
    await box.create(`/apis/batch/v1/namespaces/${open}/jobs`, {
      metadata: { name: 'once' },
      spec: {
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'main' }] } },
      },
    });
    routed = await box.namespace('routed', null);
    // By the older version that the API server serves beside the one that is read.
    await box.create(`/apis/${GATEWAY}/v1beta1/namespaces/${routed}/httproutes`, {
      apiVersion: `${GATEWAY}/v1beta1`,
      kind: 'HTTPRoute',
      metadata: { name: 'web' },
      spec: { rules: [{ backendRefs: [{ name: 'web', namespace: shop, port: 80 }] }] },
    });
    await createForeignReport();
    await waive(taken, expired);
    profile = await box.profile('p');
    since = new Date().toISOString();
    await start({ changeDelay: '1s' });
    await box.ready(profile);
    await eventually(() => report(shop), SOON);
  });
  after(async () => {
    await box?.remove();
    await kubectl('delete', '--ignore-not-found', '-f', crds);
    await kubectl('delete', '--ignore-not-found', '-f', gatewayCRDs);
    await kubectl('delete', '--ignore-not-found', '-k', join(ROOT, 'config/audit'));
    rmSync(directory, { recursive: true, force: true });
  });

  describe('that has ended', () => {
    it('reports the findings of a namespace, which kubectl prints in columns', async () => {
      const { summary, results, scope } = await report(open);
      const failed = results.filter(({ result }) => result === 'fail');
      assert.ok(failed.some(({ policy }) => policy === 'namespace-without-policy'));
      assert.equal(summary.fail, failed.length);
      assert.deepEqual(scope, { apiVersion: 'v1', kind: 'Namespace', name: open });
      const table = await kubectl('get', 'reports', '-A', '-o', 'wide');
      const [head = '', ...rows] = table.trim().split('\n');
      assert.match(head, /^NAMESPACE +NAME +KIND +NAME +PASS +FAIL +WARN +ERROR +SKIP +AGE/);
      const row = rows.find((each) => each.startsWith(`${open} `)) ?? '';
      const scopeColumns = [open, 'segmentation-audit', 'Namespace', open];
      assert.deepEqual(row.split(/\s+/).slice(0, 9), [
        ...scopeColumns,
        '0',
        `${summary.fail}`,
        '0',
        '0',
        '0',
      ]);
    });

    it('reports a route without backend and grant, which it lists by the newest version alone', async () => {
      const { results } = await report(routed);
      const found = results.map(({ policy, resources = [] }) => [policy, resources[0]?.kind]);
      assert.deepEqual(found, [
        ['ingress-without-backend', 'HTTPRoute'],
        ['route-without-grant', 'HTTPRoute'],
      ]);
      const versions = auditedRequests(plane, since)
        .filter(({ verb, requestURI }) => verb === 'list' && requestURI.includes('/httproutes'))
        .map(({ requestURI }) => requestURI.split('/')[3]);
      assert.deepEqual([...new Set(versions)], ['v1']);
    });

    it('sets AuditClean on each profile, with the worst findings', async () => {
      await eventually(async () => {
        const { status, reason, message } = await box.condition(profile, 'AuditClean');
        assert.deepEqual([status, reason], ['False', 'Findings'], message);
        assert.match(message, /^\d+ findings in 1 of 1 namespace \(\d medium\): medium [a-z-]+ \(Pod /);
      }, SOON);
    });

    it('measures the findings', async () => {
      const { policy, severity } = (await report(open)).results[0] ?? {};
      const series = `segmentation_audit_findings{check="${policy}",severity="${severity}"}`;
      assert.ok(((await operator.metric(series)) ?? 0) > 0, series);
      assert.equal(await operator.metric('segmentation_audit_reports_unavailable'), 0);
      assert.ok(((await operator.metric('segmentation_audit_age_seconds')) ?? 999) < 120);
    });

    it('leaves a foreign report of its name as it is, and says so', async () => {
      const line = await operator.line('foreign reports have the names of own ones', SOON);
      assert.ok((line['reports'] as string[]).includes(`${taken}/segmentation-audit`));
      assert.equal((await report(taken)).source, 'somebody');
      assert.ok(((await operator.metric('segmentation_audit_report_conflicts')) ?? 0) > 0);
    });

    it('reports an expired waiver in the report of the cluster', async () => {
      assert.equal(await expiredWaivers(), 1);
    });
  });

  describe('after a change', () => {
    before(async () => {
      await box.service(shop, 'outside', {
        type: 'NodePort',
        selector: { app: 'web' },
        ports: [{ port: 80 }],
      });
      await waive(shop, expired);
      await waive(open, waiver);
    });

    it('keeps to waivers in annotations', async () => {
      await eventually(async () => {
        const waived = resultOf(await report(open), 'namespace-without-policy');
        assert.deepEqual([waived?.result, waived?.properties?.['waivedBy']], ['skip', 'ops']);
        assert.match(waived?.message ?? '', /waived by ops until 2999-12-31: a test$/);
      }, SOON);
    });

    it('makes an Event of what is new in a namespace of a profile', async () => {
      await eventually(async () => {
        const { items } = (await box.read('/apis/events.k8s.io/v1/namespaces/default/events')) as unknown as {
          items: { reason: string; note: string; regarding: { name: string } }[];
        };
        const notes = items
          .filter(({ reason, regarding }) => reason === 'NewFindings' && regarding.name === profile)
          .map(({ note }) => note);
        assert.ok(
          notes.some((note) => note.includes('service-node-port (Service outside)')),
          notes.join('\n'),
        );
      }, SOON);
    });

    it('updates the report of the cluster', () =>
      eventually(async () => assert.equal(await expiredWaivers(), 2), SOON));
  });

  describe('after a restart', () => {
    it('writes no report that is as before', async () => {
      await auditEnd(2);
      const before = (await report(open)).metadata;
      await restart();
      assert.equal((await auditEnd(1))['writes'], 0, operator.log());
      assert.deepEqual((await report(open)).metadata, before);
    });

    it('restores a report that somebody changed, and removes one without findings', async () => {
      const { results } = await report(shop);
      await box.patch(pathOf(shop), { results: [] });
      await plane.admin.send(
        'DELETE',
        `/apis/batch/v1/namespaces/${open}/jobs/once?propagationPolicy=Background`,
      );
      await plane.admin.send('DELETE', `/api/v1/namespaces/${open}/pods/web`);
      await waive(taken, null);
      await waive(shop, null);
      await eventually(async () => {
        await assert.rejects(report(open), /404/);
        assert.equal(await expiredWaivers(), 0);
        const identity = ({ policy, resources }: (typeof results)[number]) => [policy, resources];
        assert.deepEqual((await report(shop)).results.map(identity), results.map(identity));
      }, SOON);
    });
  });

  describe('of more objects than a page or a report has', () => {
    /** More than a page of 500, each with 40 kB that an audit keeps. */
    const INGRESSES = 520;
    let large: string;

    before(async () => {
      large = await box.namespace('large', null);
      const names = Array.from({ length: INGRESSES }, (_, index) => `web-${index}`);
      const create = (name: string) =>
        box.create(`/apis/networking.k8s.io/v1/namespaces/${large}/ingresses`, {
          metadata: { name, annotations: { note: name.padEnd(40_000) } },
          spec: { defaultBackend: { resource: { kind: 'Bucket', name } } },
        });
      for (let at = 0; at < INGRESSES; at += 20) await Promise.all(names.slice(at, at + 20).map(create));
      await box.relabel(large, { changed: 'yes' });
    });
    after(() =>
      plane.admin.send('DELETE', `/apis/networking.k8s.io/v1/namespaces/${large}/ingresses`).catch(() => {}),
    );

    it('reads all pages, counts all findings, and says how many the report leaves out', async () => {
      await eventually(async () => {
        const { summary, results } = await report(large);
        assert.equal(summary.fail, INGRESSES);
        assert.equal(results.length, 200);
        assert.match(results[0]?.message ?? '', /^the report has 199 of \d+ /);
      }, SOON);
      const pages = auditedRequests(plane, since).filter(({ requestURI }) =>
        /\/ingresses\?.*continue=/.test(requestURI),
      );
      assert.ok(pages.length > 0);
    });

    it('does not audit a cluster that exceeds its memory, says so, and goes on with a higher bound', async () => {
      await restart({ changeDelay: '1s', maxMemoryMiB: 32 });
      await eventually(async () => {
        const { message } = await box.condition(profile, 'AuditClean');
        assert.match(message, /do not fit into the 32 MiB of an audit: raise audit\.maxMemoryMiB/);
      }, SOON);
      assert.equal((await report(large)).summary.fail, INGRESSES);
      await restart();
      await auditEnd(1);
      await eventually(async () => {
        const { reason, message } = await box.condition(profile, 'AuditClean');
        assert.equal(reason, 'Findings', message);
      }, SOON);
    });
  });

  // Mocha runs the tests of a suite before its inner suites.
  describe('in the end', () => {
    it('writes no report while the CRDs are missing, and says so once', async () => {
      await kubectl('delete', '-f', crds);
      await restart();
      await operator.line('the reports of the audit are not written', SOON);
      await eventually(async () => {
        assert.equal(await operator.metric('segmentation_audit_reports_unavailable'), 1);
        const { message } = await box.condition(profile, 'AuditClean');
        assert.match(message, /does not serve openreports\.io\/v1alpha1: install the CRDs of OpenReports/);
      }, SOON);
      await box.edit(profile, { isolation: ['Ingress'] });
      await auditEnd(2);
      const warnings = operator
        .lines()
        .filter(({ level, msg }) => level === 'warn' && msg.includes('not written'));
      assert.equal(warnings.length, 1);
      await installCRDs();
    });

    it('removes reports and conditions once it is switched off', async () => {
      await createForeignReport();
      await box.relabel(shop, { changed: 'again' });
      await eventually(() => report(shop), SOON);
      await restart({ enabled: false });
      await eventually(async () => {
        await assert.rejects(report(shop), /404/);
        await assert.rejects(box.condition(profile, 'AuditClean'), /no condition AuditClean/);
      }, SOON);
      assert.equal((await report(taken)).source, 'somebody');
    });

    it('uses the permissions of config/audit, and no other', async () => {
      const role = await kubectl('get', 'clusterrole', 'segmentation-operator-audit', '-o', 'json');
      const { groups } = (await box.read('/apis')) as unknown as { groups: { name: string }[] };
      const served = new Set(['', ...groups.map(({ name }) => name)]);
      // Nothing is asked of a group that the cluster does not serve.
      const granted = (JSON.parse(role) as { rules: RBACRule[] }).rules.flatMap(
        ({ apiGroups, resources, verbs }) =>
          apiGroups
            .filter((group) => served.has(group))
            .flatMap((group) =>
              resources.flatMap((resource) => verbs.map((verb) => ({ verb, resource, group }))),
            ),
      );
      assert.ok(granted.length >= 15);
      const requests = auditedRequests(plane, since);
      const textOf = ({ verb, requestURI }: (typeof requests)[number]) => `${verb} ${requestURI}`;
      assert.deepEqual(requests.filter(isRefused).map(textOf), []);
      const isUsed = ({ verb, resource, group }: (typeof granted)[number]) =>
        requests.some(({ verb: used, requestURI }) => {
          const api = group === '' ? '/api/v1/' : `/apis/${group}/`;
          return used === verb && requestURI.startsWith(api) && requestURI.includes(`/${resource}`);
        });
      assert.deepEqual(
        granted.filter((right) => !isUsed(right)),
        [],
        'granted and not used',
      );
      assert.ok(!requests.some(({ requestURI }) => requestURI.includes('/secrets')));
    });

    it('has reports that go with the ClusterRole of config/audit', async () => {
      await restart();
      await eventually(() => report(shop), SOON);
      await operator.stop();
      await kubectl('delete', '-k', join(ROOT, 'config/audit'));
      await eventually(() => assert.rejects(report(shop), /404/), SOON);
    });
  });
});
