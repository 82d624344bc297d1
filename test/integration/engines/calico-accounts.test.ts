/**
 * Extensions on Calico by a real operator: peers by service account, whose policies isolate pods as NetworkPolicies do. The API
 * server serves a stand-in for Calico's kind, and no agent runs.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeObject } from '../../../src/api/meta.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { crdEstablished } from '../../env/plane/crd.ts';
import { type AuditEvent, auditedRequests, isRefused } from '../../support/audit.ts';
import { POLICY_CRD, STAGED_CRD, STAGED_POLICY_CRD } from '../../support/calico.ts';
import { cli, directoryOf } from '../../cli/cli.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';

const ROOT = join(import.meta.dirname, '../../..');
const COMPONENTS = ['config/engines/detect', 'config/engines/calico'].map((each) => join(ROOT, each));
const STAGED_CRDS = [STAGED_POLICY_CRD, STAGED_CRD];
const SOON = 60_000;

type Policy = KubeObject & { readonly spec: Readonly<Record<string, unknown>> };

describe('operator on Calico with a peer by service account', function () {
  this.timeout('4m');
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;
  let operator: Operator;
  let shop: string;
  let checkout: string;
  let profile: string;
  let since: string;
  const directory = directoryOf({
    'calico.yaml':
      'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\nengine: Calico\n',
  });
  /** The policy of the account, as it was enforced last. */
  let spec: Policy['spec'];

  const path = (name = '') =>
    `/apis/projectcalico.org/v3/namespaces/${shop}/networkpolicies${name && `/${name}`}`;
  const policies = async () => {
    const { items } = (await box.read(path())) as unknown as { items: readonly Policy[] };
    return items;
  };
  const only = async () => {
    const [first, ...others] = await policies();
    assert.ok(first);
    assert.deepEqual(others, []);
    return first;
  };
  const ingress = (port: number) => [
    {
      name: 'checkout',
      podSelector: { matchLabels: { app: 'web' } },
      from: [{ serviceAccount: { namespace: checkout, name: 'web' } }],
      ports: [{ port }],
    },
  ];
  /** Waits until the policy has the port alone: while it changes, it allows what the old and the new rules allow. */
  const hasPort = (name: string, port: number) =>
    eventually(async () => {
      const { spec } = (await box.read(path(name))) as unknown as Policy;
      const rules = spec['ingress'] as readonly { readonly destination: object }[];
      assert.deepEqual(
        rules.map(({ destination }) => destination),
        [{ ports: [port] }],
      );
    }, SOON);
  /** The operator's writes in the namespace, by verb and kind; covers and bridges apart. */
  const writes = (from: string) =>
    auditedRequests(plane, from)
      .filter((each) => each.objectRef?.namespace === shop && !isRefused(each))
      .filter(({ verb }) => ['create', 'update', 'delete'].includes(verb))
      .map(named);

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    box = new Sandbox(plane, 'calico');
    shop = await box.namespace('shop');
    checkout = await box.namespace('checkout', null);
    await box.pod(shop, 'web', { app: 'web' });
    profile = await box.profile('p', { isolation: ['Ingress'], ingress: ingress(8443) });
    await plane.kubectlRun(['apply', '-k', COMPONENTS[0] ?? '']);
    operator = await operators.start(kubeconfig, '--engine=Calico');
  });
  after(async () => {
    await box?.remove();
    for (const each of COMPONENTS) await plane.kubectlRun(['delete', '--ignore-not-found', '-k', each]);
    for (const each of [POLICY_CRD, ...STAGED_CRDS])
      await plane.kubectlRun(['delete', '--ignore-not-found', 'crd', each.metadata.name]);
  });

  it('isolates nothing while the peer can not be written', async () => {
    await eventually(
      async () => assert.equal((await box.condition(profile, 'PeersResolved')).status, 'False'),
      SOON,
    );
    assert.deepEqual(await box.policyNames(shop), []);
  });

  it('writes an allowing policy of the account before the namespace is isolated', async () => {
    since = new Date().toISOString();
    await plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify(POLICY_CRD) });
    await crdEstablished((args) => plane.kubectlRun(args), POLICY_CRD.metadata.name);
    await plane.kubectlRun(['apply', '-k', COMPONENTS[1] ?? '']);
    await box.ready(profile, SOON);
    const { metadata, spec } = await only();
    assert.match(metadata.name, new RegExp(`^default\\.${profile}\\.ingress\\.checkout\\.[0-9a-f]{10}$`));
    assert.deepEqual(spec, {
      tier: 'default',
      order: 1000,
      selector: "app == 'web'",
      types: ['Ingress'],
      ingress: [
        {
          action: 'Allow',
          protocol: 'TCP',
          source: {
            serviceAccounts: { names: ['web'] },
            namespaceSelector: `projectcalico.org/name == '${checkout}'`,
          },
          destination: { ports: [8443] },
        },
      ],
    });
    const all = writes(since);
    assert.ok(
      all.indexOf('create projectcalico.org') < all.indexOf('create networking.k8s.io default-deny'),
      all.join(),
    );
  });

  it('writes what the plugin renders, also without the account labels of config/service-accounts', async () => {
    const { code, stdout, stderr } = await cli(
      `render ${profile} --kubeconfig ${plane.kubeconfig} --config ${directory}/calico.yaml`,
    );
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^ +serviceAccounts:$/m);
    assert.doesNotMatch(stdout, /segmentation\.dev\/service-account/);
  });

  it('updates the policy in place when the ports of its rule change', async () => {
    const before = await only();
    await box.edit(profile, { ingress: ingress(9443) });
    await hasPort(before.metadata.name, 9443);
    assert.equal((await only()).metadata.uid, before.metadata.uid);
  });

  it('repairs the policy, and writes nothing after a restart', async () => {
    const { metadata, spec } = await only();
    await box.patch(path(metadata.name), { spec: { ingress: [{ action: 'Allow' }] } });
    await eventually(async () => assert.deepEqual((await only()).spec, spec), SOON);
    const before = await only();
    await operator.stop();
    operator = await operators.start(kubeconfig, '--engine=Calico');
    await box.ready(profile);
    await eventually(async () => assert.equal((await box.condition(profile, 'Reconciling')).status, 'False'));
    assert.equal((await only()).metadata.resourceVersion, before.metadata.resourceVersion);
  });

  it('leaves what Calico shows of a NetworkPolicy under a name of its own', async () => {
    const { metadata, ...current } = await only();
    const shown = { apiVersion: 'projectcalico.org/v3', kind: 'NetworkPolicy', spec: current.spec };
    const name = `knp.default.${profile}.default-deny`;
    await plane.admin.send('POST', path(), { ...shown, metadata: { name, labels: metadata.labels } });
    await box.edit(profile, { ingress: ingress(8443) });
    await hasPort(metadata.name, 8443);
    ({ spec } = (await box.read(path(metadata.name))) as unknown as Policy);
    assert.equal((await policies()).length, 2);
    await plane.admin.send('DELETE', path(name));
  });

  it('is held by the fence to policies that only add', async () => {
    const current = await only();
    const replace = (spec: object) =>
      plane.kubectlRun(['--kubeconfig', kubeconfig, '-n', shop, 'replace', '-f', '-'], {
        stdin: JSON.stringify({ ...current, spec }),
      });
    await assert.rejects(
      replace({ ...current.spec, ingress: [{ action: 'Deny' }] }),
      /the operator only adds/,
    );
    await assert.rejects(
      replace({ ...current.spec, order: 10 }),
      /not of the tier and order of NetworkPolicies/,
    );
    await assert.rejects(replace({ ...current.spec, tier: 'platform' }), /the operator only adds/);
  });

  it('opens the namespace that the profile leaves only once the policy is gone', async () => {
    const left = new Date().toISOString();
    await box.edit(profile, { excludeNamespaces: [shop] });
    await eventually(async () => assert.deepEqual(await policies(), []), SOON);
    await eventually(async () => assert.deepEqual(await box.policyNames(shop), []), SOON);
    const all = writes(left);
    assert.ok(all.includes('delete projectcalico.org'), all.join());
  });

  describe('under Audit', () => {
    const staged = async (plural: string, namespace = shop) => {
      const url = `/apis/projectcalico.org/v3/namespaces/${namespace}/${plural}`;
      const { items } = (await box.read(url)) as unknown as { items: readonly Policy[] };
      return items;
    };
    const serve = async (crd: (typeof STAGED_CRDS)[number]) => {
      await plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify(crd) });
      await crdEstablished((args) => plane.kubectlRun(args), crd.metadata.name);
    };

    it('says which direction is not staged while the kind for accounts is missing', async () => {
      await serve(STAGED_CRD);
      await box.edit(profile, { mode: 'Audit', excludeNamespaces: [] });
      await eventually(async () => {
        const { message } = await box.condition(profile, 'EngineReady');
        assert.match(message, /Ingress is not staged in namespace .*does not serve stagednetworkpolicies/);
      }, SOON);
      assert.deepEqual(await staged('stagedkubernetesnetworkpolicies'), []);
    });

    it('stages the policy of the account beside the others, as it was enforced', async () => {
      await serve(STAGED_POLICY_CRD);
      await eventually(async () => {
        const [policy, ...others] = await staged('stagednetworkpolicies');
        assert.deepEqual(others, []);
        assert.deepEqual(policy?.spec, { stagedAction: 'Set', ...spec });
        const names = (await staged('stagedkubernetesnetworkpolicies')).map(({ metadata }) => metadata.name);
        assert.deepEqual(names, [`${profile}.default-deny`]);
      }, SOON);
      assert.deepEqual(await policies(), []);
    });

    it('stages the sample of config/samples/engines', async () => {
      const sample = join(ROOT, 'config/samples/engines/calico.yaml');
      const tried = await box.namespace('tried', { 'segmentation.dev/profile-class': 'tried' });
      await plane.kubectlRun(['apply', '-f', sample]);
      try {
        await eventually(async () => {
          const [policies, natives] = [
            await staged('stagednetworkpolicies', tried),
            await staged('stagedkubernetesnetworkpolicies', tried),
          ];
          assert.ok(
            policies.some(({ metadata: { name } }) => name.startsWith('default.tried.ingress.gateway.')),
          );
          assert.ok(natives.some(({ metadata: { name } }) => name === 'tried.default-deny'));
        }, SOON);
      } finally {
        await plane.kubectlRun(['delete', '-f', sample]);
      }
    });

    it('replaces the staged policies by enforced ones', async () => {
      await box.edit(profile, { ingress: ingress(9443) });
      await eventually(async () => {
        const [policy] = await staged('stagednetworkpolicies');
        assert.match(JSON.stringify(policy?.spec), /"ports":\[9443\]/);
      }, SOON);
      await box.edit(profile, { ingress: ingress(8443) });
      await box.edit(profile, { mode: 'Enforce' });
      await eventually(async () => {
        assert.deepEqual((await only()).spec, spec);
        for (const each of STAGED_CRDS) assert.deepEqual(await staged(each.spec.names.plural), []);
      }, SOON);
    });

    it('uses exactly the permission of config/engines/calico', () => {
      const used = new Set(
        auditedRequests(plane, since)
          .filter(({ objectRef }) => objectRef?.apiGroup === 'projectcalico.org')
          .filter((each) => !isRefused(each))
          .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`)
          .filter((text) => text.endsWith('networkpolicies') && !/^list|stagedkubernetes/.test(text)),
      );
      const granted = ['networkpolicies', 'stagednetworkpolicies'].flatMap((kind) =>
        ['create', 'delete', 'update', 'watch'].map((verb) => `${verb} ${kind}`),
      );
      assert.deepEqual([...used].sort(), [...granted, 'watch globalnetworkpolicies'].sort());
    });
  });
});

function named({ verb, objectRef }: AuditEvent): string {
  const role = objectRef?.name?.split('.')[1] ?? '';
  return objectRef?.apiGroup === 'projectcalico.org'
    ? `${verb} ${objectRef.apiGroup}`
    : `${verb} ${objectRef?.apiGroup} ${role}`;
}
