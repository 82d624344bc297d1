/**
 * Guards of generated profiles, judged by Cilium's own policy engine at each write on the way from one profile to another:
 * - without foreign policies, the guard changes no verdict: it never cuts what NetworkPolicies and extensions allow;
 * - with a foreign policy that allows everything, no flow passes outside of the boundaries of both profiles, by a definition of
 *   their own, below. In the end, each flow within the boundary passes, and no other one does.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { Peer, SegmentationProfile } from '../../../src/api/profile.ts';
import { CILIUM_EXTENSIONS } from '../../../src/engines/cilium/extensions.ts';
import { CLUSTER_NETWORK_POLICY as carrier } from '../../../src/engines/cluster-network-policy/carrier.ts';
import { planExtensions } from '../../../src/engines/extensions/plan.ts';
import type { GuardForm } from '../../../src/engines/guards/carrier.ts';
import { planGuard } from '../../../src/engines/guards/plan.ts';
import type { ObjectStep } from '../../../src/engines/object-step.ts';
import { compile } from '../../../src/policy/compile.ts';
import { compileGuard, NOTHING_ADDED } from '../../../src/policy/guard/compile.ts';
import { plan, type Step } from '../../../src/policy/planning/plan.ts';
import { goIsThere, goTool, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { facts, type FactsInput, ownerByLabels, profile } from '../../policy/fixture.ts';
import { cases, SEED } from './scale.ts';

const CHANGES = cases(3);

const named = (name: string, team?: string) => ({
  name,
  labels: { 'kubernetes.io/metadata.name': name, ...(team !== undefined && { team }) },
});
const SELECTED = [named('shop', 'red'), named('store', 'red')];
const NAMESPACES = [...SELECTED, named('other'), named('partner', 'blue'), named('kube-system')];
const PODS = [
  { namespace: 'shop', name: 'web', app: 'web' },
  { namespace: 'shop', name: 'db', app: 'db' },
  { namespace: 'store', name: 'web', app: 'web' },
  { namespace: 'other', name: 'client', app: 'client' },
  { namespace: 'partner', name: 'web', app: 'web' },
  { namespace: 'kube-system', name: 'dns', app: 'kube-dns' },
];
/** Ends that are no pods, with the labels of their identities in Cilium. */
const ENDS: Readonly<Record<string, readonly string[]>> = {
  apiserver: ['reserved:kube-apiserver', 'reserved:remote-node'],
  node: ['reserved:remote-node'],
  provider: ['cidr:203.0.113.7/32', 'reserved:world-ipv4'],
  excepted: ['cidr:203.0.113.200/32', 'reserved:world-ipv4'],
  payments: ['cidr:198.51.100.1/32', 'reserved:world-ipv4', 'fqdn:api.payments.example'],
  internet: ['cidr:192.0.2.1/32', 'reserved:world-ipv4'],
};
const PORTS = [
  { protocol: 'TCP', port: 443 },
  { protocol: 'TCP', port: 8080 },
  { protocol: 'UDP', port: 53 },
] as const;

interface Flow {
  readonly from: string;
  readonly to: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
}

const podName = ({ namespace, name }: { namespace: string; name: string }) => `${namespace}/${name}`;
const isOwn = (end: string) => SELECTED.some(({ name }) => end.startsWith(`${name}/`));
const OWN = PODS.map(podName).filter(isOwn);
const OTHERS = [...PODS.map(podName).filter((name) => !isOwn(name)), ...Object.keys(ENDS)];
const FLOWS: readonly Flow[] = OWN.flatMap((own) =>
  [...OTHERS, ...OWN.filter((each) => each !== own)].flatMap((other) =>
    PORTS.flatMap((port) => [
      { from: own, to: other, ...port },
      ...(isOwn(other) ? [] : [{ from: other, to: own, ...port }]),
    ]),
  ),
);

