// What a person finds out from the profile's Events and the audit trail in the log, judged by kubectl.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeEvent } from '../../../src/kube/events/event.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators, vacateLease } from '../../support/operator.ts';

const EVENTS = '/apis/events.k8s.io/v1/namespaces/default/events';
const PATIENCE = 30_000; // ms; an Event takes a second or two
const root = join(import.meta.dirname, '../../..');

describe("the profile's Events", () => {
  let plane: ControlPlane;
  let leader: Operator;
  let standby: Operator;
  const operators = new Operators();
  const boxes: Sandbox[] = [];
  const stories = new Map<string, Promise<void>>();

  const newBox = () => {
    const box = new Sandbox(plane, 'events');
    boxes.push(box);
    return box;
  };

  async function eventsOf(profile: string): Promise<KubeEvent[]> {
    const { items } = (await plane.admin.send('GET', EVENTS)) as { items: KubeEvent[] };
    return items.filter(({ regarding }) => regarding.name === profile);
  }

  /** The Events with this reason, once there are any. */
  function told(profile: string, reason: string): Promise<KubeEvent[]> {
    return eventually(async () => {
      const all = await eventsOf(profile);
      const found = all.filter((event) => event.reason === reason);
      assert.notEqual(
        found.length,
        0,
        `only ${all.map((event) => `${event.reason}: ${event.note}`).join('; ')}`,
      );
      return found;
    }, PATIENCE);
  }

  const texts = (events: readonly KubeEvent[]) => events.map(({ type, note }) => `${type}: ${note}`);

  const STORIES: Readonly<Record<string, (box: Sandbox) => Promise<void>>> = {
    'say in `kubectl describe` where it stands, all namespaces in one': async (box) => {
      const namespaces = await Promise.all(['d', 'b', 'a', 'c'].map((name) => box.namespace(name)));
      const profile = await box.profile('strict', { ingress: [{ name: 'r', from: [{ podSelector: {} }] }] });
      await told(profile, 'Enforced');
      const [first, second, third] = namespaces.sort();
      const named = `${first}, ${second}, ${third} and 1 more`;
      assert.match(
        await plane.kubectlRun(['describe', 'segp', profile]),
        new RegExp(
          `Normal +Enforced +\\S+ +segmentation-operator +generation 1 enforced in 4 namespaces \\(${named}\\); ` +
            'policies: 12 created\n',
        ),
      );
    },

    'say in `kubectl events` who caused drift, and count what is told again': async (box) => {
      const namespace = await box.namespace('shop');
      const profile = await box.profile('strict');
      await box.ready(profile, PATIENCE);
      const name = `${profile}.egress`;
      const drift = async () => {
        const { metadata } = await box.policy(namespace, name);
        const patch = '{"spec":{"egress":[{}]}}';
        await plane.kubectlRun(['-n', namespace, 'patch', 'netpol', name, '--type=merge', '-p', patch]);
        await eventually(async () => {
          const now = await box.policy(namespace, name);
          assert.notEqual(now.metadata.resourceVersion, metadata.resourceVersion);
          assert.notDeepEqual(now.spec.egress, [{}]);
        });
      };
      await drift();
      await told(profile, 'DriftRepaired');
      await drift();
      await eventually(async () => {
        const counts = (await told(profile, 'DriftRepaired')).map(({ series }) => series?.count);
        assert.deepEqual(counts, [2]);
      }, PATIENCE);
      assert.match(
        await plane.kubectlRun(['events', '--for', `segp/${profile}`]),
        new RegExp(
          `\\(x2 over \\S+\\) +Warning +DriftRepaired +SegmentationProfile/${profile} +` +
            `reverted 1 changed policy in namespace ${namespace}; changed by kubectl-patch\n`,
        ),
      );
    },

    'are few where drift is repaired in many namespaces at once': async (box) => {
      const names = Array.from({ length: 24 }, (_, index) => `n${index}`);
      const namespaces = await Promise.all(names.map((name) => box.namespace(name)));
      const profile = await box.profile('strict');
      await box.ready(profile, PATIENCE);
      await Promise.all(namespaces.map((each) => box.deletePolicy(each, `${profile}.default-deny`)));
      await eventually(async () => {
        const repaired = texts(await told(profile, 'DriftRepaired'));
        const sum = repaired.reduce(
          (total, note) => total + Number(/restored (\d+) deleted/.exec(note)?.[1]),
          0,
        );
        assert.equal(sum, 24, repaired.join('\n'));
        assert.ok(repaired.length <= 3, repaired.join('\n'));
      }, PATIENCE);
    },

    'say why a namespace is open again': async (box) => {
      const namespace = await box.namespace('shop');
      const [excluded, audited] = [await box.profile('excluded'), await box.profile('audited')];
      await Promise.all([box.ready(excluded, PATIENCE), box.ready(audited, PATIENCE)]);
      await box.edit(excluded, { excludeNamespaces: [namespace] });
      await box.edit(audited, { mode: 'Audit' });
      const open = `Normal: no longer enforced in namespace ${namespace}, as`;
      assert.deepEqual(texts(await told(excluded, 'Opened')), [
        `${open} the profile no longer selects the namespace`,
      ]);
      assert.deepEqual(texts(await told(audited, 'Opened')), [`${open} the mode is Audit`]);
    },

    'tell of the end of a profile, and whether its policies went or stayed': async (box) => {
      const namespace = await box.namespace('shop');
      const removed = await box.profile('removed');
      const retained = await box.profile('retained', { deletionPolicy: 'Retain' });
      await Promise.all([box.ready(removed, PATIENCE), box.ready(retained, PATIENCE)]);
      await Promise.all([box.removeProfile(removed), box.removeProfile(retained)]);
      assert.deepEqual(texts(await told(removed, 'Removed')), [
        `Normal: 2 policies removed from namespace ${namespace}, as the profile is being deleted`,
      ]);
      await eventually(() => assert.rejects(box.readProfile(retained)));
      const reasons = (await eventsOf(retained)).map(({ reason }) => reason);
      assert.deepEqual(reasons, ['Enforced']);
      assert.deepEqual(await box.policyNames(namespace), [`${retained}.default-deny`, `${retained}.egress`]);
    },

    'tell of peers that are unknown, and that they are found': async (box) => {
      const namespace = await box.namespace('shop');
      const bank = await box.namespace('bank', null);
      const peer = { service: { namespace: bank, name: 'ledger' } };
      const profile = await box.profile('strict', { egress: [{ name: 'ledger', to: [peer] }] });
      const [unresolved] = texts(await told(profile, 'PeersUnresolved'));
      const where = `service ${bank}/ledger, in namespace ${namespace}`;
      assert.ok(unresolved?.startsWith(`Warning: egress rule ledger, peer ${where}: `), unresolved);
      await box.service(bank, 'ledger', { selector: { app: 'ledger' }, ports: [{ port: 80 }] });
      assert.deepEqual(texts(await told(profile, 'PeersResolved')), [
        'Normal: every peer of every rule is resolved',
      ]);
    },

    'tell of a name that somebody else holds': async (box) => {
      const namespace = await box.namespace('shop');
      const name = `${box.id}-strict.default-deny`;
      await box.createPolicy(namespace, name, { podSelector: {}, policyTypes: ['Ingress'] });
      const profile = await box.profile('strict');
      const [conflict] = texts(await told(profile, 'Conflict'));
      assert.ok(
        conflict?.startsWith(`Warning: in namespace ${namespace}: ${name}: the name belongs`),
        conflict,
      );
    },
  };

  before(async () => {
    plane = await sharedControlPlane();
    const kubeconfig = await installOperator(plane);
    await vacateLease(plane);
    leader = await operators.start(kubeconfig, '--leader-elect');
    await leader.line('leading');
    standby = await operators.start(kubeconfig, '--leader-elect');
    // Side by side, since each has to wait for what is gathered.
    for (const [title, story] of Object.entries(STORIES)) {
      const ended = story(newBox());
      ended.catch(() => {}); // the test that awaits it tells
      stories.set(title, ended);
    }
  });
  after(() => Promise.all(boxes.map((box) => box.remove())));

  for (const title of Object.keys(STORIES)) it(title, () => stories.get(title));

  it('come from the replica that leads, and not again after a failover', async () => {
    const box = newBox();
    const namespace = await box.namespace('shop');
    const profile = await box.profile('strict');
    await told(profile, 'Enforced');
    const { identity } = await leader.line('leading');
    const instances = (await eventsOf(profile)).map(({ reportingInstance }) => reportingInstance);
    assert.deepEqual(instances, [identity]);
    await leader.stop();
    await eventually(async () => {
      const series = `segmentation_namespaces{profile="${profile}",state="enforced"}`;
      assert.equal(await standby.metric(series), 1);
    }, PATIENCE);
    await box.deletePolicy(namespace, `${profile}.default-deny`);
    await told(profile, 'DriftRepaired');
    const reasons = (await eventsOf(profile)).map(({ reason }) => reason);
    assert.deepEqual(reasons.sort(), ['DriftRepaired', 'Enforced']);
  });

  it('are given up without harm, and with one warning, where the permission is missing', async () => {
    await plane.kubectlRun(['-n', 'default', 'delete', 'rolebinding', 'segmentation-operator-events']);
    try {
      const box = newBox();
      await box.namespace('shop');
      const profiles = [await box.profile('one'), await box.profile('two')];
      for (const profile of profiles) await box.ready(profile, PATIENCE);
      const { error } = await standby.line('an Event could not be written');
      assert.match((error as { message: string }).message, /cannot create resource "events"/);
      const dropped = 'segmentation_events_total{result="dropped"}';
      await eventually(async () => assert.ok(Number(await standby.metric(dropped)) >= 2), PATIENCE);
      const lines = standby.lines().filter(({ msg }) => msg === 'an Event could not be written');
      assert.equal(lines.length, 1);
    } finally {
      await plane.kubectlRun(['apply', '-k', join(root, 'config/rbac')]);
    }
  });

  it('have an audit trail beside them in the log: each write, what was before and after, and whose hand it was', async () => {
    const box = newBox();
    const namespace = await box.namespace('shop');
    const profile = await box.profile('strict', { ingress: [{ name: 'r', from: [{ podSelector: {} }] }] });
    await box.ready(profile);
    const policy = `${profile}.ingress`;
    const open = '{"spec":{"ingress":[{}]}}';
    await plane.kubectlRun(['-n', namespace, 'patch', 'netpol', policy, '--type=merge', '-p', open]);
    const line = (msg: string) =>
      eventually(() => {
        const found = standby.lines().find((each) => each.msg === msg && each['policy'] === policy);
        assert.ok(found, msg);
        return found;
      });
    const allowed = ['Ingress from pods(all) on any port'];
    assert.partialDeepStrictEqual(await line('policy created'), {
      namespace,
      profile,
      role: 'ingress',
      reason: 'missing',
      after: { pods: 'all', isolates: 'Ingress' },
      added: allowed,
    });
    assert.partialDeepStrictEqual(await line('policy updated'), {
      namespace,
      profile,
      reason: 'drift: changed',
      changedBy: 'kubectl-patch',
      added: allowed,
      removed: ['Ingress from anyone on any port'],
    });
    await box.removeProfile(profile);
    assert.partialDeepStrictEqual(await line('policy deleted'), {
      reason: 'unwanted',
      before: { pods: 'all', isolates: 'Ingress' },
      removed: allowed,
    });
  });
});
