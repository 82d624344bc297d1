/**
 * Staged policies on Calico by a real operator: its own permissions, the fence, and an API server that serves a stand-in for
 * Calico's kind. No agent runs: flow logs are Calico's own part.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeObject } from '../../../src/api/meta.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { crdEstablished } from '../../env/plane/crd.ts';
import { auditedRequests, isRefused } from '../../support/audit.ts';
import { STAGED_CRD } from '../../support/calico.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';

const ROOT = join(import.meta.dirname, '../../..');
const COMPONENTS = ['config/engines/detect', 'config/engines/calico'].map((each) => join(ROOT, each));
const SOON = 60_000;

const AGENTS = '/apis/apps/v1/namespaces/kube-system/daemonsets';
const AGENT = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'calico-node', namespace: 'kube-system' },
  spec: {
    selector: { matchLabels: { 'k8s-app': 'calico-node' } },
    template: {
      metadata: { labels: { 'k8s-app': 'calico-node' } },
      spec: { tolerations: [{ operator: 'Exists' }], containers: [{ name: 'agent', image: 'agent' }] },
    },
  },
};

interface Agent {
  readonly status?: { readonly numberReady?: number };
}

type Policy = KubeObject & { readonly spec: Readonly<Record<string, unknown>> };

describe('operator on Calico', function () {
  this.timeout('4m');
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;
  let operator: Operator;
  let shop: string;
  let profile: string;
  let since: string;

  const kubectl = (...args: readonly string[]) => plane.kubectlRun([...args]);
  const path = (name = '') =>
    `/apis/projectcalico.org/v3/namespaces/${shop}/stagedkubernetesnetworkpolicies${name && `/${name}`}`;
  const staged = async (name: string) => (await box.read(path(name))) as unknown as Policy;
  const names = async () => {
    const { items } = (await box.read(path())) as unknown as { items: readonly Policy[] };
    return items.map(({ metadata }) => metadata.name).sort();
  };
  const namesAre = (...wanted: readonly string[]) =>
    eventually(async () => assert.deepEqual(await names(), [...wanted].sort()), SOON);
  const reported = (pattern: RegExp) =>
    eventually(
      async () => assert.match((await box.condition(profile, 'EngineReady')).message, pattern),
      SOON,
    );

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    box = new Sandbox(plane, 'calico');
    shop = await box.namespace('shop');
    await box.pod(shop, 'web', { app: 'web' });
    profile = await box.profile('p', {
      mode: 'Audit',
      deletionPolicy: 'Retain',
      egress: [
        {
          name: 'db',
          to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }],
          ports: [{ port: 5432 }],
        },
      ],
    });
    await kubectl('apply', '-k', COMPONENTS[0] ?? '');
    operator = await operators.start(kubeconfig, '--engine=Calico');
  });
  after(async () => {
    await box?.remove();
    for (const each of COMPONENTS) await kubectl('delete', '--ignore-not-found', '-k', each);
    await kubectl('delete', '--ignore-not-found', 'crd', STAGED_CRD.metadata.name);
    await kubectl('-n', 'kube-system', 'delete', '--ignore-not-found', 'daemonset', 'calico-node');
  });

  it('is Ready under Audit without the component, and says what staging needs', async () => {
    await box.ready(profile, SOON);
    await reported(/its policies are not staged: .*kubectl apply -k config\/engines\/calico/);
    since = new Date().toISOString();
    await kubectl('apply', '-k', COMPONENTS[1] ?? '');
    await reported(/does not serve stagedkubernetesnetworkpolicies/);
  });

  it('stages the policies that it would enforce, and enforces none', async () => {
    await plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify(STAGED_CRD) });
    await crdEstablished((args) => plane.kubectlRun(args), STAGED_CRD.metadata.name);
    await namesAre(`${profile}.default-deny`, `${profile}.egress`);
    const deny = await staged(`${profile}.default-deny`);
    assert.deepEqual(deny.spec, {
      stagedAction: 'Set',
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    });
    assert.equal(deny.metadata.ownerReferences?.[0]?.name, profile);
    assert.deepEqual(await box.policyNames(shop), []);
    await reported(/2 staged policies show in Calico's flow logs what would be denied/);
    await box.ready(profile);
  });

  it('repairs staged policies that somebody changes, strips of their labels, or deletes', async () => {
    const name = `${profile}.egress`;
    const { spec, metadata } = await staged(name);
    await box.patch(path(name), { spec: { egress: [{}] } });
    await eventually(async () => assert.deepEqual((await staged(name)).spec, spec), SOON);
    await box.patch(path(name), {
      metadata: { labels: Object.fromEntries(Object.keys(metadata.labels ?? {}).map((key) => [key, null])) },
    });
    await eventually(
      async () => assert.deepEqual((await staged(name)).metadata.labels, metadata.labels),
      SOON,
    );
    await plane.admin.send('DELETE', path(name));
    await eventually(async () => assert.deepEqual((await staged(name)).spec, spec), SOON);
  });

  it('writes nothing after a restart', async () => {
    const before = await Promise.all((await names()).map(staged));
    await operator.stop();
    const restarted = new Date().toISOString();
    operator = await operators.start(kubeconfig, '--engine=Calico');
    await eventually(async () => {
      const requests = auditedRequests(plane, restarted).map(
        ({ verb, objectRef }) => `${verb} ${objectRef?.resource}`,
      );
      assert.ok(requests.includes('watch stagedkubernetesnetworkpolicies'));
      assert.equal((await box.condition(profile, 'Reconciling')).status, 'False');
    }, SOON);
    await reported(/2 staged policies show/);
    const after = await Promise.all((await names()).map(staged));
    assert.deepEqual(
      after.map(({ metadata }) => metadata.resourceVersion),
      before.map(({ metadata }) => metadata.resourceVersion),
    );
  });

  it('is held by the fence to its own staged policies', async () => {
    const foreign = {
      apiVersion: 'projectcalico.org/v3',
      kind: 'StagedKubernetesNetworkPolicy',
      metadata: { name: 'team', namespace: shop },
      spec: { stagedAction: 'Set', podSelector: {} },
    };
    await plane.admin.send('POST', path(), foreign);
    const token = ['--kubeconfig', kubeconfig, '-n', shop];
    await assert.rejects(
      plane.kubectlRun([...token, 'delete', 'stagedkubernetesnetworkpolicies.projectcalico.org', 'team']),
      /is not the segmentation operator's/,
    );
    await assert.rejects(
      plane.kubectlRun([...token, 'create', '-f', '-'], {
        stdin: JSON.stringify({ ...foreign, metadata: { name: 'other', namespace: shop } }),
      }),
      /lacks the labels/,
    );
    await plane.admin.send('DELETE', path('team'));
  });

  it('removes the staged policies once the real ones stand', async () => {
    await box.edit(profile, { mode: 'Enforce' });
    await namesAre();
    assert.deepEqual(await box.policyNames(shop), [`${profile}.default-deny`, `${profile}.egress`]);
    const writes = auditedRequests(plane, since)
      .filter((each) => each.objectRef?.namespace === shop && !isRefused(each))
      .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`);
    assert.ok(
      writes.lastIndexOf('create networkpolicies') <
        writes.lastIndexOf('delete stagedkubernetesnetworkpolicies'),
    );
    await box.edit(profile, { mode: 'Audit' });
    await namesAre(`${profile}.default-deny`, `${profile}.egress`);
    assert.deepEqual(await box.policyNames(shop), []);
  });

  it('removes them from a namespace that the profile leaves, and with the profile', async () => {
    await box.edit(profile, { excludeNamespaces: [shop] });
    await namesAre();
    await box.edit(profile, { excludeNamespaces: [] });
    await namesAre(`${profile}.default-deny`, `${profile}.egress`);
    await box.removeProfile(profile);
    await namesAre();
  });

  it('removes the staged policies once Calico has gone', async () => {
    profile = await box.profile('switch', { mode: 'Audit' });
    await plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify(AGENT) });
    await eventually(async () => {
      const { status } = (await plane.admin.send('GET', `${AGENTS}/calico-node`)) as Agent;
      assert.equal(status?.numberReady, 1);
    }, SOON);
    await operator.stop();
    operator = await operators.start(kubeconfig, '--engine=Auto');
    await namesAre(`${profile}.default-deny`, `${profile}.egress`);
    await plane.kubectlRun(['-n', 'kube-system', 'delete', 'daemonset', 'calico-node']);
    let edits = 0;
    await eventually(async () => {
      // A further peer that depends on the engine makes the operator look for it at once.
      const fqdn = { names: [`${(edits += 1)}.example.com`] };
      await box.edit(profile, { egress: [{ name: 'names', to: [{ fqdn }] }] });
      await eventually(async () => assert.deepEqual(await names(), []), 5000);
    }, SOON);
    await reported(/no engine that the operator knows runs here/);
    await box.removeProfile(profile);
  });

  it('takes back what the CRD does not know, and says so', async () => {
    await operator.stop();
    operator = await operators.start(kubeconfig, '--engine=Calico');
    profile = await box.profile('old', { mode: 'Audit', isolation: ['Ingress'] });
    const { versions } = STAGED_CRD.spec;
    const [version] = structuredClone(versions);
    const spec = version?.schema.openAPIV3Schema.properties?.['spec'];
    assert.ok(version && spec?.properties);
    const { stagedAction: _, ...known } = spec.properties;
    const old = {
      ...STAGED_CRD.spec,
      versions: [{ ...version, schema: { openAPIV3Schema: schemaOf(known) } }],
    };
    await plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify({ ...STAGED_CRD, spec: old }) });
    await eventually(async () => {
      // The API server takes up a changed schema within a second or so: each attempt is another change.
      const port = 20_000 + Math.floor(Math.random() * 1000);
      await box.edit(profile, { ingress: [{ name: 'r', from: [{ entity: 'Any' }], ports: [{ port }] }] });
      await eventually(
        async () => assert.equal((await box.condition(profile, 'EngineReady')).reason, 'SchemaTooOld'),
        3000,
      );
    }, SOON);
    await box.ready(profile);
  });

  it('uses exactly the permission of config/engines/calico', () => {
    const requests = auditedRequests(plane, since).filter(
      ({ objectRef }) => objectRef?.resource === 'stagedkubernetesnetworkpolicies',
    );
    const used = new Set(requests.filter((each) => !isRefused(each)).map(({ verb }) => verb));
    used.delete('list');
    assert.deepEqual([...used].sort(), ['create', 'delete', 'update', 'watch']);
  });
});

function schemaOf(known: Readonly<Record<string, unknown>>) {
  const text = { type: 'string' };
  return {
    type: 'object',
    properties: {
      apiVersion: text,
      kind: text,
      metadata: { type: 'object' },
      spec: { type: 'object', properties: known },
    },
  };
}
