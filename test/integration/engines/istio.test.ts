/**
 * Istio as a real operator finds it, under its own permissions: webhooks, mesh configuration and Service as Istio's charts
 * install them. istiod itself does not run.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { KubeObject } from '../../../src/api/meta.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { goIsThere, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { auditedRequests, isRefused } from '../../support/audit.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, OPERATOR_USER, Operators } from '../../support/operator.ts';
import { installSecurityKinds, removeSecurityKinds } from './istio-kinds.ts';
import { tracesOfIstio } from './traces-of-istio.ts';

const ROLE = join(import.meta.dirname, '../../../config/engines/istio');
const POLICIES = join(import.meta.dirname, '../../../config/engines/istio-policies');
const SOON = 60_000;

describe('operator with mesh: Istio', function () {
  this.timeout('3m');
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;
  let operator: Operator;
  let app: string;
  let istio: string;
  let profile: string;
  /** When the permission was granted. */
  let granted: string;

  const kubectl = (...args: readonly string[]) => plane.kubectlRun([...args]);
  const apply = (...items: readonly object[]) =>
    plane.kubectlRun(['apply', '-f', '-'], {
      stdin: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });
  const judged = async () => {
    const { status, reason } = await box.condition(profile, 'MeshReady');
    return [status, reason];
  };
  const egress = async () => (await box.policy(app, `${profile}.egress`)).spec.egress;

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    box = new Sandbox(plane, 'istio');
    app = await box.namespace('app', { 'istio-injection': 'enabled' });
    istio = await box.namespace('system', null);
    await box.pod(app, 'web', { app: 'web' });
    profile = await box.profile('p', { isolation: ['Egress'], baseline: { dns: 'Deny', mesh: 'Allow' } });
    await apply(...tracesOfIstio(box, istio));
    await box.pod(istio, 'istiod', { app: 'istiod' });
    operator = await operators.start(kubeconfig, '--mesh=Istio');
  });
  after(async () => {
    await box?.remove();
    await kubectl('delete', '--ignore-not-found', 'mutatingwebhookconfiguration', `${box.id}-injector`);
    await kubectl('delete', '--ignore-not-found', '-k', ROLE);
  });

  it('isolates no pod while the mesh configuration can not be read, and says what is missing', async () => {
    await eventually(async () => assert.deepEqual(await judged(), ['Unknown', 'EvidenceUnreadable']), SOON);
    await eventually(async () => {
      const { reason, message } = await box.condition(profile, 'PeersResolved');
      assert.equal(reason, 'MeshUnavailable');
      assert.match(message, /kubectl apply -k config\/engines\/istio/);
    }, SOON);
    assert.deepEqual(await box.policyNames(app), []);
  });

  it('allows egress to istiod once it may read the mesh configuration, and says that istiod is ready', async () => {
    granted = new Date().toISOString();
    await kubectl('apply', '-k', ROLE);
    await eventually(async () => assert.deepEqual(await judged(), ['True', 'Confirmed']), SOON);
    await box.ready(profile, SOON);
    assert.deepEqual(await egress(), [
      {
        to: [
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': istio } },
            podSelector: { matchLabels: { app: 'istiod' } },
          },
        ],
        ports: [{ protocol: 'TCP', port: 15012 }],
      },
    ]);
    assert.match(
      (await operator.get('metrics', '/metrics')).text,
      /segmentation_mesh_info\{mesh="Istio",status="True",reason="Confirmed"\} 1/,
    );
  });

  it('keeps what it has allowed when it restarts without the mesh configuration', async () => {
    const before = await egress();
    await operator.stop();
    await kubectl('-n', istio, 'delete', 'configmap', 'istio');
    operator = await operators.start(kubeconfig, '--mesh=Istio');
    await eventually(
      async () => assert.deepEqual(await judged(), ['Unknown', 'ConfigurationUnusable']),
      SOON,
    );
    await eventually(async () => {
      const { status, reason } = await box.condition(profile, 'PeersResolved');
      assert.deepEqual([status, reason], ['False', 'MeshUnavailable']);
    }, SOON);
    assert.deepEqual(await egress(), before);
  });

  it('uses exactly the permission of config/engines/istio', () => {
    const requests = auditedRequests(plane, granted).filter(
      ({ objectRef }) => objectRef?.resource === 'configmaps' && objectRef.namespace === istio,
    );
    const used = requests
      .filter((each) => !isRefused(each))
      .map(({ verb, objectRef }) => `${verb} ${objectRef?.name}`);
    assert.deepEqual([...new Set(used)], ['get istio']);
  });
});

