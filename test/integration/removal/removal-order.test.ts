/** Removal of the operator, also in a wrong order. The commands are those of docs/operations.md. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { page, samples } from '../../docs/pages.ts';
import { type ControlPlane, startControlPlane } from '../../env/index.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { type Operator, Operators } from '../../support/operator.ts';
import { crdEstablished } from '../../env/plane/crd.ts';

const root = join(import.meta.dirname, '../../..');
const NAMESPACE = 'segmentation-system';
const OPERATOR = 'segmentation-operator';
const CRD = 'segmentationprofiles.segmentation.dev';
const POD = { containers: [{ name: 'main', image: 'main' }] };

/** The block of commands that follows a text in the page. */
function commandsAfter(line: string): string {
  const operations = page('docs/operations.md');
  const at = operations.text.indexOf(line);
  assert.ok(at >= 0, `docs/operations.md does not say "${line}"`);
  const [block] = samples({ ...operations, text: operations.text.slice(at) });
  assert.equal(block?.language, 'sh', line);
  return block?.text ?? '';
}

const IN_ORDER = commandsAfter('## Removal');
const BOUND = commandsAfter('Remove the bindings:');
const RETAINED = commandsAfter('To keep the policies, set');
const INSTALL_AGAIN = commandsAfter('**Install again**');
const BY_HAND = commandsAfter('**By hand**');
const THE_REST = commandsAfter('installation itself:');

