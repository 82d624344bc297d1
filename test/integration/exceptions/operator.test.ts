/** SegmentationExceptions, as the operator turns them into policies and ends them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SegmentationException } from '../../../src/api/exception.ts';
import type { KubeEvent } from '../../../src/kube/events/event.ts';
import { parseNotes } from '../../../src/policy/notes.ts';
import { cli } from '../../cli/cli.ts';
import { auditedRequests } from '../../support/audit.ts';
import { eventually } from '../../support/cluster.ts';
import { vacateLease } from '../../support/operator.ts';
import { OperatorSuite } from '../../support/suite.ts';
import {
  APPROVER,
  bind,
  exception,
  havePolicies,
  inSeconds,
  install,
  policiesOf,
  read,
  REQUESTER,
  says,
  uninstall,
  User,
} from './scene.ts';

const CLOCK = join(import.meta.dirname, '../../support/clocks/fast-clock.ts');
const ALLOWED = { exceptions: { mode: 'Allowed' } };

describe('exceptions', () => {
  const suite = new OperatorSuite('exceptions');
  let jane: User;
  let mary: User;
  let namespace: string;

  before(async () => {
    await install(suite.plane);
    jane = new User(suite.plane, 'jane');
    mary = new User(suite.plane, 'mary');
  });
  after(() => uninstall(suite.plane));
  beforeEach(async () => {
    namespace = await suite.box.namespace('shop');
    await bind(suite.plane, namespace, REQUESTER, 'jane');
    await bind(suite.plane, namespace, APPROVER, 'mary');
  });

  /** Creates an exception, also before the API server has taken up a CRD that was just installed. */
  const create = (name: string, spec: Partial<SegmentationException['spec']> = {}) =>
    eventually(() => jane.create(exception(namespace, name, spec)));
  const granted = async (spec: Readonly<Record<string, unknown>> = ALLOWED): Promise<string> => {
    const profile = await suite.box.profile('p', spec);
    await suite.box.ready(profile);
    return profile;
  };
  /** Starts a leader, and a standby that takes over four seconds after the leader was killed. */
  const replicas = async () => {
    const config = join(suite.plane.directory, 'replicas.yaml');
    const leaderElection = { enabled: true, leaseDuration: '4s', renewDeadline: '3s', retryPeriod: '500ms' };
    const configuration = {
      apiVersion: 'config.segmentation.dev/v1alpha1',
      kind: 'OperatorConfiguration',
      leaderElection,
    };
    writeFileSync(config, JSON.stringify(configuration));
    await vacateLease(suite.plane);
    const args = [`--kubeconfig=${suite.kubeconfig}`, `--config=${config}`];
    const leader = suite.operators.launch(args);
    await leader.line('leading');
    const standby = suite.operators.launch(args);
    await standby.line('caches filled');
    return [leader, standby] as const;
  };
  const gone = (names: readonly string[] = []) => havePolicies(suite.box, namespace, names);
  const eventsOf = async (name: string): Promise<KubeEvent[]> => {
    const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
    const { items } = (await suite.box.read(path)) as unknown as { items: KubeEvent[] };
    return items.filter(({ regarding }) => regarding.name === name);
  };

  it('open their flows by policies of their own, until they expire', async () => {
    const profile = await granted();
    const before = await suite.box.policies(namespace);
    const object = await create('debug', { expires: inSeconds(6) });
    const name = `${profile}.exception.debug.egress`;
    await gone([name]);
    const { spec, metadata } = await suite.box.policy(namespace, name);
    assert.deepEqual(spec, {
      podSelector: {},
      policyTypes: ['Egress'],
      egress: [
        { to: [{ podSelector: { matchLabels: { app: 'db' } } }], ports: [{ protocol: 'TCP', port: 5432 }] },
      ],
    });
    assert.equal(metadata.ownerReferences?.[0]?.uid, object.metadata.uid);
    assert.deepEqual(parseNotes(metadata.annotations?.['segmentation.dev/rules'] ?? ''), [
      { rule: 'to-db', exception: 'debug', until: object.spec.expires, description: 'INC-4711' },
    ]);
    await says(suite.box, object, 'InForce', 'InForce', /asked for by jane/);
    await says(suite.box, object, 'Ready', 'InForce');
    await gone();
    assert.ok(Date.now() >= Date.parse(object.spec.expires), 'the exception ended early');
    await says(suite.box, object, 'Ready', 'Expired');
    // The profile's own policies were not written.
    const versions = (policies: typeof before) =>
      policies.map(({ metadata: { resourceVersion } }) => resourceVersion);
    assert.deepEqual(versions(await suite.box.policies(namespace)), versions(before));
    await eventually(async () => {
      const reasons = (await eventsOf('debug')).map(({ reason }) => reason);
      assert.deepEqual(reasons.toSorted(), ['Expired', 'InForce']);
    });
  });

  it('wait for an approval where the profile asks for it, and for another one when they are extended', async () => {
    await granted({ exceptions: { mode: 'ApprovalRequired' } });
    const object = await create('debug', { expires: inSeconds(9) });
    await says(
      suite.box,
      object,
      'InForce',
      'ApprovalRequired',
      /waits for an approval: somebody else, who may approve it, writes spec.approval/,
    );
    assert.deepEqual(await policiesOf(suite.box, namespace), []);
    await mary.approve(object);
    await says(suite.box, object, 'InForce', 'InForce', /asked for by jane, approved by mary/);
    const expires = inSeconds(3000);
    await jane.patch(object, { spec: { expires, extendedBy: 'jane' } });
    await says(suite.box, object, 'InForce', 'InForce');
    assert.equal((await read(suite.box, object)).status?.until, object.spec.expires);
    await says(suite.box, object, 'InForce', 'ApprovalRequired', /was approved until .* only/);
    await gone();
    await mary.approve(object, expires);
    await says(suite.box, object, 'InForce', 'InForce');
    assert.equal((await read(suite.box, object)).status?.until, expires);
    assert.equal((await policiesOf(suite.box, namespace)).length, 1);
  });

  it('are refused beyond what a profile grants, with a reason', async () => {
    const other = await create('before-any-profile');
    await says(suite.box, other, 'Stalled', 'NotSelected', /no SegmentationProfile is in force in namespace/);
    const profile = await granted({ exceptions: { mode: 'Allowed', maxDuration: '2h', maxPerNamespace: 1 } });
    await says(suite.box, other, 'InForce', 'InForce');
    await says(suite.box, await create('second'), 'Stalled', 'TooMany');
    const to = [{ ipBlock: { cidr: '203.0.113.0/24' } }];
    const outside = await create('outside', { egress: [{ name: 'out', to }] });
    await says(suite.box, outside, 'Stalled', 'PeerNotGranted', /rule out has a peer of kind IPBlock/);
    await says(suite.box, await create('long', { expires: inSeconds(7300) }), 'Stalled', 'TooLong');
    await says(
      suite.box,
      await create('named', { profile: 'nobody' }),
      'Stalled',
      'NotSelected',
      /nobody is not in force/,
    );
    assert.equal((await policiesOf(suite.box, namespace)).length, 1);
    await suite.box.edit(profile, { mode: 'Audit' });
    await says(suite.box, other, 'Stalled', 'ProfileAudits');
    await gone();
  });

  it('end when the grant is withdrawn, when they are deleted, and when the profile is deleted', async () => {
    const profile = await granted();
    const object = await create('debug');
    const name = `${profile}.exception.debug.egress`;
    await gone([name]);
    await suite.box.edit(profile, { exceptions: { mode: 'Disabled' } });
    await gone();
    await says(suite.box, object, 'Stalled', 'NotGranted');
    await suite.box.edit(profile, ALLOWED);
    await gone([name]);
    await suite.plane.kubectlRun(['-n', namespace, 'delete', 'segx', 'debug', '--as=jane']);
    await gone();
    await create('again');
    await gone([`${profile}.exception.again.egress`]);
    await suite.box.removeProfile(profile);
    await eventually(async () => assert.deepEqual(await suite.box.policyNames(namespace), []));
  });

  it('end when their profile is deleted and retains its policies', async () => {
    const profile = await granted({ ...ALLOWED, deletionPolicy: 'Retain' });
    await create('debug');
    await gone([`${profile}.exception.debug.egress`]);
    await suite.box.removeProfile(profile);
    await gone();
    await eventually(() => assert.rejects(suite.box.readProfile(profile)));
    assert.ok((await suite.box.policyNames(namespace)).includes(`${profile}.default-deny`));
  });

  it('have their policies repaired', async () => {
    const profile = await granted();
    await create('debug');
    const name = `${profile}.exception.debug.egress`;
    await gone([name]);
    await suite.box.deletePolicy(namespace, name);
    await gone([name]);
    const wide = { spec: { egress: [{}] }, metadata: { ownerReferences: null } };
    await suite.box.patchPolicy(namespace, name, wide);
    await eventually(async () => {
      const { spec, metadata } = await suite.box.policy(namespace, name);
      assert.equal(spec.egress?.[0]?.to?.length, 1);
      assert.equal(metadata.ownerReferences?.length, 1);
    });
  });

  it('end first of all when the operator was away over their end', async () => {
    const profile = await granted();
    const object = await create('debug', { expires: inSeconds(5) });
    const kept = await create('kept');
    await says(suite.box, object, 'Ready', 'InForce');
    await says(suite.box, kept, 'Ready', 'InForce');
    await suite.operator.stop();
    await eventually(() => assert.ok(Date.now() > Date.parse(object.spec.expires)));
    assert.equal((await policiesOf(suite.box, namespace)).length, 2);
    const since = new Date().toISOString();
    await suite.restart();
    await gone([`${profile}.exception.kept.egress`]);
    await says(suite.box, object, 'Ready', 'Expired');
    const writes = auditedRequests(suite.plane, since).filter(
      ({ verb, objectRef }) =>
        ['create', 'update', 'patch', 'delete'].includes(verb) && objectRef?.namespace === namespace,
    );
    assert.deepEqual(
      writes.slice(0, 1).map(({ verb, objectRef }) => `${verb} ${objectRef?.name}`),
      [`delete ${profile}.exception.debug.egress`],
    );
  });

  it('cause no write when the operator starts anew while they are in force', async () => {
    const profile = await granted();
    const object = await create('debug');
    await says(suite.box, object, 'Ready', 'InForce');
    await suite.operator.stop();
    const before = await read(suite.box, object);
    const since = new Date().toISOString();
    await suite.restart();
    await suite.box.edit(profile, { egress: [{ name: 'new', to: [{ podSelector: {} }] }] });
    await suite.box.ready(profile);
    const names = auditedRequests(suite.plane, since).flatMap(({ verb, objectRef }) => {
      const isOfException =
        objectRef?.resource === 'segmentationexceptions' || objectRef?.name?.includes('.exception.');
      const isWrite = ['create', 'update', 'patch', 'delete'].includes(verb);
      return objectRef?.namespace === namespace && isOfException && isWrite
        ? [`${verb} ${objectRef.name}`]
        : [];
    });
    assert.deepEqual(names, []);
    assert.equal((await read(suite.box, object)).metadata.resourceVersion, before.metadata.resourceVersion);
  });

  it('end by the clock of the replica that leads, whatever the clock of the one before said', async () => {
    const profile = await granted();
    const name = `${profile}.exception.debug.egress`;
    const object = await create('debug', { expires: inSeconds(8) });
    await says(suite.box, object, 'Ready', 'InForce');
    await suite.operator.stop();
    const launch = async (skewMs: number) => {
      const skewed = suite.operators.launch([`--kubeconfig=${suite.kubeconfig}`], CLOCK, {
        CLOCK_SKEW_MS: String(skewMs),
      });
      await skewed.ready();
      return skewed;
    };
    const ahead = await launch(3_600_000);
    await gone();
    await says(suite.box, object, 'InForce', 'Expired');
    await ahead.stop();
    const behind = await launch(-3_600_000);
    await gone([name]);
    await eventually(() => assert.ok(Date.now() > Date.parse(object.spec.expires) + 500));
    assert.deepEqual(await policiesOf(suite.box, namespace), [name]);
    await behind.stop();
    await suite.restart();
    await gone();
    await says(suite.box, object, 'InForce', 'Expired');
  });

  it('end within a minute of a step of the clock that passes their end', async () => {
    const profile = await granted();
    const object = await create('debug');
    await says(suite.box, object, 'Ready', 'InForce');
    await suite.operator.stop();
    // A minute passes in three seconds.
    const stepped = suite.operators.launch([`--kubeconfig=${suite.kubeconfig}`], CLOCK, {
      CLOCK_FACTOR: '20',
      CLOCK_STEP_MS: String(2 * 3_600_000),
    });
    await stepped.ready();
    await gone([`${profile}.exception.debug.egress`]);
    await stepped.stepClock();
    await gone();
    await says(suite.box, object, 'InForce', 'Expired');
    assert.ok(Date.now() < Date.parse(object.spec.expires), 'the clock of this test is not the stepped one');
    await stepped.stop();
  });

  it('are ended by the other replica if the leader is killed a second before their end', async () => {
    await granted();
    await suite.operator.stop();
    const [leader, standby] = await replicas();
    const object = await create('debug', { expires: inSeconds(6) });
    const kept = await create('kept');
    await says(suite.box, object, 'Ready', 'InForce');
    await says(suite.box, kept, 'Ready', 'InForce');
    const end = Date.parse(object.spec.expires);
    await eventually(() => assert.ok(Date.now() > end - 1000));
    await leader.kill();
    assert.equal((await policiesOf(suite.box, namespace)).length, 2);
    await standby.line('leading');
    await eventually(async () => {
      const [left, ...others] = await policiesOf(suite.box, namespace);
      assert.match(left ?? '', /\.exception\.kept\.egress$/);
      assert.deepEqual(others, []);
    });
    assert.ok(Date.now() >= end, 'the exception ended early');
    await says(suite.box, object, 'Ready', 'Expired');
    await standby.stop();
  });

  it('stay until the end that is noted on their policies while they can not be read, and no longer', async () => {
    const profile = await granted();
    const object = await create('debug', { expires: inSeconds(9) });
    const name = `${profile}.exception.debug.egress`;
    await says(suite.box, object, 'Ready', 'InForce');
    await suite.operator.stop();
    await suite.plane.kubectlRun(['delete', 'clusterrolebinding', 'segmentation-operator-exceptions']);
    try {
      await suite.restart();
      await eventually(async () => {
        const { reason, message } = await suite.box.condition(profile, 'ExceptionsReady');
        assert.equal(reason, 'SourceUnavailable', message);
      });
      const policies = await policiesOf(suite.box, namespace);
      // On a busy machine, the end may have come.
      if (Date.now() < Date.parse(object.spec.expires)) assert.deepEqual(policies, [name]);
      await gone();
      assert.ok(Date.now() >= Date.parse(object.spec.expires), 'the exception ended early');
    } finally {
      await install(suite.plane);
    }
    await suite.box.ready(profile);
    await says(suite.box, object, 'Ready', 'Expired');
  });

  it('are announced ten minutes before their end', async () => {
    await granted();
    // An exception that was created within its last ten minutes is not announced, and to create one may take a while.
    const object = await create('debug', { expires: inSeconds(3000) });
    await jane.patch(object, { spec: { expires: inSeconds(602) } });
    await eventually(async () => {
      const found = (await eventsOf('debug')).find(({ reason }) => reason === 'EndsSoon');
      assert.match(found?.note ?? '', /ends within ten minutes, at .*: INC-4711/);
    });
  });

  it('are listed, approved and extended by the plugin, and named where explain finds a flow allowed', async () => {
    const plugin = (line: string) => cli(`${line} --kubeconfig ${suite.plane.kubeconfig}`);
    await granted({ exceptions: { mode: 'ApprovalRequired' } });
    const object = await create('debug');
    await suite.box.pod(namespace, 'web', { app: 'web' });
    await suite.box.pod(namespace, 'db', { app: 'db' });
    const listed = await plugin(`exception list -n ${namespace}`);
    assert.match(
      listed.stdout,
      new RegExp(`${namespace} +debug +(Unknown|ApprovalRequired) +\\S+ +jane +- +INC-4711`),
    );
    const approved = await plugin(`exception approve debug -n ${namespace}`);
    assert.equal(approved.code, 0, approved.stderr);
    assert.match(approved.stdout, /to-db: from .* on TCP 5432\nexception .*\/debug approved by admin until /);
    await says(suite.box, object, 'Ready', 'InForce');
    const { stdout } = await plugin(`explain ${namespace}/web ${namespace}/db --port 5432`);
    const { until } = (await read(suite.box, object)).status ?? {};
    assert.ok(stdout.includes(`rule to-db of exception ${namespace}/debug until ${until} (`), stdout);
    assert.match(stdout, /: INC-4711/);
    const overview = await plugin(`status -n ${namespace}`);
    const opened = `  opened   by 1 exception in 1 namespace, until ${until}`;
    assert.ok(overview.stdout.split('\n').includes(opened), overview.output);
    const extended = await plugin(`exception extend debug -n ${namespace} --for 3h`);
    assert.match(extended.stdout, /asked by admin to last until /);
    const own = await plugin(`exception approve debug -n ${namespace}`);
    assert.equal(own.code, 2);
    assert.match(own.stderr, /nobody approves an own request/);
    const unchanged = await plugin(`diff --cluster -f config/samples/shop/namespaces.yaml -n ${namespace}`);
    assert.equal(unchanged.code, 0, unchanged.output);
  });

  it('do not hold up the deletion of their namespace', async () => {
    await granted();
    const object = await create('debug');
    await says(suite.box, object, 'Ready', 'InForce');
    await suite.plane.kubectlRun(['delete', 'namespace', namespace, '--timeout=30s']);
  });

  it('are counted by state, and none is overdue', async () => {
    await granted({ exceptions: { mode: 'ApprovalRequired' } });
    const object = await create('debug');
    await says(suite.box, object, 'InForce', 'ApprovalRequired');
    const metric = (series: string) => suite.operator.metric(series);
    assert.equal(await metric('segmentation_exceptions{state="awaiting-approval"}'), 1);
    await mary.approve(object);
    await says(suite.box, object, 'InForce', 'InForce');
    assert.equal(await metric('segmentation_exceptions{state="in-force"}'), 1);
    assert.equal(await metric('segmentation_exceptions_expiring'), 1);
    assert.equal(await metric('segmentation_exceptions_overdue'), 0);
  });
});
