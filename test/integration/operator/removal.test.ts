// How policies go, and whose: a profile deleted, retained, audited, one of several.
import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/shared.ts';
import { consistently, eventually, PROMPTLY, Sandbox } from '../../support/cluster.ts';
import { installOperator, Operators } from '../../support/operator.ts';

const QUIET = 700; // ms

const version = ({ metadata: { name, uid, resourceVersion } }: NetworkPolicy) => ({
  name,
  uid,
  resourceVersion,
});
const uids = (policies: readonly NetworkPolicy[]) =>
  policies.map(({ metadata: { name, uid } }) => ({ name, uid }));

describe('the operator, when a profile ends', () => {
  const operators = new Operators();
  let plane: ControlPlane;
  let box: Sandbox;

  before(async () => {
    plane = await sharedControlPlane();
    await operators.start(await installOperator(plane));
  });
  beforeEach(() => {
    box = new Sandbox(plane, 'removal');
  });
  afterEach(() => box.remove());

  const isGone = (profile: string) =>
    eventually(() => assert.rejects(box.readProfile(profile), /404/), PROMPTLY);

  it('removes its policies and its finalizer, and leaves those of others', async () => {
    const namespace = await box.namespace('shop');
    await box.pod(namespace, 'checkout', { app: 'checkout' });
    await box.createPolicy(namespace, 'theirs', { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] });
    const profile = await box.profile('strict', { egress: [{ name: 'out', to: [{ entity: 'Any' }] }] });
    await box.ready(profile);
    const [foreign] = (await box.policies(namespace)).filter(({ metadata }) => metadata.name === 'theirs');
    assert.ok(foreign);
    assert.deepEqual((await box.readProfile(profile)).metadata.finalizers, ['segmentation.dev/finalizer']);

    await box.removeProfile(profile);
    await isGone(profile);
    assert.deepEqual((await box.policies(namespace)).map(version), [version(foreign)]);
  });

  it('keeps its policies under Retain, without an owner, and takes them up again for a profile of its name', async () => {
    const namespace = await box.namespace('shop');
    const spec = { deletionPolicy: 'Retain', ingress: [{ name: 'in', from: [{ podSelector: {} }] }] };
    const profile = await box.profile('kept', spec);
    await box.ready(profile);
    const policies = await box.policies(namespace);
    assert.equal(policies.length, 3);

    await box.removeProfile(profile);
    await isGone(profile);
    await consistently(
      async () => assert.deepEqual((await box.policies(namespace)).map(version), policies.map(version)),
      QUIET,
    );
    assert.deepEqual(
      policies.flatMap(({ metadata }) => metadata.ownerReferences ?? []),
      [],
    );

    await box.profile('kept', { ...spec, deletionPolicy: 'Delete' });
    await box.ready(profile);
    const again = await box.policies(namespace);
    assert.deepEqual(uids(again), uids(policies));
    const { uid } = (await box.readProfile(profile)).metadata;
    assert.deepEqual(
      again.map(({ metadata }) => metadata.ownerReferences?.map((each) => each.uid)),
      [[uid], [uid], [uid]],
    );
  });

  it('keeps its policies also where it became Retain only just before', async () => {
    const namespace = await box.namespace('shop');
    const profile = await box.profile('kept');
    await box.ready(profile);
    const policies = await box.policies(namespace);
    await box.edit(profile, { deletionPolicy: 'Retain' });
    await box.removeProfile(profile);
    await isGone(profile);
    await consistently(
      async () => assert.deepEqual(uids(await box.policies(namespace)), uids(policies)),
      QUIET,
    );
    assert.deepEqual(
      (await box.policies(namespace)).flatMap(({ metadata }) => metadata.ownerReferences ?? []),
      [],
    );
  });

  it('leaves nothing behind in namespaces that were not selected any more', async () => {
    const [stays, leaves] = [await box.namespace('stays'), await box.namespace('leaves')];
    const profile = await box.profile('strict');
    await box.ready(profile);
    await box.edit(profile, { excludeNamespaces: [leaves] });
    await box.removeProfile(profile);
    await isGone(profile);
    assert.deepEqual([await box.policyNames(stays), await box.policyNames(leaves)], [[], []]);
  });

  it("leaves another profile's policies in the same namespace as they are", async () => {
    const namespace = await box.namespace('shop');
    const first = await box.profile('first', { ingress: [{ name: 'a', from: [{ namespaces: ['a'] }] }] });
    const second = await box.profile('second', { ingress: [{ name: 'b', from: [{ namespaces: ['b'] }] }] });
    await Promise.all([box.ready(first), box.ready(second)]);
    const both = await box.policies(namespace);
    const of = (profile: string) =>
      both.filter(({ metadata }) => metadata.labels?.['segmentation.dev/profile'] === profile);
    assert.deepEqual([of(first).length, of(second).length], [3, 3]);
    await box.removeProfile(first);
    await isGone(first);
    assert.deepEqual((await box.policies(namespace)).map(version), of(second).map(version));
  });

  it('waits for a namespace that is being deleted, and goes with it', async () => {
    const namespace = await box.namespace('shop');
    const profile = await box.profile('strict');
    await box.ready(profile);
    await plane.admin.send('DELETE', `/api/v1/namespaces/${namespace}`);
    await box.removeProfile(profile);
    // The namespace controller begins to empty it after 5 s.
    await eventually(() => assert.rejects(box.readProfile(profile), /404/), 15_000);
    assert.deepEqual(await box.policyNames(namespace), []);
  });

  describe('in mode Audit', () => {
    it('writes nothing, and reports what it would', async () => {
      const namespace = await box.namespace('shop');
      const profile = await box.profile('trial', { mode: 'Audit' });
      await box.ready(profile);
      assert.equal((await box.condition(profile, 'Ready')).reason, 'Audited');
      const { status } = await box.readProfile(profile);
      assert.deepEqual(status?.policies, { desired: 2, applied: 0 });
      assert.deepEqual(status?.namespaces, {
        matched: 1,
        enforced: 0,
        pending: 0,
        failed: 0,
        summary: '1/1',
      });
      await consistently(async () => assert.deepEqual(await box.policyNames(namespace), []), QUIET);
    });

    it('removes what it enforced before, and enforces it again in mode Enforce', async () => {
      const namespace = await box.namespace('shop');
      const profile = await box.profile('trial');
      await box.ready(profile);
      const names = await box.policyNames(namespace);
      assert.equal(names.length, 2);
      await box.edit(profile, { mode: 'Audit' });
      await box.ready(profile);
      await eventually(async () => assert.deepEqual(await box.policyNames(namespace), []), PROMPTLY);
      await box.edit(profile, { mode: 'Enforce' });
      await box.ready(profile);
      assert.deepEqual(await box.policyNames(namespace), names);
    });
  });
});
