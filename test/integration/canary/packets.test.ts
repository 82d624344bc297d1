/** The canary with real packets between network namespaces, and a network plugin that is broken on purpose. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Report } from '../../../src/canary/model/report.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { auditedRequests, isRefused } from '../../support/audit.ts';
import { cli } from '../../cli/cli.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { scrape, serviceAccountToken } from '../../support/monitoring/scrape.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';
import { unavailable } from './network.ts';
import { CanaryScene, CLOCK_FACTOR, FAST_CLOCK, PATIENCE_MS } from './scene.ts';

interface Role {
  readonly rules?: readonly { readonly resources: readonly string[]; readonly verbs: readonly string[] }[];
}

/** The permissions in a file of config/canary, such as `list pods`. */
function granted(file: string): string[] {
  const path = join(import.meta.dirname, '../../../config/canary', file);
  return parseAllDocuments(readFileSync(path, 'utf8'))
    .map((document) => document.toJS() as Role)
    .flatMap(({ rules = [] }) => rules)
    .flatMap(({ resources, verbs }) => resources.flatMap((each) => verbs.map((verb) => `${verb} ${each}`)));
}

const why = unavailable();
const suite = why === undefined ? describe : describe.skip;

suite(`canary on a network of two nodes${why === undefined ? '' : ` (skipped: ${why})`}`, function () {
  this.timeout(5 * 60_000);
  const operators = new Operators();
  let plane: ControlPlane;
  let box: Sandbox;
  let scene: CanaryScene;
  let since: string;
  let kubeconfig: string;
  let operator: Operator;

  const startOperator = async () => {
    process.env['CLOCK_FACTOR'] = String(CLOCK_FACTOR);
    operator = operators.launch([`--kubeconfig=${kubeconfig}`, '--canary'], FAST_CLOCK);
    await operator.ready();
  };

  before(async () => {
    plane = await sharedControlPlane();
    box = new Sandbox(plane, 'canary');
    since = new Date().toISOString();
    kubeconfig = await installOperator(plane);
    scene = new CanaryScene(plane);
    await scene.install();
    await startOperator();
    await Promise.all([
      scene.startProbe('in-1', 'node-1', 'inside'),
      scene.startProbe('in-2', 'node-2', 'inside'),
      scene.startProbe('out-1', 'node-1', 'outside'),
      scene.startProbe('out-2', 'node-2', 'outside'),
    ]);
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.error(scene.logs());
    scene.breakPlugin({});
  });
  after(async () => {
    await box?.remove();
    await scene?.end();
  });

  it('verifies both nodes where the plugin enforces', async () => {
    const { message } = await scene.verified('True', 'Verified', /on 2 nodes: node-1, node-2$/);
    assert.match(message, /packets pass and are denied/);
    const { status, message: ready } = await scene.condition('Ready');
    assert.equal(status, 'True');
    assert.match(ready, /written, enforcement verified$/);
    const countsOf = async () => (await scene.reports()).map((report) => report.counts);
    assert.deepEqual(
      (await countsOf()).map(({ leaked, cut }) => [leaked, cut]),
      [1, 2, 3, 4].map(() => [0, 0]),
    );
    // A flow is unproven after an attempt that shows nothing, such as one that a slow machine did not answer in time.
    await eventually(async () => {
      for (const { leaked, cut, unproven } of await countsOf())
        assert.deepEqual([leaked, cut, unproven], [0, 0, 0]);
    }, PATIENCE_MS);
  });

  it("is shown by the plugin's verify and status", async () => {
    const { code, stdout, stderr } = await cli(`verify --kubeconfig ${plane.kubeconfig}`);
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^NODE +INGRESS +EGRESS\nnode-1 +IPv4,IPv6 +IPv4,IPv6\nnode-2 +IPv4,IPv6 +IPv4,IPv6\n/,
    );
    assert.match(stdout, /^Verified: packets pass/m);
    const status = await cli(`status -n segmentation-canary --kubeconfig ${plane.kubeconfig}`);
    assert.match(
      status.stdout,
      /^ {2}packets {2}packets pass and are denied as the policies say, on 2 nodes/m,
    );
    // The operator protects the namespace outside, which the plugin knows by the status alone.
    const outside = await cli(`status -n segmentation-canary-outside --kubeconfig ${plane.kubeconfig}`);
    assert.match(outside.stdout, /^segmentation-canary-outside +Protected/m);
  });

  it('begins a round at once when verify asks for one, by the permissions of its Roles and no other', async () => {
    const role = 'segmentation-canary-verifier';
    const user = await scene.userWith(role);
    const asked = new Date().toISOString();
    const { code, stdout, stderr } = await cli(`verify -o json --kubeconfig ${user}`);
    assert.deepEqual([code, stderr], [0, '']);
    const { reports } = JSON.parse(stdout) as { readonly reports: readonly Report[] };
    const requests = new Set(reports.map(({ request }) => request));
    assert.deepEqual([reports.length, requests.size, requests.has(undefined)], [4, 1, false]);
    const events = auditedRequests(
      plane,
      asked,
      `system:serviceaccount:segmentation-canary-outside:user-of-${role}`,
    );
    assert.deepEqual(events.filter(isRefused), []);
    const used = events.map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`);
    assert.deepEqual(new Set(used), new Set(granted('request.yaml')));
  });

  it('answers two users who ask at the same time', async () => {
    const verify = () => cli(`verify --kubeconfig ${plane.kubeconfig}`);
    const answers = await Promise.all([verify(), verify()]);
    assert.deepEqual(
      answers.map(({ code, stderr }) => `${code} ${stderr}`),
      ['0 ', '0 '],
    );
  });

  it('is verified by rounds of its own where verify may not ask for one', async () => {
    const user = await scene.userWith('segmentation-canary-reports');
    const { code, stderr } = await cli(`verify --kubeconfig ${user}`);
    assert.equal(code, 0);
    assert.match(stderr, /you may not patch ConfigMap segmentation-canary\/segmentation-canary-request/);
  });

  it('serves the metrics of a probe by TLS, to those who may scrape the operator', async () => {
    const url = scene.metrics('out-1');
    assert.equal((await scrape(url)).status, 401);
    const token = await serviceAccountToken(box, 'canary-scraper');
    const role = '--clusterrole=segmentation-operator-metrics-reader';
    const account = '--serviceaccount=default:canary-scraper';
    await plane.kubectlRun(['create', 'clusterrolebinding', 'canary-scraper', role, account]);
    await eventually(async () => {
      const { status, text } = await scrape(url, { token });
      assert.equal(status, 200);
      assert.match(text, /^segmentation_canary_probe_flows\{verdict="leaked"\} 0$/m);
    });
  });

  it('measures the latency of allow and deny', async () => {
    await eventually(async () => {
      const measured = (await scene.reports()).flatMap(({ latency }) => (latency ? [latency] : []));
      assert.equal(measured.length, 1);
      assert.ok((measured[0]?.allowMs ?? 0) > 0 && (measured[0]?.denyMs ?? 0) > 0, JSON.stringify(measured));
    }, PATIENCE_MS);
  });

  for (const [what, faults, message] of [
    ['no direction', 'absent', /ingress on node|egress on node/],
    ['no egress', { directions: ['Egress'] }, /egress on node node-\d is not enforced/],
    ['no ingress', { directions: ['Ingress'] }, /ingress on node node-\d is not enforced/],
    ['IPv4 only', { families: [6] }, /IPv6 passes and must not/],
    ['one node of two', { nodes: ['node-2'] }, /gress on node node-2 is not enforced/],
  ] as const) {
    it(`says which flow leaks where the plugin enforces ${what}, and verifies it after the repair`, async () => {
      scene.breakPlugin(faults);
      await scene.verified('False', 'FlowLeaked', message);
      if (faults === 'absent') {
        const { code, stdout } = await cli(`verify --kubeconfig ${plane.kubeconfig}`);
        assert.equal(code, 1);
        assert.match(stdout, /• segmentation-canary.* passes and must not, since 20/);
      }
      assert.match((await scene.condition('Ready')).message, /written, enforcement not verified$/);
      scene.breakPlugin({});
      await scene.verified('True', 'Verified');
    });
  }

  it('says that a flow is cut where the plugin ignores named ports', async () => {
    scene.breakPlugin({ namedPorts: true });
    await scene.verified('False', 'FlowCut', /TCP 8606, IPv\d does not pass and must/);
    scene.breakPlugin({});
    await scene.verified('True', 'Verified');
  });

  it('gives a slow plugin its time, and takes what a tenant writes into its namespace for no fault', async () => {
    const seen = new Set<string>();
    const watching = setInterval(() => {
      void scene
        .condition('EnforcementVerified')
        .then(({ status, message }) => seen.add(`${status} ${message}`));
    }, 200);
    try {
      // The clocks of the probes run five times as fast: for them, the delay is fifteen seconds.
      scene.slowPlugin(3000);
      const policy = { metadata: { name: 'tenant' }, spec: { podSelector: {}, ingress: [{}] } };
      const path = '/apis/networking.k8s.io/v1/namespaces/segmentation-canary/networkpolicies';
      await plane.admin.send('POST', path, {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        ...policy,
      });
      await scene.verified('Unknown', 'NotProven', /\(segmentation-canary\/tenant\)/);
      await plane.admin.send('DELETE', `${path}/tenant`);
      await scene.verified('True', 'Verified');
    } finally {
      clearInterval(watching);
      scene.slowPlugin(0);
    }
    assert.deepEqual(
      [...seen].filter((each) => each.startsWith('False')),
      [],
    );
  });

  it('keeps verdicts and their times while processes of probes start again in their Pods', async () => {
    const sound = await scene.condition('EnforcementVerified');
    scene.breakPlugin({ directions: ['Egress'] });
    await scene.verified('False', 'FlowLeaked', /egress on node node-1 is not enforced and .* node-2 is not/);
    await scene.restarted(['in-1', 'in-2'], async () => {
      const { status, reason } = await scene.condition('EnforcementVerified');
      assert.equal(`${status} ${reason}`, 'False FlowLeaked');
    });
    scene.breakPlugin({});
    await scene.verified('True', 'Verified', /on 2 nodes/);
    const { lastTransitionTime } = await scene.condition('EnforcementVerified');
    assert.ok(lastTransitionTime > sound.lastTransitionTime);
    await scene.restarted(['in-1', 'out-1'], async () => {
      const found = await scene.condition('EnforcementVerified');
      assert.deepEqual(found, { ...sound, lastTransitionTime });
    });
  });

  it('goes on while the operator is away, which takes up the verdict when it is back', async () => {
    const before = await scene.condition('EnforcementVerified');
    await operator.kill();
    const rounds = Math.max(...(await scene.reports()).map(({ round }) => round));
    await eventually(async () => {
      assert.ok(Math.min(...(await scene.reports()).map(({ round }) => round)) > rounds + 1);
    }, PATIENCE_MS);
    await startOperator();
    await eventually(async () => {
      assert.equal(await operator.metric('segmentation_enforcement_verified{status="True"}'), 1);
    }, PATIENCE_MS);
    // A restart changes nothing in the status.
    assert.deepEqual(await scene.condition('EnforcementVerified'), before);
  });

  it('says who is silent, once a report is older than a minute', async () => {
    await scene.killProbe('in-2');
    await scene.verified('Unknown', 'NoReport', /no word from segmentation-canary\/in-2 on node node-2/);
    const { code, stdout, stderr } = await cli(`verify --timeout 8 --kubeconfig ${plane.kubeconfig}`);
    assert.equal(code, 2);
    assert.match(stdout, /^NoReport: no word from segmentation-canary\/in-2/m);
    assert.match(stderr, /1 probe of 4 did not answer within 8 s: segmentation-canary\/in-2 on node node-2/);
  });

  it('verifies again when the canary has moved to another pod, whose clock is a day off', async () => {
    await scene.removeProbe('in-2');
    await scene.startProbe('in-3', 'node-2', 'inside', { skewMs: 24 * 3_600_000 });
    await scene.verified('True', 'Verified', /node-2/);
  });

  it('tries rules by address with a target outside of the cluster', async () => {
    const addresses = scene.startTarget('world', 'node-1');
    const rule = {
      name: 'world',
      to: addresses.map((address) => ({
        ipBlock: { cidr: `${address}/${address.includes(':') ? 128 : 32}` },
      })),
      ports: [
        { protocol: 'TCP', port: 8601 },
        { protocol: 'UDP', port: 8601 },
      ],
    };
    const path = '/apis/segmentation.dev/v1alpha1/segmentationprofiles/segmentation-canary';
    const { spec } = (await plane.admin.send('GET', path)) as { spec: { egress: readonly object[] } };
    await plane.admin.send('PATCH', path, { spec: { egress: [...spec.egress, rule] } });
    await scene.removeProbe('in-3');
    await scene.startProbe('in-4', 'node-2', 'inside', { addresses });
    await scene.verified('True', 'Verified', /node-2/);
    const reportOf = async () => (await scene.reports()).find(({ pod }) => pod.endsWith('/in-4'));
    await eventually(async () => {
      const report = await reportOf();
      assert.deepEqual([report?.findings, report?.counts.settling], [[], 0]);
    }, PATIENCE_MS);
    scene.breakPlugin({ directions: ['Egress'] });
    await eventually(async () => {
      const found = ((await reportOf())?.findings ?? []).filter(({ verdict }) => verdict === 'leaked');
      assert.ok(
        found.some(
          ({ to, toNode, denied }) => addresses.includes(to) && toNode === '' && denied.join() === 'Egress',
        ),
        JSON.stringify(found),
      );
    }, PATIENCE_MS);
  });

  it('uses the permissions of its roles, and no other', () => {
    const events = ['segmentation-canary', 'segmentation-canary-outside'].flatMap((namespace) =>
      auditedRequests(plane, since, `system:serviceaccount:${namespace}:segmentation-canary`),
    );
    assert.deepEqual(events.filter(isRefused), []);
    const used = events.map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`);
    assert.deepEqual(
      [...new Set(used)].filter((each) => !each.startsWith('list ')).sort(),
      // A server that streams lists gets none in pages.
      [...new Set([...granted('roles.yaml'), ...granted('../rbac/metrics_auth_role.yaml')])]
        .filter((each) => !each.startsWith('list '))
        .sort(),
    );
  });
});
