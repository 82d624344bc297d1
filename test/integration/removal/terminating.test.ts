/** Namespaces whose deletion does not end: their policies are the namespace controller's. */
import assert from 'node:assert/strict';
import { eventually, PROMPTLY } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

const POLICIES = '/apis/networking.k8s.io/v1';

describe('operator, while the deletion of a namespace does not end,', () => {
  const at = new OperatorSuite('terminating');
  /** The path of the policy that holds up the deletion of its namespace. */
  let held: string | undefined;

  /** A namespace that is deleted, and is held up by a finalizer on the profile's default-deny. */
  const stuckNamespace = async (profile: string, namespace: string) => {
    held = `${POLICIES}/namespaces/${namespace}/networkpolicies/${profile}.default-deny`;
    await at.box.patch(held, { metadata: { finalizers: ['example.com/hold'] } });
    await at.plane.admin.send('DELETE', `/api/v1/namespaces/${namespace}`);
  };

  afterEach(async () => {
    if (held !== undefined) await at.box.patch(held, { metadata: { finalizers: null } });
    held = undefined;
  });

  it('reports the profile as Ready, names the namespace, and leaves its policies', async () => {
    const [stays, stuck] = [await at.box.namespace('stays'), await at.box.namespace('stuck')];
    const profile = await at.box.profile('strict');
    await at.box.ready(profile);
    await stuckNamespace(profile, stuck);
    await eventually(async () => {
      const { status, message } = await at.box.condition(profile, 'Ready');
      assert.equal(status, 'True', message);
      assert.match(
        message,
        new RegExp(
          `in 1 namespace written, enforcement not verified; namespace ${stuck} is being deleted, and keeps its policies`,
        ),
      );
    }, PROMPTLY);
    assert.equal((await at.box.condition(profile, 'Reconciling')).status, 'False');
    assert.equal((await at.box.readProfile(profile)).status?.namespaces?.summary, '1/1');
    assert.ok((await at.box.policyNames(stuck)).includes(`${profile}.default-deny`));
    assert.ok((await at.box.policyNames(stays)).includes(`${profile}.default-deny`));
  });

  for (const deletionPolicy of ['Delete', 'Retain'] as const) {
    it(`releases a profile that is deleted under ${deletionPolicy}`, async () => {
      const stuck = await at.box.namespace('stuck');
      const profile = await at.box.profile('strict', { deletionPolicy });
      await at.box.ready(profile);
      await stuckNamespace(profile, stuck);
      await at.box.removeProfile(profile);
      await eventually(() => assert.rejects(at.box.readProfile(profile), /404/), PROMPTLY);
      assert.ok((await at.box.policyNames(stuck)).includes(`${profile}.default-deny`));
    });
  }
});
