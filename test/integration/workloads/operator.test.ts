// spec.workloads with a running operator: bindings, conditions, and the count of what runs already.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeObject } from '../../../src/api/meta.ts';
import { eventually } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';
import { cli } from '../../cli/cli.ts';
import { admitted, refusal } from '../admission/fixture.ts';

const CONFIG = join(import.meta.dirname, '../../../config/workloads');
const BINDINGS = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';
const IN_FORCE = 60_000; // ms: the API server takes up bindings twice, and the machine is busy
const DIGEST = { images: { digest: 'Required' } };

describe('workloads of a profile', () => {
  const at = new OperatorSuite('limits');

  const kubectl = (...args: readonly string[]) => at.plane.kubectlRun(args);
  const says = (profile: string, reason: string, message: RegExp) =>
    eventually(async () => {
      const condition = await at.box.condition(profile, 'AdmissionReady');
      assert.equal(condition.reason, reason, condition.message);
      assert.match(condition.message, message);
    }, IN_FORCE);
  const bindings = async (profile: string) => {
    const { items } = (await at.plane.admin.send(
      'GET',
      `${BINDINGS}?labelSelector=segmentation.dev/profile=${profile}`,
    )) as { items: KubeObject[] };
    return items.map(({ metadata }) => metadata.name.slice(profile.length + 1)).sort();
  };

  after(() => kubectl('delete', '-k', CONFIG, '--ignore-not-found'));

  it('say what to install while config/workloads is missing, and leave the admission of other profiles alone', async () => {
    await kubectl('delete', '-k', CONFIG, '--ignore-not-found');
    await at.box.namespace('shop');
    const other = await at.box.profile('other', { admission: { protect: 'Enforce' } });
    const profile = await at.box.profile('p', { workloads: DIGEST, admission: { protect: 'Warn' } });
    await says(
      profile,
      'NotInstalled',
      /workload-images\.segmentation\.dev .*: kubectl apply -k config\/workloads/,
    );
    await says(other, 'InForce', /policies are protected/);
    assert.deepEqual(await bindings(profile), ['protected-policies.segmentation.dev']);
    await kubectl('apply', '-k', CONFIG);
    await says(profile, 'InForce', /changes of policies are warned of; workloads\.images \(Enforce\)$/);
  });

  describe('once config/workloads is installed', () => {
    let namespace: string;
    let profile: string;

    before(() => kubectl('apply', '-k', CONFIG));
    beforeEach(async () => {
      namespace = await at.box.namespace('shop');
      await at.box.pod(namespace, 'old');
      profile = await at.box.profile('p', { workloads: DIGEST });
      await says(profile, 'InForce', /workloads\.images \(Enforce\)/);
    });

    it('refuse pods, count those that run already, and follow the profile', async () => {
      assert.match((await refusal(at.plane, namespace)) ?? '', /image main has no digest/);
      await eventually(async () => {
        const { status } = await at.box.readProfile(profile);
        const message =
          'image main has no digest, which its workloads.images.digest requires: append @sha256:DIGEST';
        assert.deepEqual(status?.workloads, {
          groups: [
            {
              name: 'images',
              violating: 1,
              examples: [{ namespace, kind: 'Pod', name: 'old', message }],
            },
          ],
        });
      });
      await at.box.ready(profile);
      await at.box.edit(profile, { workloads: { images: { action: 'Audit' } } });
      await says(profile, 'InForce', /workloads\.images \(Audit\)/);
      assert.deepEqual(await bindings(profile), ['workload-images.segmentation.dev']);
      assert.equal(await refusal(at.plane, namespace), undefined);
      await at.box.edit(profile, { workloads: null });
      await eventually(async () => {
        assert.deepEqual(await bindings(profile), []);
        assert.equal((await at.box.readProfile(profile)).status?.workloads, undefined);
      });
    });

    it('say that nothing verifies the signatures of images, and the plugin shows it', async () => {
      await eventually(async () => {
        const { reason } = await at.box.condition(profile, 'ImagesVerified');
        assert.equal(reason, 'Unverified');
      });
      const { status } = await at.box.readProfile(profile);
      const message = 'nothing that is known to verify signatures of images covers its pods';
      assert.deepEqual(status?.imageVerification, {
        verified: 0,
        unverified: 1,
        undetermined: 0,
        namespaces: [{ namespace, reason: 'Unverified', message }],
      });
      const { stdout } = await cli(['status', '--kubeconfig', at.plane.kubeconfig]);
      const line = `profile ${profile}: signatures of images are not known to be verified in 1 of 1 namespace: ${namespace}: ${message}`;
      assert.ok(stdout.includes(line), stdout);
    });

    it('end with mode: Audit, in which the operator goes on to count', async () => {
      await at.box.edit(profile, { mode: 'Audit' });
      await eventually(async () => assert.deepEqual(await bindings(profile), []));
      await admitted(at.plane, namespace);
      const { status } = await at.box.readProfile(profile);
      assert.equal(status?.workloads?.groups[0]?.violating, 1);
    });

    it('stay in force while no operator runs, and end with the profile', async () => {
      await at.operator.stop();
      assert.match((await refusal(at.plane, namespace)) ?? '', /has no digest/);
      await at.box.removeProfile(profile);
      assert.match(
        (await refusal(at.plane, namespace)) ?? '',
        /has no digest/,
        'the profile has its finalizer',
      );
      await at.restart();
      await eventually(() => assert.rejects(at.box.readProfile(profile), /404/));
      await admitted(at.plane, namespace);
      assert.deepEqual(await bindings(profile), []);
    });
  });
});
