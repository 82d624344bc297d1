/** `audit`: findings of manifests in every format, exit codes, baselines and waivers. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { audit } from '../../../src/audit/audit.ts';
import { sarif } from '../../../src/cli/commands/audit/reports.ts';
import { pod, world } from '../../audit/world.ts';
import { cli, directoryOf, type Ran } from '../cli.ts';
import { pageDataOf } from '../page/page-data-of.ts';

const WEB = `apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: baseline}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example.com/web:1
        securityContext: {privileged: true}
`;
const WAIVERS = (until: string) => `waivers:
- check: pod-privileged
  object: Deployment shop/*
  reason: It mounts disks.
  by: ada@example.com
  until: ${until}
- check: boundary
  object: Namespace shop
  reason: Policies come with the next release.
  by: ada@example.com
  until: ${until}
`;

interface Document {
  readonly summary: Readonly<Record<string, number>>;
  readonly findings: readonly { readonly check: string; readonly field?: string }[];
  readonly waived: readonly { readonly check: string; readonly waiver: { readonly by: string } }[];
}

interface SarifLog {
  readonly runs: readonly {
    readonly results: readonly {
      readonly ruleId: string;
      readonly message: { readonly text: string };
      readonly locations: readonly {
        readonly physicalLocation?: { readonly region?: { readonly startLine: number } };
      }[];
    }[];
  }[];
}

describe('kubectl segmentation audit', () => {
  const cwd = directoryOf({
    'web.yaml': WEB,
    'budget.yaml':
      'apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: web, namespace: shop}\n',
    'valid.yaml': WAIVERS('9999-12-31'),
    'operator.yaml': `apiVersion: config.segmentation.dev/v1alpha1
kind: OperatorConfiguration
audit:
  ${WAIVERS('9999-12-31').trim().replaceAll('\n', '\n  ')}
`,
    'ended.yaml': WAIVERS('2026-01-31'),
    'broken.yaml': 'waivers:\n- check: pod-privileged\n',
  });
  const run = (line: string): Promise<Ran> => cli(`audit -f web.yaml ${line}`, { cwd });
  const json = async (line: string): Promise<Document> =>
    JSON.parse((await run(`${line} -o json`)).stdout) as Document;

  it('prints the worst findings first, and exits with 1', async () => {
    const { code, stdout } = await run('');
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^SEVERITY .*\ncritical +pod-privileged +Deployment shop\/web +the container is privileged\nlow +namespace-without-policy/,
    );
    assert.match(stdout, /\n1 critical, \d+ low, 1 info\n$/);
  });

  it('takes a namespace without policy for less severe where no manifest has any policy', async () => {
    const policy =
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: pay}\nspec: {}\n';
    const directory = directoryOf({ 'web.yaml': WEB, 'pay.yaml': policy });
    const only = '--only namespace-without-policy';
    const alone = await cli(`audit -f web.yaml ${only}`, { cwd: directory });
    assert.match(alone.stdout, /\nlow .* no NetworkPolicy among the manifests isolates its 1 pod\n/);
    const both = await cli(`audit -f web.yaml -f pay.yaml ${only}`, { cwd: directory });
    assert.match(both.stdout, /\nhigh .* no NetworkPolicy isolates its 1 pod\n/);
  });

  it('prints fields, reasons and remedies with -o wide', async () => {
    const { stdout } = await run('-o wide --only pod-privileged');
    assert.match(stdout, /spec\.template\.spec\.containers\[web\]\.securityContext\.privileged/);
    assert.match(stdout, /\npod-privileged: No container is privileged {2}PSS Baseline, CIS 5\.2\.2/);
    assert.match(stdout, /\n {2}Leave securityContext\.privileged out/);
  });

  it('reports a manifest of an API version that Kubernetes has stopped to serve, with its line', async () => {
    const { stdout } = await cli('audit -f web.yaml -f budget.yaml --only platform -o sarif', { cwd });
    const [result] = (JSON.parse(stdout) as SarifLog).runs[0]?.results ?? [];
    assert.equal(result?.ruleId, 'removed-api');
    assert.match(
      result?.message.text ?? '',
      /^PodDisruptionBudget shop\/web apiVersion: .* write policy\/v1\./,
    );
    assert.deepEqual(result?.locations[0]?.physicalLocation?.region, { startLine: 1 });
  });

  it('reads routes of every version of the Gateway API', async () => {
    const route = (kind: string, version: string, name: string) =>
      `apiVersion: gateway.networking.k8s.io/${version}\nkind: ${kind}\nmetadata: {name: ${name}, namespace: shop}\nspec: {rules: [{backendRefs: [{name: web, port: 81}]}]}\n`;
    const service =
      'apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n';
    const routes = [
      route('HTTPRoute', 'v1beta1', 'old'),
      route('GRPCRoute', 'v1alpha2', 'old'),
      route('TCPRoute', 'v1', 'new'),
    ];
    const directory = directoryOf({ 'routes.yaml': [service, ...routes].join('---\n') });
    const { stdout } = await cli('audit -f routes.yaml --only exposure -o json', { cwd: directory });
    const { findings } = JSON.parse(stdout) as { findings: { check: string; object: { kind: string } }[] };
    assert.deepEqual(
      findings.map(({ check, object: { kind } }) => `${check} ${kind}`),
      ['GRPCRoute', 'HTTPRoute', 'TCPRoute'].map((kind) => `ingress-without-backend ${kind}`),
    );
  });

  it('names policies of kinds and versions that it does not read, with their lines', async () => {
    const policy = (apiVersion: string, kind: string) =>
      `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: web, namespace: shop}\n`;
    const policies = [
      policy('crd.antrea.io/v1beta1', 'NetworkPolicy'),
      policy('cilium.io/v9', 'CiliumNetworkPolicy'),
      policy('example.com/v1', 'EdgeFirewallPolicy'),
      // It is not enforced.
      policy('projectcalico.org/v3', 'StagedNetworkPolicy'),
      policy('example.com/v1', 'Policy'),
    ];
    const directory = directoryOf({ 'web.yaml': WEB, 'policies.yaml': policies.join('---\n') });
    const line = 'audit -f web.yaml -f policies.yaml --only kind-unread -o sarif';
    const { stdout } = await cli(line, { cwd: directory });
    const results = (JSON.parse(stdout) as SarifLog).runs[0]?.results ?? [];
    assert.deepEqual(
      results.map(({ message, locations }) => [
        message.text.split(':')[0],
        locations[0]?.physicalLocation?.region?.startLine,
      ]),
      [
        ['AntreaNetworkPolicy shop/web', 1],
        ['CiliumNetworkPolicy shop/web apiVersion', 5],
        ['EdgeFirewallPolicy shop/web apiVersion', 9],
      ],
    );
  });

  const EXITS: readonly (readonly [line: string, code: number, because: string])[] = [
    ['--only pod-writable-root', 0, 'no finding is as severe as high'],
    ['--only pod-writable-root --fail-on low', 1, 'a finding is as severe as low'],
    ['--fail-on none', 0, 'no finding is a failure'],
    ['--skip boundary --skip pods', 0, 'no check ran'],
    ['--only nothing', 2, 'there is no such check'],
    ['--fail-on severe', 2, 'there is no such severity'],
  ];
  for (const [line, code, because] of EXITS) {
    it(`exits with ${code} for ${line}, as ${because}`, async () =>
      assert.equal((await run(line)).code, code));
  }

  it('proposes the check that is meant', async () => {
    const { stderr } = await run('--only pod-priviledged');
    assert.match(stderr, /--only pod-priviledged: no such check \(did you mean "pod-privileged"\?\)/);
  });

  it('reports only what is new since a baseline', async () => {
    const first = await run('-o json --only pod-privileged');
    const directory = directoryOf({ 'web.yaml': WEB, 'before.json': first.stdout });
    const { code, stdout } = await cli('audit -f web.yaml --baseline before.json --only pods', {
      cwd: directory,
    });
    assert.equal(code, 0);
    assert.doesNotMatch(stdout, /pod-privileged/);
    assert.match(stdout, /; 1 in the baseline\n$/);
  });

  it('refuses a baseline that has no findings', async () => {
    const { code, stderr } = await run('--baseline web.yaml');
    assert.equal(code, 2);
    assert.match(stderr, /web\.yaml: has no findings; write it by audit -o json/);
  });

  it('counts waived findings, and says by whom they are waived', async () => {
    const { code, stdout } = await run('--waivers valid.yaml');
    assert.equal(code, 0);
    assert.match(stdout, /; 2 waived\n$/);
    const { waived } = await json('--waivers valid.yaml');
    assert.deepEqual(
      waived.map(({ check, waiver }) => [check, waiver.by]),
      [
        ['pod-privileged', 'ada@example.com'],
        ['namespace-without-policy', 'ada@example.com'],
      ],
    );
  });

  it("takes waivers from the operator's configuration, as the audit in the cluster does", async () => {
    const [configured, own] = await Promise.all(
      ['operator.yaml', 'valid.yaml'].map((file) => json(`--waivers ${file}`)),
    );
    assert.deepEqual(
      configured?.waived.map(({ check }) => check),
      own?.waived.map(({ check }) => check),
    );
    assert.equal(configured?.waived.length, 2);
  });

  it('reports waivers that have ended, and what they covered', async () => {
    const { findings } = await json('--waivers ended.yaml');
    const checks = findings.map(({ check }) => check);
    assert.ok(checks.includes('pod-privileged'));
    assert.equal(checks.filter((check) => check === 'waiver-expired').length, 2);
  });

  it('names the line of a waiver that can not be read', async () => {
    const { code, stderr } = await run('--waivers broken.yaml');
    assert.equal(code, 2);
    assert.match(stderr, /broken\.yaml:2: object is missing; write an object/);
  });

  it('reports images of other registries than the given ones', async () => {
    assert.deepEqual((await json('--only image-registry --registry registry.example.com')).findings, []);
    assert.equal(
      (await json('--only image-registry --registry registry.example.com/web2')).findings.length,
      1,
    );
  });

  it('writes a JUnit test for each check, which fails from --fail-on', async () => {
    const { stdout } = await run('-o junit --fail-on critical');
    assert.match(
      stdout,
      /^<\?xml .*\n<testsuites name="kubectl segmentation audit" tests="\d+" failures="1" errors="0">/,
    );
    assert.match(stdout, /<failure message="Deployment shop\/web spec\.template\.spec\.containers\[web\]/);
    assert.match(stdout, /<system-out>Namespace shop: no NetworkPolicy/);
  });

  it('writes SARIF with the lines of the manifests', async () => {
    const { stdout } = await run('-o sarif --only pod-privileged');
    const { runs } = JSON.parse(stdout) as {
      runs: [{ results: object[]; tool: { driver: { rules: { id: string }[] } } }];
    };
    const [{ results, tool }] = runs;
    assert.equal(results.length, 1);
    assert.partialDeepStrictEqual(results[0], {
      ruleId: 'pod-privileged',
      level: 'error',
      locations: [
        {
          physicalLocation: { artifactLocation: { uri: 'web.yaml' }, region: { startLine: 5 } },
          logicalLocations: [{ fullyQualifiedName: 'Deployment shop/web' }],
        },
      ],
    });
    assert.ok(tool.driver.rules.some(({ id }) => id === 'pod-privileged'));
  });

  it('writes a page to a file, with what the table and the graph have', async () => {
    const directory = directoryOf({ 'web.yaml': WEB });
    const { code, stderr } = await cli('audit -f web.yaml -o html --write audit.html', { cwd: directory });
    assert.equal(code, 1);
    assert.match(stderr, /note: wrote audit\.html: \d+ findings/);
    const data = pageDataOf(readFileSync(join(directory, 'audit.html'), 'utf8'));
    assert.equal(data.view, 'findings');
    assert.ok(data.groups.some(({ ns, name }) => ns === 'shop' && name === 'web'));
    assert.ok(data.audit?.texts.includes('the container is privileged'));
  });

  it('names the namespace that a page is limited to', async () => {
    const { stdout } = await run('-o html -n shop');
    assert.match(pageDataOf(stdout).source, /^manifests, namespace shop, \d{4}-/);
  });

  it('refuses to write a page to a terminal, and a table to a file', async () => {
    const page = await cli('audit -f web.yaml -o html', { cwd, terminal: true });
    assert.equal(page.code, 2);
    assert.match(page.stderr, /a page is nothing for a terminal: add --write segmentation\.html, or -o wide/);
    const table = await run('--write audit.txt');
    assert.equal(table.code, 2);
    assert.match(table.stderr, /--write is for a document: add -o html, json, yaml, junit or sarif/);
  });

  it('writes the report of a run to a file', async () => {
    const directory = directoryOf({ 'web.yaml': WEB });
    await cli('audit -f web.yaml -o json --write before.json', { cwd: directory });
    const { code } = await cli('audit -f web.yaml --baseline before.json', { cwd: directory });
    assert.equal(code, 0);
  });

  const PLACES: readonly (readonly [from: string, file: string | undefined])[] = [
    ['-k overlays/production/', 'overlays/production/kustomization.yaml'],
    ['standard input', undefined],
    ['deploy/web.yaml', 'deploy/web.yaml'],
  ];
  for (const [from, file] of PLACES) {
    it(`names ${file ?? 'no file'} in SARIF for objects of ${from}`, () => {
      const { checks, findings } = audit(world({ pods: [pod('shop/web')] }), {
        only: ['namespace-without-policy'],
      });
      const text = sarif({
        checks,
        findings,
        failOn: undefined,
        placeOf: () => ({ file: from, line: 7 }),
        cwd: '/',
      });
      const uri = /"uri": "(.*)"/.exec(text)?.[1];
      assert.equal(uri, file);
    });
  }

  it('does not miss pods that an operator makes of custom objects', async () => {
    const policy = `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}}
`;
    const custom =
      '---\napiVersion: db.example.com/v1\nkind: Database\nmetadata: {name: db, namespace: shop}\n';
    const directory = directoryOf({ 'a.yaml': WEB + policy, 'b.yaml': WEB + policy + custom });
    const found = async (file: string) =>
      (await cli(`audit -f ${file} --only policy-selects-nothing`, { cwd: directory })).stdout;
    assert.match(await found('a.yaml'), /NetworkPolicy shop\/db/);
    assert.equal(await found('b.yaml'), 'no findings\n');
  });

  it('lists its checks without reading anything', async () => {
    const { code, stdout } = await cli('audit --list', { cwd });
    assert.equal(code, 0);
    assert.match(
      stdout,
      /\nnamespace-without-policy +high +Boundary +Every namespace with pods has a NetworkPolicy\n/,
    );
  });

  it('audits a namespace of the system only by name', async () => {
    const files = { 'dns.yaml': WEB.replaceAll('shop', 'kube-system') };
    const directory = directoryOf(files);
    assert.equal((await cli('audit -f dns.yaml', { cwd: directory })).code, 0);
    assert.equal((await cli('audit -f dns.yaml -n kube-system', { cwd: directory })).code, 1);
  });
});
