/** Observed flows, judged by policies of other kinds beside NetworkPolicies. */
import assert from 'node:assert/strict';
import { cli, directoryOf } from '../../cli.ts';
import { pageDataOf } from '../../page/page-data-of.ts';

const csv = (...rows: readonly string[]) =>
  [
    'source_namespace,source_workload,destination_namespace,destination_workload,destination_ip,port,verdict',
    ...rows,
    '',
  ].join('\n');

const workload = (name: string, namespace: string, labels = `app: ${name}`) => `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: ${namespace}}
spec: {selector: {matchLabels: {${labels}}}, template: {metadata: {labels: {${labels}}}, spec: {containers: [{name: a, image: a}]}}}
`;
const places = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: ops}
${workload('web', 'shop')}${workload('db', 'shop')}${workload('tool', 'ops')}${workload('coredns', 'kube-system', 'k8s-app: kube-dns')}`;

const profile = (peer: string) => `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: shop}
spec:
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
  isolation: [Ingress, Egress]
  egress:
  - {name: pay, to: [${peer}], ports: [{port: 443}]}
  - {name: idle, to: [{fqdn: {names: [idle.example.com]}}], ports: [{port: 8443}]}
`;

const cilium = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: tool, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  enableDefaultDeny: {ingress: false, egress: false}
  ingress:
  - fromEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: ops}}]
    toPorts: [{ports: [{port: "22", protocol: TCP}]}]
  - fromEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: ops}}]
    toPorts: [{ports: [{port: "23", protocol: TCP}]}]
  ingressDeny:
  - fromEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: ops}}]
    toPorts: [{ports: [{port: "25", protocol: TCP}]}]
`;

/** Queries for names, by a workload to which names are allowed. */
const QUERY = 'shop,web,kube-system,coredns,,53,allowed';

const LOG = csv(
  'ops,tool,shop,web,,22,allowed',
  'ops,tool,shop,web,,25,denied',
  'shop,web,,,203.0.113.7,443,allowed',
  'shop,web,,,203.0.113.7,80,allowed',
);

