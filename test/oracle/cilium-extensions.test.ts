/**
 * NetworkPolicies and CiliumNetworkPolicies of generated profiles, judged by Cilium's own policy engine: a state allows what
 * the profile means (by a definition of its own, below), and each write on the way from one profile to another is neither
 * wider (I1) nor cuts (I2). Flows are between pods of one selected namespace and ends outside of it, so that one end decides.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import type { KubeObject } from '../../src/api/meta.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { Peer, SegmentationProfile } from '../../src/api/profile.ts';
import { CILIUM_EXTENSIONS } from '../../src/engines/cilium/extensions.ts';
import { planExtensions } from '../../src/engines/extensions/plan.ts';
import type { ObjectStep } from '../../src/engines/object-step.ts';
import { compile } from '../../src/policy/compile.ts';
import { plan, type Step } from '../../src/policy/planning/plan.ts';
import { goIsThere, goTool, skippedWithoutGo } from '../env/tooling/go-tool.ts';
import { facts, type FactsInput, profile } from '../policy/fixture.ts';

const RUNS = Number(process.env['CILIUM_RUNS'] ?? 25);
const SEED = Number(process.env['CILIUM_SEED'] ?? 1);

const SHOP = { name: 'shop', labels: { 'kubernetes.io/metadata.name': 'shop' } };
const PODS = [
  { namespace: 'shop', name: 'web', app: 'web' },
  { namespace: 'shop', name: 'db', app: 'db' },
  { namespace: 'kube-system', name: 'dns', app: 'kube-dns' },
  { namespace: 'other', name: 'client', app: 'client' },
];
/** Ends that are no pods, with the labels of their identities in Cilium. */
const ENDS: Readonly<Record<string, readonly string[]>> = {
  apiserver: ['reserved:kube-apiserver', 'reserved:remote-node'],
  node: ['reserved:remote-node'],
  payments: ['reserved:world', 'fqdn:api.payments.example'],
  supplier: ['reserved:world', 'fqdn:**.supplier.example'],
  internet: ['reserved:world'],
};
const OUTSIDE = ['kube-system/dns', 'other/client', ...Object.keys(ENDS)];
const PORTS = [
  { protocol: 'TCP', port: 443 },
  { protocol: 'TCP', port: 6443 },
  { protocol: 'TCP', port: 53 },
  { protocol: 'UDP', port: 53 },
  { protocol: 'TCP', port: 10250 },
] as const;

interface Flow {
  readonly from: string;
  readonly to: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
}

const FLOWS: readonly Flow[] = ['shop/web', 'shop/db'].flatMap((pod) =>
  OUTSIDE.flatMap((end) =>
    PORTS.flatMap((port) => [
      { from: pod, to: end, ...port },
      { from: end, to: pod, ...port },
    ]),
  ),
);

const CLUSTER: FactsInput = {
  services: {
    'kube-system/kube-dns': {
      selector: { app: 'kube-dns' },
      ports: [
        { protocol: 'UDP', port: 53 },
        { protocol: 'TCP', port: 53 },
      ],
    },
    'default/kubernetes': { ports: [{ port: 443, targetPort: 6443 }], clusterIPs: ['10.96.0.1'] },
  },
  endpoints: { 'default/kubernetes': [{ addresses: ['172.18.0.2'], ports: [{ port: 6443 }] }] },
  nodes: [{ addresses: ['172.18.0.2'] }, { addresses: ['172.18.0.3'] }],
  engine: { kind: 'available', carries: CILIUM_EXTENSIONS.carries },
};

const one = <T>(...values: T[]) => fc.constantFrom(...values);
const optional = <T>(each: fc.Arbitrary<T>) => fc.option(each, { nil: undefined });
const few = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: 1, maxLength: 2 });

const targets = one<Peer>(
  { entity: 'KubeAPIServer' },
  { entity: 'Nodes' },
  { fqdn: { names: ['api.payments.example'] } },
  { fqdn: { names: ['**.supplier.example', 'api.payments.example'] } },
  { namespaces: ['other'] },
);
const sources = one<Peer>({ entity: 'KubeAPIServer' }, { entity: 'Nodes' }, { namespaces: ['other'] });
const ports = optional(
  few(
    one<{ protocol: 'TCP' | 'UDP'; port: number; endPort?: number }>(
      { protocol: 'TCP', port: 443 },
      { protocol: 'UDP', port: 53 },
      { protocol: 'TCP', port: 6000, endPort: 11_000 },
    ),
  ),
);
const pods = optional(one({ matchLabels: { app: 'web' } }, { matchLabels: { app: 'db' } }));
const rule = { name: one('a', 'b'), podSelector: pods, ports };
const clean = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
const distinct = <T extends { name: string }>(rules: readonly T[]): T[] => [
  ...new Map(rules.map((each) => [each.name, each])).values(),
];

