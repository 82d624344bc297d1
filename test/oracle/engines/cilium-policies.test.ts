/**
 * The flows that foreign policies open and cut under a profile, by the audit and by Cilium's own policy engine: foreign
 * NetworkPolicies, CiliumNetworkPolicies of a namespace and of the cluster, and ClusterNetworkPolicies of both tiers. Flows
 * are between pods: which identity an address has depends on Cilium's agent, which does not run here.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { pod, policy } from '../../audit/world.ts';
import { goIsThere, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { type CiliumJudge, ciliumJudge, type Question } from './cilium-judge.ts';
import {
  apps,
  assertSameFlows,
  assertSameVerdicts,
  baseOf,
  type Cluster,
  few,
  FLOWS,
  isolation,
  named,
  names,
  NAMESPACES,
  one,
  optional,
  placed,
  PODS,
  teams,
  wire,
} from './foreign-flows.ts';
import { cases, SEED } from './scale.ts';

const CLUSTERS = cases(30);

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
const clusterPolicy = wire(
  fc.record({
    tier: one('Admin', 'Admin', 'Baseline'),
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
  cluster: fc.array(clusterPolicy, { maxLength: 3 }),
  isolation,
});
type Generated = typeof clusters extends fc.Arbitrary<infer T> ? T : never;

function clusterOf({ base, foreign, cilium, cluster, isolation: isolated }: Generated): Cluster {
  return {
    base: baseOf(base, isolated),
    foreign: foreign.map(([where, made], index) => policy(`${where}/foreign-${index}`, made)),
    objects: [
      ...cilium.map(({ kind, where, spec }, index) => ({
        apiVersion: 'cilium.io/v2',
        kind,
        metadata: { name: `cilium-${index}`, ...(where !== '' && { namespace: where }) },
        spec,
      })),
      ...cluster.map((made, index) => ({
        apiVersion: 'policy.networking.k8s.io/v1alpha2',
        kind: 'ClusterNetworkPolicy',
        metadata: { name: `cluster-${index}` },
        spec: { ...made, priority: index },
      })),
    ],
    isolation: isolated,
  };
}

/** By Cilium's agent the audit knows how the engine asks the Baseline tier. */
const AGENTS = [pod('kube-system/cilium', { hostNetwork: true }, { labels: { 'k8s-app': 'cilium' } })];

/** The judge's input: a cluster, with `policies` of every kind. */
function questionOf(policies: readonly object[]): Question {
  return {
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
  };
}

(goIsThere ? describe : describe.skip)(`flows that foreign policies open and cut${skippedWithoutGo}`, () => {
  let judge: CiliumJudge;

  before(async function () {
    this.timeout('30m');
    judge = await ciliumJudge();
  });

  it(`are those of Cilium's policy engine, as are all verdicts, on ${CLUSTERS} clusters (seed ${SEED})`, function () {
    this.timeout('10m');
    const all = fc.sample(clusters, { numRuns: CLUSTERS, seed: SEED }).map(clusterOf);
    const answers = judge(
      all.flatMap(({ base, foreign, objects }) => [
        questionOf(base.map(named('NetworkPolicy'))),
        questionOf([...[...base, ...foreign].map(named('NetworkPolicy')), ...objects]),
      ]),
    );
    let opened = 0;
    let cut = 0;
    for (const [index, cluster] of all.entries()) {
      const [before, after] = [answers[index * 2], answers[index * 2 + 1]];
      assert.ok(before !== undefined && after !== undefined);
      const taken = {
        ...cluster,
        objects: cluster.objects.filter(({ metadata }) => !after.refused.includes(metadata.name)),
      };
      const options = { title: `cluster ${index}`, engine: { podsInIPBlocks: false, agents: AGENTS } };
      assertSameVerdicts(taken, FLOWS, after.verdicts, options);
      const changed = assertSameFlows(taken, { before: before.verdicts, after: after.verdicts }, options);
      opened += changed.opened;
      cut += changed.cut;
    }
    assert.ok(opened > 2 * CLUSTERS && cut > CLUSTERS / 3, `${opened} opened, ${cut} cut`);
  });
});
