/** The plugin's audit of a cluster: what it reads, and what it must not read. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { cli } from '../../cli/cli.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import type { AuditEvent } from '../../support/audit.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator } from '../../support/operator.ts';

interface Found {
  readonly check: string;
  readonly object: { readonly kind: string; readonly name: string };
  readonly field?: string;
}

interface OlderVersion {
  readonly schema: {
    readonly openAPIV3Schema: {
      readonly properties: { readonly spec: { readonly properties: Record<string, unknown> } };
    };
  };
}

describe('kubectl segmentation audit of a cluster', () => {
  let plane: ControlPlane;
  let sandbox: Sandbox;
  let namespace: string;

  before(async () => {
    plane = await sharedControlPlane();
    sandbox = new Sandbox(plane, 'audit');
    namespace = await sandbox.namespace('shop', null);
    await sandbox.pod(namespace, 'web', { app: 'web' });
    await sandbox.create(`/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: 'web' },
      spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80 }] },
    });
    await sandbox.create(`/api/v1/namespaces/${namespace}/secrets`, {
      metadata: { name: 'web-token', annotations: { 'kubernetes.io/service-account.name': 'default' } },
      type: 'kubernetes.io/service-account-token',
    });
    await sandbox.create(`/api/v1/namespaces/${namespace}/secrets`, {
      metadata: { name: 'password' },
      stringData: { password: 'secret' },
    });
  });

  after(() => sandbox.remove());

  it('finds an open namespace, an exposed Service and a token that never ends', async () => {
    await eventually(async () => {
      const { code, stdout, stderr } = await cli(
        `audit -n ${namespace} -o json --kubeconfig ${plane.kubeconfig}`,
      );
      assert.equal(code, 1, stderr);
      assert.match(
        stderr,
        /^note: the flags of the API server are not visible.*; not run: admission-plugin-missing\n$/,
      );
      const { findings, skipped } = JSON.parse(stdout) as { findings: Found[]; skipped: { check: string }[] };
      assert.deepEqual(
        skipped.map(({ check }) => check),
        ['admission-plugin-missing'],
      );
      const places = findings.map(({ check, object: { kind, name } }) => `${check} ${kind} ${name}`);
      for (const place of [
        `namespace-without-policy Namespace ${namespace}`,
        'service-node-port Service web',
        'long-lived-token Secret web-token',
        'token-without-permissions Pod web',
        'pod-resources Pod web',
      ]) {
        assert.ok(places.includes(place), `${place} is not among\n${places.join('\n')}`);
      }
      assert.ok(!places.some((place) => place.endsWith('Secret password')));
    });
  });

  describe('whose definition of profiles is older than the plugin', () => {
    const name = 'segmentationprofiles.segmentation.dev';
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`;
    const crdFindings = async () => {
      const { stdout, stderr } = await cli(
        `audit --only crd-outdated -o json --kubeconfig ${plane.kubeconfig}`,
      );
      assert.ok(stdout, stderr);
      return (JSON.parse(stdout) as { findings: (Found & { message: string })[] }).findings;
    };
    let versions: unknown;

    before(async () => {
      await installOperator(plane);
      const crd = (await sandbox.read(path)) as unknown as { spec: { versions: unknown } };
      ({ versions } = crd.spec);
    });
    after(() => sandbox.patch(path, { spec: { versions } }));

    it('names the fields that the API server would drop', async () => {
      assert.deepEqual(await crdFindings(), []);
      const older = structuredClone(versions) as OlderVersion[];
      for (const { schema } of older) delete schema.openAPIV3Schema.properties.spec.properties['workloads'];
      await sandbox.patch(path, { spec: { versions: older } });
      const [finding, ...others] = await crdFindings();
      assert.deepEqual(others, []);
      assert.equal(finding?.object.name, name);
      assert.match(finding?.message ?? '', /lacks spec\.workloads$/);
    });
  });

  it('reads no data of Secrets', async () => {
    await cli(`audit -n ${namespace} --kubeconfig ${plane.kubeconfig}`);
    const reads = readFileSync(plane.auditLog ?? '', 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as AuditEvent & { readonly userAgent?: string })
      .filter(({ userAgent = '' }) => userAgent.startsWith('kubectl-segmentation'))
      .filter(({ objectRef }) => objectRef?.resource === 'secrets');
    assert.ok(reads.length > 0);
    for (const { requestURI } of reads) {
      assert.match(
        decodeURIComponent(requestURI),
        /fieldSelector=type=kubernetes\.io\/service-account-token/,
      );
    }
  });
});
