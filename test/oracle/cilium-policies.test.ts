/**
 * The flows that foreign policies open and cut under a profile, by the audit and by Cilium's own policy engine: foreign
 * NetworkPolicies, CiliumNetworkPolicies of a namespace and of the cluster, and ClusterNetworkPolicies. Flows are between
 * pods: which identity an address has depends on Cilium's agent, which does not run here.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import type { PortRange } from '../../src/analysis/model/ports.ts';
import type { GroupName } from '../../src/analysis/group.ts';
import { type Widening, widenings } from '../../src/analysis/widening.ts';
import type { KubeObject } from '../../src/api/meta.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import { AuditContext } from '../../src/audit/context.ts';
import { enginePolicies } from '../../src/audit/boundary/engine-policies/kinds.ts';
import { engineView } from '../../src/audit/boundary/engine-policies/view.ts';
import { namespace, own, pod, policy, world } from '../audit/world.ts';
import { goIsThere, goTool, skippedWithoutGo } from '../env/tooling/go-tool.ts';

const CLUSTERS = Number(process.env['CILIUM_RUNS'] ?? 60);
const SEED = Number(process.env['CILIUM_SEED'] ?? 1);
const NAMESPACES = [
  namespace('a', { team: 'x' }),
  namespace('b', { team: 'y' }),
  namespace('c', { team: 'x' }),
];
const PODS = NAMESPACES.flatMap(({ name }) =>
  ['web', 'db'].map((app) =>
    pod(`${name}/${app}`, {
      serviceAccountName: `sa-${app}`,
      containers: [{ name: app, ports: [{ name: 'main', containerPort: app === 'web' ? 80 : 90 }] }],
    }),
  ),
);
const BOTH = ['Ingress', 'Egress'] as const;
const PORTS = [80, 85, 90];
const PROTOCOLS = ['TCP', 'UDP'] as const;

const one = <T>(...values: T[]) => fc.constantFrom(...values);
const names = one('a', 'b', 'c');
const apps = one<object>({}, { matchLabels: { app: 'web' } }, { matchLabels: { app: 'db' } });
const teams = one<object>({}, { matchLabels: { team: 'x' } }, { matchLabels: { team: 'y' } });
const few = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: 1, maxLength: 2 });
const optional = <T>(each: fc.Arbitrary<T>) => fc.option(each, { nil: undefined });
/** Without keys that are undefined, as on the wire. */
const wire = <T extends object>(each: fc.Arbitrary<T>) =>
  each.map((value) => JSON.parse(JSON.stringify(value)) as T);

const peer = fc.oneof(
  apps.map((podSelector) => ({ podSelector })),
  fc.record({ podSelector: apps, namespaceSelector: teams }),
  one({ ipBlock: { cidr: '0.0.0.0/0' } }, { ipBlock: { cidr: '203.0.113.0/24' } }),
);
const port = one<object>(
  { protocol: 'TCP', port: 80 },
  { protocol: 'UDP', port: 90 },
  { protocol: 'TCP', port: 80, endPort: 89 },
);
const spec = (direction: 'Ingress' | 'Egress') =>
  wire(
    fc.record({
      podSelector: apps,
      policyTypes: fc.constant([direction]),
      [direction.toLowerCase()]: few(
        fc.record({
          [direction === 'Ingress' ? 'from' : 'to']: optional(few(peer)),
          ports: optional(few(port)),
        }),
      ),
    }),
  );
const placed = fc.tuple(names, fc.oneof(spec('Ingress'), spec('Egress')));

const ciliumPort = one<object>(
  { port: '80', protocol: 'TCP' },
  { port: '90' },
  { port: '80', endPort: 89, protocol: 'ANY' },
  { port: '0', protocol: 'UDP' },
);
const endpoint = one<object>(
  {},
  { matchLabels: { app: 'web' } },
  { matchLabels: { 'k8s:app': 'db', 'k8s:io.kubernetes.pod.namespace': 'b' } },
  { matchLabels: { 'k8s:io.cilium.k8s.policy.serviceaccount': 'sa-web' } },
  { matchLabels: { 'k8s:io.cilium.k8s.namespace.labels.team': 'x' } },
  { matchExpressions: [{ key: 'k8s:io.kubernetes.pod.namespace', operator: 'In', values: ['a', 'c'] }] },
  { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] },
);
const ciliumRule = (prefix: 'from' | 'to') =>
  wire(
    fc
      .tuple(
        fc.oneof(
          few(endpoint).map((list) => ({ [`${prefix}Endpoints`]: list })),
          few(one('all', 'world', 'cluster')).map((list) => ({ [`${prefix}Entities`]: [...new Set(list)] })),
          one<object>(
            { [`${prefix}CIDR`]: ['203.0.113.0/24'] },
            { [`${prefix}CIDRSet`]: [{ cidr: '0.0.0.0/0' }] },
          ),
          fc.constant({}),
        ),
        optional(few(ciliumPort).map((ports) => [{ ports }])),
      )
      .map(([peers, toPorts]) => ({ ...peers, toPorts })),
  );
