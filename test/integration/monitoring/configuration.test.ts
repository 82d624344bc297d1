/** config/prometheus and config/grafana, installed as in docs/operations.md, against the real CRDs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { page, readRepositoryFile, samples } from '../../docs/pages.ts';
import type { ControlPlane } from '../../env/index.ts';
import { goIsThere, goModuleFolder, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { eventually, type Raw, Sandbox } from '../../support/cluster.ts';
import { installOperator } from '../../support/operator.ts';
import { alerts } from '../../support/monitoring/prometheus.ts';
import { install, uninstall } from '../exceptions/scene.ts';

const ROOT = join(import.meta.dirname, '../../..');
const KINDS = ['servicemonitors', 'prometheusrules'];

interface Labelled {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
}

(goIsThere ? describe : describe.skip)(
  `the monitoring of docs/operations.md${skippedWithoutGo}`,
  function () {
    this.timeout('2m');
    let plane: ControlPlane;
    let directory: string;
    let objects: Raw[];

    /** The object of a kind that the overlay adds to config/default. */
    function object(kind: string, name: string): unknown {
      const found = objects.find((each) => each['kind'] === kind && each.metadata.name === name);
      assert.ok(found, `no ${kind} ${name}`);
      return found;
    }
    const labelsOf = (kind: string, name: string) => (object(kind, name) as Labelled).metadata.labels;

    before(async () => {
      plane = await sharedControlPlane();
      await installOperator(plane);
      const folder = await goModuleFolder(
        'prometheus-operator',
        'github.com/prometheus-operator/prometheus-operator',
      );
      for (const kind of KINDS) {
        const crd = join(folder, 'example/prometheus-operator-crd', `monitoring.coreos.com_${kind}.yaml`);
        await plane.kubectlRun(['apply', '--server-side', '-f', crd]);
        await eventually(() => plane.kubectlRun(['get', `${kind}.monitoring.coreos.com`, '-A']), 10_000);
      }
      directory = mkdtempSync(join(tmpdir(), 'monitoring-'));
      const overlay = samples(page('docs/operations.md')).find(({ text }) =>
        text.includes('../config/prometheus'),
      );
      assert.ok(overlay);
      symlinkSync(join(ROOT, 'config'), join(directory, 'config'));
      symlinkSync(join(ROOT, 'crds'), join(directory, 'crds'));
      mkdirSync(join(directory, 'overlay'));
      writeFileSync(join(directory, 'overlay/kustomization.yaml'), overlay.text);
      const rendered = await plane.kubectlRun(['kustomize', join(directory, 'overlay')]);
      objects = parseAllDocuments(rendered).map((document) => document.toJS() as Raw);
    });
    after(async () => {
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
      for (const kind of KINDS) {
        await plane.kubectlRun(['delete', 'crd', `${kind}.monitoring.coreos.com`, '--ignore-not-found']);
      }
    });

    it('is admitted completely', async () => {
      const lines = await plane.kubectlRun(['apply', '--dry-run=server', '-k', join(directory, 'overlay')]);
      for (const kind of ['servicemonitor', 'prometheusrule']) {
        assert.match(lines, new RegExp(`^${kind}\\.monitoring\\.coreos\\.com/segmentation-operator `, 'm'));
      }
      assert.equal(lines.trim().split('\n').length, objects.length);
    });

    it('is selected by a Prometheus that selects by a label', () => {
      for (const kind of ['ServiceMonitor', 'PrometheusRule']) {
        assert.equal(labelsOf(kind, 'segmentation-operator')['release'], 'kube-prometheus-stack');
      }
    });

    it('scrapes the metrics Service as the job of the rules', () => {
      const { spec } = object('ServiceMonitor', 'segmentation-operator') as {
        spec: { jobLabel: string; selector: { matchLabels: object }; endpoints: { port: string }[] };
      };
      const service = object('Service', 'segmentation-operator-metrics') as Labelled & {
        spec: { ports: { name: string }[] };
      };
      assert.partialDeepStrictEqual(service.metadata.labels, spec.selector.matchLabels);
      const ports = service.spec.ports.map(({ name }) => name);
      assert.deepEqual(
        spec.endpoints.map(({ port }) => port),
        ports,
      );
      const job = service.metadata.labels[spec.jobLabel];
      assert.equal(job, 'segmentation-operator');
      const jobs = alerts().flatMap(({ expr }) =>
        [...expr.matchAll(/\bjob="([^"]+)"/g)].map(([, name]) => name),
      );
      assert.deepEqual([...new Set(jobs)], [job]);
    });

    it('links each alert to the runbooks of the overlay', () => {
      const { spec } = object('PrometheusRule', 'segmentation-operator') as {
        spec: { groups: { rules: { alert?: string; annotations?: { runbook_url: string } }[] }[] };
      };
      const links = spec.groups
        .flatMap(({ rules }) => rules)
        .filter(({ alert }) => alert !== undefined)
        .map(({ annotations }) => annotations?.runbook_url);
      assert.deepEqual(
        links,
        alerts().map(
          ({ alert }) => `https://wiki.example.com/segmentation/runbooks.md#${alert.toLowerCase()}`,
        ),
      );
    });

    it("hands the dashboard to Grafana's sidecar", () => {
      const { metadata, data } = object('ConfigMap', 'segmentation-operator-dashboard') as Labelled & {
        data: Record<string, string>;
      };
      assert.equal(metadata.labels['grafana_dashboard'], '1');
      assert.deepEqual(data, {
        'segmentation-operator.json': readRepositoryFile('config/grafana/segmentation-operator.json'),
      });
    });

    describe('has runbooks with commands that kubectl accepts:', () => {
      const commands = new Set(
        samples(page('docs/runbooks.md'))
          .filter(({ language }) => language === 'sh')
          .flatMap(({ text }) => text.trim().split('\n')),
      );
      // Without a kubelet there are no logs.
      const runnable = [...commands].filter((command) => !command.includes(' logs '));
      let box: Sandbox;
      let namespace: string;
      let profile: string;

      before(async () => {
        box = new Sandbox(plane, 'runbooks');
        await install(plane);
        namespace = await box.namespace('shop');
        profile = await box.profile('strict');
        await box.createPolicy(namespace, `${profile}.default-deny`, { podSelector: {} });
        await plane.kubectlRun(['apply', '-f', '-'], {
          stdin: JSON.stringify({
            apiVersion: 'coordination.k8s.io/v1',
            kind: 'Lease',
            metadata: { namespace: 'segmentation-system', name: 'segmentation-operator' },
          }),
        });
      });
      after(async () => {
        await plane.kubectlRun(['-n', 'segmentation-system', 'delete', 'lease', 'segmentation-operator']);
        await box?.remove();
        await uninstall(plane);
      });

      it('most of them', () => assert.ok(runnable.length >= 15, String(runnable.length)));

      for (const command of runnable) {
        it(command, async () => {
          const filled = command
            .replaceAll('-n NAMESPACE', `-n ${namespace}`)
            .replace(/\bsegp (NAME|PROFILE)\b/, `segp ${profile}`)
            .replace('networkpolicy NAME', `networkpolicy ${profile}.default-deny`)
            .replace(/ \| grep .*$/, '');
          await promisify(execFile)('sh', ['-c', `${filled} > /dev/null`], {
            env: {
              PATH: `${dirname(plane.kubectl)}:${process.env['PATH']}`,
              KUBECONFIG: plane.kubeconfig,
              KUBECACHEDIR: join(plane.directory, 'kubectl-cache'),
              KUBERC: 'off',
            },
          });
        });
      }
    });
  },
);
