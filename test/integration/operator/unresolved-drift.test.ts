/** Drift while a peer is unresolved: the last known peers must come back although the policies that show them are gone. */
import assert from 'node:assert/strict';
import { eventually } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

describe('drift while a peer is unresolved', () => {
  const at = new OperatorSuite('unresolved');

  /** Enforces a profile in a namespace with a running pod, and then deletes the Service of its peer. */
  async function enforcedWithoutService(): Promise<{ namespace: string; profile: string }> {
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

  it('is repaired with the last known peers after the policy that had them is deleted', async () => {
    const { namespace, profile } = await enforcedWithoutService();
    const before = await at.box.policy(namespace, `${profile}.egress`);
    await at.box.deletePolicy(namespace, `${profile}.egress`);
    await eventually(async () => {
      assert.deepEqual((await at.box.policy(namespace, `${profile}.egress`)).spec, before.spec);
    });
    await at.box.deletePolicy(namespace, `${profile}.default-deny`);
    await eventually(() => at.box.policy(namespace, `${profile}.default-deny`));
  });

  it('is repaired after all policies are deleted at once', async () => {
    const { namespace, profile } = await enforcedWithoutService();
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

  it('is repaired after the last known peers are edited out of the policy', async () => {
    const { namespace, profile } = await enforcedWithoutService();
    const before = await at.box.policy(namespace, `${profile}.egress`);
    await at.box.patchPolicy(namespace, `${profile}.egress`, { spec: { egress: null } });
    await eventually(async () => {
      assert.deepEqual((await at.box.policy(namespace, `${profile}.egress`)).spec, before.spec);
    });
  });
});
