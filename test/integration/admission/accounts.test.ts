// Peers by ServiceAccount on a real API server, with the operator: when a rule relies on the label, and on nothing less.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import type { KubeObject, StringMap } from '../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT as LABEL } from '../../../src/api/names.ts';
import { coveredBy, type GuardBinding } from '../../../src/policy/admission/accounts.ts';
import { type ControlPlane, startControlPlane, startNodeAgent } from '../../env/index.ts';
import { consistently, eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';
import { Witness } from './account-witness.ts';

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const GUARDS = `${ADMISSION}/validatingadmissionpolicybindings`;
const LABELS = `${ADMISSION}/mutatingadmissionpolicybindings`;
const GUARD = 'service-account-guard.segmentation.dev';
const CONFIG = join(import.meta.dirname, '../../../config/service-accounts');
const CRD = join(import.meta.dirname, '../../../crds/segmentation.dev_segmentationprofiles.yaml');
const GRACE = 5500; // ms; a little more than the guard stays where nothing needs it
const IN_FORCE = 30_000; // ms: the API server's refresh of bindings, the next count of pods, a busy machine

/** A namespace whose pods are clients, one in which they are let in, and what tests ask of both. */
class Scene {
  readonly box: Sandbox;
  readonly client: string;
  readonly server: string;
  readonly #plane: ControlPlane;

  private constructor(plane: ControlPlane, box: Sandbox, client: string, server: string) {
    this.#plane = plane;
    this.box = box;
    this.client = client;
    this.server = server;
  }

  static async make(plane: ControlPlane): Promise<Scene> {
    const box = new Sandbox(plane, 'accounts');
    const client = await box.namespace('client', null);
    const server = await box.namespace('server');
    await plane.kubectlRun(['-n', client, 'create', 'serviceaccount', 'web']);
    return new Scene(plane, box, client, server);
  }

  /** A profile's spec, by which pods of the account are let in. */
  from(name = 'web'): { ingress: object[] } {
    return { ingress: [{ name, from: [{ serviceAccount: { namespace: this.client, name } }] }] };
  }

  async ready(profile: string): Promise<void> {
    await this.box.ready(profile, IN_FORCE);
  }

  /** Waits for what the condition PeersResolved says. */
  async says(profile: string, reason: string, message: RegExp): Promise<void> {
    await eventually(async () => {
      const condition = await this.box.condition(profile, 'PeersResolved');
      assert.deepEqual([condition.status, condition.reason], ['False', reason], condition.message);
      assert.match(condition.message, message);
    }, IN_FORCE);
  }

  /** Creates a pod of the client; its label, or the refusal as an error. */
  async pod(
    name: string,
    account: string,
    labels: StringMap = {},
    more: object = {},
  ): Promise<string | undefined | Error> {
    const spec = { ...podSpec(account), ...more };
    const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec };
    return eventually(async () => {
      try {
        const made = (await this.#plane.admin.send('POST', pods(this.client), body)) as KubeObject;
        return made.metadata.labels?.[LABEL];
      } catch (error) {
        // The namespace's default account takes a moment to be there.
        if (/serviceaccount .* not found/.test((error as Error).message)) throw error;
        return error as Error;
      }
    });
  }

  async remove(pod: string): Promise<void> {
    await this.#plane.admin.send('DELETE', `${pods(this.client)}/${pod}`);
  }

  /** Whether the rule stands. */
  async isRuled(profile: string, namespace = this.server): Promise<boolean> {
    const policies = await this.box.policies(namespace);
    return JSON.stringify(policies.filter(({ metadata }) => metadata.name === `${profile}.ingress`)).includes(
      LABEL,
    );
  }

  async isCovered(): Promise<boolean> {
    const guard = await this.box.read(`${GUARDS}/${GUARD}`).catch(() => undefined);
    return coveredBy(guard as GuardBinding | undefined).includes(this.client);
  }
}

function podSpec(account: string) {
  const containers = [{ name: 'main', image: 'main' }];
  return { containers, serviceAccountName: account, terminationGracePeriodSeconds: 0 };
}

const pods = (namespace: string) => `/api/v1/namespaces/${namespace}/pods`;

describe('a peer by ServiceAccount', function () {
  this.timeout(90_000);
  const operators = new Operators();
  const scenes: Scene[] = [];
  let plane: ControlPlane;
  let agent: { stop(): Promise<void> };
  let kubeconfig: string;
  let operator: Operator;
  const scene = async () => {
    const made = await Scene.make(plane);
    scenes.push(made);
    return made;
  };

  before(async () => {
    // Of its own: the bindings are one pair for the whole cluster.
    plane = await startControlPlane();
    agent = await startNodeAgent(plane);
    kubeconfig = await installOperator(plane);
    await plane.kubectlRun(['apply', '-k', CONFIG]);
    operator = await operators.start(kubeconfig);
  });
  after(async () => {
    await operators.end();
    await agent.stop();
    await plane.stop();
  });

  /** Begins all at once, as each is mostly waiting. */
  function together(cases: Readonly<Record<string, (at: Scene) => Promise<void>>>): void {
    const ends = new Map<string, Promise<unknown>>();
    before(() => {
      for (const [title, run] of Object.entries(cases))
        ends.set(
          title,
          scene()
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
    after(() => Promise.all(scenes.splice(0).map(({ box }) => box.remove())));
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
        const witness = await Witness.begin(plane, at.server);
        const clients = await Promise.all(
          Array.from({ length: 20 }, (_, each) => box.namespace(`n${each}`, null)),
        );
        const stopping = new AbortController();
        const answers = { forged: 0, overwritten: 0, refused: 0, true: 0 };
        const write = async (method: 'POST' | 'PATCH', path: string, body: object) => {
          const made = (await plane.admin.send(method, path, body).catch(() => undefined)) as
            | KubeObject
            | undefined;
          return made?.metadata?.labels?.[LABEL];
        };
        const forging = { [LABEL]: 'web' };
        const writers = clients.map(async (client) => {
          const metadata = { name: 'web' };
          await plane.admin.send('POST', `/api/v1/namespaces/${client}/serviceaccounts`, { metadata });
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
            clients.map((each) => plane.kubectlRun(['-n', each, 'delete', 'pods', ...lying, '--wait=false'])),
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
        // Another case takes the guard away for a moment.
        await eventually(async () => assert.equal(await at.isCovered(), true), IN_FORCE);
        await at.box.edit(profile, { mode: 'Audit' });
        await eventually(async () => assert.equal(await at.isCovered(), false), IN_FORCE);
      },

      'has its guard put back when somebody changes or deletes it': async (at) => {
        const profile = await at.box.profile('p', at.from());
        await at.ready(profile);
        await plane.admin.send('DELETE', `${GUARDS}/${GUARD}`);
        await eventually(async () => assert.equal(await at.isCovered(), true));
        await at.box.patch(`${GUARDS}/${GUARD}`, { spec: { validationActions: ['Audit'] } });
        await eventually(async () => {
          const { spec } = (await at.box.read(`${GUARDS}/${GUARD}`)) as unknown as GuardBinding;
          assert.deepEqual(spec.validationActions, ['Deny']);
        });
        await at.ready(profile);
      },
    });
  });

  describe('while the operator is away', () => {
    const stands = async (at: Scene) => {
      const profile = await at.box.profile('p', at.from());
      await at.ready(profile);
      return profile;
    };

    it('keeps its guard, and afterwards for as long as a policy relies on it', async () => {
      const at = await scene();
      const removed = await at.box.profile('removed', at.from());
      const retained = await at.box.profile('retained', { ...at.from(), deletionPolicy: 'Retain' });
      await Promise.all([at.ready(removed), at.ready(retained)]);
      await operator.kill();
      for (const each of [removed, retained]) await at.box.removeProfile(each);
      assert.equal(await at.pod('lying', 'default', { [LABEL]: 'web' }), 'default');
      operator = await operators.start(kubeconfig);
      for (const each of [removed, retained])
        await eventually(() => assert.rejects(at.box.readProfile(each), /404/), IN_FORCE);
      assert.equal(await at.isRuled(retained), true);
      // Longer than it stays where nothing needs it.
      await consistently(async () => assert.equal(await at.isCovered(), true), GRACE);
      await at.box.deletePolicy(at.server, `${retained}.ingress`);
      await eventually(async () => {
        for (const path of [GUARDS, LABELS]) {
          const { items } = (await plane.admin.send('GET', path)) as { items: KubeObject[] };
          assert.deepEqual(
            items.filter(({ metadata }) => metadata.name.startsWith('service-account')),
            [],
          );
        }
      }, IN_FORCE);
    });

    it('is opened no further where somebody takes the guard away and forges a label, and what is enforced stays', async () => {
      const at = await scene();
      const profile = await stands(at);
      await operator.kill();
      for (const path of [`${GUARDS}/${GUARD}`, `${LABELS}/${GUARD.replace('guard', 'label')}`])
        await plane.admin.send('DELETE', path);
      await eventually(async () => {
        if ((await at.pod('forged', 'default', { [LABEL]: 'web' })) === 'web') return;
        await at.remove('forged');
        assert.fail('it is still in force');
      }, IN_FORCE);
      operator = await operators.start(kubeconfig);
      await at.says(profile, 'PodsMislabelled', /1 pod of namespace .* runs as another account/);
      assert.equal(await at.isRuled(profile), true);
      const later = await at.box.namespace('later');
      await eventually(
        async () => assert.ok((await at.box.policyNames(later)).includes(`${profile}.default-deny`)),
        IN_FORCE,
      );
      assert.equal(await at.isRuled(profile, later), false);
      await at.remove('forged');
      await at.ready(profile);
      assert.equal(await at.isRuled(profile, later), true);

      // Settled, it costs no write, also after a restart.
      const written = async () => {
        const paths = [GUARDS, LABELS, `/apis/networking.k8s.io/v1/namespaces/${at.server}/networkpolicies`];
        const lists = (await Promise.all(paths.map((path) => plane.admin.send('GET', path)))) as {
          items: KubeObject[];
        }[];
        const all = [...lists.flatMap(({ items }) => items), await at.box.readProfile(profile)];
        return all.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).sort();
      };
      const before = await written();
      await operator.stop();
      operator = await operators.start(kubeconfig);
      await eventually(async () => {
        const enforced = `segmentation_namespaces{profile="${profile}",state="enforced"}`;
        assert.equal(await operator.metric(enforced), 2);
      }, IN_FORCE);
      await consistently(() => operator.running, 700);
      assert.deepEqual(await written(), before);
      await at.box.remove();
    });
  });

  describe('says what is missing:', () => {
    it('its policies and permissions; what is enforced stays meanwhile', async () => {
      const at = await scene();
      const profile = await at.box.profile('p', at.from());
      await at.ready(profile);
      await plane.kubectlRun(['delete', 'mutatingadmissionpolicy', GUARD.replace('guard', 'label')]);
      await at.box.edit(profile, { ingress: [...at.from().ingress, ...at.from('default').ingress] });
      const missing =
        /MutatingAdmissionPolicy service-account-label\S+ is not installed: kubectl apply -k config\/service-accounts/;
      await at.says(profile, 'NotInstalled', missing);
      assert.equal(await at.isRuled(profile), true);
      await plane.kubectlRun(['delete', '-k', CONFIG, '--ignore-not-found']);
      await at.says(profile, 'NotInstalled', /lacks what peers by ServiceAccount need: kubectl apply -k/);
      assert.doesNotMatch(JSON.stringify(await at.box.policies(at.server)), new RegExp(`${LABEL}":"default`));
      await plane.kubectlRun(['apply', '-k', CONFIG]);
      await at.ready(profile);
      assert.match(JSON.stringify(await at.box.policies(at.server)), new RegExp(`${LABEL}":"default`));
      await at.box.remove();
    });

    it('the name of its binding, while somebody else holds it', async () => {
      const at = await scene();
      await eventually(() => assert.rejects(at.box.read(`${GUARDS}/${GUARD}`), /404/), IN_FORCE);
      await at.box.create(GUARDS, {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name: GUARD },
        spec: { policyName: 'theirs', validationActions: ['Audit'] },
      });
      const profile = await at.box.profile('p', at.from());
      await at.says(profile, 'NameTaken', /is somebody else's: remove it/);
      await plane.admin.send('DELETE', `${GUARDS}/${GUARD}`);
      await at.ready(profile);
      await at.box.remove();
    });
  });

  it('can be added after an upgrade from a version that does not know it', async () => {
    const at = await scene();
    const current = readFileSync(CRD, 'utf8');
    const older = parse(current) as object;
    assert.ok(withoutAccounts(older) > 0);
    let profile: string;
    try {
      await plane.kubectlRun(['apply', '-f', '-'], { stdin: stringify(older) });
      profile = await at.box.profile('p', { ingress: [{ name: 'a', from: [{ namespaces: [at.client] }] }] });
      await at.ready(profile);
    } finally {
      await plane.kubectlRun(['apply', '-f', '-'], { stdin: current });
    }
    const stored = await at.box.policies(at.server);
    await operator.stop();
    operator = await operators.start(kubeconfig);
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