const profiles: fc.Arbitrary<SegmentationProfile | undefined> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(undefined) },
  {
    weight: 8,
    arbitrary: fc
      .record({
        isolation: one<('Ingress' | 'Egress')[]>(['Ingress', 'Egress'], ['Egress'], ['Ingress']),
        dns: one<'Allow' | 'Deny'>('Allow', 'Deny'),
        kubeAPIServer: one<'Allow' | 'Deny'>('Allow', 'Deny'),
        egress: fc.array(fc.record({ ...rule, to: few(targets) }), { maxLength: 3 }),
        ingress: fc.array(fc.record({ ...rule, from: few(sources) }), { maxLength: 2 }),
      })
      .map(({ isolation, dns, kubeAPIServer, egress, ingress }) =>
        profile(
          clean({
            isolation,
            baseline: { dns, kubeAPIServer },
            egress: isolation.includes('Egress') ? distinct(egress) : [],
            ingress: isolation.includes('Ingress') ? distinct(ingress) : [],
          }) as Parameters<typeof profile>[0],
        ),
      ),
  },
);

/** The verdict that a profile means for a flow, by the names of the ends. */
function means(intent: SegmentationProfile | undefined, { from, to, protocol, port }: Flow): boolean {
  if (intent === undefined) return true;
  const { isolation, baseline, egress = [], ingress = [] } = intent.spec;
  const isEgress = from.startsWith('shop/');
  if (!isolation.includes(isEgress ? 'Egress' : 'Ingress')) return true;
  const [own, other] = isEgress ? [from, to] : [to, from];
  const app = own.slice('shop/'.length);
  const isDNS = port === 53 && other === 'kube-system/dns';
  const rules = isEgress
    ? [
        ...egress.map(({ to: peers, ...rest }) => ({ peers, ...rest })),
        ...(baseline.kubeAPIServer === 'Allow' ? [{ peers: [{ entity: 'KubeAPIServer' }] as Peer[] }] : []),
      ]
    : ingress.map(({ from: peers, ...rest }) => ({ peers, ...rest }));
  if (isEgress && baseline.dns === 'Allow' && isDNS) return true;
  return rules.some((each) => {
    const {
      peers,
      podSelector,
      ports: listed = [],
    } = each as {
      peers: readonly Peer[];
      podSelector?: { matchLabels?: Record<string, string> };
      ports?: readonly { protocol: string; port: number; endPort?: number }[];
    };
    if (podSelector !== undefined && podSelector.matchLabels?.['app'] !== app) return false;
    return peers.some(({ entity, fqdn, namespaces }) => {
      if (fqdn !== undefined && isDNS) return true;
      const implied =
        entity === 'KubeAPIServer' && isEgress
          ? [
              { protocol: 'TCP', port: 443 },
              { protocol: 'TCP', port: 6443 },
            ]
          : [];
      const allowed: readonly { protocol: string; port: number; endPort?: number }[] =
        listed.length > 0 ? listed : implied;
      const onPort =
        allowed.length === 0 ||
        allowed.some(
          (range) =>
            range.protocol === protocol && range.port <= port && port <= (range.endPort ?? range.port),
        );
      return onPort && isPeer({ entity, fqdn, namespaces }, other);
    });
  });
}

function isPeer({ entity, fqdn, namespaces }: Peer, end: string): boolean {
  if (entity === 'KubeAPIServer') return end === 'apiserver';
  // The API server runs on a node.
  if (entity === 'Nodes') return end === 'apiserver' || end === 'node';
  if (fqdn !== undefined)
    return (
      (end === 'payments' && fqdn.names.includes('api.payments.example')) ||
      (end === 'supplier' && fqdn.names.includes('**.supplier.example'))
    );
  return namespaces?.some((name) => end.startsWith(`${name}/`)) ?? false;
}

/** The objects in the namespace, by kind and name. */
interface State {
  readonly policies: ReadonlyMap<string, NetworkPolicy>;
  readonly extensions: ReadonlyMap<string, KubeObject>;
}
const NOTHING: State = { policies: new Map(), extensions: new Map() };

type Write = { readonly base: Step } | { readonly extension: ObjectStep };

