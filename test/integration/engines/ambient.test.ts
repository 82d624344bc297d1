/**
 * The tunnel of Istio's ambient mode, by a real operator under its own permissions, which is killed half way. A stand-in for
 * istiod accepts AuthorizationPolicies in their status when it is told to.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeObject } from '../../../src/api/meta.ts';
import { isTunnel } from '../../../src/policy/tunnels.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { goIsThere, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { auditedRequests, isRefused } from '../../support/audit.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';
import {
  bind,
  exception,
  inSeconds,
  install,
  REQUESTER,
  says,
  uninstall,
  User,
} from '../exceptions/scene.ts';
import { installSecurityKinds, removeSecurityKinds } from './istio-kinds.ts';
import { tracesOfIstio } from './traces-of-istio.ts';

const ROLE = join(import.meta.dirname, '../../../config/engines/istio');
const POLICIES = join(import.meta.dirname, '../../../config/engines/istio-policies');
const SOON = 60_000;

type Policy = KubeObject & { readonly spec?: Readonly<Record<string, unknown>> };

(goIsThere ? describe : describe.skip)(`operator's tunnel in ambient mode${skippedWithoutGo}`, function () {
  this.timeout('4m');
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;
  let operator: Operator;
  let shop: string;
  let front: string;
  let profile: string;
  let jane: User;

  const kubectl = (...args: readonly string[]) => plane.kubectlRun([...args]);
  const collection = (plural: string) => `/apis/security.istio.io/v1/namespaces/${shop}/${plural}`;
  const list = async (plural = 'authorizationpolicies') =>
    ((await box.read(collection(plural))) as unknown as { items: readonly Policy[] }).items;
  const accept = async () => {
    for (const { metadata } of await list())
      await box.patch(`${collection('authorizationpolicies')}/${metadata.name}/status`, {
        status: {
          conditions: [
            { type: 'ZtunnelAccepted', status: 'True', observedGeneration: String(metadata.generation) },
          ],
        },
      });
  };
  const tunnels = async () =>
    (await box.policyNames(shop)).filter((each) => each.includes('.baseline.mesh.tunnel'));
  const reasonOf = async (type: string) => (await box.condition(profile, type)).reason;
  /** The operator's successful writes since a time, in order, as "verb resource". */
  const writes = (since: string) =>
    auditedRequests(plane, since)
      .filter((each) => ['create', 'update', 'delete'].includes(each.verb) && !isRefused(each))
      .filter(({ objectRef }) => objectRef?.namespace === shop)
      .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource} ${objectRef?.name}`);
  const start = async () => {
    operator = await operators.start(kubeconfig, '--mesh=Istio');
  };
  const toWeb = (...more: readonly object[]) => [
    { name: 'web', from: [{ namespaces: [front] }, ...more], ports: [{ port: 8443 }] },
  ];

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    box = new Sandbox(plane, 'ambient');
    const ambient = { 'istio.io/dataplane-mode': 'ambient', 'istio-injection': 'disabled' };
    shop = await box.namespace('shop', ambient);
    front = await box.namespace('front', { ...ambient, 'test.segmentation.dev/suite': 'none' });
    const istio = await box.namespace('system', null);
    for (const namespace of [shop, front]) await box.pod(namespace, 'web', { app: 'web' });
    for (const namespace of [shop, front])
      await box.patch(`/api/v1/namespaces/${namespace}/pods/web`, {
        metadata: { annotations: { 'ambient.istio.io/redirection': 'enabled' } },
      });
    await installSecurityKinds(plane);
    await install(plane);
    jane = new User(plane, 'jane');
    await bind(plane, shop, REQUESTER, 'jane');
    for (const each of [ROLE, POLICIES]) await kubectl('apply', '-k', each);
    await plane.kubectlRun(['apply', '--server-side', '-f', '-'], {
      stdin: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: tracesOfIstio(box, istio) }),
    });
    profile = await box.profile('p', {
      isolation: ['Ingress'],
      baseline: { mesh: 'Allow' },
      mesh: { authorization: 'Enforce' },
      ingress: toWeb(),
    });
    await start();
  });
  after(async () => {
    await operators.end();
    await box?.remove();
    await kubectl('delete', '--ignore-not-found', 'mutatingwebhookconfiguration', `${box.id}-injector`);
    for (const each of [ROLE, POLICIES]) await kubectl('delete', '--ignore-not-found', '-k', each);
    await removeSecurityKinds(plane);
    await uninstall(plane);
  });

  it('opens after the acceptance that an operator has not lived to see', async () => {
    await eventually(async () => assert.equal(await reasonOf('PeersResolved'), 'NotAccepted'), SOON);
    // The cover under which the two others were created permits nothing any more, and goes once istiod has accepted that.
    await eventually(
      async () => assert.equal((await list()).filter(({ spec }) => spec?.['rules']).length, 2),
      SOON,
    );
    assert.equal((await list()).length, 3);
    assert.deepEqual(await box.policyNames(shop), []);
    await operator.kill();
    await accept();
    assert.deepEqual(await box.policyNames(shop), []);
    await start();
    await box.ready(profile, SOON);
    assert.deepEqual(await tunnels(), [`${profile}.ingress.baseline.mesh.tunnel`]);
    await eventually(async () => assert.equal((await list()).length, 2), SOON);
  });

  it('does not open for a further peer before its permit is accepted, also by another operator', async () => {
    const ports = [{ port: 9443 }];
    const added = { name: 'ops', from: [{ namespaces: [`${box.id}-ops`] }], ports };
    await box.edit(profile, { ingress: [...toWeb(), added] });
    await eventually(async () => assert.equal(await reasonOf('PeersResolved'), 'NotAccepted'), SOON);
    await operator.kill();
    const before = (await box.policy(shop, `${profile}.ingress.baseline.mesh.tunnel`)).spec;
    await start();
    await operator.line('all namespaces reconciled');
    assert.deepEqual((await box.policy(shop, `${profile}.ingress.baseline.mesh.tunnel`)).spec, before);
    await accept();
    await box.ready(profile, SOON);
    const { from } =
      (await box.policy(shop, `${profile}.ingress.baseline.mesh.tunnel`)).spec.ingress?.[0] ?? {};
    assert.equal(from?.length, 2);
    await box.edit(profile, { ingress: toWeb() });
    await eventually(async () => {
      await accept();
      const { spec } = await box.policy(shop, `${profile}.ingress.baseline.mesh.tunnel`);
      assert.equal(spec.ingress?.[0]?.from?.length, 1);
    }, SOON);
    await box.ready(profile, SOON);
  });

  it('has its permits back after they were deleted while no operator ran', async () => {
    await operator.kill();
    const names = (await list()).map(({ metadata }) => metadata.name);
    for (const each of names)
      await plane.admin.send('DELETE', `${collection('authorizationpolicies')}/${each}`);
    await start();
    await eventually(async () => {
      await accept();
      assert.deepEqual(
        (await list()).map(({ metadata }) => metadata.name),
        names,
      );
    }, SOON);
    await box.ready(profile, SOON);
  });

  it('opens for an exception that istiod has accepted, and closes at its end without istiod', async () => {
    await box.edit(profile, { exceptions: { mode: 'Allowed' } });
    const { spec, ...made } = exception(shop, 'debug', { expires: inSeconds(15) });
    const { egress: _, ...asked } = spec;
    const from = [{ namespaces: [front], podSelector: { matchLabels: { app: 'web' } } }];
    const ingress = [{ name: 'debug', from, ports: [{ protocol: 'TCP' as const, port: 8443 }] }];
    const debug = await eventually(() => jane.create({ ...made, spec: { ...asked, ingress } }));
    const ofException = async () =>
      (await box.policies(shop)).filter(
        ({ metadata }) =>
          metadata.labels?.['segmentation.dev/exception'] === 'debug' && isTunnel({ metadata }),
      );
    await eventually(async () => {
      await accept();
      const [only] = await ofException();
      assert.ok(only);
      assert.equal(only.metadata.ownerReferences?.[0]?.uid, debug.metadata.uid);
      assert.deepEqual(only.spec.ingress?.[0]?.ports, [{ protocol: 'TCP', port: 15_008 }]);
    }, SOON);
    await says(box, debug, 'Ready', 'InForce');
    await eventually(() => says(box, debug, 'Ready', 'Expired'), SOON);
    assert.deepEqual(await ofException(), []);
    await eventually(async () => {
      await accept();
      await box.ready(profile);
    }, SOON);
  });

  it('stands beside strict mutual TLS once no rule has a peer out of the mesh', async () => {
    await box.edit(profile, {
      mesh: { authorization: 'Enforce', mtls: 'Strict' },
      ingress: [...toWeb(), { name: 'office', from: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }],
    });
    await eventually(async () => {
      const { reason, message } = await box.condition(profile, 'MeshReady');
      assert.equal(reason, 'PeersOutOfMesh');
      assert.match(message, /shop: office \(/);
    }, SOON);
    assert.deepEqual(await list('peerauthentications'), []);
    await box.edit(profile, { ingress: toWeb() });
    await eventually(async () => {
      await accept();
      assert.deepEqual(
        (await list('peerauthentications')).map(({ spec }) => spec),
        [{ mtls: { mode: 'STRICT' } }],
      );
    }, SOON);
    await box.ready(profile, SOON);
  });

  it('is closed before its permits go, also if another operator has to delete these', async () => {
    const since = new Date().toISOString();
    // The permits can't be deleted until the permission is back.
    await kubectl('delete', '-k', POLICIES);
    await box.edit(profile, { mesh: { authorization: 'Disabled', mtls: 'Disabled' } });
    await eventually(async () => assert.deepEqual(await tunnels(), []), SOON);
    await operator.kill();
    assert.equal((await list()).length, 2);
    await kubectl('apply', '-k', POLICIES);
    await start();
    await eventually(async () => {
      assert.deepEqual([await list(), await list('peerauthentications')], [[], []]);
    }, SOON);
    const order = writes(since);
    const closed = order.indexOf(`delete networkpolicies ${profile}.ingress.baseline.mesh.tunnel`);
    const gone = order.findIndex((each) => /^(?:create|update|delete) authorizationpolicies/.test(each));
    assert.ok(closed >= 0 && closed < gone, order.join());
  });
});