const ciliumSpec = wire(
  fc.record({
    endpointSelector: fc.oneof(apps, endpoint),
    ingress: optional(few(ciliumRule('from'))),
    ingressDeny: optional(few(ciliumRule('from'))),
    egress: optional(few(ciliumRule('to'))),
    egressDeny: optional(few(ciliumRule('to'))),
    enableDefaultDeny: optional(one({ ingress: false, egress: false })),
  }),
);
const cilium = fc.oneof(
  fc.tuple(names, ciliumSpec).map(([where, made]) => ({ kind: 'CiliumNetworkPolicy', where, spec: made })),
  ciliumSpec.map((made) => ({ kind: 'CiliumClusterwideNetworkPolicy', where: '', spec: made })),
);

const clusterPeer = fc.oneof(
  teams.map((namespaces) => ({ namespaces })),
  fc.record({ pods: fc.record({ namespaceSelector: teams, podSelector: apps }) }),
);
const actions = one('Accept', 'Deny', 'Pass');
const protocols = one<object>(
  { tcp: { destinationPort: { number: 80 } } },
  { udp: { destinationPort: { range: { start: 80, end: 95 } } } },
);
const admin = wire(
  fc.record({
    tier: fc.constant('Admin'),
    subject: clusterPeer,
    ingress: fc.array(
      fc.record({ action: actions, from: few(clusterPeer), protocols: optional(few(protocols)) }),
      { maxLength: 2 },
    ),
    egress: fc.array(
      fc.record({
        action: actions,
        to: few(fc.oneof(clusterPeer, fc.constant({ networks: ['0.0.0.0/0'] }))),
        protocols: optional(few(protocols)),
      }),
      { maxLength: 2 },
    ),
  }),
);

const clusters = fc.record({
  base: fc.array(placed, { minLength: 4, maxLength: 12 }),
  foreign: fc.array(placed, { maxLength: 4 }),
  cilium: fc.array(cilium, { maxLength: 2 }),
  // No order is defined among rules of equal priority, so that priorities differ.
  admin: fc.array(admin, { maxLength: 2 }),
});
type Generated = typeof clusters extends fc.Arbitrary<infer T> ? T : never;

interface Cluster {
  readonly base: readonly NetworkPolicy[];
  readonly foreign: readonly NetworkPolicy[];
  readonly objects: readonly KubeObject[];
}

function clusterOf({ base, foreign, cilium, admin }: Generated): Cluster {
  return {
    base: [
      ...NAMESPACES.map(({ name }) => own(`${name}/deny`, { policyTypes: BOTH })),
      ...base.map(([where, made], index) => own(`${where}/own-${index}`, made)),
    ],
    foreign: foreign.map(([where, made], index) => policy(`${where}/foreign-${index}`, made)),
    objects: [
      ...cilium.map(({ kind, where, spec }, index) => ({
        apiVersion: 'cilium.io/v2',
        kind,
        metadata: { name: `cilium-${index}`, ...(where !== '' && { namespace: where }) },
        spec,
      })),
      ...admin.map((made, index) => ({
        apiVersion: 'policy.networking.k8s.io/v1alpha2',
        kind: 'ClusterNetworkPolicy',
        metadata: { name: `admin-${index}` },
        spec: { ...made, priority: index },
      })),
    ],
  };
}

interface Flow {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
}

const ENDS = PODS.map(({ namespace, name }) => `${namespace}/${name}`);
const FLOWS: readonly Flow[] = ENDS.flatMap((from) =>
  ENDS.filter((to) => to !== from).flatMap((to) =>
    PORTS.flatMap((port) => PROTOCOLS.map((protocol) => ({ from, to, port, protocol }))),
  ),
);
const flowText = ({ from, to, port, protocol }: Flow) => `${from} > ${to} ${protocol} ${port}`;