/** The writes that lead to the profile, in order. */
function writesTo(intent: SegmentationProfile | undefined, { policies, extensions }: State): Write[] {
  const compiled =
    intent === undefined ? { policies: [], extensions: [] } : compile(intent, SHOP, facts(CLUSTER));
  const { widen, narrow } = planExtensions([...extensions.values()], compiled.extensions, {
    engine: CILIUM_EXTENSIONS,
    ownerOf: () => 'segmented',
    kept: new Set(),
  });
  const base = plan([...policies.values()], compiled.policies, { hasPods: true, isOurs: () => true });
  return [
    ...widen.map((extension) => ({ extension })),
    ...base.steps.map((step) => ({ base: step })),
    ...narrow.map((extension) => ({ extension })),
  ];
}

function written({ policies, extensions }: State, write: Write): State {
  if ('base' in write) {
    const next = new Map(policies);
    if (write.base.verb === 'delete') next.delete(write.base.name);
    else next.set(write.base.policy.metadata.name, write.base.policy);
    return { policies: next, extensions };
  }
  const next = new Map(extensions);
  const { extension } = write;
  if (extension.verb === 'delete') next.delete(extension.before.metadata.name);
  else next.set(extension.object.metadata.name, extension.object);
  return { policies, extensions: next };
}

function questionOf({ policies, extensions }: State): string {
  return JSON.stringify({
    pods: PODS.map(({ namespace, name, app }) => ({
      name,
      namespace,
      labels: { app },
      serviceAccount: 'default',
      namespaceLabels: { 'kubernetes.io/metadata.name': namespace },
    })),
    ends: Object.entries(ENDS).map(([name, labels]) => ({ name, labels })),
    policies: [...policies.values(), ...extensions.values()],
    flows: FLOWS,
  });
}

const flowText = ({ from, to, protocol, port }: Flow) => `${from} > ${to} ${protocol} ${port}`;

(goIsThere ? describe : describe.skip)(`extensions on Cilium${skippedWithoutGo}`, () => {
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

  it(`allow what profiles mean, and are neither wider nor cut at any write, in ${RUNS} changes (seed ${SEED})`, function () {
    this.timeout('10m');
    const cases = fc
      .sample(fc.tuple(profiles, profiles), { numRuns: RUNS, seed: SEED })
      .map(([old, next]) => {
        const start = writesTo(old, NOTHING).reduce(written, NOTHING);
        const states = [start];
        for (const write of writesTo(next, start)) states.push(written(states.at(-1) ?? start, write));
        return { old, next, states };
      });
    const { status, stdout, stderr } = spawnSync(judge, {
      input: cases.flatMap(({ states }) => states.map(questionOf)).join('\n'),
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    assert.equal(status, 0, stderr);
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { verdicts: boolean[]; refused: string[] });
    let [at, byExtension] = [0, 0];
    for (const { old, next, states } of cases) {
      const judged = answers.slice(at, (at += states.length));
      const context = () =>
        JSON.stringify({
          old: old?.spec,
          next: next?.spec,
          at: states.map(({ policies, extensions }) => [[...policies.keys()], [...extensions.values()]]),
        });
      for (const { refused } of judged) assert.deepEqual(refused, [], context());
      const [first, last] = [judged[0]?.verdicts ?? [], judged.at(-1)?.verdicts ?? []];
      for (const [index, flow] of FLOWS.entries()) {
        const text = () => `${flowText(flow)}: ${context()}`;
        assert.equal(first[index], means(old, flow), `before, ${text()}`);
        assert.equal(last[index], means(next, flow), `after, ${text()}`);
        for (const { verdicts } of judged) {
          if (verdicts[index]) assert.ok(first[index] || last[index], `I1, ${text()}`);
          else assert.ok(!(first[index] && last[index]), `I2, ${text()}`);
        }
        if (last[index] && next !== undefined && /apiserver|node|payments|supplier/.test(flowText(flow)))
          byExtension += 1;
      }
      // From any prefix, after a crash, planning anew leads to the same objects.
      for (const state of states) {
        const end = writesTo(next, state).reduce(written, state);
        assert.deepEqual(writesTo(next, end), [], context());
        const finalState = states.at(-1) ?? NOTHING;
        assert.deepEqual(
          [...end.extensions.keys()].sort(),
          [...finalState.extensions.keys()].sort(),
          context(),
        );
      }
    }
    assert.ok(byExtension > 100, `${byExtension} flows are allowed by extensions`);
  });
});
