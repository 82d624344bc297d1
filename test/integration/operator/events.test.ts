/** The Events of a profile, as kubectl shows them, and the audit lines of the log. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeEvent } from '../../../src/kube/events/event.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators, vacateLease } from '../../support/operator.ts';

const EVENTS = '/apis/events.k8s.io/v1/namespaces/default/events';
/** An Event takes a second or two. Milliseconds. */
const PATIENCE_MS = 30_000;
const root = join(import.meta.dirname, '../../..');

describe('Events of a profile', () => {
  let plane: ControlPlane;
  let leader: Operator;
  let standby: Operator;
  const operators = new Operators();
  const boxes: Sandbox[] = [];
  const scenarios = new Map<string, Promise<void>>();

  const newBox = () => {
    const box = new Sandbox(plane, 'events');
    boxes.push(box);
    return box;
  };

  async function eventsOf(profile: string): Promise<KubeEvent[]> {
    const { items } = (await plane.admin.send('GET', EVENTS)) as { items: KubeEvent[] };
    return items.filter(({ regarding }) => regarding.name === profile);
  }

  /** The Events with this reason; waits until there is one. */
  function eventsWith(profile: string, reason: string): Promise<KubeEvent[]> {
    return eventually(async () => {
      const all = await eventsOf(profile);
      const found = all.filter((event) => event.reason === reason);
      assert.notEqual(
        found.length,
        0,
        `only ${all.map((event) => `${event.reason}: ${event.note}`).join('; ')}`,
      );
      return found;
    }, PATIENCE_MS);
  }

  const texts = (events: readonly KubeEvent[]) => events.map(({ type, note }) => `${type}: ${note}`);

  const SCENARIOS: Readonly<Record<string, (box: Sandbox) => Promise<void>>> = {
    'report in `kubectl describe` the enforcement in all namespaces as one Event': async (box) => {
      const namespaces = await Promise.all(['d', 'b', 'a', 'c'].map((name) => box.namespace(name)));
      const profile = await box.profile('strict', { ingress: [{ name: 'r', from: [{ podSelector: {} }] }] });
      await eventsWith(profile, 'Enforced');
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

    'report in `kubectl events` the cause of drift, and count repetitions': async (box) => {
      const namespace = await box.namespace('shop');
      const profile = await box.profile('strict');
      await box.ready(profile, PATIENCE_MS);
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
      await eventsWith(profile, 'DriftRepaired');
      await drift();
      await eventually(async () => {
        const counts = (await eventsWith(profile, 'DriftRepaired')).map(({ series }) => series?.count);
        assert.deepEqual(counts, [2]);
      }, PATIENCE_MS);
      assert.match(
        await plane.kubectlRun(['events', '--for', `segp/${profile}`]),
        new RegExp(
          `\\(x2 over \\S+\\) +Warning +DriftRepaired +SegmentationProfile/${profile} +` +
            `reverted 1 changed policy in namespace ${namespace}; changed by kubectl-patch\n`,
        ),
      );
    },

    'are few when drift is repaired in many namespaces at once': async (box) => {
      const names = Array.from({ length: 24 }, (_, index) => `n${index}`);
      const namespaces = await Promise.all(names.map((name) => box.namespace(name)));
      const profile = await box.profile('strict');
      await box.ready(profile, PATIENCE_MS);
      await Promise.all(namespaces.map((each) => box.deletePolicy(each, `${profile}.default-deny`)));
      await eventually(async () => {
        const repaired = texts(await eventsWith(profile, 'DriftRepaired'));
        const sum = repaired.reduce(
          (total, note) => total + Number(/restored (\d+) deleted/.exec(note)?.[1]),
          0,
        );
        assert.equal(sum, 24, repaired.join('\n'));
        assert.ok(repaired.length <= 3, repaired.join('\n'));
      }, PATIENCE_MS);
    },

    'give the reason why a namespace is open again': async (box) => {
      const namespace = await box.namespace('shop');
      const [excluded, audited] = [await box.profile('excluded'), await box.profile('audited')];
      await Promise.all([box.ready(excluded, PATIENCE_MS), box.ready(audited, PATIENCE_MS)]);
      await box.edit(excluded, { excludeNamespaces: [namespace] });
      await box.edit(audited, { mode: 'Audit' });
      const open = `Normal: no longer enforced in namespace ${namespace}, as`;
      assert.deepEqual(texts(await eventsWith(excluded, 'Opened')), [
        `${open} the profile no longer selects the namespace`,
      ]);
      assert.deepEqual(texts(await eventsWith(audited, 'Opened')), [`${open} the mode is Audit`]);
    },

    'report the removal of the policies of a deleted profile, and nothing for a retained one': async (
      box,
    ) => {
      const namespace = await box.namespace('shop');
      const removed = await box.profile('removed');
      const retained = await box.profile('retained', { deletionPolicy: 'Retain' });
      await Promise.all([box.ready(removed, PATIENCE_MS), box.ready(retained, PATIENCE_MS)]);
      await Promise.all([box.removeProfile(removed), box.removeProfile(retained)]);
      assert.deepEqual(texts(await eventsWith(removed, 'Removed')), [
        `Normal: 2 policies removed from namespace ${namespace}, as the profile is being deleted`,
      ]);
      await eventually(() => assert.rejects(box.readProfile(retained)));
      const reasons = (await eventsOf(retained)).map(({ reason }) => reason);
      assert.deepEqual(reasons, ['Enforced']);
      assert.deepEqual(await box.policyNames(namespace), [`${retained}.default-deny`, `${retained}.egress`]);
    },

    'report unresolved peers, and that they are resolved': async (box) => {
      const namespace = await box.namespace('shop');
      const bank = await box.namespace('bank', null);
      const peer = { service: { namespace: bank, name: 'ledger' } };
      const profile = await box.profile('strict', { egress: [{ name: 'ledger', to: [peer] }] });
      const [unresolved] = texts(await eventsWith(profile, 'PeersUnresolved'));
      const where = `service ${bank}/ledger, in namespace ${namespace}`;
      assert.ok(unresolved?.startsWith(`Warning: egress rule ledger, peer ${where}: `), unresolved);
      await box.service(bank, 'ledger', { selector: { app: 'ledger' }, ports: [{ port: 80 }] });
      assert.deepEqual(texts(await eventsWith(profile, 'PeersResolved')), [
        'Normal: every peer of every rule is resolved',
      ]);
    },

    'report a conflict with a foreign policy': async (box) => {
      const namespace = await box.namespace('shop');
      const name = `${box.id}-strict.default-deny`;
      await box.createPolicy(namespace, name, { podSelector: {}, policyTypes: ['Ingress'] });
      const profile = await box.profile('strict');
      const [conflict] = texts(await eventsWith(profile, 'Conflict'));
      assert.ok(
        conflict?.startsWith(
          `Warning: in namespace ${namespace}: ${name}: a foreign NetworkPolicy has the name`,
        ),
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
    // In parallel, as each scenario waits until the operator sends the Events that it has collected.
    for (const [title, scenario] of Object.entries(SCENARIOS)) {
      const ended = scenario(newBox());
      ended.catch(() => {}); // the test that awaits it fails
      scenarios.set(title, ended);
    }
  });
  after(() => Promise.all(boxes.map((box) => box.remove())));

  for (const title of Object.keys(SCENARIOS)) it(title, () => scenarios.get(title));

  it('come from the leader, and are not repeated after a failover', async () => {
    const box = newBox();
    const namespace = await box.namespace('shop');
    const profile = await box.profile('strict');
    await eventsWith(profile, 'Enforced');
    const { identity } = await leader.line('leading');
    const instances = (await eventsOf(profile)).map(({ reportingInstance }) => reportingInstance);
    assert.deepEqual(instances, [identity]);
    await leader.stop();
    await eventually(async () => {
      const series = `segmentation_namespaces{profile="${profile}",state="enforced"}`;
      assert.equal(await standby.metric(series), 1);
    }, PATIENCE_MS);
    await box.deletePolicy(namespace, `${profile}.default-deny`);
    await eventsWith(profile, 'DriftRepaired');
    const reasons = (await eventsOf(profile)).map(({ reason }) => reason);
    assert.deepEqual(reasons.sort(), ['DriftRepaired', 'Enforced']);
  });

  it('are dropped with one warning if the permission is missing', async () => {
    await plane.kubectlRun(['-n', 'default', 'delete', 'rolebinding', 'segmentation-operator-events']);
    try {
      const box = newBox();
      await box.namespace('shop');
      const profiles = [await box.profile('one'), await box.profile('two')];
      for (const profile of profiles) await box.ready(profile, PATIENCE_MS);
      const { error } = await standby.line('an Event could not be written');
      assert.match((error as { message: string }).message, /cannot create resource "events"/);
      const dropped = 'segmentation_events_total{result="dropped"}';
      await eventually(async () => assert.ok(Number(await standby.metric(dropped)) >= 2), PATIENCE_MS);
      const lines = standby.lines().filter(({ msg }) => msg === 'an Event could not be written');
      assert.equal(lines.length, 1);
    } finally {
      await plane.kubectlRun(['apply', '-k', join(root, 'config/rbac')]);
    }
  });

  it('are complemented by audit lines in the log: each write with its effect and cause', async () => {
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
