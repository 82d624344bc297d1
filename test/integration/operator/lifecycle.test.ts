/** The operator as a process: start, shutdown, invalid settings, probes, metrics, leader election, missing prerequisites. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ControlPlane, startControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { consistently, eventually, Sandbox } from '../../support/cluster.ts';
import {
  installOperator,
  type Operator,
  OPERATOR_USER,
  Operators,
  vacateLease,
} from '../../support/operator.ts';
import { parseExposition } from '../../observability/metrics/exposition-parser.ts';
import { crdEstablished } from '../../env/plane/crd.ts';

const CONFIG = join(import.meta.dirname, '../../../config');
const LEASE = '/apis/coordination.k8s.io/v1/namespaces/segmentation-system/leases/segmentation-operator';
/** terminationGracePeriodSeconds of config/manager, in milliseconds. */
const GRACE_MS = 30_000;
/** The times of the configuration below, in milliseconds. */
const LEASE_DURATION_MS = 3000;
const RETRY_PERIOD_MS = 500;
const election = (leaseDuration: string) => `apiVersion: config.segmentation.dev/v1alpha1
kind: OperatorConfiguration
leaderElection: {enabled: true, leaseDuration: ${leaseDuration}, renewDeadline: 2s, retryPeriod: 500ms}
`;
/** Time for a process to start on a busy machine, milliseconds. */
const SLACK_MS = 30_000;

