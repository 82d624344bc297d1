// Peers by ServiceAccount while no operator runs, and while a policy, permission or name that they need is missing.
import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT as LABEL } from '../../../src/api/names.ts';
import { consistently, eventually } from '../../support/cluster.ts';
import { AccountSuite, CONFIG, GUARD, GUARDS, IN_FORCE, LABELS, type Scene } from './account-scene.ts';
import { describeSince } from '../../support/kubernetes.ts';

const GRACE = 5500; // ms; a little longer than a namespace stays covered that nothing needs

describeSince('1.36', 'a peer by ServiceAccount', () => {
  const suite = new AccountSuite();

  describe('while no operator runs', () => {
    const readyProfile = async (at: Scene) => {
      const profile = await at.box.profile('p', at.from());
      await at.ready(profile);
      return profile;
    };

    it('keeps its guard, and afterwards for as long as a policy relies on the label', async () => {
      const at = await suite.scene();
      const removed = await at.box.profile('removed', at.from());
      const retained = await at.box.profile('retained', { ...at.from(), deletionPolicy: 'Retain' });
      await Promise.all([at.ready(removed), at.ready(retained)]);
      await suite.operator.kill();
      for (const each of [removed, retained]) await at.box.removeProfile(each);
      assert.equal(await at.pod('lying', 'default', { [LABEL]: 'web' }), 'default');
      await suite.restart();
      for (const each of [removed, retained])
        await eventually(() => assert.rejects(at.box.readProfile(each), /404/), IN_FORCE);
      assert.equal(await at.hasRule(retained), true);
      await consistently(async () => assert.equal(await at.isCovered(), true), GRACE);
      await at.box.deletePolicy(at.server, `${retained}.ingress`);
      await eventually(async () => {
        for (const path of [GUARDS, LABELS]) {
          const { items } = (await suite.plane.admin.send('GET', path)) as { items: KubeObject[] };
          assert.deepEqual(
            items.filter(({ metadata }) => metadata.name.startsWith('service-account')),
            [],
          );
        }
      }, IN_FORCE);
    });

    it('keeps the enforced rule and gets no new one after somebody deletes the guard and forges a label', async () => {
      const at = await suite.scene();
      const profile = await readyProfile(at);
      await suite.operator.kill();
      for (const path of [`${GUARDS}/${GUARD}`, `${LABELS}/${GUARD.replace('guard', 'label')}`])
        await suite.plane.admin.send('DELETE', path);
      await eventually(async () => {
        if ((await at.pod('forged', 'default', { [LABEL]: 'web' })) === 'web') return;
        await at.remove('forged');
        assert.fail('the guard is still in force');
      }, IN_FORCE);
      await suite.restart();
      await at.says(profile, 'PodsMislabelled', /1 pod of namespace .* runs as another account/);
      assert.equal(await at.hasRule(profile), true);
      const later = await at.box.namespace('later');
      await eventually(
        async () => assert.ok((await at.box.policyNames(later)).includes(`${profile}.default-deny`)),
        IN_FORCE,
      );
      assert.equal(await at.hasRule(profile, later), false);
      await at.remove('forged');
      await at.ready(profile);
      assert.equal(await at.hasRule(profile, later), true);

      // I6: once settled there is no write, also after a restart.
      const written = async () => {
        const paths = [GUARDS, LABELS, `/apis/networking.k8s.io/v1/namespaces/${at.server}/networkpolicies`];
        const lists = (await Promise.all(paths.map((path) => suite.plane.admin.send('GET', path)))) as {
          items: KubeObject[];
        }[];
        const all = [...lists.flatMap(({ items }) => items), await at.box.readProfile(profile)];
        return all.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).sort();
      };
      const before = await written();
      await suite.operator.stop();
      await suite.restart();
      await eventually(async () => {
        const enforced = `segmentation_namespaces{profile="${profile}",state="enforced"}`;
        assert.equal(await suite.operator.metric(enforced), 2);
      }, IN_FORCE);
      await consistently(() => assert.ok(suite.operator.running), 700);
      assert.deepEqual(await written(), before);
      await at.box.remove();
    });
  });

  describe('reports', () => {
    it('missing policies and permissions, and keeps the enforced rule meanwhile', async () => {
      const at = await suite.scene();
      const profile = await at.box.profile('p', at.from());
      await at.ready(profile);
      await suite.plane.kubectlRun(['delete', 'mutatingadmissionpolicy', GUARD.replace('guard', 'label')]);
      await at.box.edit(profile, { ingress: [...at.from().ingress, ...at.from('default').ingress] });
      const missing =
        /MutatingAdmissionPolicy service-account-label\S+ is not installed: kubectl apply -k config\/service-accounts/;
      await at.says(profile, 'NotInstalled', missing);
      assert.equal(await at.hasRule(profile), true);
      await suite.plane.kubectlRun(['delete', '-k', CONFIG, '--ignore-not-found']);
      await at.says(
        profile,
        'NotInstalled',
        /lacks permissions that peers by ServiceAccount need: kubectl apply -k/,
      );
      assert.doesNotMatch(JSON.stringify(await at.box.policies(at.server)), new RegExp(`${LABEL}":"default`));
      await suite.plane.kubectlRun(['apply', '-k', CONFIG]);
      await at.ready(profile);
      assert.match(JSON.stringify(await at.box.policies(at.server)), new RegExp(`${LABEL}":"default`));
      await at.box.remove();
    });

    it('a foreign binding that has the name of its guard', async () => {
      const at = await suite.scene();
      await eventually(() => assert.rejects(at.box.read(`${GUARDS}/${GUARD}`), /404/), IN_FORCE);
      await at.box.create(GUARDS, {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name: GUARD },
        spec: { policyName: 'foreign', validationActions: ['Audit'] },
      });
      const profile = await at.box.profile('p', at.from());
      await at.says(profile, 'NameTaken', /is foreign and has a name that the operator needs: delete it/);
      await suite.plane.admin.send('DELETE', `${GUARDS}/${GUARD}`);
      await at.ready(profile);
      await at.box.remove();
    });
  });
});
