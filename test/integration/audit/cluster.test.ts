/** The plugin's audit of a cluster: what it reads, and what it must not read. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { cli } from '../../cli/cli.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { crdEstablished } from '../../env/plane/crd.ts';
import type { AuditEvent } from '../../support/audit.ts';
import { POLICY_CRD } from '../../support/calico.ts';
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

  describe('whose policies of Calico are served by two groups, of which one is forbidden', () => {
    const { metadata, spec } = POLICY_CRD;
    const stored = {
      ...POLICY_CRD,
      metadata: { name: metadata.name.replace('projectcalico.org', 'crd.projectcalico.org') },
      spec: {
        ...spec,
        group: 'crd.projectcalico.org',
        versions: spec.versions.map((each) => ({ ...each, name: 'v1' })),
      },
    };
    const crds = [POLICY_CRD, stored];
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'audits-one-group' },
      rules: [
        {
          apiGroups: [
            '',
            'apps',
            'networking.k8s.io',
            'discovery.k8s.io',
            'segmentation.dev',
            'projectcalico.org',
          ],
          resources: ['*'],
          verbs: ['list'],
        },
      ],
    };

    before(async () => {
      for (const crd of crds) {
        await plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify(crd) });
        await crdEstablished((args) => plane.kubectlRun(args), crd.metadata.name);
      }
      await plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify(role) });
      await plane.kubectlRun([
        'create',
        'clusterrolebinding',
        role.metadata.name,
        `--clusterrole=${role.metadata.name}`,
        `--serviceaccount=${namespace}:default`,
      ]);
    });
    after(async () => {
      await plane.kubectlRun(['delete', 'crd', ...crds.map((each) => each.metadata.name)]);
      await plane.kubectlRun(['delete', 'clusterrolebinding,clusterrole', role.metadata.name]);
    });

    it('is audited by the other one, and names the forbidden one', async () => {
      const kubeconfig = await plane.serviceAccountKubeconfig(namespace, 'default');
      await eventually(async () => {
        const { stdout, stderr } = await cli(`audit -o json --kubeconfig ${kubeconfig}`);
        assert.match(
          stderr,
          /^note: CalicoNetworkPolicy was read from one of its API groups.*: you may not list networkpolicies\.crd\.projectcalico\.org/m,
        );
        const { skipped } = JSON.parse(stdout) as { skipped: { unread: string[] }[] };
        assert.ok(skipped.every(({ unread }) => !unread.includes('CalicoNetworkPolicy')));
      });
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
