/**
 * Istio as a real operator finds it, under its own permissions: webhooks, mesh configuration and Service as Istio's charts install
 * them. istiod itself does not run.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { injectorOfRevision } from '../../engines/istio/fixture.ts';
import { auditedRequests, isRefused } from '../../support/audit.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';

const ROLE = join(import.meta.dirname, '../../../config/engines/istio');
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
  const webhooks = () => {
    const { metadata, webhooks: list = [] } = injectorOfRevision();
    return {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { ...metadata, name: `${box.id}-injector` },
      webhooks: list.map((each, index) => ({
        ...each,
        name: `${index}.sidecar-injector.istio.io`,
        clientConfig: { service: { namespace: istio, name: 'istiod', path: '/inject' } },
        // No istiod runs, and other suites create pods too: no request is ever sent there.
        rules: [{ apiGroups: [box.id], apiVersions: ['v1'], operations: ['CREATE'], resources: ['none'] }],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      })),
    };
  };

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    box = new Sandbox(plane, 'istio');
    app = await box.namespace('app', { 'istio-injection': 'enabled' });
    istio = await box.namespace('system', null);
    await box.pod(app, 'web', { app: 'web' });
    profile = await box.profile('p', { isolation: ['Egress'], baseline: { dns: 'Deny', mesh: 'Allow' } });
    const mesh = { defaultConfig: { discoveryAddress: `istiod.${istio}.svc:15012` } };
    await apply(
      webhooks(),
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'istio', namespace: istio },
        data: { mesh: stringify(mesh) },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'istiod', namespace: istio },
        spec: { selector: { app: 'istiod' }, ports: [{ name: 'https-dns', port: 15012 }] },
      },
    );
    operator = await operators.start(kubeconfig, '--mesh=Istio');
  });
  after(async () => {
    await box?.remove();
    await kubectl('delete', '--ignore-not-found', 'mutatingwebhookconfiguration', `${box.id}-injector`);
    await kubectl('delete', '--ignore-not-found', '-k', ROLE);
  });

  it('isolates no pod while the mesh configuration can not be read, and says what is missing', async () => {
    await eventually(async () => assert.deepEqual(await judged(), ['Unknown', 'EvidenceUnreadable']), SOON);
    const { reason, message } = await box.condition(profile, 'PeersResolved');
    assert.equal(reason, 'MeshUnavailable');
    assert.match(message, /kubectl apply -k config\/engines\/istio/);
    assert.deepEqual(await box.policyNames(app), []);
  });

  it('allows egress to istiod once it may read the mesh configuration, and knows if istiod is ready', async () => {
    granted = new Date().toISOString();
    await kubectl('apply', '-k', ROLE);
    await eventually(async () => assert.deepEqual(await judged(), ['Unknown', 'ControlPlaneNotReady']), SOON);
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
    await box.pod(istio, 'istiod', { app: 'istiod' });
    await eventually(async () => assert.deepEqual(await judged(), ['True', 'Confirmed']), SOON);
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