const CLUSTER: FactsInput = {
  services: {
    'kube-system/kube-dns': {
      selector: { app: 'kube-dns' },
      ports: [{ protocol: 'UDP', port: 53 }],
    },
    'partner/web': { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
    'default/kubernetes': { ports: [{ port: 443 }], clusterIPs: ['10.96.0.1'] },
  },
  endpoints: { 'default/kubernetes': [{ addresses: ['172.18.0.2'], ports: [{ port: 443 }] }] },
  nodes: [{ addresses: ['172.18.0.2'], podCIDRs: ['10.244.0.0/16'] }],
  engine: { kind: 'available', carries: CILIUM_EXTENSIONS.carries },
};
const facade = facts(CLUSTER);

const one = <T>(...values: T[]) => fc.constantFrom(...values);
const optional = <T>(each: fc.Arbitrary<T>) => fc.option(each, { nil: undefined });
const few = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: 1, maxLength: 2 });
const clean = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const PROVIDER: Peer = { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } };
const common: Peer[] = [
  { namespaces: ['other'] },
  { namespaceSelector: { matchLabels: { team: 'blue' } }, podSelector: { matchLabels: { app: 'web' } } },
  { sameNamespaceLabels: ['team'] },
  { podSelector: { matchLabels: { app: 'db' } } },
  PROVIDER,
];
const targets = one<Peer>(
  ...common,
  { entity: 'KubeAPIServer' },
  { service: { namespace: 'partner', name: 'web' } },
  { fqdn: { names: ['api.payments.example'] } },
);
const sources = one<Peer>(...common, { entity: 'Nodes' });
const ports = optional(
  few(
    one<{ protocol: 'TCP'; port: number; endPort?: number }>(
      { protocol: 'TCP', port: 443 },
      { protocol: 'TCP', port: 8000, endPort: 9000 },
    ),
  ),
);
const rule = { name: one('a', 'b'), podSelector: optional(one({ matchLabels: { app: 'web' } })), ports };
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
        egress: fc.array(fc.record({ ...rule, to: few(targets) }), { maxLength: 2 }),
        ingress: fc.array(fc.record({ ...rule, from: few(sources) }), { maxLength: 2 }),
      })
      .map(({ isolation, dns, egress, ingress }) =>
        profile(
          clean({
            namespaceSelector: { matchLabels: { team: 'red' } },
            isolation,
            baseline: { dns },
            egress: isolation.includes('Egress') ? distinct(egress) : [],
            ingress: isolation.includes('Ingress')
              ? distinct(ingress).map((each) => ({ ...each, name: `in-${each.name}` }))
              : [],
          }) as Parameters<typeof profile>[0],
        ),
      ),
  },
);

/** True if the flow lies within the boundary of the profile, or is none that a guard can deny on Cilium. */
function isWithin(intent: SegmentationProfile | undefined, { from, to, protocol, port }: Flow): boolean {
  if (intent === undefined || (isOwn(from) && isOwn(to))) return true;
  const isEgress = isOwn(from);
  const other = isEgress ? to : from;
  const { isolation, baseline, egress = [], ingress = [] } = intent.spec;
  if (!isolation.includes(isEgress ? 'Egress' : 'Ingress')) return true;
  // As sources, guards know pods alone; and Cilium matches nodes by no address.
  if (isEgress ? ['apiserver', 'node'].includes(other) : other in ENDS) return true;
  const isDNS = other === 'kube-system/dns' && protocol === 'UDP' && port === 53;
  if (isEgress && baseline.dns === 'Allow' && isDNS) return true;
  const rules = [
    ...(isEgress ? egress.map(({ to: peers, ports: listed }) => ({ peers, listed })) : []),
    ...(isEgress ? [] : ingress.map(({ from: peers, ports: listed }) => ({ peers, listed }))),
  ];
  return rules.some(({ peers, listed = [] }) =>
    peers.some((peer) => {
      if (peer.fqdn !== undefined && isDNS) return true;
      const implied = peer.service !== undefined && listed.length === 0 ? [{ port: 8080 }] : listed;
      const onPort =
        implied.length === 0 ||
        implied.some((each) => {
          const { port: first, endPort } = each as { port: number; endPort?: number };
          return protocol === 'TCP' && first <= port && port <= (endPort ?? first);
        });
      return onPort && isPeer(peer, other);
    }),
  );
}

