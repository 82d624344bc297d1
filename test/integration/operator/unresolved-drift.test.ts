// Drift while a peer can't be resolved: what somebody deletes then can't be read back any more, and must come back all
// the same.
import assert from 'node:assert/strict';
import { eventually } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

describe('drift while a peer is unresolved', () => {
  const at = new OperatorSuite('unresolved');

  /** A namespace with a running pod, whose profile's Service is gone again. */
  async function orphaned(): Promise<{ namespace: string; profile: string }> {
    const namespace = await at.box.namespace('app');
    const shared = await at.box.namespace('shared', null);
    await at.box.pod(namespace, 'web');
    await at.box.service(shared, 'api', {
      selector: { app: 'api' },
      ports: [{ port: 80, targetPort: 8080 }],
    });
    const profile = await at.box.profile('p', {
      egress: [{ name: 'to-api', to: [{ service: { namespace: shared, name: 'api' } }] }],
    });
    await at.box.ready(profile);
    await at.box.deleteService(shared, 'api');
    await eventually(async () => {
      assert.equal((await at.box.condition(profile, 'PeersResolved')).status, 'False');
    });
    return { namespace, profile };
  }

  it('is repaired with the last known form, though the object that held it was deleted first', async () => {
    const { namespace, profile } = await orphaned();
    const before = await at.box.policy(namespace, `${profile}.egress`);
    await at.box.deletePolicy(namespace, `${profile}.egress`);
    await eventually(async () => {
      assert.deepEqual((await at.box.policy(namespace, `${profile}.egress`)).spec, before.spec);
    });
    await at.box.deletePolicy(namespace, `${profile}.default-deny`);
    await eventually(() => at.box.policy(namespace, `${profile}.default-deny`));
  });

  it('is repaired when every policy is deleted at once', async () => {
    const { namespace, profile } = await orphaned();
    const before = await at.box.policies(namespace);
    await at.plane.kubectlRun(['-n', namespace, 'delete', 'networkpolicy', '--all']);
    await eventually(async () => {
      const now = await at.box.policies(namespace);
      assert.deepEqual(
        now.map(({ metadata, spec }) => [metadata.name, spec]),
        before.map(({ metadata, spec }) => [metadata.name, spec]),
      );
    });
    assert.equal((await at.box.condition(profile, 'PeersResolved')).status, 'False');
  });

  it('is repaired when the last known form is edited away', async () => {
    const { namespace, profile } = await orphaned();
    const before = await at.box.policy(namespace, `${profile}.egress`);
    await at.box.patchPolicy(namespace, `${profile}.egress`, { spec: { egress: null } });
    await eventually(async () => {
      assert.deepEqual((await at.box.policy(namespace, `${profile}.egress`)).spec, before.spec);
    });
  });
});