describe('observed flows beside policies of other kinds', () => {
  const directory = directoryOf({
    'places.yaml': places,
    'profile.yaml': profile('{fqdn: {names: [api.example.com]}}'),
    'older.yaml': profile('{ipBlock: {cidr: 203.0.113.0/24}}'),
    'cilium.yaml': cilium,
    'cilium.cfg':
      'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\nengine: Cilium\n',
  });
  const input = `-f ${directory}/places.yaml -f ${directory}/profile.yaml -f ${directory}/cilium.yaml --config ${directory}/cilium.cfg`;
  const run = async (command: string, log = LOG) => cli(`${command} ${input} --flows -`, { stdin: log });
  const documentOf = async <T>(command: string, log?: string) => {
    const { stdout, code } = await run(`${command} -o json`, log);
    return { ...(JSON.parse(stdout) as T), code };
  };
  interface Outcome {
    readonly port: number;
    readonly because: string;
  }
  type Outcomes = Readonly<Record<'cut' | 'unknown' | 'passes' | 'denied', readonly Outcome[]>>;

  it('are not reported as cut by preflight if an engine policy allows them', async () => {
    const { passes, cut, unknown, denied, code } = await documentOf<Outcomes>('preflight');
    assert.deepEqual(passes, [
      {
        from: 'ops/deploy/tool',
        to: 'shop/deploy/web',
        protocol: 'TCP',
        port: 22,
        count: 1,
        because: 'CiliumNetworkPolicy shop/tool',
      },
    ]);
    assert.deepEqual(
      cut.map(({ port }) => port),
      [80],
    );
    assert.deepEqual(
      unknown.map(({ port, because }) => [port, because]),
      [[443, 'depends on CiliumNetworkPolicy shop/shop.egress, spec.egress[1] (names (toFQDNs))']],
    );
    assert.deepEqual(
      denied.map(({ because }) => because),
      ['CiliumNetworkPolicy shop/tool, spec.ingressDeny[0] denies it'],
    );
    assert.equal(code, 1);
  });

  it('that depend on names are listed as unknown by preflight, with exit code 2', async () => {
    const { stdout, code } = await run('preflight', csv('shop,web,,,203.0.113.7,443,allowed'));
    assert.equal(code, 2);
    assert.match(stdout, /^UNKNOWN {2}1 flow may be denied$/m);
    assert.doesNotMatch(stdout, /would be cut/);
  });

  it('are judged by NetworkPolicies alone if preflight is told so', async () => {
    const { cut, unknown, code } = await documentOf<Outcomes>('preflight --only-network-policies');
    assert.deepEqual([unknown.length, code], [0, 1]);
    assert.deepEqual(
      cut.map(({ port }) => port),
      [22, 443, 80],
    );
  });

  it('are compared by preflight with the policies of other kinds before a change', async () => {
    const log = csv('ops,tool,shop,web,,22,allowed', 'shop,web,,,203.0.113.7,443,allowed');
    const { stdout } = await cli(
      `preflight -f ${directory}/places.yaml -f ${directory}/profile.yaml --config ${directory}/cilium.cfg --flows - -o json ` +
        `--against ${directory}/places.yaml --against ${directory}/older.yaml --against ${directory}/cilium.yaml`,
      { stdin: log },
    );
    const { cut, unknown } = JSON.parse(stdout) as Outcomes;
    assert.deepEqual(
      [cut, unknown].map((list) => list.map(({ port }) => port)),
      [[22], [443]],
    );
  });

  it('are explained by denied with the policy of another kind that denies them', async () => {
    const { stdout } = await run('denied');
    assert.match(stdout, /DENIED {2}ops\/deploy\/tool → shop\/deploy\/web {2}TCP 25/);
    assert.match(stdout, /Ingress {2}denied by CiliumNetworkPolicy shop\/tool, spec\.ingressDeny\[0\]/);
  });

  it('are neither allowed nor denied for denied if a verdict is unknown', async () => {
    const log = csv('shop,web,,,203.0.113.7,443,denied');
    const { denied } = await documentOf<{ denied: readonly object[] }>('denied', log);
    assert.partialDeepStrictEqual(denied, [{ allowedNow: false, verdictNow: 'unknown' }]);
    assert.doesNotMatch((await run('denied', log)).stdout, /allow it now/);
  });

  it('are uses of the rules of engine policies for unused, and perhaps of rules with names', async () => {
    interface Usage {
      readonly owner: string;
      readonly rule: string;
      readonly count: number;
      readonly possibleCount?: number;
    }
    const { rules, code } = await documentOf<{ rules: readonly Usage[] }>('unused');
    assert.deepEqual(
      rules.map(({ owner, rule, count, possibleCount = 0 }) => [owner, rule, count, possibleCount]),
      [
        ['CiliumNetworkPolicy shop/tool', 'spec.ingress[1]', 0, 0],
        ['shop', 'baseline.dns', 0, 0],
        ['shop', 'rule idle', 0, 0],
        ['shop', 'rule pay', 0, 1],
        ['CiliumNetworkPolicy shop/tool', 'spec.ingress[0]', 1, 0],
      ],
    );
    assert.equal(code, 1);
    const { rules: queried } = await documentOf<{ rules: readonly Usage[] }>('unused', csv(QUERY));
    assert.deepEqual(
      queried.filter(({ count, possibleCount = 0 }) => count + possibleCount > 0).map(({ rule }) => rule),
      ['baseline.dns'],
    );
    const { stdout } = await run('unused');
    assert.match(stdout, /^shop +rule pay +perhaps 1 /m);
    assert.match(stdout, /3 rules of 5 never used; of 1 rule nobody can tell/);
  });

  it('have their verdict by all kinds in the page', async () => {
    const { stdout } = await run('graph --without-findings');
    const { seen } = pageDataOf(stdout);
    assert.deepEqual(
      seen?.flows.map(({ port, allowed, isUnknown = false }) => [port, allowed, isUnknown]),
      [
        ['TCP 22', true, false],
        ['TCP 25', false, false],
        ['TCP 443', false, true],
        ['TCP 80', false, false],
      ],
    );
  });
});

