/** Extensions of the network engine that the file of --config names, on manifests. */
import assert from 'node:assert/strict';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../../src/api/network-policy.ts';
import { cli, directoryOf } from '../../cli.ts';

const manifests = (names: string, mode = 'Enforce') => `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: shop}
spec:
  mode: ${mode}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
  isolation: [Egress]
  egress: [{name: pay, to: [{fqdn: {names: [${names}]}}], ports: [{port: 443}]}]
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: a}]}}}
`;
const configuration = (engine: string) =>
  `apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\nengine: ${engine}\n`;

describe('a profile under Audit, on manifests and Calico', () => {
  const directory = directoryOf({
    'audit.yaml': manifests('api.example.com', 'Audit'),
    'enforce.yaml': manifests('api.example.com'),
    'calico.cfg': configuration('Calico'),
  });
  const audit = `-f ${directory}/audit.yaml`;
  const onCalico = `--config ${directory}/calico.cfg`;

  it('is rendered with its staged policies', async () => {
    const { stdout } = await cli(`render ${audit} ${onCalico}`);
    const objects = parseAllDocuments(stdout).map((each) => each.toJS() as NetworkPolicy);
    const [deny, staged] = objects.filter(({ metadata }) => metadata.name === 'shop.default-deny');
    assert.equal(staged?.kind, 'StagedKubernetesNetworkPolicy');
    assert.deepEqual(staged.spec, { stagedAction: 'Set', ...deny?.spec });
    const { stdout: table, stderr } = await cli(`render ${audit} ${onCalico} -o table`);
    assert.match(
      table,
      /shop +stagedkubernetesnetworkpolicy\.projectcalico\.org\/shop\.default-deny +<none> +Egress +0/,
    );
    assert.match(stderr, /the operator writes only the staged ones of its policies/);
  });

  it('is rendered for the sample of config/samples/engines, with its staged guard', async () => {
    const files = directoryOf({
      'tried.yaml':
        'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {segmentation.dev/profile-class: tried}}\n',
      'both.cfg': `${configuration('Calico')}guard: {kind: GlobalNetworkPolicy}\n`,
    });
    const sample = `-f config/samples/engines/calico.yaml -f ${files}/tried.yaml --config ${files}/both.cfg`;
    const { stdout } = await cli(`render ${sample} -o name`);
    assert.deepEqual(
      stdout
        .split('\n')
        .filter((line) => line.startsWith('staged'))
        .map((line) => line.replace(/[0-9a-f]{10}$/, 'X')),
      [
        'stagedkubernetesnetworkpolicy.projectcalico.org/tried.default-deny',
        'stagedkubernetesnetworkpolicy.projectcalico.org/tried.egress',
        'stagedkubernetesnetworkpolicy.projectcalico.org/tried.ingress',
        'stagedkubernetesnetworkpolicy.projectcalico.org/tried.ingress.gateway',
        'stagednetworkpolicy.projectcalico.org/default.tried.ingress.gateway.X',
        'stagedglobalnetworkpolicy.projectcalico.org/segmentation.tried.guard',
      ],
    );
    const { stdout: table } = await cli(`render ${sample} -o table`);
    assert.match(
      table,
      /stagednetworkpolicy\.projectcalico\.org\/default\.tried\.ingress\.gateway\.[0-9a-f]{10} +app\.kubernetes\.io\/component=frontend +Ingress +1/,
    );
  });

  it('has no staged policies without an engine, and none once it enforces', async () => {
    assert.doesNotMatch((await cli(`render ${audit}`)).stdout, /Staged/);
    assert.doesNotMatch((await cli(`render -f ${directory}/enforce.yaml ${onCalico}`)).stdout, /Staged/);
  });

  it('loses its staged policies in the diff to its enforcement', async () => {
    const { stdout } = await cli(
      `diff --from ${directory}/audit.yaml -f ${directory}/enforce.yaml ${onCalico}`,
    );
    assert.match(
      stdout,
      /Policies of the network engine\n {2}- shop\/stagedkubernetesnetworkpolicy\.projectcalico\.org\/shop\.default-deny/,
    );
  });
});