type Policy = KubeObject & { readonly spec?: Readonly<Record<string, unknown>> };

(goIsThere ? describe : describe.skip)(`operator's overlay on Istio${skippedWithoutGo}`, function () {
  this.timeout('4m');
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;
  let operator: Operator;
  let shop: string;
  let front: string;
  let profile: string;
  let since: string;

  const kubectl = (...args: readonly string[]) => plane.kubectlRun([...args]);
  const apply = (...items: readonly object[]) =>
    plane.kubectlRun(['apply', '--server-side', '-f', '-'], {
      stdin: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });
  const path = (plural: string, name = '') =>
    `/apis/security.istio.io/v1/namespaces/${shop}/${plural}${name && `/${name}`}`;
  const objects = async (plural = 'authorizationpolicies') => {
    const { items } = (await box.read(path(plural))) as unknown as { items: readonly Policy[] };
    return items;
  };
  const specs = async () =>
    Object.fromEntries((await objects()).map(({ metadata, spec = {} }) => [metadata.name, spec]));
  const become = (expected: Readonly<Record<string, object>>) =>
    eventually(async () => {
      const named = Object.entries(expected).map(([name, spec]) => [`${profile}.${name}`, spec]);
      assert.deepEqual(await specs(), Object.fromEntries(named));
    }, SOON);
  const judged = async () => {
    const { status, reason } = await box.condition(profile, 'MeshReady');
    return [status, reason];
  };
  const fromFront = {
    action: 'ALLOW',
    selector: { matchLabels: { app: 'web' } },
    rules: [{ from: [{ source: { namespaces: [''] } }], to: [{ operation: { ports: ['8443'] } }] }],
  };
  const toWeb = (namespaces: readonly string[]) => ({
    name: 'web',
    podSelector: { matchLabels: { app: 'web' } },
    from: [{ namespaces }],
    ports: [{ port: 8443 }],
  });

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    box = new Sandbox(plane, 'overlay');
    shop = await box.namespace('shop', { 'istio-injection': 'enabled' });
    front = await box.namespace('front', {
      'istio-injection': 'enabled',
      'test.segmentation.dev/suite': 'none',
    });
    fromFront.rules[0]?.from[0]?.source.namespaces.splice(0, 1, front);
    const istio = await box.namespace('system', null);
    await box.pod(shop, 'web', { app: 'web', 'security.istio.io/tlsMode': 'istio' });
    await box.pod(front, 'front', { 'security.istio.io/tlsMode': 'istio' });
    profile = await box.profile('p', {
      isolation: ['Ingress'],
      mesh: { authorization: 'Enforce', mtls: 'Strict' },
      ingress: [toWeb([front]), { name: 'office', from: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }],
    });
    await apply(...tracesOfIstio(box, istio));
    await kubectl('apply', '-k', ROLE);
    operator = await operators.start(kubeconfig, '--mesh=Istio');
  });
  after(async () => {
    await box?.remove();
    await kubectl('delete', '--ignore-not-found', 'mutatingwebhookconfiguration', `${box.id}-injector`);
    for (const each of [ROLE, POLICIES]) await kubectl('delete', '--ignore-not-found', '-k', each);
    await removeSecurityKinds(plane);
  });

  it('is not Ready without permission and kinds, and enforces the NetworkPolicies all the same', async () => {
    await eventually(async () => assert.deepEqual(await judged(), ['False', 'NotInstalled']), SOON);
    assert.match(
      (await box.condition(profile, 'MeshReady')).message,
      /kubectl apply -k config\/engines\/istio-policies/,
    );
    // The kinds are watched, and reported as missing, from the plan of the namespace on, which is carried out meanwhile.
    await eventually(
      async () => assert.ok((await box.policyNames(shop)).includes(`${profile}.default-deny`)),
      SOON,
    );
    assert.equal((await box.condition(profile, 'Ready')).status, 'False');
  });

  it('tells peers in the mesh by identity, and others by address', async () => {
    since = new Date().toISOString();
    await kubectl('apply', '-k', POLICIES);
    await installSecurityKinds(plane);
    await become({
      'default-deny': {},
      ingress: {
        action: 'ALLOW',
        rules: [{ from: [{ source: { ipBlocks: ['192.0.2.0/24'] } }] }],
      },
      'ingress.web': fromFront,
    });
    for (const { metadata } of await objects())
      assert.equal(metadata.ownerReferences?.[0]?.name, profile, metadata.name);
  });

  it('does not refuse plaintext while a rule has a peer out of the mesh, and then does', async () => {
    await eventually(async () => assert.deepEqual(await judged(), ['False', 'PeersOutOfMesh']), SOON);
    assert.match((await box.condition(profile, 'MeshReady')).message, /shop: office/);
    assert.deepEqual(await objects('peerauthentications'), []);
    await box.edit(profile, { ingress: [toWeb([front])] });
    await eventually(async () => {
      const [only] = await objects('peerauthentications');
      assert.deepEqual(only?.spec, { mtls: { mode: 'STRICT' } });
    }, SOON);
    await box.ready(profile, SOON);
    assert.deepEqual(await judged(), ['True', 'Enforced']);
    await become({ 'default-deny': {}, 'ingress.web': fromFront });
  });

  it('repairs objects that somebody changes or deletes', async () => {
    await plane.admin.send('DELETE', path('authorizationpolicies', `${profile}.default-deny`));
    await box.patch(path('authorizationpolicies', `${profile}.ingress.web`), {
      metadata: { annotations: { 'istio.io/dry-run': 'true' } },
      spec: { rules: [{}] },
    });
    await box.patch(path('peerauthentications', `${profile}.default-deny`), {
      spec: { mtls: { mode: 'PERMISSIVE' } },
    });
    await become({ 'default-deny': {}, 'ingress.web': fromFront });
    await eventually(async () => {
      assert.deepEqual((await objects('peerauthentications'))[0]?.spec, { mtls: { mode: 'STRICT' } });
      for (const { metadata } of await objects())
        assert.equal(metadata.annotations?.['istio.io/dry-run'], undefined, metadata.name);
    }, SOON);
  });

  it('writes nothing after a restart', async () => {
    const versions = async () =>
      [...(await objects()), ...(await objects('peerauthentications'))].map(
        ({ metadata }) => metadata.resourceVersion,
      );
    const before = await versions();
    await operator.stop();
    operator = await operators.start(kubeconfig, '--mesh=Istio');
    await eventually(async () => {
      assert.equal(
        await operator.metric(
          'segmentation_mesh_info{mesh="Istio",status="Unknown",reason="ControlPlaneNotReady"}',
        ),
        1,
      );
      assert.equal((await box.condition(profile, 'Reconciling')).status, 'False');
    }, SOON);
    assert.deepEqual(await versions(), before);
  });

  it('is held by the fence to policies that allow, and to its own', async () => {
    const name = `${profile}.ingress.web`;
    const token = ['--kubeconfig', kubeconfig, '-n', shop];
    const current = (await box.read(path('authorizationpolicies', name))) as unknown as Policy;
    const replace = (spec: object, metadata: object = current.metadata) =>
      plane.kubectlRun([...token, 'replace', '-f', '-'], {
        stdin: JSON.stringify({ ...current, metadata, spec }),
      });
    await assert.rejects(
      replace({ ...current.spec, action: 'DENY' }),
      /only AuthorizationPolicies that allow/,
    );
    await assert.rejects(
      replace({ action: 'ALLOW', rules: [{ from: [] }] }),
      /only AuthorizationPolicies that allow/,
    );
    await assert.rejects(
      replace(current.spec ?? {}, { ...current.metadata, labels: {} }),
      /lacks the labels/,
    );
    await plane.admin.send('POST', path('authorizationpolicies'), {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'own-of-team' },
      spec: {},
    });
    await assert.rejects(
      plane.kubectlRun([...token, 'delete', 'authorizationpolicy', 'own-of-team']),
      /is not the segmentation operator's/,
    );
    await plane.admin.send('DELETE', path('authorizationpolicies', 'own-of-team'));
  });

  it('is a dry run under Audit, and is gone with what asks for it', async () => {
    await box.edit(profile, { mesh: { authorization: 'Audit', mtls: 'Disabled' } });
    await eventually(async () => {
      assert.deepEqual(await judged(), ['True', 'Audited']);
      assert.deepEqual(
        (await objects()).map(({ metadata }) => metadata.annotations?.['istio.io/dry-run']),
        ['true', 'true'],
      );
      assert.deepEqual(await objects('peerauthentications'), []);
    }, SOON);
    await box.edit(profile, { mesh: { authorization: 'Enforce', mtls: 'Strict' } });
    await eventually(async () => assert.equal((await objects('peerauthentications')).length, 1), SOON);
    await box.removeProfile(profile);
    await eventually(() => assert.rejects(box.readProfile(profile)), SOON);
    assert.deepEqual([await objects(), await objects('peerauthentications')], [[], []]);
  });

  it('runs the sample of config/samples/istio', async () => {
    const sample = readFileSync(
      join(import.meta.dirname, '../../../config/samples/istio/profile.yaml'),
      'utf8',
    );
    const { spec } = parse(sample) as { spec: { ingress: object[] } };
    profile = await box.profile('sample', {
      ...spec,
      namespaceSelector: { matchLabels: { ...box.label, 'istio-injection': 'enabled' } },
      ingress: spec.ingress.map((each) => ({ ...each, from: [{ namespaces: [front] }] })),
    });
    await box.ready(profile, SOON);
    assert.deepEqual(await judged(), ['True', 'Enforced']);
    assert.deepEqual(Object.keys(await specs()).sort(), [
      `${profile}.default-deny`,
      `${profile}.ingress`,
      `${profile}.ingress.from-gateway`,
    ]);
    assert.equal((await objects('peerauthentications')).length, 1);
  });

  it('stays with the NetworkPolicies under Retain, without the profile as its owner', async () => {
    await box.edit(profile, { deletionPolicy: 'Retain' });
    await box.removeProfile(profile);
    await eventually(() => assert.rejects(box.readProfile(profile)), SOON);
    const left = [...(await objects()), ...(await objects('peerauthentications'))];
    assert.equal(left.length, 4);
    for (const { metadata } of left) assert.deepEqual(metadata.ownerReferences ?? [], [], metadata.name);
    assert.equal((await box.policyNames(shop)).includes(`${profile}.default-deny`), true);
  });

  it('opens the tunnel of an ambient namespace once istiod has accepted who may pass, and closes it first', async () => {
    const ambient = await box.namespace('ambient', {
      'istio.io/dataplane-mode': 'ambient',
      'istio-injection': 'disabled',
    });
    await box.pod(ambient, 'web', { app: 'web' });
    profile = await box.profile('tunnel', {
      namespaceSelector: { matchLabels: { ...box.label, 'istio.io/dataplane-mode': 'ambient' } },
      isolation: ['Ingress'],
      baseline: { mesh: 'Allow' },
      mesh: { authorization: 'Enforce' },
      ingress: [toWeb([front])],
    });
    const collection = `/apis/security.istio.io/v1/namespaces/${ambient}/authorizationpolicies`;
    const list = async () => ((await box.read(collection)) as unknown as { items: readonly Policy[] }).items;
    await eventually(async () => {
      const { reason, message } = await box.condition(profile, 'PeersResolved');
      assert.equal(reason, 'NotAccepted');
      assert.match(message, /istiod has not accepted AuthorizationPolicy/);
      assert.deepEqual(
        (await list()).map(({ spec }) => spec),
        [
          { action: 'ALLOW', rules: [{ from: [{ source: { notPrincipals: ['*'] } }] }] },
          fromFront,
          // The cover under which the others were created.
          { action: 'ALLOW' },
        ],
      );
    }, SOON);
    assert.deepEqual(await box.policyNames(ambient), []);
    for (const { metadata } of await list())
      await box.patch(`${collection}/${metadata.name}/status`, {
        status: {
          conditions: [
            { type: 'ZtunnelAccepted', status: 'True', observedGeneration: String(metadata.generation) },
          ],
        },
      });
    await box.ready(profile, SOON);
    const name = (await box.policyNames(ambient)).find((each) => each.includes('.mesh.tunnel'));
    assert.deepEqual((await box.policy(ambient, name ?? '')).spec.ingress, [
      {
        from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': front } } }],
        ports: [{ protocol: 'TCP', port: 15008 }],
      },
    ]);
    const began = new Date().toISOString();
    await box.removeProfile(profile);
    await eventually(() => assert.rejects(box.readProfile(profile)), SOON);
    assert.deepEqual([await list(), await box.policyNames(ambient)], [[], []]);
    const deleted = auditedRequests(plane, began)
      .filter((each) => each.verb === 'delete' && !isRefused(each))
      .map(({ objectRef }) => `${objectRef?.resource} ${objectRef?.name}`);
    const isEarlier =
      deleted.indexOf(`networkpolicies ${name}`) < deleted.indexOf(`authorizationpolicies ${name}`);
    assert.ok(isEarlier, deleted.join());
  });

  it('uses exactly the permission of config/engines/istio-policies', () => {
    const kinds = ['authorizationpolicies', 'peerauthentications'];
    for (const kind of kinds) {
      const requests = auditedRequests(plane, since).filter(({ objectRef }) => objectRef?.resource === kind);
      const used = new Set(requests.filter((each) => !isRefused(each)).map(({ verb }) => verb));
      used.delete('list');
      assert.deepEqual([...used].sort(), ['create', 'delete', 'update', 'watch'], kind);
    }
  });

  it('does not hold up a deleted profile if the permission to delete it was revoked meanwhile', async () => {
    const other = await box.profile('revoked', {
      namespaceSelector: { matchLabels: { ...box.label, 'istio-injection': 'enabled' } },
      isolation: ['Ingress'],
      mesh: { authorization: 'Enforce' },
      ingress: [toWeb([front])],
    });
    await box.ready(other, SOON);
    await plane.kubectlRun(['delete', 'clusterrole', 'segmentation-operator-istio-policies']);
    const question = ['auth', 'can-i', 'delete', 'authorizationpolicies.security.istio.io'];
    await eventually(
      () => assert.rejects(plane.kubectlRun([...question, '--all-namespaces', `--as=${OPERATOR_USER}`])),
      SOON,
    );
    await box.removeProfile(other);
    await eventually(() => assert.rejects(box.readProfile(other), /HTTP 404/), SOON);
    const collection = `/apis/security.istio.io/v1/namespaces/${shop}/authorizationpolicies`;
    await eventually(async () => {
      const { items } = (await box.read(collection)) as unknown as { items: readonly Policy[] };
      const names = items.map(({ metadata }) => metadata.name);
      assert.deepEqual(
        names.filter((name) => name.startsWith(other)),
        [],
      );
    }, SOON);
  });
});