describe('a link of a matrix and a graph', () => {
  const directory = directoryOf({ 'places.yaml': places, 'cilium.yaml': cilium });
  const input = `-f ${directory}/places.yaml -f ${directory}/cilium.yaml`;

  it('names the policies of other kinds that decide about its ports, in every format', async () => {
    const of = async (command: string) => (await cli(`${command} ${input}`)).stdout;
    const { links } = JSON.parse(await of('matrix -o json')) as {
      links: { from: string; to: string; layers?: string[] }[];
    };
    const named = links.filter(({ layers }) => layers !== undefined);
    assert.deepEqual(
      named.map(({ from, to, layers }) => [from, to, layers]),
      [['ops/Deployment/tool', 'shop/Deployment/web', ['CiliumNetworkPolicy shop/tool']]],
    );
    assert.match(
      await of('matrix -o csv'),
      /^ops,Deployment,tool,shop,.*,CiliumNetworkPolicy shop\/tool\r$/m,
    );
    assert.match(await of('matrix -o wide'), /^FROM +TO +PORTS +DECIDED BY$/m);
    assert.match(await of('graph -o mermaid'), /\(CiliumNetworkPolicy shop\/tool\)"\|/);
    assert.match(await of('graph -o dot'), /\(CiliumNetworkPolicy shop\/tool\)"/);
  });

  it('names them on the page', async () => {
    const { stdout } = await cli(`graph --without-findings ${input}`);
    const { groups, links, layers, linkLayers } = pageDataOf(stdout);
    assert.deepEqual(layers, ['CiliumNetworkPolicy shop/tool']);
    const named = linkLayers?.links.flatMap((set, index) => {
      const [from, to] = [links[3 * index], links[3 * index + 1]].map((at) => groups[at ?? -1]?.name);
      return set === 0 ? [] : [[from, to, linkLayers.sets[set]]];
    });
    assert.deepEqual(named, [['tool', 'web', [0]]]);
  });

  it('has no such names without policies of other kinds', async () => {
    assert.doesNotMatch((await cli(`matrix -o wide -f ${directory}/places.yaml`)).stdout, /DECIDED BY/);
  });
});

describe('a profile that suggest proposes', () => {
  const directory = directoryOf({
    'nodes.yaml': `
apiVersion: v1
kind: Node
metadata: {name: one}
status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}
${workload('cilium', 'kube-system', 'k8s-app: cilium')}`,
    'places.yaml': places,
    'ambient.yaml': places.replace(
      '{name: shop}',
      '{name: shop, labels: {istio.io/dataplane-mode: ambient}}',
    ),
    'cilium.cfg':
      'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\nengine: Cilium\n',
  });

  it('with nodes needs the policies of Cilium there, as a note says', async () => {
    const input = `suggest -f ${directory}/places.yaml -f ${directory}/nodes.yaml -n shop --flows -`;
    const stdin = csv('shop,web,,,10.0.0.1,9100,allowed');
    const { stdout, stderr } = await cli(input, { stdin });
    assert.match(stdout, /entity: Nodes/);
    assert.match(
      stderr,
      /Cilium matches nodes and the API server by no address: web-to-nodes allows them only/,
    );
    assert.doesNotMatch(
      (await cli(`${input} --config ${directory}/cilium.cfg`, { stdin })).stderr,
      /Cilium matches/,
    );
  });

  it('from flows of the tunnel lacks the ports behind it, as a note says', async () => {
    const stdin = csv('ops,tool,shop,web,,15008,allowed');
    const { stderr } = await cli(`suggest -f ${directory}/ambient.yaml -n shop --flows -`, { stdin });
    assert.match(
      stderr,
      /port 15008 carries connections .* write those of ops\/deploy\/tool → shop\/deploy\/web/,
    );
    const beside = await cli(`suggest -f ${directory}/places.yaml -n shop --flows -`, { stdin });
    assert.doesNotMatch(beside.stderr, /port 15008 carries/);
  });
});
