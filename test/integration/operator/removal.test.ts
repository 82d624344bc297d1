// How policies go, and whose: a profile deleted, retained, audited, one of several.
import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { consistently, eventually, PROMPTLY } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

const QUIET = 700; // ms

const version = ({ metadata: { name, uid, resourceVersion } }: NetworkPolicy) => ({
  name,
  uid,
  resourceVersion,
});
const uids = (policies: readonly NetworkPolicy[]) =>
  policies.map(({ metadata: { name, uid } }) => ({ name, uid }));

describe('the operator, when a profile ends', () => {
  const at = new OperatorSuite('removal');

  const isGone = (profile: string) =>
    eventually(() => assert.rejects(at.box.readProfile(profile), /404/), PROMPTLY);

  it('removes its policies and its finalizer, and leaves those of others', async () => {
    const namespace = await at.box.namespace('shop');
    await at.box.pod(namespace, 'checkout', { app: 'checkout' });
    await at.box.createPolicy(namespace, 'theirs', {
      podSelector: {},
      policyTypes: ['Ingress'],
      ingress: [{}],
    });
    const profile = await at.box.profile('strict', { egress: [{ name: 'out', to: [{ entity: 'Any' }] }] });
    await at.box.ready(profile);
    const [foreign] = (await at.box.policies(namespace)).filter(({ metadata }) => metadata.name === 'theirs');
    assert.ok(foreign);
    assert.deepEqual((await at.box.readProfile(profile)).metadata.finalizers, ['segmentation.dev/finalizer']);

    await at.box.removeProfile(profile);
    await isGone(profile);
    assert.deepEqual((await at.box.policies(namespace)).map(version), [version(foreign)]);
  });

  it('keeps its policies under Retain, without an owner, and takes them up again for a profile of its name', async () => {
    const namespace = await at.box.namespace('shop');
    const spec = { deletionPolicy: 'Retain', ingress: [{ name: 'in', from: [{ podSelector: {} }] }] };
    const profile = await at.box.profile('kept', spec);
    await at.box.ready(profile);
    const policies = await at.box.policies(namespace);
    assert.equal(policies.length, 3);

    await at.box.removeProfile(profile);
    await isGone(profile);
    await consistently(
      async () => assert.deepEqual((await at.box.policies(namespace)).map(version), policies.map(version)),
      QUIET,
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

  it('keeps its policies also where it became Retain only just before', async () => {
    const namespace = await at.box.namespace('shop');
    const profile = await at.box.profile('kept');
    await at.box.ready(profile);
    const policies = await at.box.policies(namespace);
    await at.box.edit(profile, { deletionPolicy: 'Retain' });
    await at.box.removeProfile(profile);
    await isGone(profile);
    await consistently(
      async () => assert.deepEqual(uids(await at.box.policies(namespace)), uids(policies)),
      QUIET,
    );
    assert.deepEqual(
      (await at.box.policies(namespace)).flatMap(({ metadata }) => metadata.ownerReferences ?? []),
      [],
    );
  });

  it('leaves nothing behind in namespaces that were not selected any more', async () => {
    const [stays, leaves] = [await at.box.namespace('stays'), await at.box.namespace('leaves')];
    const profile = await at.box.profile('strict');
    await at.box.ready(profile);
    await at.box.edit(profile, { excludeNamespaces: [leaves] });
    await at.box.removeProfile(profile);
    await isGone(profile);
    assert.deepEqual([await at.box.policyNames(stays), await at.box.policyNames(leaves)], [[], []]);
  });

  it("leaves another profile's policies in the same namespace as they are", async () => {
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
    await isGone(first);
    assert.deepEqual((await at.box.policies(namespace)).map(version), of(second).map(version));
  });

  it('waits for a namespace that is being deleted, and goes with it', async () => {
    const namespace = await at.box.namespace('shop');
    const profile = await at.box.profile('strict');
    await at.box.ready(profile);
    await at.plane.admin.send('DELETE', `/api/v1/namespaces/${namespace}`);
    await at.box.removeProfile(profile);
    // The namespace controller begins to empty it after 5 s.
    await eventually(() => assert.rejects(at.box.readProfile(profile), /404/), 40_000);
    assert.deepEqual(await at.box.policyNames(namespace), []);
  });

  describe('in mode Audit', () => {
    it('writes nothing, and reports what it would', async () => {
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
      await consistently(async () => assert.deepEqual(await at.box.policyNames(namespace), []), QUIET);
    });

    it('removes what it enforced before, and enforces it again in mode Enforce', async () => {
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