describe('operator process', () => {
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
  });
  beforeEach(() => {
    box = new Sandbox(plane, 'process');
  });
  afterEach(() => box.remove());

  describe('ends', () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      it(`with exit code 0 within its grace period on ${signal}`, async () => {
        const operator = await operators.start(kubeconfig);
        const signalled = performance.now();
        assert.deepEqual(await operator.stop(signal), { code: 0, signal: null });
        assert.ok(performance.now() - signalled < GRACE_MS, 'longer than the grace period');
        assert.deepEqual(
          operator.lines().filter(({ level }) => level === 'error'),
          [],
        );
      });
    }

    const REFUSED: readonly (readonly [mistake: string, args: readonly string[], message: RegExp])[] = [
      ['an unknown flag', ['--kubeconfg=x'], /unknown flag --kubeconfg.*--kubeconfig/],
      ['an invalid value', ['--concurrency=many'], /--concurrency/],
      [
        'a configuration file that does not exist',
        ['--config=/nonexistent.yaml'],
        /\/nonexistent\.yaml.*no such file/,
      ],
      ['a kubeconfig that does not exist', ['--kubeconfig=/nonexistent'], /\/nonexistent.*no such file/],
      ['a file that is no kubeconfig', [`--kubeconfig=${import.meta.filename}`], /lifecycle\.test\.ts/],
      ['a context that the kubeconfig lacks', ['--kubeconfig=KUBECONFIG', '--context=absent'], /absent/],
    ];
    for (const [mistake, args, message] of REFUSED) {
      it(`with an error code and one line of log for ${mistake}`, async () => {
        const operator = operators.launch(args.map((each) => each.replace('KUBECONFIG', kubeconfig)));
        const { code, signal } = await operator.end();
        assert.equal(signal, null);
        assert.ok(code !== null && code > 0, `exit code ${code}`);
        assert.equal(operator.lines().length, 1, operator.log());
        assert.match(operator.lines()[0]?.msg ?? '', message);
        assert.doesNotMatch(operator.log(), /\bat .*:\d+:\d+|node:internal/);
      });
    }
  });

  describe('serves', () => {
    let operator: Operator;
    let profile: string;

    beforeEach(async () => {
      operator = await operators.start(kubeconfig);
      await box.namespace('a');
      await box.namespace('b');
      profile = await box.profile('strict', {
        egress: [{ name: 'out', to: [{ service: { namespace: 'default', name: 'absent' } }] }],
      });
      // PeersResolved is False after the first namespace. Reconciling is False when no namespace is pending.
      await eventually(async () => {
        assert.equal((await box.condition(profile, 'PeersResolved')).status, 'False');
        assert.equal((await box.condition(profile, 'Reconciling')).status, 'False');
      });
    });
    afterEach(() => operator.stop());

    it('probes, and no other path of the health endpoint', async () => {
      for (const path of ['/healthz', '/readyz']) {
        assert.equal((await operator.get('health', path)).status, 200, path);
      }
      assert.equal((await operator.get('health', '/nothing')).status, 404);
    });

    it('metrics of namespaces, policies, unresolved peers and writes of a profile, until it is deleted', async () => {
      const { status, type, text } = await operator.get('metrics', '/metrics');
      assert.equal(status, 200);
      assert.match(type, /^text\/plain; version=0\.0\.4/);
      assert.ok(parseExposition(text).series.size > 20);
      const values: readonly (readonly [series: string, value: number])[] = [
        [`segmentation_namespaces{profile="${profile}",state="enforced"}`, 2],
        [`segmentation_namespaces{profile="${profile}",state="pending"}`, 0],
        [`segmentation_namespaces{profile="${profile}",state="failed"}`, 0],
        [`segmentation_policies{profile="${profile}",kind="desired"}`, 4],
        [`segmentation_policies{profile="${profile}",kind="applied"}`, 4],
        [`segmentation_unresolved_peers{profile="${profile}"}`, 2],
        ['segmentation_policy_writes_total{verb="create",reason="missing"}', 4],
      ];
      for (const [series, value] of values) assert.equal(await operator.metric(series), value, series);
      await eventually(async () => {
        const metrics = (await operator.get('metrics', '/metrics')).text;
        const depths = metrics.split('\n').filter((line) => line.startsWith('workqueue_depth{'));
        assert.ok(depths.length > 0);
        assert.deepEqual(
          depths.filter((line) => !line.endsWith(' 0')),
          [],
        );
      });
      await box.removeProfile(profile);
      await eventually(async () => assert.equal(await operator.metric(values[0]?.[0] ?? ''), undefined));
    });

    it('a count of drift repairs, which leaves out new policies and edits of a profile', async () => {
      const second = await box.profile('second', { baseline: { dns: 'Deny' } });
      await box.ready(second);
      await box.edit(second, { isolation: ['Ingress'] });
      await box.ready(second);
      const drift = 'segmentation_drift_repairs_total';
      assert.equal(await operator.metric(drift), 0);
      await box.deletePolicy(`${box.id}-a`, `${second}.default-deny`);
      await eventually(async () => assert.equal(await operator.metric(drift), 1));
    });
  });

  describe('with --leader-elect', () => {
    const started: Operator[] = [];

    before(() => vacateLease(plane));
    afterEach(() => Promise.all(started.splice(0).map((operator) => operator.kill())));

    async function startReplica(leaseDuration = '3s'): Promise<Operator> {
      const config = join(plane.directory, `election-${leaseDuration}.yaml`);
      writeFileSync(config, election(leaseDuration));
      const operator = await operators.start(kubeconfig, `--config=${config}`);
      started.push(operator);
      return operator;
    }
    const holder = async () => ((await box.read(LEASE))['spec'] as { holderIdentity: string }).holderIdentity;
    const leads = (operator: Operator) => operator.lines().some(({ msg }) => msg === 'leading');

    /** The operator's writes of policies in a namespace, each with its status code, from the audit log. */
    const writesIn = (namespace: string) =>
      readFileSync(plane.auditLog ?? '', 'utf8')
        .split('\n')
        .filter((line) => line.includes(`"${namespace}"`) && line.includes('"networkpolicies"'))
        .map(
          (line) =>
            JSON.parse(line) as {
              verb: string;
              user: { username: string };
              responseStatus: { code: number };
            },
        )
        .filter(
          ({ verb, user }) =>
            user.username === OPERATOR_USER && ['create', 'update', 'delete'].includes(verb),
        )
        .map(({ verb, responseStatus }) => `${verb} ${responseStatus.code}`);

    it('releases its Lease on SIGTERM, and the standby leads before the Lease would expire', async () => {
      const first = await startReplica('10m');
      await first.line('leading');
      const second = await startReplica('10m');
      assert.equal(leads(second), false);
      const status = 'leader_election_master_status{name="segmentation-operator"}';
      assert.deepEqual([await first.metric(status), await second.metric(status)], [1, 0]);
      assert.deepEqual(await first.stop(), { code: 0, signal: null });
      await second.line('leading');
      assert.deepEqual(await second.stop(), { code: 0, signal: null });
      assert.equal(await holder(), '');
    });

    it('takes over from a killed leader after the Lease expires, and writes each policy once', async () => {
      const replicas = [await startReplica(), await startReplica()];
      const leader = await eventually(
        () => {
          const found = replicas.find(leads);
          assert.ok(found);
          return found;
        },
        LEASE_DURATION_MS + RETRY_PERIOD_MS + SLACK_MS,
      );
      const standby = replicas.find((each) => each !== leader);
      assert.ok(standby);
      const before = await box.namespace('before');
      const profile = await box.profile('strict');
      await box.ready(profile);
      assert.equal(leads(standby), false);
      const first = await holder();

      const killed = performance.now();
      await leader.kill();
      const after = await box.namespace('after');
      await standby.line('leading', LEASE_DURATION_MS + RETRY_PERIOD_MS + SLACK_MS);
      assert.ok(performance.now() - killed > RETRY_PERIOD_MS, 'the standby led before the Lease had expired');
      assert.notEqual(await holder(), first);
      await eventually(async () => {
        assert.equal((await box.readProfile(profile)).status?.namespaces?.summary, '2/2');
      });
      for (const namespace of [before, after]) {
        assert.deepEqual(writesIn(namespace), ['create 201', 'create 201'], namespace);
      }
    });
  });
});

