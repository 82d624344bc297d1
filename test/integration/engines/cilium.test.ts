/**
 * Extensions on Cilium by a real operator: its own permissions, the fence, and an API server with Cilium's CRD. The agent is a
 * DaemonSet of that name; which flows pass is judged in test/oracle/engines.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli, directoryOf } from '../../cli/cli.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { goIsThere, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { auditedRequests, isRefused } from '../../support/audit.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';
import { bind, exception, inSeconds, install, REQUESTER, uninstall, User } from '../exceptions/scene.ts';
import { CILIUM, CiliumCRD, CiliumPolicies, type CiliumPolicy, DETECT } from './cilium-objects.ts';

const COMPONENTS = [DETECT, CILIUM];
const SOON = 60_000;

(goIsThere ? describe : describe.skip)(`operator on Cilium${skippedWithoutGo}`, function () {
  this.timeout('4m');
  const operators = new Operators();
  const directory = directoryOf({
    'cilium.cfg':
      'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\nengine: Cilium\n',
  });
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;
  let operator: Operator;
  let crd: CiliumCRD;
  let extensions: CiliumPolicies;
  let shop: string;
  let profile: string;
  let since: string;

  const kubectl = (...args: readonly string[]) => plane.kubectlRun([...args]);
  const path = (name?: string) => extensions.path(name);
  const policy = (name: string) => extensions.get(name);
  const names = () => extensions.names();
  const namesAre = (...wanted: readonly string[]) =>
    eventually(async () => assert.deepEqual(await names(), [...wanted].sort()), SOON);
  const unresolved = () => box.condition(profile, 'PeersResolved');

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    crd = await CiliumCRD.of(plane);
    box = new Sandbox(plane, 'cilium');
    shop = await box.namespace('shop');
    extensions = new CiliumPolicies(plane, shop);
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
    await crd?.delete();
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
    await crd.apply();
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

  it('has its extensions in the verdicts of the plugin, whatever the file of --config says', async () => {
    const flow = `${shop}/pod/web 203.0.113.1`;
    const open = await cli(`explain ${flow} --port 443 --kubeconfig ${plane.kubeconfig}`);
    assert.equal(open.code, 2, open.output);
    assert.match(
      open.stdout,
      /UNKNOWN[^]*depends on CiliumNetworkPolicy \S+, spec\.egress\[\d\] \(names \(toFQDNs\)\)/,
    );
    assert.equal((await cli(`explain ${flow} --port 80 --kubeconfig ${plane.kubeconfig}`)).code, 1);
    const { stdout } = await cli(`matrix -n ${shop} --kubeconfig ${plane.kubeconfig}`);
    assert.match(stdout, /any address +unknown: .*TCP 443/);
  });

  it('leaves verdicts unknown to who may not list its extensions', async () => {
    await kubectl('create', 'serviceaccount', 'viewer', '-n', shop);
    await kubectl(
      'create',
      'clusterrolebinding',
      `${shop}-viewer`,
      '--clusterrole=view',
      `--serviceaccount=${shop}:viewer`,
    );
    try {
      const viewer = await plane.serviceAccountKubeconfig(shop, 'viewer');
      const flow = `explain ${shop}/pod/web 203.0.113.1 --port 80 --kubeconfig ${viewer}`;
      const { code, stdout, stderr } = await cli(flow);
      assert.equal(code, 2, stdout + stderr);
      assert.match(
        stdout,
        /depends on the objects of kind CiliumNetworkPolicy \(objects that could not be listed\)/,
      );
      assert.match(stderr, /you may not list ciliumnetworkpolicies[^\n]*--only-network-policies/);
      assert.equal((await cli(`${flow} --only-network-policies`)).code, 1);
    } finally {
      await kubectl('delete', 'clusterrolebinding', `${shop}-viewer`);
    }
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

  it('leaves nothing to diff but what somebody changed while it did not run, and writes that alone', async () => {
    await operator.stop();
    const diff = () =>
      cli(`diff --as-enforced -n ${shop} --kubeconfig ${plane.kubeconfig} --config ${directory}/cilium.cfg`);
    assert.deepEqual(await diff(), { code: 0, stdout: '', stderr: '', output: '' });
    const name = `${profile}.egress`;
    const { spec } = await policy(name);
    await box.patch(path(name), { spec: { egress: [{ toEntities: ['all'] }] } });
    const { code, stdout } = await diff();
    assert.equal(code, 1);
    assert.match(
      stdout,
      new RegExp(`Policies of the network engine\n  ~ ${shop}/ciliumnetworkpolicy.cilium.io/${name}\n\n`),
    );
    operator = await operators.start(kubeconfig, '--engine=Cilium');
    await eventually(async () => assert.deepEqual((await policy(name)).spec, spec), SOON);
  });

  it('writes nothing after a restart', async () => {
    await box.ready(profile);
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

  it('carries a service account whose pods have no label', async () => {
    await box.edit(profile, {
      egress: [{ name: 'tool', to: [{ serviceAccount: { namespace: shop, name: 'tool' } }] }],
    });
    await eventually(async () => {
      const matchLabels = {
        'k8s:io.kubernetes.pod.namespace': shop,
        'k8s:io.cilium.k8s.policy.serviceaccount': 'tool',
      };
      const { egress } = (await policy(`${profile}.egress`)).spec;
      assert.deepEqual(egress, [{ toEndpoints: [{ matchLabels }] }]);
      assert.equal((await unresolved()).status, 'True');
    }, SOON);
  });

  it('carries the peers of an exception as long as it is in force', async () => {
    await install(plane);
    try {
      await bind(plane, shop, REQUESTER, 'jane');
      await box.edit(profile, { exceptions: { mode: 'Allowed', peers: ['Entity', 'FQDN'] } });
      const egress = [{ name: 'kubelets', to: [{ entity: 'Nodes' as const }] }];
      const debug = exception(shop, 'debug', { egress });
      await eventually(() => new User(plane, 'jane').create(debug), SOON);
      const name = `${profile}.exception.debug.egress`;
      await eventually(async () => {
        assert.deepEqual((await policy(name)).spec['egress'], [{ toEntities: ['host', 'remote-node'] }]);
      }, SOON);
      assert.equal((await policy(name)).metadata.ownerReferences?.[0]?.kind, 'SegmentationException');
      await kubectl('-n', shop, 'delete', 'segx', 'debug');
      await eventually(async () => assert.ok(!(await names()).includes(name)), SOON);
      // Names are carried by the engine alone: a policy that allows nothing carries the end.
      const jane = new User(plane, 'jane');
      const to = [{ fqdn: { names: ['api.example.com'] } }];
      const named = await jane.create(exception(shop, 'named', { egress: [{ name: 'out', to }] }));
      const own = `${profile}.exception.named.egress`;
      await eventually(async () => {
        const rules = (await policy(own)).spec['egress'] as readonly { readonly toFQDNs?: unknown }[];
        const names = rules.flatMap(({ toFQDNs }) => toFQDNs ?? []);
        assert.deepEqual(names, [{ matchName: 'api.example.com' }]);
        assert.ok((await box.policyNames(shop)).includes(own));
      }, SOON);
      await jane.patch(named, { spec: { expires: inSeconds(2) } });
      await eventually(async () => {
        assert.ok(!(await names()).includes(own));
        assert.ok(!(await box.policyNames(shop)).includes(own));
      }, SOON);
    } finally {
      await uninstall(plane);
    }
  });

  it('runs the sample of config/samples/engines', async () => {
    const sample = join(import.meta.dirname, '../../../config/samples/engines/profile.yaml');
    const named = await box.namespace('named', { 'segmentation.dev/profile-class': 'named-hosts' });
    await kubectl('apply', '-f', sample);
    try {
      await box.ready('named-hosts', SOON);
      const there = (await new CiliumPolicies(plane, named).names())
        .filter((name) => name.startsWith('named-hosts.'))
        .map((name) => name.replace(/\.[0-9a-f]{10}$/, '.DIGEST'));
      assert.deepEqual(there, ['named-hosts.egress', 'named-hosts.egress.kubelets.DIGEST']);
    } finally {
      await kubectl('delete', '-f', sample);
    }
  });

  it('says that the kind came back with another scope or version, and writes it once it is right', async () => {
    const before = await names();
    const isUnsupported = (pattern: RegExp) =>
      eventually(async () => {
        const { status, reason, message } = await unresolved();
        assert.deepEqual([status, reason], ['False', 'Unsupported']);
        assert.match(message, pattern);
      }, SOON);
    await crd.replace((spec) => (spec.scope = 'Cluster'));
    const { labels = {} } = (await box.policy(shop, `${profile}.egress`)).metadata;
    const ofCluster = '/apis/cilium.io/v2/ciliumnetworkpolicies';
    const misplaced = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name: `${profile}.egress`, labels },
      spec: { endpointSelector: {}, egress: [{ toEntities: ['world'] }] },
    };
    await plane.admin.send('POST', ofCluster, misplaced);
    await isUnsupported(
      /serves no writes of it in a namespace: .* has the scope Cluster instead of Namespaced/,
    );
    const { spec } = (await plane.admin.send('GET', `${ofCluster}/${profile}.egress`)) as CiliumPolicy;
    assert.deepEqual(spec, misplaced.spec);
    await crd.replace((crdSpec) => {
      crdSpec.scope = 'Namespaced';
      for (const version of crdSpec.versions) version.name = 'v3';
    });
    await isUnsupported(/does not serve ciliumnetworkpolicies\.cilium\.io\/v2/);
    await crd.delete();
    await crd.apply();
    await namesAre(...before);
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