describe('removal of the operator', () => {
  const operators = new Operators();
  // A control plane of its own, as the tests empty it. Without nodes, as a namespace with running pods ends slowly.
  let plane: ControlPlane;
  let box: Sandbox;

  before(async () => {
    plane = await startControlPlane();
  });
  after(async () => {
    await operators.end();
    await plane.stop();
  });

  const kubectl = (...args: readonly string[]) => plane.kubectlRun(args);
  /** Runs commands in the root of the repository, up to the first one that fails. */
  const run = async (commands: string) => {
    const { PATH = '' } = process.env;
    const env = {
      HOME: plane.directory,
      PATH: `${dirname(plane.kubectl)}:${PATH}`,
      KUBECONFIG: plane.kubeconfig,
    };
    const options = { cwd: root, env, timeout: 55_000 };
    return (await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', commands], options)).stdout;
  };

  const install = async () => {
    await kubectl('apply', '-k', join(root, 'config/default'));
    await crdEstablished((args) => kubectl(...args));
    await eventually(() => kubectl('get', 'segp')); // until the kind is served
  };
  const startOperator = async () =>
    operators.start(await plane.serviceAccountKubeconfig(NAMESPACE, OPERATOR));

  /** Installs the operator with two Ready profiles: one with deletionPolicy Delete, and one with Retain. */
  async function installedWithProfiles(
    more: object = {},
  ): Promise<{ operator: Operator; namespace: string; profile: string; kept: string }> {
    await install();
    const operator = await startOperator();
    box = new Sandbox(plane, 'removal');
    const namespace = await box.namespace('shop');
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: POD };
    // A Pod is refused until the namespace has its default ServiceAccount.
    await eventually(() => plane.admin.send('POST', `/api/v1/namespaces/${namespace}/pods`, pod));
    const profile = await box.profile('gone', {
      ingress: [{ name: 'in', from: [{ podSelector: {} }] }],
      ...more,
    });
    const kept = await box.profile('kept', { deletionPolicy: 'Retain' });
    await Promise.all([box.ready(profile), box.ready(kept)]);
    return { operator, namespace, profile, kept };
  }

  const left = async () => (await kubectl('get', 'segp', '-o', 'name')).trim().split('\n').filter(Boolean);
  const assertTerminating = async (profile: string) => {
    const { metadata } = await box.readProfile(profile);
    assert.ok(metadata.deletionTimestamp, `${profile} is not being deleted`);
    assert.deepEqual(metadata.finalizers, ['segmentation.dev/finalizer']);
  };
  const managed = () =>
    kubectl('get', 'networkpolicy', '-A', '-l', `app.kubernetes.io/managed-by=${OPERATOR}`, '-o', 'name');

  async function assertNothingLeft(): Promise<void> {
    for (const kind of [
      'crd',
      'clusterrole',
      'clusterrolebinding',
      'validatingadmissionpolicy',
      'validatingadmissionpolicybinding',
      'namespace',
    ]) {
      const names = await kubectl('get', kind, '-o', 'name');
      assert.doesNotMatch(names, /segmentation/, names);
    }
    const events = await kubectl('-n', 'default', 'get', 'role,rolebinding', '-o', 'name');
    assert.doesNotMatch(events, /segmentation/);
    assert.equal(await managed(), '');
  }

  it('before its profiles leaves them terminating, until their finalizers are removed by hand', async () => {
    const { operator, namespace, profile, kept } = await installedWithProfiles();
    const before = await box.policyNames(namespace);
    await operator.stop();
    await kubectl('-n', NAMESPACE, 'delete', 'deploy', OPERATOR);
    await kubectl('delete', 'segp', '--all', '--wait=false');
    await assertTerminating(profile);
    await assertTerminating(kept);
    assert.deepEqual(await box.policyNames(namespace), before, 'policies of terminating profiles stay');

    await run(BY_HAND);
    assert.deepEqual(await left(), []);
    await eventually(async () => assert.deepEqual(await box.policyNames(namespace), []));
  });

  it('before its CRD leaves the CRD terminating, until the finalizers are removed by hand', async () => {
    const { operator, namespace, profile } = await installedWithProfiles();
    await operator.stop();
    await kubectl('delete', 'crd', CRD, '--wait=false');
    await eventually(() => assertTerminating(profile));
    assert.equal((await box.policies(namespace)).length, 5, 'policies of terminating profiles stay');

    await run(BY_HAND);
    await kubectl('wait', `crd/${CRD}`, '--for=delete', '--timeout=20s');
    assert.equal(await managed(), '');
  });

  it('after its CRD: the running operator removes the policies in order', async () => {
    const { operator, namespace, kept } = await installedWithProfiles();
    await kubectl('delete', 'crd', CRD, '--timeout=20s');
    const names = await box.policyNames(namespace);
    assert.deepEqual(names, [`${kept}.default-deny`, `${kept}.egress`]);
    await operator.stop();
    await run(RETAINED);
    assert.equal(await managed(), '');
  });

  it('with its namespace first leaves profiles terminating, until it is installed again', async () => {
    const { operator, namespace, profile, kept } = await installedWithProfiles();
    await kubectl('delete', 'namespace', NAMESPACE, '--timeout=30s');
    await operator.stop();
    await kubectl('delete', 'segp', '--all', '--wait=false');
    await assertTerminating(profile);

    // No kubelet runs the Deployment's pods here. The test starts the operator when its ServiceAccount exists.
    const again = (async () => {
      const kubeconfig = await eventually(() => plane.serviceAccountKubeconfig(NAMESPACE, OPERATOR), 20_000);
      return operators.start(kubeconfig);
    })();
    await Promise.all([run(INSTALL_AGAIN), again]);
    await (await again).stop();
    assert.deepEqual(await box.policyNames(namespace), [`${kept}.default-deny`, `${kept}.egress`]);
    await run(RETAINED);
    await assertNothingLeft();
  });

  // The last test: an API server whose bindings were all deleted must be restarted before admission works again.
  it('in order leaves only the admission probe, which a further command removes', async () => {
    const { operator } = await installedWithProfiles({ admission: { protect: 'Enforce' } });
    await run(IN_ORDER);
    await run(RETAINED);
    await operator.stop();
    const bound = await kubectl('get', 'validatingadmissionpolicybinding', '-o', 'name');
    assert.equal(
      bound,
      'validatingadmissionpolicybinding.admissionregistration.k8s.io/probe.segmentation.dev\n',
    );
    await run(BOUND);
    await run(THE_REST); // harmless if nothing is left
    await assertNothingLeft();
  });
});