describe('operator process that starts without', () => {
  const operators = new Operators();
  /** Longer than the longest pause between two attempts, milliseconds. */
  const RECOVERY_MS = 60_000;
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;

  before(async () => {
    plane = await startControlPlane(); // its own, as the tests break it
    kubeconfig = await installOperator(plane);
  });
  after(async () => {
    await operators.end();
    await plane.stop();
  });
  beforeEach(() => {
    box = new Sandbox(plane, 'missing');
  });

  /** The operator warns once, keeps running, and reconciles once the prerequisite is restored. */
  async function waitsAndRecovers(
    warning: RegExp,
    count: number,
    restore: () => Promise<unknown>,
  ): Promise<void> {
    const operator = operators.launch([`--kubeconfig=${kubeconfig}`]);
    const isWarning = (line: { level: string }) => line.level === 'warn';
    await eventually(() => assert.ok(operator.lines().some(isWarning), 'no warning'));
    assert.equal((await operator.get('health', '/healthz')).status, 200);
    assert.notEqual((await operator.get('health', '/readyz')).status, 200);
    await consistently(() => assert.ok(operator.running), 1500);
    const warnings = operator.lines().filter(isWarning);
    for (const line of warnings) assert.match(JSON.stringify(line), warning);
    assert.equal(warnings.length, count, operator.log());
    assert.doesNotMatch(operator.log(), /node:internal/);

    await restore();
    await operator.ready(RECOVERY_MS);
    const namespace = await box.namespace('shop');
    const profile = await box.profile('strict');
    await box.ready(profile);
    assert.equal((await box.policies(namespace)).length, 2);
    await box.removeProfile(profile);
    await eventually(() => assert.rejects(box.readProfile(profile), /404/));
    assert.deepEqual(await operator.stop(), { code: 0, signal: null });
  }

  it('its CRD warns once and waits for it', async () => {
    await plane.kubectlRun(['delete', '-k', join(CONFIG, 'crd'), '--wait=true']);
    await waitsAndRecovers(/the CRD of SegmentationProfile is not installed/, 1, async () => {
      await plane.kubectlRun(['apply', '-k', join(CONFIG, 'crd')]);
      await crdEstablished((args) => plane.kubectlRun(args));
    });
  });

  it('permissions warns with their names and waits for them', async () => {
    await plane.kubectlRun(['delete', 'clusterrolebinding', 'segmentation-operator']);
    await waitsAndRecovers(/a permission is missing.*cannot (list|watch) resource/, 3, () =>
      plane.kubectlRun(['apply', '-k', join(CONFIG, 'rbac')]),
    );
  });

  it('an API server warns once and waits for it', async () => {
    await plane.stopComponent('kube-apiserver');
    await waitsAndRecovers(/the API server does not answer.*ECONNREFUSED/, 1, () =>
      plane.startComponent('kube-apiserver'),
    );
  });
});
