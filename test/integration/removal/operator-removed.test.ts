/** The removal of policies: of a deleted, retained or audited profile, and of one among several. */
import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { consistently, eventually, PROMPTLY } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

const QUIET_MS = 700;

const version = ({ metadata: { name, uid, resourceVersion } }: NetworkPolicy) => ({
  name,
  uid,
  resourceVersion,
});
const uids = (policies: readonly NetworkPolicy[]) =>
  policies.map(({ metadata: { name, uid } }) => ({ name, uid }));

describe('operator', () => {
  const at = new OperatorSuite('removal');

  const deleted = (profile: string) =>
    eventually(() => assert.rejects(at.box.readProfile(profile), /404/), PROMPTLY);

  it('removes the policies and the finalizer of a deleted profile, and leaves foreign policies', async () => {
    const namespace = await at.box.namespace('shop');
    await at.box.pod(namespace, 'checkout', { app: 'checkout' });
    await at.box.createPolicy(namespace, 'foreign', {
      podSelector: {},
      policyTypes: ['Ingress'],
      ingress: [{}],
    });
    const profile = await at.box.profile('strict', { egress: [{ name: 'out', to: [{ entity: 'Any' }] }] });
    await at.box.ready(profile);
    const [foreign] = (await at.box.policies(namespace)).filter(
      ({ metadata }) => metadata.name === 'foreign',
    );
    assert.ok(foreign);
    assert.deepEqual((await at.box.readProfile(profile)).metadata.finalizers, ['segmentation.dev/finalizer']);

    await at.box.removeProfile(profile);
    await deleted(profile);
    assert.deepEqual((await at.box.policies(namespace)).map(version), [version(foreign)]);
  });

  it('keeps the policies of a profile deleted under Retain, without owner, for a new profile of the same name', async () => {
    const namespace = await at.box.namespace('shop');
    const spec = { deletionPolicy: 'Retain', ingress: [{ name: 'in', from: [{ podSelector: {} }] }] };
    const profile = await at.box.profile('kept', spec);
    await at.box.ready(profile);
    const policies = await at.box.policies(namespace);
    assert.equal(policies.length, 3);

    await at.box.removeProfile(profile);
    await deleted(profile);
    await consistently(
      async () => assert.deepEqual((await at.box.policies(namespace)).map(version), policies.map(version)),
      QUIET_MS,
    );
    assert.deepEqual(
      policies.flatMap(({ metadata }) => metadata.ownerReferences ?? []),
      [],
    );

    await at.box.profile('kept', { ...spec, deletionPolicy: 'Delete' });
    await at.box.ready(profile);
    const again = await at.box.policies(namespace);
    assert.deepEqual(uids(again), uids(policies));
    const { uid } = (await at.box.readProfile(profile)).metadata;
    assert.deepEqual(
      again.map(({ metadata }) => metadata.ownerReferences?.map((each) => each.uid)),
      [[uid], [uid], [uid]],
    );
  });

  it('keeps the policies of a profile that changed to Retain just before its deletion', async () => {
    const namespace = await at.box.namespace('shop');
    const profile = await at.box.profile('kept');
    await at.box.ready(profile);
    const policies = await at.box.policies(namespace);
    await at.box.edit(profile, { deletionPolicy: 'Retain' });
    await at.box.removeProfile(profile);
    await deleted(profile);
    await consistently(
      async () => assert.deepEqual(uids(await at.box.policies(namespace)), uids(policies)),
      QUIET_MS,
    );
    assert.deepEqual(
      (await at.box.policies(namespace)).flatMap(({ metadata }) => metadata.ownerReferences ?? []),
      [],
    );
  });

  it('removes the policies of a deleted profile from namespaces that it no longer selected', async () => {
    const [stays, leaves] = [await at.box.namespace('stays'), await at.box.namespace('leaves')];
    const profile = await at.box.profile('strict');
    await at.box.ready(profile);
    await at.box.edit(profile, { excludeNamespaces: [leaves] });
    await at.box.removeProfile(profile);
    await deleted(profile);
    assert.deepEqual([await at.box.policyNames(stays), await at.box.policyNames(leaves)], [[], []]);
  });

  it('leaves the policies of another profile in the same namespace', async () => {
    const namespace = await at.box.namespace('shop');
    const first = await at.box.profile('first', { ingress: [{ name: 'a', from: [{ namespaces: ['a'] }] }] });
    const second = await at.box.profile('second', {
      ingress: [{ name: 'b', from: [{ namespaces: ['b'] }] }],
    });
    await Promise.all([at.box.ready(first), at.box.ready(second)]);
    const both = await at.box.policies(namespace);
    const of = (profile: string) =>
      both.filter(({ metadata }) => metadata.labels?.['segmentation.dev/profile'] === profile);
    assert.deepEqual([of(first).length, of(second).length], [3, 3]);
    await at.box.removeProfile(first);
    await deleted(first);
    assert.deepEqual((await at.box.policies(namespace)).map(version), of(second).map(version));
  });

  it('deletes a profile together with a terminating namespace', async () => {
    const namespace = await at.box.namespace('shop');
    const profile = await at.box.profile('strict');
    await at.box.ready(profile);
    await at.plane.admin.send('DELETE', `/api/v1/namespaces/${namespace}`);
    await at.box.removeProfile(profile);
    await deleted(profile);
    // The namespace controller begins to empty the namespace after 5 s.
    await eventually(async () => assert.deepEqual(await at.box.policyNames(namespace), []), 40_000);
  });

  describe('in mode Audit', () => {
    it('writes no policy, and reports the desired ones', async () => {
      const namespace = await at.box.namespace('shop');
      const profile = await at.box.profile('trial', { mode: 'Audit' });
      await at.box.ready(profile);
      assert.equal((await at.box.condition(profile, 'Ready')).reason, 'Audited');
      const { status } = await at.box.readProfile(profile);
      assert.deepEqual(status?.policies, { desired: 2, applied: 0 });
      assert.deepEqual(status?.namespaces, {
        matched: 1,
        enforced: 0,
        pending: 0,
        failed: 0,
        summary: '1/1',
      });
      await consistently(async () => assert.deepEqual(await at.box.policyNames(namespace), []), QUIET_MS);
    });

    it('removes the policies of mode Enforce, and creates them again when the mode changes back', async () => {
      const namespace = await at.box.namespace('shop');
      const profile = await at.box.profile('trial');
      await at.box.ready(profile);
      const names = await at.box.policyNames(namespace);
      assert.equal(names.length, 2);
      await at.box.edit(profile, { mode: 'Audit' });
      await at.box.ready(profile);
      await eventually(async () => assert.deepEqual(await at.box.policyNames(namespace), []), PROMPTLY);
      await at.box.edit(profile, { mode: 'Enforce' });
      await at.box.ready(profile);
      assert.deepEqual(await at.box.policyNames(namespace), names);
    });
  });
});
