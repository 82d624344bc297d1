/**
 * Extensions on Cilium by a real operator: its own permissions, the fence, and an API server with Cilium's CRD. The agent is a
 * DaemonSet of that name; which flows pass is judged in test/oracle.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KubeObject } from '../../../src/api/meta.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { crdEstablished } from '../../env/plane/crd.ts';
import { goIsThere, goModuleFolder, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { auditedRequests, isRefused } from '../../support/audit.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';

const ROOT = join(import.meta.dirname, '../../..');
const COMPONENTS = ['config/engines/detect', 'config/engines/cilium'].map((each) => join(ROOT, each));
const SOON = 60_000;

type Policy = KubeObject & { readonly spec: Readonly<Record<string, unknown>> };

(goIsThere ? describe : describe.skip)(`operator on Cilium${skippedWithoutGo}`, function () {
  this.timeout('4m');
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;
  let operator: Operator;
  let crd: string;
  let shop: string;
  let profile: string;
  let since: string;

  const kubectl = (...args: readonly string[]) => plane.kubectlRun([...args]);
  const path = (name = '') =>
    `/apis/cilium.io/v2/namespaces/${shop}/ciliumnetworkpolicies${name && `/${name}`}`;
  const policy = async (name: string) => (await box.read(path(name))) as unknown as Policy;
  const names = async () => {
    const { items } = (await box.read(path())) as unknown as { items: readonly Policy[] };
    return items.map(({ metadata }) => metadata.name).sort();
  };
  const namesAre = (...wanted: readonly string[]) =>
    eventually(async () => assert.deepEqual(await names(), [...wanted].sort()), SOON);
  const unresolved = () => box.condition(profile, 'PeersResolved');

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    const module = await goModuleFolder('cilium-policies', 'github.com/cilium/cilium');
    crd = join(module, 'pkg/k8s/apis/cilium.io/client/crds/v2/ciliumnetworkpolicies.yaml');
    box = new Sandbox(plane, 'cilium');
    shop = await box.namespace('shop');
    await box.pod(shop, 'web', { app: 'web' });
    profile = await box.profile('p', {
      egress: [
        {
          name: 'payments',
          podSelector: { matchLabels: { app: 'web' } },
          to: [{ fqdn: { names: ['api.payments.example', '**.supplier.example'] } }],
          ports: [{ port: 443 }],
        },
        { name: 'api', to: [{ entity: 'KubeAPIServer' }] },
        { name: 'kubelet', to: [{ entity: 'Nodes' }], ports: [{ port: 10_250 }] },
      ],
    });
    await kubectl('apply', '-k', COMPONENTS[0] ?? '');
    operator = await operators.start(kubeconfig, '--engine=Cilium');
  });
  after(async () => {
    await box?.remove();
    for (const each of COMPONENTS) await kubectl('delete', '--ignore-not-found', '-k', each);
    await kubectl('delete', '--ignore-not-found', '-f', crd);
  });

  it('isolates no pod in egress while a name can not be written, and says what is missing', async () => {
    await eventually(async () => {
      const { status, reason, message } = await unresolved();
      assert.deepEqual([status, reason], ['False', 'NotInstalled']);
      assert.match(message, /kubectl apply -k config\/engines\/cilium/);
    }, SOON);
    const deny = (await box.policy(shop, `${profile}.default-deny`)).spec;
    assert.deepEqual(deny.policyTypes, ['Ingress']);
    since = new Date().toISOString();
    await kubectl('apply', '-k', COMPONENTS[1] ?? '');
    await eventually(async () => {
      const { reason, message } = await unresolved();
      assert.equal(reason, 'Unsupported');
      assert.match(message, /does not serve ciliumnetworkpolicies/);
    }, SOON);
  });

  it('writes extensions once it may, and isolates', async () => {
    await kubectl('apply', '-f', crd);
    await crdEstablished((args) => plane.kubectlRun(args), 'ciliumnetworkpolicies.cilium.io');
    await box.ready(profile, SOON);
    const all = await names();
    assert.deepEqual(
      all.map((name) => name.replace(/\.[0-9a-f]{10}$/, '.DIGEST')),
      [`${profile}.egress`, `${profile}.egress.payments.DIGEST`],
    );
    const payments = await policy(all[1] ?? '');
    assert.deepEqual(payments.spec['enableDefaultDeny'], { ingress: false, egress: false });
    assert.deepEqual(payments.spec['endpointSelector'], { matchLabels: { 'k8s:app': 'web' } });
    const fqdns = [{ matchName: 'api.payments.example' }, { matchPattern: '**.supplier.example' }];
    const rules = payments.spec['egress'] as readonly Record<string, unknown>[];
    assert.deepEqual(
      rules.find(({ toFQDNs }) => toFQDNs !== undefined),
      { toFQDNs: fqdns, toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }] }] },
    );
    assert.partialDeepStrictEqual(
      rules.find(({ toEndpoints }) => toEndpoints !== undefined),
      { toPorts: [{ rules: { dns: fqdns } }] },
    );
    assert.deepEqual(payments.metadata.ownerReferences?.[0]?.name, profile);
    assert.deepEqual((await box.policy(shop, `${profile}.default-deny`)).spec.policyTypes, [
      'Ingress',
      'Egress',
    ]);
    const { status, reason } = await box.condition(profile, 'EngineReady');
    assert.deepEqual([status, reason], ['False', 'EngineNotFound']);
  });

  it('repairs extensions that somebody changes or deletes', async () => {
    const name = `${profile}.egress`;
    const { spec, metadata } = await policy(name);
    await box.patch(path(name), { spec: { egress: [{ toEntities: ['all'] }] } });
    await eventually(async () => assert.deepEqual((await policy(name)).spec, spec), SOON);
    await box.patch(path(name), {
      metadata: { labels: Object.fromEntries(Object.keys(metadata.labels ?? {}).map((key) => [key, null])) },
    });
    await eventually(
      async () => assert.deepEqual((await policy(name)).metadata.labels, metadata.labels),
      SOON,
    );
    await plane.admin.send('DELETE', path(name));
    await eventually(async () => assert.deepEqual((await policy(name)).spec, spec), SOON);
  });

  it('writes nothing after a restart', async () => {
    const before = await Promise.all((await names()).map(policy));
    await operator.stop();
    operator = await operators.start(kubeconfig, '--engine=Cilium');
    await box.ready(profile);
    await eventually(async () => {
      assert.equal((await box.condition(profile, 'Reconciling')).status, 'False');
      assert.equal(
        await operator.metric(
          'segmentation_engine_info{setting="Cilium",engine="Cilium",status="False",reason="EngineNotFound"}',
        ),
        1,
      );
    });
    const after = await Promise.all((await names()).map(policy));
    assert.deepEqual(
      after.map(({ metadata }) => metadata.resourceVersion),
      before.map(({ metadata }) => metadata.resourceVersion),
    );
  });

  it('leaves a foreign object with the name of an own one, and takes an alternative name', async () => {
    const foreign = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name: `${profile}.ingress` },
      spec: { endpointSelector: {}, ingress: [{ fromEntities: ['cluster'] }] },
    };
    await plane.admin.send('POST', path(), foreign);
    await box.edit(profile, {
      ingress: [{ name: 'probes', from: [{ entity: 'Nodes' }], ports: [{ port: 80 }] }],
    });
    await eventually(async () => {
      const own = (await names()).find((name) => name.includes('.alternative.'));
      assert.ok(own);
      assert.deepEqual((await policy(own)).spec['ingress'], [
        { fromEntities: ['host', 'remote-node'], toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }] }] },
      ]);
    }, SOON);
    assert.deepEqual((await policy(`${profile}.ingress`)).spec, foreign.spec);
    await plane.admin.send('DELETE', path(`${profile}.ingress`));
  });

  it('is held by the fence to objects that only add', async () => {
    const token = ['--kubeconfig', kubeconfig, '-n', shop];
    const name = `${profile}.egress`;
    const current = await policy(name);
    const replace = (spec: object, metadata: object = current.metadata) =>
      plane.kubectlRun([...token, 'replace', '-f', '-'], {
        stdin: JSON.stringify({ ...current, metadata, spec }),
      });
    await assert.rejects(replace({ ...current.spec, enableDefaultDeny: { ingress: false } }), /only adds/);
    await assert.rejects(
      replace({ ...current.spec, egressDeny: [{ toEntities: ['world'] }] }),
      /would isolate pods or deny flows/,
    );
    await assert.rejects(replace(current.spec, { ...current.metadata, labels: {} }), /lacks the labels/);
  });

  it('takes nothing into force that the CRD does not know, and says so', async () => {
    const before = await Promise.all((await names()).map(policy));
    interface Schema {
      readonly properties: Record<string, Schema>;
      readonly items?: Schema;
    }
    interface Definition {
      readonly spec: {
        readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[];
      };
    }
    const definition = JSON.parse(
      await kubectl('get', 'crd', 'ciliumnetworkpolicies.cilium.io', '-o', 'json'),
    ) as Definition;
    for (const { schema } of definition.spec.versions) {
      const { spec, specs } = schema.openAPIV3Schema.properties;
      delete spec?.properties['enableDefaultDeny'];
      delete specs?.items?.properties['enableDefaultDeny'];
    }
    await plane.kubectlRun(['replace', '-f', '-'], { stdin: JSON.stringify(definition) });
    await eventually(async () => {
      // The API server takes up a changed schema within a second or so: each attempt is another change.
      const port = 20_000 + Math.floor(Math.random() * 1000);
      await box.edit(profile, {
        egress: [{ name: 'kubelet', to: [{ entity: 'Nodes' }], ports: [{ port }] }],
      });
      await eventually(async () => assert.equal((await unresolved()).reason, 'SchemaTooOld'), 3000);
    }, SOON);
    const { message } = await unresolved();
    assert.match(
      message,
      /the CRD of ciliumnetworkpolicies lacks fields that are written: upgrade it \(Cilium 1\.16 or later\)/,
    );
    assert.ok((await names()).length >= before.length - 1);
    await kubectl('apply', '--server-side', '--force-conflicts', '-f', crd);
    await operator.stop();
    operator = await operators.start(kubeconfig, '--engine=Cilium');
    await box.ready(profile, SOON);
  });

  it('removes extensions that no profile asks for, after the policies', async () => {
    await box.edit(profile, { egress: null, ingress: null });
    await namesAre();
    await box.removeProfile(profile);
    await eventually(() => assert.rejects(box.readProfile(profile)), SOON);
    assert.deepEqual(await box.policyNames(shop), []);
  });

  it('uses exactly the permission of config/engines/cilium', () => {
    const requests = auditedRequests(plane, since).filter(
      ({ objectRef }) => objectRef?.resource === 'ciliumnetworkpolicies',
    );
    const used = new Set(requests.filter((each) => !isRefused(each)).map(({ verb }) => verb));
    used.delete('list');
    assert.deepEqual([...used].sort(), ['create', 'delete', 'update', 'watch']);
    assert.match(
      readFileSync(join(COMPONENTS[1] ?? '', 'cluster_role.yaml'), 'utf8'),
      /verbs: \[list, watch, create, update, delete\]/,
    );
  });
});
