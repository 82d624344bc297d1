/** Guards of profiles, on manifests. */
import assert from 'node:assert/strict';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../../../src/api/meta.ts';
import { cli, directoryOf } from '../../cli.ts';

const manifests = (mode: string, cidr = '203.0.113.0/24') => `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: shop}
spec:
  namespaceSelector: {matchLabels: {team: shop}}
  guard: {mode: ${mode}}
  baseline: {dns: Deny, admissionWebhooks: Deny, sameNamespace: Allow}
  egress: [{name: provider, to: [{ipBlock: {cidr: ${cidr}}}], ports: [{port: 443}]}]
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
---
apiVersion: v1
kind: Namespace
metadata: {name: ops}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: tenant, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 22}]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: a}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: tool, namespace: ops}
spec: {selector: {matchLabels: {app: tool}}, template: {metadata: {labels: {app: tool}}, spec: {containers: [{name: a, image: a}]}}}
`;

describe('a profile with a guard, on manifests', () => {
  const directory = directoryOf({
    'enforce.yaml': manifests('Enforce'),
    'audit.yaml': manifests('Audit'),
    'other.yaml': manifests('Enforce', '198.51.100.0/24'),
    'calico.cfg':
      'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\nguard: {kind: GlobalNetworkPolicy}\n',
    'config.cfg':
      'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\nguard: {kind: ClusterNetworkPolicy}\n',
  });
  const enforce = `-f ${directory}/enforce.yaml`;
  const audit = `-f ${directory}/audit.yaml`;
  const config = `--config ${directory}/config.cfg`;

  it('is shown with the policies of others that it would restrict', async () => {
    const { stdout, code } = await cli(`guard ${audit}`);
    assert.equal(code, 1);
    assert.match(stdout, /Guard of profile shop \(mode Audit\)\n {2}would restrict 1 policy of others:/);
    assert.match(stdout, /shop +tenant +ingress from pods of any namespace on TCP 22/);
    assert.match(
      stdout,
      /would cut 1 flow between workloads that other policies allow:\n +FROM +TO +PORTS\n +ops\/tool +shop\/web +TCP 22\n/,
    );
    assert.match(
      (await cli(`guard ${enforce} -o wide`)).stdout,
      /Egress +203\.0\.113\.0\/24 +TCP 443 +provider/,
    );
    assert.equal(
      (await cli(`guard ${enforce} -o name`)).stdout,
      'networkpolicy.networking.k8s.io/tenant -n shop\n',
    );
    const { guards } = JSON.parse((await cli(`guard ${enforce} -o json`)).stdout) as {
      guards: { restricted: object[]; cuts: object[]; directions: { passes: object[] }[] }[];
    };
    assert.equal(guards[0]?.restricted.length, 1);
    assert.deepEqual(guards[0]?.cuts, [
      {
        from: { namespace: 'ops', kind: 'Deployment', name: 'tool' },
        to: { namespace: 'shop', kind: 'Deployment', name: 'web' },
        ports: [{ protocol: 'TCP', from: 22, to: 22 }],
      },
    ]);
    assert.deepEqual(
      guards[0]?.directions.map(({ passes }) => passes.length),
      [1, 2],
    );
  });

  it('is shown with the flows that policies of other kinds allow and it would cut', async () => {
    const web = '{endpointSelector: {matchLabels: {app: web}}, enableDefaultDeny: {ingress: false}';
    const ofTool = "fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': ops}}]";
    const cilium = (ports: string) =>
      `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: tools, namespace: shop}\nspec: ${web}, ingress: [{${ofTool}, toPorts: [${ports}]}]}\n`;
    const others = directoryOf({
      'cilium.yaml': cilium("{ports: [{port: '9090', protocol: TCP}]}"),
      'requests.yaml': cilium("{ports: [{port: '9090', protocol: TCP}], rules: {http: [{method: GET}]}}"),
    });
    const { stdout, code } = await cli(`guard ${audit} -f ${others}/cilium.yaml`);
    assert.equal(code, 1);
    assert.match(stdout, /would cut 1 flow [^\n]+:\n[^\n]+\n +ops\/tool +shop\/web +TCP 22, 9090\n/);
    const alone = await cli(`guard ${audit} -f ${others}/cilium.yaml --only-network-policies`);
    assert.match(alone.stdout, /ops\/tool +shop\/web +TCP 22\n/);
    const requests = await cli(`guard ${audit} -f ${others}/requests.yaml`);
    assert.match(
      requests.stdout,
      /would cut 1 flow [^]*TCP 22\n {2}may change 1 flow between workloads about which other policies can't be evaluated:\n[^\n]+\n +ops\/tool +shop\/web +TCP 9090\n/,
    );
    assert.match(
      requests.stderr,
      /what a guard may change depends on CiliumNetworkPolicy shop\/tools, spec\.ingress\[0\] \(requests/,
    );
  });

  it('is shown with what policies before it decide, and what those after it no longer deny', async () => {
    const admin = (action: string, priority: number) =>
      'apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: other}\nspec:\n' +
      `  tier: Admin\n  priority: ${priority}\n  subject: {namespaces: {matchLabels: {team: shop}}}\n` +
      `  ingress: [{action: ${action}, from: [{namespaces: {}}]}]\n`;
    const others = directoryOf({
      'before.yaml': admin('Accept', 10),
      'after.yaml': admin('Deny', 900),
      'beside.yaml':
        'apiVersion: v1\nkind: Pod\nmetadata: {name: beside, namespace: shop}\nspec: {containers: [{name: a, image: a}]}\n',
    });
    const before = await cli(`guard ${audit} -f ${others}/before.yaml`);
    assert.doesNotMatch(before.stdout, /flows? between/);
    const after = await cli(`guard ${audit} -f ${others}/after.yaml -f ${others}/beside.yaml`);
    assert.doesNotMatch(after.stdout, /would cut/);
    assert.match(
      after.stdout,
      /would open 3 flows between workloads that policies deny which are asked after it in its tier:\n[^\n]+\n +shop\/beside +shop\/web +all ports\n +shop\/web +shop\/beside +all ports\n/,
    );
  });

  it('is shown with the policies before it that let pass what it denies', async () => {
    const early = (egress: string) =>
      'apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: early}\nspec:\n' +
      '  tier: Admin\n  priority: 10\n  subject: {namespaces: {matchLabels: {team: shop}}}\n' +
      '  ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 22}}}]}]\n' +
      `  egress: [{action: Accept, to: [${egress}]}]\n`;
    const tier =
      'apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: platform}\nspec: {order: 10}\n';
    const others = directoryOf({
      'early.yaml': early("{networks: ['198.51.100.0/24']}"),
      'names.yaml': early("{domainNames: ['a.example.']}"),
      'within.yaml':
        'apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: early}\nspec:\n' +
        '  tier: Admin\n  priority: 10\n  subject: {namespaces: {matchLabels: {team: shop}}}\n' +
        "  egress: [{action: Accept, to: [{networks: ['203.0.113.7/32']}], protocols: [{tcp: {destinationPort: {number: 443}}}]}]\n",
      'calico.yaml': `${tier}---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: platform.ssh}\nspec: {tier: platform, namespaceSelector: team == 'shop', types: [Ingress], ingress: [{action: Allow, protocol: TCP, destination: {ports: [22]}}, {action: Pass}]}\n`,
    });
    const { stdout, code } = await cli(`guard ${audit} -f ${others}/early.yaml`);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /\n {2}1 policy asked before it lets flows pass that it denies:\n {2}ClusterNetworkPolicy early lets 2 flows pass:\n[^\n]+\n +ops\/tool +shop\/web +TCP 22\n +shop\/web +198\.51\.100\.0\/24 +all ports\n/,
    );
    const { guards } = JSON.parse((await cli(`guard ${audit} -f ${others}/early.yaml -o json`)).stdout) as {
      guards: { bypasses: { policy: object; flows: object[]; unclear: object[]; parts: string[] }[] }[];
    };
    assert.deepEqual(
      guards[0]?.bypasses.map(({ policy, flows, unclear, parts }) => [
        policy,
        flows.length,
        unclear.length,
        parts,
      ]),
      [[{ kind: 'ClusterNetworkPolicy', name: 'early' }, 2, 0, []]],
    );
    assert.match(
      (await cli(`guard ${audit} -f ${others}/names.yaml`)).stdout,
      /early may let \d flows pass, as a part can't be evaluated: domain names:\n[^\n]+\n +shop\/web +any address/,
    );
    const alone = await cli(`guard ${audit} -f ${others}/early.yaml --only-network-policies`);
    assert.doesNotMatch(alone.stdout, /asked before it/);
    assert.doesNotMatch((await cli(`guard ${audit} -f ${others}/within.yaml`)).stdout, /asked before it/);
    assert.match(
      (await cli(`guard ${audit} -f ${others}/calico.yaml --config ${directory}/calico.cfg`)).stdout,
      /GlobalNetworkPolicy platform\.ssh lets \d flows? pass:\n[^]*ops\/tool +shop\/web +TCP 22\n/,
    );
  });

  it('is shown with the guard of another profile that is asked before it', async () => {
    const profile = (name: string, key: string) =>
      `apiVersion: segmentation.dev/v1alpha1\nkind: SegmentationProfile\nmetadata: {name: ${name}}\n` +
      `spec: {namespaceSelector: {matchExpressions: [{key: ${key}, operator: Exists}]}, guard: {mode: Enforce}, baseline: {dns: Deny, admissionWebhooks: Deny}}\n`;
    const open = (name: string, labels: string) =>
      `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}, labels: ${labels}}\n---\n` +
      `apiVersion: v1\nkind: Pod\nmetadata: {name: pod, namespace: ${name}}\nspec: {containers: [{name: a, image: a}]}\n---\n` +
      `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: all, namespace: ${name}}\n` +
      'spec: {podSelector: {}, ingress: [{}], egress: [{}], policyTypes: [Ingress, Egress]}\n';
    const overlapping = directoryOf({
      'first.yaml': profile('first', 'a'),
      'second.yaml': profile('second', 'b'),
      'shared.yaml': open('shared', '{a: x, b: x}'),
      'other.yaml': open('other', '{a: x}'),
    });
    const { stdout } = await cli(`guard -f ${overlapping} ${config}`);
    assert.match(
      stdout,
      /Guard of profile second [^]*ClusterNetworkPolicy first\.guard lets 2 flows pass:\n[^\n]+\n +other\/pod +shared\/pod +all ports\n +shared\/pod +other\/pod +all ports\n/,
    );
    assert.doesNotMatch(stdout.slice(0, stdout.indexOf('Guard of profile second')), /asked before/);
  });

  it('is shown on Calico as in the tier that the operator is installed with', async () => {
    const { stdout } = await cli(`guard ${audit} --config ${directory}/calico.cfg`);
    assert.match(stdout, /would cut 1 flow [^\n]+:\n[^\n]+\n +ops\/tool +shop\/web +TCP 22\n/);
    // Without a configuration, Calico's tiers tell the kind.
    const tiers = directoryOf({
      'tier.yaml':
        'apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: default}\nspec: {order: 1000000}\n',
    });
    const guessed = await cli(`guard ${audit} -f ${tiers}`);
    assert.match(
      guessed.stderr,
      /guards are taken for objects of kind GlobalNetworkPolicy; guard in the file/,
    );
    assert.equal(guessed.stdout, stdout);
    const explained = (from: string) =>
      cli(`explain ${from} shop/deploy/web --port 22 ${enforce} --config ${directory}/calico.cfg`);
    assert.match(
      (await explained('ops/deploy/tool')).stdout,
      /✗ Ingress +denied by GlobalNetworkPolicy segmentation\.shop\.guard, spec\.ingress\[\d\]/,
    );
    assert.match((await explained('shop/deploy/web')).stdout, /^ALLOWED/);
  });

  it('lists the first flows that it would cut, and counts the rest', async () => {
    const deployment = (name: string) =>
      `---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ${name}, namespace: ops}\n` +
      `spec: {selector: {matchLabels: {app: ${name}}}, template: {metadata: {labels: {app: ${name}}}, spec: {containers: [{name: a, image: a}]}}}\n`;
    const many = directoryOf({
      'many.yaml': Array.from({ length: 24 }, (_, index) => deployment(`w${index}`)).join(''),
    });
    const { stdout } = await cli(`guard ${audit} -f ${many}`);
    assert.match(stdout, /would cut 25 flows/);
    assert.match(stdout, /\n {2}and 5 more, which -o wide lists\n/);
    assert.doesNotMatch((await cli(`guard ${audit} -f ${many} -o wide`)).stdout, /more, which/);
  });

  it('is rendered as a ClusterNetworkPolicy, if the configuration says so', async () => {
    const { stdout } = await cli(`render ${enforce} ${config}`);
    const objects = parseAllDocuments(stdout).map((each) => each.toJS() as KubeObject);
    const guards = objects.filter(({ kind }) => kind === 'ClusterNetworkPolicy');
    assert.deepEqual(
      guards.map(({ metadata }) => metadata.name),
      ['shop.guard'],
    );
    const { stdout: table } = await cli(`render ${enforce} ${config} -o table`);
    assert.match(
      table,
      /clusternetworkpolicy\.policy\.networking\.k8s\.io\/shop\.guard +<none> +Ingress,Egress +5/,
    );
    assert.doesNotMatch((await cli(`render ${enforce}`)).stdout, /ClusterNetworkPolicy/);
    assert.doesNotMatch((await cli(`render ${audit} ${config}`)).stdout, /ClusterNetworkPolicy/);
  });

  it('is rendered as a staged policy of Calico under Audit', async () => {
    const calico = `--config ${directory}/calico.cfg`;
    const { stdout } = await cli(`render ${audit} ${calico}`);
    const objects = parseAllDocuments(stdout).map((each) => each.toJS() as KubeObject & { spec: object });
    const guards = objects.filter(({ kind }) => kind?.endsWith('GlobalNetworkPolicy') === true);
    assert.deepEqual(
      guards.map(({ kind, metadata, spec }) => [kind, metadata.name, Object.keys(spec)[0]]),
      [['StagedGlobalNetworkPolicy', 'segmentation.shop.guard', 'stagedAction']],
    );
    const { stdout: changes } = await cli(`diff --from ${directory}/other.yaml ${audit} ${calico}`);
    assert.match(changes, /- globalnetworkpolicy\.projectcalico\.org\/segmentation\.shop\.guard/);
    assert.match(changes, /\+ stagedglobalnetworkpolicy\.projectcalico\.org\/segmentation\.shop\.guard/);
  });

  it('is compared by diff', async () => {
    const added = await cli(`diff --from ${directory}/audit.yaml ${enforce} ${config}`);
    assert.match(added.stdout, /\+ clusternetworkpolicy\.policy\.networking\.k8s\.io\/shop\.guard/);
    const changed = await cli(`diff --from ${directory}/other.yaml ${enforce} ${config}`);
    assert.match(changed.stdout, /~ clusternetworkpolicy\.policy\.networking\.k8s\.io\/shop\.guard/);
    assert.match(added.stdout, /Closes \d flows? between workloads\n[^]*- ops\/tool +→ +shop\/web +TCP 22/);
    const alone = await cli(
      `diff --from ${directory}/audit.yaml ${enforce} ${config} --only-network-policies`,
    );
    assert.doesNotMatch(alone.stdout, /Closes/);
  });

  it('closes what it denies in a matrix', async () => {
    const { stdout } = await cli(`matrix ${enforce} ${config}`);
    assert.doesNotMatch(stdout, /ops\/tool +shop\/web/);
    assert.match((await cli(`matrix ${enforce}`)).stdout, /ops\/tool +shop\/web +TCP 22/);
  });

  it('denies a flow in the verdict of explain and check', async () => {
    const { stdout, code } = await cli(
      `explain ops/deploy/tool shop/deploy/web --port 22 ${enforce} ${config}`,
    );
    assert.equal(code, 1);
    assert.match(stdout, /✗ Ingress +denied by ClusterNetworkPolicy shop\.guard, spec\.ingress\[\d\]/);
    const checks = directoryOf({
      'flows.yaml':
        'checks:\n- {from: ops/tool, to: shop/web, port: 22, expect: allow}\n- {from: ops/tool, to: shop/web, port: 22, expect: deny}\n',
    });
    const checked = await cli(`check ${checks}/flows.yaml ${enforce} ${config}`);
    assert.match(
      checked.stdout,
      /is denied: ClusterNetworkPolicy shop\.guard, spec\.ingress\[\d\] denies it[^]*1 passed, 1 failed/,
    );
  });

  it('denies a flow that explain finds allowed, and explain says so', async () => {
    const flow = 'explain ops/deploy/tool shop/deploy/web --port 22';
    const { stdout, stderr } = await cli(`${flow} ${enforce}`);
    assert.match(
      stdout + stderr,
      /the guard of profile shop denies, before NetworkPolicies decide: ops\/deploy\/tool → shop\/deploy\/web on /,
    );
    const within = await cli(`explain shop/deploy/web shop/deploy/web --port 22 ${enforce}`);
    assert.doesNotMatch(within.stdout + within.stderr, /the guard/);
    const audited = await cli(`${flow} ${audit}`);
    assert.doesNotMatch(audited.stdout + audited.stderr, /the guard/);
  });
});