function isPeer(peer: Peer, end: string): boolean {
  if (peer.namespaces !== undefined) return end === 'other/client';
  if (peer.namespaceSelector !== undefined || peer.service !== undefined) return end === 'partner/web';
  // The guard passes every namespace that has the label.
  if (peer.sameNamespaceLabels !== undefined) return end === 'partner/web';
  if (peer.ipBlock !== undefined) return end === 'provider';
  return peer.fqdn !== undefined && end in ENDS;
}

/** The objects of the cluster: policies and extensions by namespace and name, and the guard. */
interface State {
  readonly policies: ReadonlyMap<string, NetworkPolicy>;
  readonly extensions: ReadonlyMap<string, KubeObject>;
  readonly guard: GuardForm | undefined;
}
const NOTHING: State = { policies: new Map(), extensions: new Map(), guard: undefined };

type Write =
  | { readonly in: string; readonly base: Step }
  | { readonly in: string; readonly extension: ObjectStep }
  | { readonly guard: GuardForm | undefined };

const byNamespace = <T>(all: ReadonlyMap<string, T>, namespace: string): T[] =>
  [...all].flatMap(([key, each]) => (key.startsWith(`${namespace}/`) ? [each] : []));

/** The writes that lead to the profile, in order. */
function writesTo(intent: SegmentationProfile | undefined, state: State): Write[] {
  const { widened, final } = guardPlan(intent, state.guard);
  const inNamespaces = SELECTED.flatMap((namespace): Write[] => {
    const compiled =
      intent === undefined ? { policies: [], extensions: [] } : compile(intent, namespace, facade);
    const { widen, narrow } = planExtensions(
      byNamespace(state.extensions, namespace.name),
      compiled.extensions,
      {
        engine: CILIUM_EXTENSIONS,
        ownerOf: () => 'segmented',
        kept: new Set(),
      },
    );
    const { steps } = plan(byNamespace(state.policies, namespace.name), compiled.policies, {
      hasPods: true,
      ownerOf: ownerByLabels,
    });
    return [
      ...widen.map((extension) => ({ in: namespace.name, extension })),
      ...steps.map((step) => ({ in: namespace.name, base: step })),
      ...narrow.map((extension) => ({ in: namespace.name, extension })),
    ];
  });
  // The guard of a profile that goes is removed first.
  if (intent === undefined) return [...(state.guard ? [{ guard: undefined }] : []), ...inNamespaces];
  return [...(widened ? [{ guard: widened }] : []), ...inNamespaces, { guard: final }];
}

function guardPlan(intent: SegmentationProfile | undefined, observed: GuardForm | undefined) {
  if (intent === undefined) return { widened: undefined, final: undefined };
  const guard = compileGuard(intent, {
    profiles: [intent],
    namespaces: SELECTED,
    protectedNamespaces: ['kube-system'],
    cluster: facade,
    added: NOTHING_ADDED,
  });
  const made = carrier.compile(guard);
  assert.equal(made.kind, 'compiled');
  return made.kind === 'compiled'
    ? planGuard(observed, made.form, { unresolved: new Set(), carrier })
    : { widened: undefined, final: undefined };
}

function written(state: State, write: Write): State {
  if ('guard' in write) return { ...state, guard: write.guard };
  if ('base' in write) {
    const policies = new Map(state.policies);
    const { base } = write;
    if (base.verb === 'delete') policies.delete(`${write.in}/${base.name}`);
    else policies.set(`${write.in}/${base.policy.metadata.name}`, base.policy);
    return { ...state, policies };
  }
  const extensions = new Map(state.extensions);
  const { extension } = write;
  if (extension.verb === 'delete') extensions.delete(`${write.in}/${extension.before.metadata.name}`);
  else extensions.set(`${write.in}/${extension.object.metadata.name}`, extension.object);
  return { ...state, extensions };
}