/** The judge's input: a cluster, with `policies` of every kind. */
function questionOf(policies: readonly object[]): string {
  return JSON.stringify({
    pods: PODS.map(({ namespace, name, labels, serviceAccount }) => ({
      name,
      namespace,
      labels,
      serviceAccount,
      namespaceLabels: {
        ...NAMESPACES.find((each) => each.name === namespace)?.labels,
        'kubernetes.io/metadata.name': namespace,
      },
    })),
    policies,
    flows: FLOWS,
  });
}

const named = (kind: string) => (each: NetworkPolicy) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind,
  ...each,
});

/** The flows that the audit finds to be opened, and those that it finds to be cut. */
function foundIn({ base, foreign, objects }: Cluster): { opened: Set<string>; cut: Set<string> } {
  const context = new AuditContext(
    world({ namespaces: NAMESPACES, pods: PODS, policies: [...base, ...foreign], objects }),
    { registries: [] },
  );
  const view = engineView(context, enginePolicies(context.snapshot));
  const found = widenings(
    { namespaces: NAMESPACES, pods: view.pods, policies: [...base, ...foreign, ...view.policies] },
    {
      judged: new Set([...foreign, ...view.policies]),
      additive: view.additive,
      ranks: view.ranks,
      podsInIPBlocks: false,
      groupOf: ({ namespace, name }) => ({ namespace, kind: 'Pod', name }),
    },
  );
  return { opened: flowsOf(found, false), cut: flowsOf(found, true) };
}

function flowsOf(found: readonly Widening[], isCut: boolean): Set<string> {
  const endOf = ({ namespace, name }: GroupName) => `${namespace}/${name}`;
  const includes = (ports: readonly PortRange[], flow: Flow) =>
    ports.some(
      (range) => range.protocol === flow.protocol && range.from <= flow.port && flow.port <= range.to,
    );
  const flows = found.filter((each) => each.isCut === isCut).flatMap((each) => each.flows);
  return new Set(
    FLOWS.filter((flow) =>
      flows.some(
        ({ from, to, ports }) => endOf(from) === flow.from && endOf(to) === flow.to && includes(ports, flow),
      ),
    ).map(flowText),
  );
}

(goIsThere ? describe : describe.skip)(`flows that foreign policies open and cut${skippedWithoutGo}`, () => {
  let judge: string;

  before(async function () {
    this.timeout('30m');
    judge = await goTool({
      name: 'cilium-policies',
      module: 'cilium-policies',
      package: '.',
      title: "Cilium's policy engine",
      usualTime: 'it takes about three minutes on 2 cores',
    });
  });

  it(`are those of Cilium's policy engine on ${CLUSTERS} clusters (seed ${SEED})`, function () {
    this.timeout('10m');
    const all = fc.sample(clusters, { numRuns: CLUSTERS, seed: SEED }).map(clusterOf);
    const input = all.flatMap(({ base, foreign, objects }) => [
      questionOf(base.map(named('NetworkPolicy'))),
      questionOf([...[...base, ...foreign].map(named('NetworkPolicy')), ...objects]),
    ]);
    const { status, stdout, stderr } = spawnSync(judge, {
      input: input.join('\n'),
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    assert.equal(status, 0, stderr);
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { verdicts: boolean[]; refused: string[] });
    let opened = 0;
    let cut = 0;
    for (const [index, cluster] of all.entries()) {
      const [before, after] = [answers[index * 2], answers[index * 2 + 1]];
      assert.ok(before !== undefined && after !== undefined);
      const taken = {
        ...cluster,
        objects: cluster.objects.filter(({ metadata }) => !after.refused.includes(metadata.name)),
      };
      const found = foundIn(taken);
      const differ = FLOWS.map((flow, at): [string, boolean, boolean] => [
        flowText(flow),
        before.verdicts[at] === false && after.verdicts[at] === true,
        before.verdicts[at] === true && after.verdicts[at] === false,
      ]);
      const expected = {
        opened: differ.filter(([, isOpened]) => isOpened).map(([text]) => text),
        cut: differ.filter(([, , isCut]) => isCut).map(([text]) => text),
      };
      const context = JSON.stringify({
        foreign: cluster.foreign,
        objects: taken.objects,
        base: cluster.base,
      });
      assert.deepEqual([...found.opened], expected.opened, `opened in cluster ${index}: ${context}`);
      assert.deepEqual([...found.cut], expected.cut, `cut in cluster ${index}: ${context}`);
      opened += expected.opened.length;
      cut += expected.cut.length;
    }
    assert.ok(opened > 100 && cut > 20, `${opened} opened, ${cut} cut`);
  });
});
