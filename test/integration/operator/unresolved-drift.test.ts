// Drift while a peer can't be resolved: what somebody deletes then can't be read back any more, and must come back all
// the same.
import assert from 'node:assert/strict';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/shared.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, Operators } from '../../support/operator.ts';

describe('drift while a peer is unresolved', () => {
  const operators = new Operators();
  let plane: ControlPlane;
  let box: Sandbox;

  before(async () => {
    plane = await sharedControlPlane();
    await operators.start(await installOperator(plane));
  });
  beforeEach(() => {
    box = new Sandbox(plane, 'unresolved');
  });
  afterEach(() => box.remove());

  /** A namespace with a running pod, whose profile's Service is gone again. */
  async function orphaned(): Promise<{ namespace: string; profile: string }> {
    const namespace = await box.namespace('app');
    const shared = await box.namespace('shared', null);
    await box.pod(namespace, 'web');
    await box.service(shared, 'api', { selector: { app: 'api' }, ports: [{ port: 80, targetPort: 8080 }] });
    const profile = await box.profile('p', {
      egress: [{ name: 'to-api', to: [{ service: { namespace: shared, name: 'api' } }] }],
    });
    await box.ready(profile);
    await box.deleteService(shared, 'api');
    await eventually(async () => {
      assert.equal((await box.condition(profile, 'PeersResolved')).status, 'False');
    });
    return { namespace, profile };
  }

  it('is repaired with the last known form, though the object that held it was deleted first', async () => {
    const { namespace, profile } = await orphaned();
    const before = await box.policy(namespace, `${profile}.egress`);
    await box.deletePolicy(namespace, `${profile}.egress`);
    await eventually(async () => {
      assert.deepEqual((await box.policy(namespace, `${profile}.egress`)).spec, before.spec);
    }, 2000);
    await box.deletePolicy(namespace, `${profile}.default-deny`);
    await eventually(() => box.policy(namespace, `${profile}.default-deny`), 2000);
  });

  it('is repaired when every policy is deleted at once', async () => {
    const { namespace, profile } = await orphaned();
    const before = await box.policies(namespace);
    await plane.kubectlRun(['-n', namespace, 'delete', 'networkpolicy', '--all']);
    await eventually(async () => {
      const now = await box.policies(namespace);
      assert.deepEqual(
        now.map(({ metadata, spec }) => [metadata.name, spec]),
        before.map(({ metadata, spec }) => [metadata.name, spec]),
      );
    }, 2000);
    assert.equal((await box.condition(profile, 'PeersResolved')).status, 'False');
  });

  it('is repaired when the last known form is edited away', async () => {
    const { namespace, profile } = await orphaned();
    const before = await box.policy(namespace, `${profile}.egress`);
    await box.patchPolicy(namespace, `${profile}.egress`, { spec: { egress: null } });
    await eventually(async () => {
      assert.deepEqual((await box.policy(namespace, `${profile}.egress`)).spec, before.spec);
    }, 2000);
  });
});