const FOREIGN: readonly NetworkPolicy[] = SELECTED.map(({ name }) => ({
  kind: 'NetworkPolicy',
  apiVersion: 'networking.k8s.io/v1',
  metadata: { name: 'tenant', namespace: name },
  spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] },
}));

/** Three questions of a state: without guard, with it, and with the foreign policy too. */
function questionsOf({ policies, extensions, guard }: State): string[] {
  const base = [...policies.values(), ...extensions.values()];
  const guards =
    guard === undefined
      ? []
      : [
          {
            ...carrier.objectOf(guard, 500),
            apiVersion: 'policy.networking.k8s.io/v1alpha2',
            metadata: { name: 'segmented.guard' },
          },
        ];
  return [base, [...base, ...guards], [...base, ...FOREIGN, ...guards]].map((objects) =>
    JSON.stringify({
      pods: PODS.map(({ namespace, name, app }) => ({
        name,
        namespace,
        labels: { app },
        serviceAccount: 'default',
        namespaceLabels: NAMESPACES.find((each) => each.name === namespace)?.labels,
      })),
      ends: Object.entries(ENDS).map(([name, labels]) => ({ name, labels })),
      policies: objects,
      flows: FLOWS,
    }),
  );
}

const flowText = ({ from, to, protocol, port }: Flow) => `${from} > ${to} ${protocol} ${port}`;

(goIsThere ? describe : describe.skip)(`guard on Cilium${skippedWithoutGo}`, () => {
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

  it(`cuts nothing that profiles allow, and all that a foreign policy opens outside of them, in ${CHANGES} changes (seed ${SEED})`, function () {
    this.timeout('10m');
    const changes = fc
      .sample(fc.tuple(profiles, profiles), { numRuns: CHANGES, seed: SEED })
      .map(([old, next]) => {
        const start = writesTo(old, NOTHING).reduce(written, NOTHING);
        const states = [start];
        for (const write of writesTo(next, start)) states.push(written(states.at(-1) ?? start, write));
        return { old, next, states };
      });
    const { status, stdout, stderr } = spawnSync(judge, {
      input: changes.flatMap(({ states }) => states.flatMap(questionsOf)).join('\n'),
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    assert.equal(status, 0, stderr);
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { verdicts: boolean[]; refused: string[] });
    let [at, cut] = [0, 0];
    for (const { old, next, states } of changes) {
      for (const [index, state] of states.entries()) {
        const [base, guarded, open] = answers.slice(at, (at += 3)).map((answer) => {
          assert.deepEqual(answer.refused, []);
          return answer.verdicts;
        });
        const isLast = index === states.length - 1;
        for (const [number, flow] of FLOWS.entries()) {
          const text = () =>
            `write ${index}, ${flowText(flow)}: ${JSON.stringify({ old: old?.spec, next: next?.spec, guard: state.guard })}`;
          assert.equal(guarded?.[number], base?.[number], `cut, ${text()}`);
          const isInside = isWithin(next, flow);
          if (open?.[number]) assert.ok(isInside || isWithin(old, flow), `open, ${text()}`);
          if (!isLast) continue;
          assert.equal(open?.[number], isInside, `in the end, ${text()}`);
          if (!isInside) cut += 1;
        }
      }
      // From any state, after a crash, planning anew leads to the same guard.
      const final = states.at(-1)?.guard;
      for (const state of states) {
        const end = writesTo(next, state).reduce(written, state);
        assert.deepEqual(end.guard, final);
      }
    }
    assert.ok(cut > 25 * CHANGES, `${cut} flows are denied by guards`);
  });
});
