// Peers by ServiceAccount on a real API server, with the operator: a rule relies on the label only once the label is guarded.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { LABEL_SERVICE_ACCOUNT as LABEL } from '../../../src/api/names.ts';
import type { GuardBinding } from '../../../src/policy/admission/accounts.ts';
import { eventually } from '../../support/cluster.ts';
import { AccountSuite, GUARD, GUARDS, IN_FORCE, type Scene } from './account-scene.ts';
import { PodForger } from './pod-forger.ts';
import { LabelRecorder } from './label-recorder.ts';
import { describeSince } from '../../support/kubernetes.ts';

const CRD = join(import.meta.dirname, '../../../crds/segmentation.dev_segmentationprofiles.yaml');

describeSince('1.36', 'a peer by ServiceAccount', () => {
  const suite = new AccountSuite();

  /** Defines a test for each case, and begins all of them at once, because each spends its time waiting. */
  function together(cases: Readonly<Record<string, (at: Scene) => Promise<void>>>): void {
    const ends = new Map<string, Promise<unknown>>();
    before(() => {
      for (const [title, run] of Object.entries(cases))
        ends.set(
          title,
          suite
            .scene()
            .then(run)
            .catch((error: unknown) => ({ error })),
        );
    });
    for (const title of Object.keys(cases)) {
      it(title, async () => {
        const end = await ends.get(title);
        if (end !== undefined) throw (end as { error: unknown }).error;
      });
    }
    after(() => suite.clean());
  }

  describe('with a running operator', () => {
    together({
      'selects the pods of that account in that namespace, by the label that the API server sets': async (
        at,
      ) => {
        const profile = await at.box.profile('p', at.from());
        await at.ready(profile);
        assert.equal(await at.pod('a', 'web'), 'web');
        const { spec } = await at.box.policy(at.server, `${profile}.ingress`);
        const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': at.client } };
        assert.deepEqual(spec.ingress, [
          { from: [{ namespaceSelector, podSelector: { matchLabels: { [LABEL]: 'web' } } }] },
        ]);
      },

      'lets in no pod with a false label, while pods of 20 namespaces are forged all the time': async (
        at,
      ) => {
        const { box } = at;
        const recorder = await LabelRecorder.begin(suite.plane, at.server);
        const clients = await Promise.all(
          Array.from({ length: 20 }, (_, each) => box.namespace(`n${each}`, null)),
        );
        const forger = new PodForger(suite.plane, clients);
        try {
          await eventually(() => assert.ok(forger.forged >= 20, forger.toString()), IN_FORCE);
          const profile = await box.profile('p', {
            ingress: [
              {
                name: 'web',
                from: clients.map((namespace) => ({ serviceAccount: { namespace, name: 'web' } })),
              },
            ],
          });
          await at.says(profile, 'PodsMislabelled', /delete what kubectl .* shows/);
          assert.equal(await at.hasRule(profile), false);
          await eventually(() => assert.ok(forger.refused >= 20, forger.toString()), IN_FORCE);
          const mislabelled = ['-l', `${LABEL}=web`, '--field-selector', 'spec.serviceAccountName!=web'];
          await Promise.all(
            clients.map((each) =>
              suite.plane.kubectlRun(['-n', each, 'delete', 'pods', ...mislabelled, '--wait=false']),
            ),
          );
          // The forger goes on while the rule is created.
          await eventually(async () => {
            const { spec } = await box.policy(at.server, `${profile}.ingress`);
            assert.equal(spec.ingress?.length, 20);
          }, IN_FORCE);
        } finally {
          await forger.stop();
        }
        assert.deepEqual(await recorder.end(), []);
        assert.ok(forger.labelled > 20, forger.toString());
      },

      'reports pods from before, and does not begin to isolate until they are deleted': async (at) => {
        for (const name of ['old-1', 'old-2']) await at.pod(name, 'web');
        await at.pod('other', 'default');
        await at.pod('host', 'web', {}, { hostNetwork: true });
        await at.box.pod(at.server, 'payments');
        const profile = await at.box.profile('p', { ...at.from(), isolation: ['Ingress'] });
        const told = `ingress rule web, peer serviceAccount ${at.client}/web, in namespace ${at.server}: 2 pods .* kubectl -n ${at.client} rollout restart`;
        await at.says(profile, 'PodsUnlabelled', new RegExp(told));
        assert.deepEqual(await at.box.policyNames(at.server), []);
        assert.equal((await at.box.condition(profile, 'Ready')).reason, 'PeersUnresolved');
        // In a namespace without pods nothing can be cut, so labelled pods are let in at once.
        const empty = await at.box.namespace('empty');
        await eventually(async () => assert.equal(await at.hasRule(profile, empty), true), IN_FORCE);
        for (const name of ['old-1', 'old-2']) await at.remove(name);
        await at.ready(profile);
        assert.equal(await at.hasRule(profile), true);
      },

      'has no bindings for a profile under Audit': async (at) => {
        const profile = await at.box.profile('p', { ...at.from(), mode: 'Audit' });
        await at.says(profile, 'NotGuarded', /once one has `mode: Enforce`/);
        assert.equal(await at.isCovered(), false);
        await at.box.edit(profile, { mode: 'Enforce' });
        await at.ready(profile);
        assert.equal(await at.isCovered(), true);
        await at.box.edit(profile, { mode: 'Audit' });
        await eventually(async () => assert.equal(await at.isCovered(), false), IN_FORCE);
      },
    });
  });

  // Not beside other cases: while the guard is missing, their pods are not guarded.
  it('has its guard restored after somebody changes or deletes it', async () => {
    const at = await suite.scene();
    const profile = await at.box.profile('p', at.from());
    await at.ready(profile);
    await suite.plane.admin.send('DELETE', `${GUARDS}/${GUARD}`);
    await eventually(async () => assert.equal(await at.isCovered(), true));
    await at.box.patch(`${GUARDS}/${GUARD}`, { spec: { validationActions: ['Audit'] } });
    await eventually(async () => {
      const { spec } = (await at.box.read(`${GUARDS}/${GUARD}`)) as unknown as GuardBinding;
      assert.deepEqual(spec.validationActions, ['Deny']);
    });
    await at.ready(profile);
    await at.box.remove();
  });

  it('can be added after an upgrade from a version without it', async () => {
    const at = await suite.scene();
    const current = readFileSync(CRD, 'utf8');
    const older = parse(current) as object;
    assert.ok(withoutAccounts(older) > 0);
    let profile: string;
    try {
      await suite.plane.kubectlRun(['apply', '-f', '-'], { stdin: stringify(older) });
      profile = await at.box.profile('p', { ingress: [{ name: 'a', from: [{ namespaces: [at.client] }] }] });
      await at.ready(profile);
    } finally {
      await suite.plane.kubectlRun(['apply', '-f', '-'], { stdin: current });
    }
    const stored = await at.box.policies(at.server);
    await suite.operator.stop();
    await suite.restart();
    await at.ready(profile);
    assert.deepEqual(await at.box.policies(at.server), stored);
    // The API server drops the field until it has taken up the new CRD.
    await eventually(async () => {
      await at.box.edit(profile, at.from());
      assert.ok(JSON.stringify((await at.box.readProfile(profile)).spec).includes('serviceAccount'));
    });
    await eventually(async () => assert.equal(await at.hasRule(profile), true), IN_FORCE);
  });
});

/** Removes the field from every peer of the schema, and from rules. @returns how often the schema had it */
function withoutAccounts(node: object): number {
  let count = 0;
  for (const [key, value] of Object.entries(node) as [string, unknown][]) {
    if (key === 'serviceAccount') {
      delete (node as Record<string, unknown>)[key];
      count += 1;
    } else if (key === 'rule' && typeof value === 'string') {
      (node as { rule: string }).rule = value
        .replace('has(self.serviceAccount) ||', '')
        .replace('(has(self.serviceAccount) ? 1 : 0) +', '');
    } else if (typeof value === 'object' && value !== null) count += withoutAccounts(value);
  }
  return count;
}
