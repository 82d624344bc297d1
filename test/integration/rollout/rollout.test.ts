/** Rollouts of profiles on a real API server. */
import assert from 'node:assert/strict';
import { consistently, eventually } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';
import { grant, have, promote, reaches, revisionsOf, revoke, ROLLOUT, withRule } from './scene.ts';

describe('rollout of a profile in a cluster', () => {
  const suite = new OperatorSuite('rollout');
  before(() => revoke(suite.plane));
  beforeEach(async function () {
    if (this.currentTest?.title.startsWith('writes nothing') !== true) await grant(suite.plane);
  });
  after(() => revoke(suite.plane));

  /** A namespace of the canary's wave, and one of the last wave. */
  const namespaces = async () => {
    const { box } = suite;
    return [await box.namespace('a', { tier: 'test' }), await box.namespace('b')] as const;
  };
  /** A profile of which both namespaces have revision 1. */
  const complete = async (spec: object = {}) => {
    const { box } = suite;
    const [a, b] = await namespaces();
    const profile = await box.profile('p', { ...ROLLOUT, ...withRule('r1'), ...spec });
    await reaches(box, profile, 'Soaking 0/2');
    await promote(box, profile, '1/canary');
    await reaches(box, profile, 'Complete');
    await box.ready(profile);
    return { box, profile, a, b };
  };

  it('writes nothing without its permission, says so, and begins once it has it', async () => {
    const { box, plane } = suite;
    const [a, b] = await namespaces();
    const profile = await box.profile('p', { ...ROLLOUT, ...withRule('r1') });
    await eventually(async () => {
      const { reason, message } = await box.condition(profile, 'RolloutReady');
      assert.equal(reason, 'PermissionMissing');
      assert.match(message, /apply config\/rollout, or remove spec\.rollout; until then the policies stay/);
    });
    await eventually(async () => {
      assert.equal((await box.condition(profile, 'Stalled')).reason, 'PermissionMissing');
      assert.equal((await box.condition(profile, 'Reconciling')).status, 'False');
    });
    await have(box, profile, { [a]: undefined, [b]: undefined });
    await grant(plane);
    await have(box, profile, { [a]: ['r1'] });
  });

  it('brings the first revision to the first wave, and to the others once the wave is promoted', async () => {
    const { box } = suite;
    const [a, b] = await namespaces();
    const profile = await box.profile('p', { ...ROLLOUT, ...withRule('r1') });
    await reaches(box, profile, 'Soaking 0/2');
    await have(box, profile, { [a]: ['r1'], [b]: undefined });
    assert.equal((await box.condition(profile, 'Ready')).reason, 'Progressing');
    assert.equal((await box.condition(profile, 'Reconciling')).status, 'True');
    const { status } = await box.readProfile(profile);
    assert.deepEqual(status?.namespaces, { matched: 2, enforced: 1, pending: 1, failed: 0, summary: '1/2' });
    const metric = (name: string, labels = '') =>
      suite.operator.metric(`segmentation_rollout_${name}{profile="${profile}"${labels}}`);
    assert.equal(await metric('phase', ',phase="Soaking"'), 1);
    assert.equal(await metric('complete_waves'), 0);
    assert.equal(await metric('namespaces', ',state="reached"'), 1);
    assert.equal(await metric('namespaces', ',state="outstanding"'), 1);
    await promote(box, profile, '1/canary');
    await reaches(box, profile, 'Complete');
    await have(box, profile, { [a]: ['r1'], [b]: ['r1'] });
    await box.ready(profile);
    assert.equal(await metric('phase', ',phase="Complete"'), 1);
    assert.equal(await metric('namespaces', ',state="reached"'), 2);
    assert.equal(await metric('namespaces', ',state="outstanding"'), 0);
    assert.deepEqual(
      (await revisionsOf(box, profile)).map(({ revision }) => revision),
      [1],
    );
  });

  it('keeps an earlier revision, and repairs its policies, where the latest has not arrived', async () => {
    const { box, profile, a, b } = await complete();
    await box.edit(profile, withRule('r2'));
    await reaches(box, profile, 'Soaking 0/2');
    await have(box, profile, { [a]: ['r2'], [b]: ['r1'] });
    await box.deletePolicy(b, `${profile}.egress`);
    await have(box, profile, { [b]: ['r1'] });
  });

  it('goes on after a restart from what is recorded, without a write', async () => {
    const { box, profile, a, b } = await complete();
    await box.edit(profile, withRule('r2'));
    await reaches(box, profile, 'Soaking 0/2');
    const read = async () =>
      JSON.stringify([await box.readProfile(profile), await box.policies(a), await box.policies(b)]);
    const before = await read();
    await suite.operator.stop();
    await suite.restart();
    await consistently(async () => assert.equal(await read(), before), 1500);
    await promote(box, profile, '2/canary');
    await reaches(box, profile, 'Complete');
    await have(box, profile, { [a]: ['r2'], [b]: ['r2'] });
  });

  it('begins again at the first wave after an edit in the middle', async () => {
    const { box, profile, a, b } = await complete();
    await box.edit(profile, withRule('r2'));
    await reaches(box, profile, 'Soaking 0/2');
    await box.edit(profile, withRule('r3'));
    await have(box, profile, { [a]: ['r3'], [b]: ['r1'] });
    await promote(box, profile, '3/canary');
    await reaches(box, profile, 'Complete');
    await have(box, profile, { [a]: ['r3'], [b]: ['r3'] });
  });

  it('gives a namespace that moves to another wave what this wave has', async () => {
    const { box, profile, a, b } = await complete();
    await box.edit(profile, withRule('r2'));
    await reaches(box, profile, 'Soaking 0/2');
    await box.relabel(b, { tier: 'test' });
    await have(box, profile, { [a]: ['r2'], [b]: ['r2'] });
    await box.relabel(b, { tier: null });
    await have(box, profile, { [a]: ['r2'], [b]: ['r1'] });
  });

  it('takes a revision back everywhere that a namespace of a later wave can not have', async () => {
    const { box, profile, a, b } = await complete();
    const path = `/api/v1/namespaces/${b}/resourcequotas`;
    await box.plane.admin.send('POST', path, {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'none' },
      spec: { hard: { 'count/networkpolicies.networking.k8s.io': '1' } },
    });
    const pods = { podSelector: { matchLabels: { app: 'web' } } };
    await box.edit(profile, { egress: [{ name: 'r2', to: [{ entity: 'Any' }], ...pods }] });
    await reaches(box, profile, 'Soaking 0/2');
    await have(box, profile, { [a]: ['r2'], [b]: ['r1'] });
    await promote(box, profile, '2/canary');
    await reaches(box, profile, 'RolledBack');
    await have(box, profile, { [a]: ['r1'], [b]: ['r1'] });
    const { message, reason } = await box.condition(profile, 'Stalled');
    assert.equal(reason, 'RolledBack');
    assert.match(
      message,
      new RegExp(`revision 2 failed in wave rest: namespace ${b} can't be enforced: .*exceeded quota`),
    );
    await eventually(async () => {
      assert.equal((await box.condition(profile, 'Ready')).reason, 'RolloutNotReady');
    });
  });

  it('takes a revision back that makes a Deployment unavailable, and says which and what it closed', async () => {
    const gates = { workloads: { for: '1s' } };
    const { box, profile, a, b } = await complete({ rollout: { ...ROLLOUT.rollout, gates } });
    await box.plane.admin.send('POST', `/apis/apps/v1/namespaces/${a}/deployments`, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { containers: [{ name: 'main', image: 'main' }] },
        },
      },
    });
    const available = async () => {
      const { status } = await box.read(`/apis/apps/v1/namespaces/${a}/deployments/web`);
      return (status as { availableReplicas?: number }).availableReplicas ?? 0;
    };
    await eventually(async () => assert.equal(await available(), 1));
    // Only workloads count that are older than the wave, by the seconds of the API server.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const elsewhere = { name: 'r2', to: [{ ipBlock: { cidr: '198.51.100.0/24' } }] };
    await box.edit(profile, { egress: [elsewhere] });
    await reaches(box, profile, 'Soaking 0/2');
    const { items } = (await box.read(`/api/v1/namespaces/${a}/pods`)) as unknown as {
      items: readonly { readonly metadata: { readonly name: string } }[];
    };
    const [pod] = items.map(({ metadata }) => metadata.name);
    const conditions = [{ type: 'Ready', status: 'False' }];
    await box.patch(`/api/v1/namespaces/${a}/pods/${pod}/status`, { status: { conditions } });
    await reaches(box, profile, 'RolledBack');
    await have(box, profile, { [a]: ['r1'], [b]: ['r1'] });
    const { message } = await box.condition(profile, 'Stalled');
    assert.match(
      message,
      new RegExp(
        `Deployment ${a}/web became unavailable after the wave began; closed there .*203\\.0\\.113\\.0/24`,
      ),
    );
  });

  it('takes a revision back after which a pod without controller is not ready any more', async () => {
    const gates = { workloads: { for: '1s' } };
    const { box, profile, a, b } = await complete({ rollout: { ...ROLLOUT.rollout, gates } });
    await box.pod(a, 'alone', { app: 'alone' });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await box.edit(profile, withRule('r2'));
    await reaches(box, profile, 'Soaking 0/2');
    const conditions = [{ type: 'Ready', status: 'False' }];
    await box.patch(`/api/v1/namespaces/${a}/pods/alone/status`, { status: { conditions } });
    await reaches(box, profile, 'RolledBack');
    await have(box, profile, { [a]: ['r1'], [b]: ['r1'] });
    const { message } = await box.condition(profile, 'Stalled');
    assert.match(message, new RegExp(`Pod ${a}/alone became unavailable after the wave began`));
  });

  for (const [deletionPolicy, left] of [
    ['Delete', undefined],
    ['Retain', ['r1']],
  ] as const) {
    it(`leaves what ${deletionPolicy} asks for if the profile is deleted in the middle`, async () => {
      const { box, profile, a, b } = await complete({ deletionPolicy });
      await box.edit(profile, withRule('r2'));
      await reaches(box, profile, 'Soaking 0/2');
      await box.removeProfile(profile);
      await eventually(() => assert.rejects(box.readProfile(profile)));
      await have(box, profile, { [a]: left && ['r2'], [b]: left });
      for (const { metadata } of [...(await box.policies(a)), ...(await box.policies(b))])
        assert.deepEqual(metadata.ownerReferences ?? [], []);
      await eventually(async () => assert.deepEqual(await revisionsOf(box, profile), []));
    });
  }

  it('takes up the policies of a profile that had no rollout without a write, and without waves', async () => {
    const { box } = suite;
    const [a, b] = await namespaces();
    const profile = await box.profile('p', withRule('r1'));
    await box.ready(profile);
    assert.deepEqual(await revisionsOf(box, profile), []);
    const before = JSON.stringify([await box.policies(a), await box.policies(b)]);
    await box.edit(profile, ROLLOUT);
    await reaches(box, profile, 'Complete');
    assert.equal(JSON.stringify([await box.policies(a), await box.policies(b)]), before);
  });

  it('is for changes too that come together with the rollout: other namespaces keep what they have', async () => {
    const { box } = suite;
    const [a, b] = await namespaces();
    const profile = await box.profile('p', withRule('r1'));
    await box.ready(profile);
    await box.edit(profile, { ...ROLLOUT, ...withRule('r2') });
    await reaches(box, profile, 'Soaking 0/2');
    await have(box, profile, { [a]: ['r2'], [b]: ['r1'] });
  });

  it('ends if spec.rollout is removed: every namespace has the profile as it is', async () => {
    const { box, profile, a, b } = await complete();
    await box.edit(profile, withRule('r2'));
    await reaches(box, profile, 'Soaking 0/2');
    await box.edit(profile, { rollout: null });
    await have(box, profile, { [a]: ['r2'], [b]: ['r2'] });
    await box.ready(profile);
    assert.equal((await box.readProfile(profile)).status?.rollout, undefined);
  });

  it('keeps the ten latest revisions', async () => {
    const { box } = suite;
    const [a] = await namespaces();
    const rollout = { waves: [{ name: 'all', percent: 100, soak: '0s' }] };
    const profile = await box.profile('p', { rollout, ...withRule('r1') });
    for (let number = 2; number <= 12; number++) {
      await reaches(box, profile, 'Complete');
      await box.edit(profile, withRule(`r${number}`));
    }
    await have(box, profile, { [a]: ['r12'] });
    await eventually(async () => {
      const numbers = (await revisionsOf(box, profile)).map(({ revision }) => revision);
      assert.deepEqual(
        numbers.sort((one, other) => one - other),
        [3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
      );
    });
  });
});
