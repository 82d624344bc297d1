// The operator is removed in the wrong order, and docs/operations.md says how to get out of it: its very commands are run.
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

/** The block of commands that follows a line of the page. */
function commandsAfter(line: string): string {
  const operations = page('docs/operations.md');
  const at = operations.text.indexOf(line);
  assert.ok(at >= 0, `docs/operations.md does not say "${line}"`);
  const [block] = samples({ ...operations, text: operations.text.slice(at) });
  assert.equal(block?.language, 'sh', line);
  return block?.text ?? '';
}

const IN_ORDER = commandsAfter('## Removal');
const BOUND = commandsAfter('Remove what it had bound:');
const RETAINED = commandsAfter('If the policies are to stay');
const INSTALL_AGAIN = commandsAfter('**Install again**');
const BY_HAND = commandsAfter('**By hand**');
const THE_REST = commandsAfter('installation itself:');

describe('removing the operator', () => {
  const operators = new Operators();
  // Of its own: it is emptied. Without nodes: a namespace whose pods run takes long to be deleted.
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
  /** As a user would paste it, in the root of the repository; the first command that fails ends it. */
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
    await eventually(() => kubectl('get', 'segp')); // served, too
  };
  const startOperator = async () =>
    operators.start(await plane.serviceAccountKubeconfig(NAMESPACE, OPERATOR));

  /** An installation at work: one profile that takes its policies with it, and one that leaves them. */
  async function atWork(
    more: object = {},
  ): Promise<{ operator: Operator; namespace: string; profile: string; kept: string }> {
    await install();
    const operator = await startOperator();
    box = new Sandbox(plane, 'removal');
    const namespace = await box.namespace('shop');
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: POD };
    // Without its default ServiceAccount, which takes a moment to be there, a Pod is refused.
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
  const hangs = async (profile: string) => {
    const { metadata } = await box.readProfile(profile);
    assert.ok(metadata.deletionTimestamp, `${profile} is not being deleted`);
    assert.deepEqual(metadata.finalizers, ['segmentation.dev/finalizer']);
  };
  const managed = () =>
    kubectl('get', 'networkpolicy', '-A', '-l', `app.kubernetes.io/managed-by=${OPERATOR}`, '-o', 'name');

  async function nothingIsLeft(): Promise<void> {
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

  it('first, and then the profiles: they hang, and are let go by hand', async () => {
    const { operator, namespace, profile, kept } = await atWork();
    const before = await box.policyNames(namespace);
    await operator.stop();
    await kubectl('-n', NAMESPACE, 'delete', 'deploy', OPERATOR);
    await kubectl('delete', 'segp', '--all', '--wait=false');
    await hangs(profile);
    await hangs(kept);
    assert.deepEqual(await box.policyNames(namespace), before, 'what hangs is enforced');

    await run(BY_HAND);
    assert.deepEqual(await left(), []);
    await eventually(async () => assert.deepEqual(await box.policyNames(namespace), []));
  });

  it('first, and then the CRD: it hangs, and everything is let go by hand', async () => {
    const { operator, namespace, profile } = await atWork();
    await operator.stop();
    await kubectl('delete', 'crd', CRD, '--wait=false');
    await eventually(() => hangs(profile));
    assert.equal((await box.policies(namespace)).length, 5, 'what hangs is enforced');

    await run(BY_HAND);
    await kubectl('wait', `crd/${CRD}`, '--for=delete', '--timeout=20s');
    assert.equal(await managed(), '');
  });

  it("'s CRD while it runs: it removes the policies in order, and nothing hangs", async () => {
    const { operator, namespace, kept } = await atWork();
    await kubectl('delete', 'crd', CRD, '--timeout=20s');
    const names = await box.policyNames(namespace);
    assert.deepEqual(names, [`${kept}.default-deny`, `${kept}.egress`]);
    await operator.stop();
    await run(RETAINED);
    assert.equal(await managed(), '');
  });

  it("'s namespace first: what hangs goes on when it is installed again", async () => {
    const { operator, namespace, profile, kept } = await atWork();
    await kubectl('delete', 'namespace', NAMESPACE, '--timeout=30s');
    await operator.stop();
    await kubectl('delete', 'segp', '--all', '--wait=false');
    await hangs(profile);

    // Nothing runs the Deployment's pods here: the operator starts once the commands have installed it.
    const again = (async () => {
      const kubeconfig = await eventually(() => plane.serviceAccountKubeconfig(NAMESPACE, OPERATOR), 20_000);
      return operators.start(kubeconfig);
    })();
    await Promise.all([run(INSTALL_AGAIN), again]);
    await (await again).stop();
    assert.deepEqual(await box.policyNames(namespace), [`${kept}.default-deny`, `${kept}.egress`]);
    await run(RETAINED);
    await nothingIsLeft();
  });

  // The last one: an API server that has lost all bindings has to be restarted before admission works again.
  it('in order: nothing is left but its probe, which has a command of its own', async () => {
    const { operator } = await atWork({ admission: { protect: 'Enforce' } });
    await run(IN_ORDER);
    await run(RETAINED);
    await operator.stop();
    const bound = await kubectl('get', 'validatingadmissionpolicybinding', '-o', 'name');
    assert.equal(
      bound,
      'validatingadmissionpolicybinding.admissionregistration.k8s.io/probe.segmentation.dev\n',
    );
    await run(BOUND);
    await run(THE_REST); // does no harm where nothing is left
    await nothingIsLeft();
  });
});
