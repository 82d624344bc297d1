/** The detection of the network engine by a real operator, with the permission of config/engines/detect alone. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { cli, directoryOf, type Ran } from '../../cli/cli.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { auditedRequests, isRefused } from '../../support/audit.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';
import { AGENT } from './cilium-objects.ts';

const ROLE = join(import.meta.dirname, '../../../config/engines/detect');
const AGENTS = '/apis/apps/v1/namespaces/kube-system/daemonsets';
const SOON = 60_000;

/** A CRD of the engine's group, which makes the API server serve the group. */
const CRD = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'traces.cilium.io' },
  spec: {
    group: 'cilium.io',
    scope: 'Cluster',
    names: { plural: 'traces', singular: 'trace', kind: 'Trace', listKind: 'TraceList' },
    versions: [{ name: 'v2', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
};

describe("operator's detection of the network engine", function () {
  this.timeout('3m');
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;
  let operator: Operator;
  let profile: string;
  /** When the permission was granted. */
  let granted: string;
  const directory = directoryOf({
    'auto.yaml': 'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\nengine: Auto\n',
  });

  const condition = () => box.condition(profile, 'EngineReady');
  const info = async () =>
    (await operator.get('metrics', '/metrics')).text
      .split('\n')
      .filter((line) => line.startsWith('segmentation_engine_info{'));
  const apply = (object: object) => plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify(object) });
  const remove = (kind: string, name: string) =>
    plane.kubectlRun(['-n', 'kube-system', 'delete', kind, name, '--ignore-not-found']);
  const plugin = (command: string): Promise<Ran> =>
    cli(`${command} ${profile} --kubeconfig ${plane.kubeconfig} --config ${directory}/auto.yaml`);
  const becomes = (engine: string, reason: string, judgement = reason) =>
    eventually(async () => {
      assert.equal((await condition()).reason, judgement);
      assert.match((await info()).join(), new RegExp(`engine="${engine}".*reason="${reason}"`));
    }, SOON);

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    box = new Sandbox(plane, 'engines');
    await box.namespace('app');
    profile = await box.profile('p', { egress: [{ name: 'nodes', to: [{ entity: 'Nodes' }] }] });
    operator = await operators.start(kubeconfig, '--engine=Auto');
  });
  after(async () => {
    await box?.remove();
    await remove('daemonset', 'cilium');
    await remove('crd', 'traces.cilium.io');
    await plane.kubectlRun(['delete', '--ignore-not-found', '-k', ROLE]);
  });

  it('says what it needs without the permission, and the profile is Ready all the same', async () => {
    await box.ready(profile);
    await becomes('Unknown', 'EvidenceUnreadable');
    assert.match(
      (await condition()).message,
      /the permission is missing; kubectl apply -k config\/engines\/detect/,
    );
  });

  it('finds no engine where none runs, also if the kinds of one are served', async () => {
    granted = new Date().toISOString();
    await plane.kubectlRun(['apply', '-k', ROLE]);
    await apply(CRD);
    await becomes('None', 'NoEngine');
    const { stdout, stderr } = await plugin('render');
    assert.match(stdout, /^kind: NetworkPolicy$/m);
    assert.doesNotMatch(stdout + stderr, /CiliumNetworkPolicy|engine: Auto/);
  });

  it('finds an engine once its agent has a ready pod, and says what its policies need', async () => {
    await apply(AGENT);
    await eventually(async () => {
      const { status } = (await plane.admin.send('GET', `${AGENTS}/cilium`)) as {
        status?: { numberReady?: number };
      };
      assert.equal(status?.numberReady, 1);
    }, SOON);
    await box.edit(profile, { egress: [{ name: 'api', to: [{ entity: 'KubeAPIServer' }] }] });
    await becomes('Cilium', 'Detected', 'NotInstalled');
    const { status, message } = await condition();
    assert.equal(status, 'False');
    assert.match(message, /kubectl apply -k config\/engines\/cilium/);
    assert.match(message, /DaemonSet kube-system\/cilium has ready pods/);
  });

  it('finds what the plugin finds with engine: Auto in the file of --config', async () => {
    const { code, stdout, stderr } = await plugin('render');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^kind: CiliumNetworkPolicy$/m);
    assert.doesNotMatch(stderr, /engine: Auto/);
  });

  it('contradicts a configured engine of which there is no trace, and changes no policy', async () => {
    const namespace = `${box.id}-app`;
    const before = await box.policyNames(namespace);
    await operator.stop();
    operator = await operators.start(kubeconfig, '--engine=Calico');
    await becomes('Calico', 'EngineDisagrees');
    await box.ready(profile);
    const { reason, message } = await condition();
    assert.equal(reason, 'EngineDisagrees');
    // Calico tells the API server by its addresses.
    assert.doesNotMatch(message, /config\/engines\/calico/);
    assert.deepEqual(await box.policyNames(namespace), before);
  });

  it('uses exactly the permission of config/engines/detect', () => {
    const requests = auditedRequests(plane, granted).filter(
      ({ objectRef }) => objectRef?.resource === 'daemonsets',
    );
    const names = new Set(
      requests.filter((each) => !isRefused(each)).map(({ verb, objectRef }) => `${verb} ${objectRef?.name}`),
    );
    assert.deepEqual([...names].sort(), ['get anetd', 'get calico-node', 'get cilium']);
  });
});
