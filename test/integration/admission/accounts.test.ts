// Peers by ServiceAccount on a real API server, with the operator: when a rule relies on the label, and on nothing less.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import type { KubeObject } from '../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT as LABEL } from '../../../src/api/names.ts';
import type { GuardBinding } from '../../../src/policy/admission/accounts.ts';
import { eventually } from '../../support/cluster.ts';
import { AccountSuite, GUARD, GUARDS, IN_FORCE, pods, podSpec, type Scene } from './account-scene.ts';
import { Witness } from './account-witness.ts';

const CRD = join(import.meta.dirname, '../../../crds/segmentation.dev_segmentationprofiles.yaml');

describe('a peer by ServiceAccount', () => {
  const suite = new AccountSuite();

  /** Begins all at once, as each is mostly waiting. */
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

  describe('with an operator', () => {
    together({
      'means the pods of that account in that namespace, and none is refused': async (at) => {
        const profile = await at.box.profile('p', at.from());
        await at.ready(profile);
        assert.equal(await at.pod('a', 'web'), 'web');
        const { spec } = await at.box.policy(at.server, `${profile}.ingress`);
        const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': at.client } };
        assert.deepEqual(spec.ingress, [
          { from: [{ namespaceSelector, podSelector: { matchLabels: { [LABEL]: 'web' } } }] },
        ]);
      },

      'lets no pod in whose label is not true, in 20 namespaces while all of them are written to': async (
        at,
      ) => {
        const { box } = at;
        const witness = await Witness.begin(suite.plane, at.server);
        const clients = await Promise.all(
          Array.from({ length: 20 }, (_, each) => box.namespace(`n${each}`, null)),
        );
        const stopping = new AbortController();
        const answers = { forged: 0, overwritten: 0, refused: 0, true: 0 };
        const write = async (method: 'POST' | 'PATCH', path: string, body: object) => {
          const made = (await suite.plane.admin.send(method, path, body).catch(() => undefined)) as
            | KubeObject
            | undefined;
          return made?.metadata?.labels?.[LABEL];
        };
        const forging = { [LABEL]: 'web' };
        const writers = clients.map(async (client) => {
          const metadata = { name: 'web' };
          await suite.plane.admin.send('POST', `/api/v1/namespaces/${client}/serviceaccounts`, { metadata });
          const create = (name: string, account: string) =>
            write('POST', pods(client), { metadata: { name, labels: forging }, spec: podSpec(account) });
          for (let count = 0; !stopping.signal.aborted; count++) {
            if ((await create(`true-${count}`, 'web')) === 'web') answers.true++;
            const made = await create(`lying-${count}`, 'default');
            if (made === 'web') answers.forged++;
            else if (made === 'default') answers.overwritten++;
            const path = `${pods(client)}/lying-${count}`;
            const target = { kind: 'Node', name: 'n1' };
            const later = [
              await write('PATCH', path, { metadata: { labels: forging } }),
              await write('PATCH', `${path}/status`, { metadata: { labels: forging } }),
              await write('POST', `${path}/binding`, {
                apiVersion: 'v1',
                kind: 'Binding',
                metadata: { name: `lying-${count}`, labels: forging },
                target,
              }),
            ];
            if (made === 'default' && later.every((each) => each === undefined)) answers.refused++;
            await sleep(700);
          }
        });
        try {
          await eventually(() => assert.ok(answers.forged >= 20, JSON.stringify(answers)), IN_FORCE);
          const profile = await box.profile('p', {
            ingress: [
              {
                name: 'web',
                from: clients.map((namespace) => ({ serviceAccount: { namespace, name: 'web' } })),
              },
            ],
          });
          await at.says(profile, 'PodsMislabelled', /delete what kubectl .* shows/);
          assert.equal(await at.isRuled(profile), false);
          await eventually(() => assert.ok(answers.refused >= 20, JSON.stringify(answers)), IN_FORCE);
          const lying = ['-l', `${LABEL}=web`, '--field-selector', 'spec.serviceAccountName!=web'];
          await Promise.all(
            clients.map((each) =>
              suite.plane.kubectlRun(['-n', each, 'delete', 'pods', ...lying, '--wait=false']),
            ),
          );
          // Written to all the time, also while the rule comes to stand.
          await eventually(async () => {
            const { spec } = await box.policy(at.server, `${profile}.ingress`);
            assert.equal(spec.ingress?.length, 20);
          }, IN_FORCE);
        } finally {
          stopping.abort();
          await Promise.all(writers);
        }
        assert.deepEqual(await witness.end(), []);
        assert.ok(answers.true > 20, JSON.stringify(answers));
      },

      'counts the pods from before, and does not begin to isolate until they are gone': async (at) => {
        for (const name of ['old-1', 'old-2']) await at.pod(name, 'web');
        await at.pod('other', 'default');
        await at.pod('host', 'web', {}, { hostNetwork: true });
        await at.box.pod(at.server, 'payments');
        const profile = await at.box.profile('p', { ...at.from(), isolation: ['Ingress'] });
        const told = `ingress rule web, peer serviceAccount ${at.client}/web, in namespace ${at.server}: 2 pods .* kubectl -n ${at.client} rollout restart`;
        await at.says(profile, 'PodsUnlabelled', new RegExp(told));
        assert.deepEqual(await at.box.policyNames(at.server), []);
        assert.equal((await at.box.condition(profile, 'Ready')).reason, 'PeersUnresolved');
        // Where nothing runs that could be cut off, those that are labelled are let in at once.
        const empty = await at.box.namespace('empty');
        await eventually(async () => assert.equal(await at.isRuled(profile, empty), true), IN_FORCE);
        for (const name of ['old-1', 'old-2']) await at.remove(name);
        await at.ready(profile);
        assert.equal(await at.isRuled(profile), true);
      },

      'has nothing bound for a profile that writes no policies': async (at) => {
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

  // By itself: while the guard is away, others' pods are not what they say.
  it('has its guard put back when somebody changes or deletes it', async () => {
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

  it('can be added after an upgrade from a version that does not know it', async () => {
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
    // Until the API server has taken up the new CRD, it drops the field.
    await eventually(async () => {
      await at.box.edit(profile, at.from());
      assert.ok(JSON.stringify((await at.box.readProfile(profile)).spec).includes('serviceAccount'));
    });
    await eventually(async () => assert.equal(await at.isRuled(profile), true), IN_FORCE);
  });
});

/** Takes the field off every peer of the schema, and its mention in rules; how often it was there. */
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