describe('a peer by name, on manifests', () => {
  const directory = directoryOf({
    'all.yaml': manifests('api.example.com'),
    'more.yaml': manifests('api.example.com, "*.example.org"'),
    'cilium.cfg': configuration('Cilium'),
    'calico.cfg': configuration('Calico'),
    'auto.cfg': configuration('Auto'),
  });
  const all = `-f ${directory}/all.yaml`;
  const onCilium = `--config ${directory}/cilium.cfg`;

  it('is rendered as a CiliumNetworkPolicy on Cilium', async () => {
    const { stdout, code } = await cli(`render ${all} ${onCilium}`);
    assert.equal(code, 0);
    const objects = parseAllDocuments(stdout).map((each) => each.toJS() as KubeObject);
    assert.deepEqual(
      objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
      ['NetworkPolicy shop.default-deny', 'NetworkPolicy shop.egress', 'CiliumNetworkPolicy shop.egress'],
    );
    const { stdout: names } = await cli(`render ${all} ${onCilium} -o name`);
    assert.match(names, /^ciliumnetworkpolicy\.cilium\.io\/shop\.egress$/m);
    const { stdout: table } = await cli(`render ${all} ${onCilium} -o wide`);
    assert.match(table, /shop +ciliumnetworkpolicy\.cilium\.io\/shop\.egress +<none> +Egress +2 +pay/);
  });

  it('is rendered for the sample of config/samples/engines', async () => {
    const namespaces = directoryOf({
      'named.yaml':
        'apiVersion: v1\nkind: Namespace\nmetadata: {name: named, labels: {segmentation.dev/profile-class: named-hosts}}\n' +
        '---\napiVersion: v1\nkind: Node\nmetadata: {name: one}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.1}]}\n',
    });
    const { stdout } = await cli(`render -f config/samples/engines -f ${namespaces} ${onCilium} -o name`);
    assert.match(stdout, /^ciliumnetworkpolicy\.cilium\.io\/named-hosts\.egress$/m);
    assert.match(stdout, /^ciliumnetworkpolicy\.cilium\.io\/named-hosts\.egress\.kubelets\.[0-9a-f]{10}$/m);
  });

  it('is rendered for an exception beside its NetworkPolicy', async () => {
    const granted = directoryOf({
      'all.yaml':
        manifests('api.example.com').replace(
          'isolation: [Egress]',
          'isolation: [Egress]\n  exceptions: {mode: Allowed, peers: [Entity]}',
        ) +
        '---\napiVersion: v1\nkind: Node\nmetadata: {name: one}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.1}]}\n' +
        '---\napiVersion: segmentation.dev/v1alpha1\nkind: SegmentationException\nmetadata: {name: debug, namespace: shop}\n' +
        `spec: {reason: INC-1, requestedBy: jane, expires: "${new Date(Date.now() + 3_600_000).toISOString().slice(0, 19)}Z", ` +
        'egress: [{name: kubelets, to: [{entity: Nodes}]}]}\n',
    });
    const { stdout } = await cli(`render -f ${granted} ${onCilium} -o name`);
    assert.match(stdout, /^networkpolicy\.networking\.k8s\.io\/shop\.exception\.debug\.egress$/m);
    assert.match(stdout, /^ciliumnetworkpolicy\.cilium\.io\/shop\.exception\.debug\.egress$/m);
  });

  for (const [what, flag, message] of [
    [
      'without an engine',
      '',
      /NetworkPolicy knows no names, and the operator's configuration names no network engine/,
    ],
    [
      'on an engine that carries no names',
      `--config ${directory}/calico.cfg`,
      /the network engine of the cluster carries no names; use an ipBlock/,
    ],
    [
      'where only the operator finds the engine',
      `--config ${directory}/auto.cfg`,
      /name it in the file of --config/,
    ],
  ] as const) {
    it(`is unresolved ${what}, with what to do`, async () => {
      const { stderr, code } = await cli(`render ${all} ${flag}`);
      assert.equal(code, 1);
      assert.match(stderr, message);
    });
  }

  it('is listed by diff if its names change', async () => {
    const { stdout, code } = await cli(
      `diff --from ${directory}/all.yaml -f ${directory}/more.yaml ${onCilium}`,
    );
    assert.equal(code, 1);
    assert.match(
      stdout,
      /Policies of the network engine\n {2}~ shop\/ciliumnetworkpolicy\.cilium\.io\/shop\.egress/,
    );
  });

  it('makes the verdict on an address unknown, on its ports', async () => {
    const { output, code } = await cli(`explain shop/web 203.0.113.1 --port 443 ${all} ${onCilium}`);
    assert.equal(code, 2);
    assert.match(output, /^UNKNOWN /m);
    assert.match(
      output,
      /\? Egress +unknown: depends on CiliumNetworkPolicy shop\/shop\.egress, spec\.egress\[1\] \(names \(toFQDNs\)\)/,
    );
    assert.equal((await cli(`explain shop/web 203.0.113.1 --port 80 ${all} ${onCilium}`)).code, 1);
  });

  it('leaves a check without a verdict, unless --unknown says what becomes of it', async () => {
    const checks = directoryOf({
      'flows.yaml': 'checks: [{name: pays, from: shop/web, to: 203.0.113.1, port: 443, expect: allow}]\n',
    });
    const check = `check ${checks}/flows.yaml ${all} ${onCilium}`;
    const { stdout, code } = await cli(check);
    assert.equal(code, 2);
    assert.match(stdout, /! pays\n +\S+ → 203\.0\.113\.1 on TCP 443 is unknown: it depends on Cilium/);
    assert.match(stdout, /1 could not be judged/);
    assert.equal((await cli(`${check} --unknown fail`)).code, 1);
    assert.equal((await cli(`${check} --unknown pass`)).code, 0);
  });

  it('is a link with unknown ports in a matrix and a graph', async () => {
    const matrix = await cli(`matrix ${all} ${onCilium}`);
    assert.match(matrix.stdout, /shop\/web +any address +unknown: TCP 443/);
    assert.match(
      matrix.stderr,
      /of 1 link, some ports are unknown: that depends on CiliumNetworkPolicy shop\/shop\.egress/,
    );
    assert.match(
      (await cli(`matrix ${all} ${onCilium} -o csv`)).stdout,
      /any address,,yes,TCP 443,CiliumNetworkPolicy shop\/shop\.egress\r\n/,
    );
    assert.match(
      (await cli(`graph ${all} ${onCilium} -o mermaid`)).stdout,
      /\|"unknown: TCP 443 \(CiliumNetworkPolicy shop\/shop\.egress\)"\|/,
    );
    const alone = await cli(`matrix ${all} ${onCilium} --only-network-policies`);
    assert.doesNotMatch(alone.output, /unknown/);
  });

  it('is a flow in a diff that may open', async () => {
    const without = directoryOf({
      'none.yaml': manifests('api.example.com').replace(/ {2}egress: .*\n/, ''),
    });
    const { stdout } = await cli(`diff --from ${without} ${all} ${onCilium}`);
    assert.match(
      stdout,
      /May open or close 1 flow between workloads\n +\? shop\/web +→ +any address +TCP 443/,
    );
    assert.match(stdout, /that depends on CiliumNetworkPolicy shop\/shop\.egress/);
  });

  it('is a caveat of a verdict by NetworkPolicies alone', async () => {
    const { output } = await cli(
      `explain shop/web 203.0.113.1 --port 443 ${all} ${onCilium} --only-network-policies`,
    );
    assert.match(output, /^DENIED /m);
    assert.match(
      output,
      /own policies of profile shop in shop allow more than this verdict knows: fqdn api\.example\.com/,
    );
  });
});
