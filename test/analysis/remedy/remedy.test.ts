/** The remedy for a denied flow, judged by the evaluator on generated clusters. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { NetworkPolicy, PolicyType, Protocol } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { EVERY_PORT } from '../../../src/analysis/model/ports.ts';
import { compileView } from '../../../src/analysis/evaluator.ts';
import type { Flow, Namespace, Pod } from '../../../src/analysis/cluster.ts';
import { newLabel, podSelectorKeys } from '../../../src/analysis/remedy/new-label.ts';
import { RemedyCluster } from '../../../src/analysis/remedy/remedy-cluster.ts';
import { type Remedy, remedyFor, type RemedyResult } from '../../../src/analysis/remedy/remedy.ts';
import { admitProfile } from '../../../src/cli/snapshot/profile.ts';
import { compile } from '../../../src/policy/compile.ts';
import { facts, profile, runs } from '../../policy/fixture.ts';
import { flow, labels, namespaces, pods, selector } from '../arbitrary.ts';

const PORTS = [53, 80, 85, 8080, 9090];

interface Cluster {
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  readonly profile: SegmentationProfile;
  /** The namespaces that the profile selects. */
  readonly selected: ReadonlySet<string>;
  readonly foreign: readonly NetworkPolicy[];
}

const clusters: fc.Arbitrary<Cluster> = fc
  .record({
    namespaces,
    pods,
    more: fc.array(labels, { maxLength: 3 }),
    allowed: fc.array(selector, { maxLength: 2 }),
    selected: fc.subarray(['alpha', 'beta', 'gamma']),
    denying: fc.array(fc.tuple(fc.constantFrom('alpha', 'beta', 'gamma'), selector), { maxLength: 3 }),
  })
  .map(({ namespaces, pods, more, allowed, selected, denying }) => ({
    namespaces,
    pods: [
      ...pods,
      ...more.map(
        (each, i): Pod => ({ namespace: 'alpha', name: `more-${i}`, labels: each, ips: [`10.9.0.${i}`] }),
      ),
    ],
    profile: profile({
      ingress: allowed.map((podSelector, i) => ({ name: `given-${i}`, from: [{ podSelector }] })),
    }),
    selected: new Set(selected),
    // These isolate some pods of a namespace, and leave others open.
    foreign: denying.map(([namespace, podSelector], index) => ({
      metadata: { namespace, name: `deny-${index}` },
      spec: { podSelector, policyTypes: ['Ingress', 'Egress'] as const },
    })),
  }));

function policiesOf({ namespaces, selected, foreign }: Cluster, of: SegmentationProfile): NetworkPolicy[] {
  const own = namespaces
    .filter(({ name }) => selected.has(name))
    .flatMap((namespace) => compile(of, namespace, facts()).policies);
  return [...own, ...foreign];
}

/** A cluster and a flow in it. */
const asked = clusters.chain((each) => fc.tuple(fc.constant(each), flow(each.pods)));

describe('the remedy for a denied flow', () => {
  it('allows the flow, closes none, and opens none but those of the pods that it names', () => {
    fc.assert(
      fc.property(asked, ([cluster, asked]) => {
        const before = policiesOf(cluster, cluster.profile);
        const judge = compileView({ namespaces: cluster.namespaces, policies: before });
        const verdict = judge.verdict(asked);
        fc.pre(!verdict.allowed);
        let changed = cluster.profile;
        const added: NetworkPolicy[] = [];
        const remedies: Remedy[] = [];
        for (const direction of ['Egress', 'Ingress'] as const) {
          if (verdict[direction === 'Egress' ? 'egress' : 'ingress'].allowed) continue;
          const result = remedyOf(cluster, asked, direction, changed);
          fc.pre(result.kind === 'remedy' && result.remedy.labels.length === 0);
          const { remedy } = result;
          remedies.push(remedy);
          if (remedy.kind === 'policy') {
            added.push(remedy.policy);
            continue;
          }
          changed = remedy.changed;
          // One connection stands for both ends that the profile isolates.
          if (asked.to.kind === 'pod' && cluster.selected.has(asked.to.pod.namespace)) break;
        }
        const policies = [...policiesOf(cluster, changed), ...added];
        const after = compileView({ namespaces: cluster.namespaces, policies });
        assert.ok(after.verdict(asked).allowed, 'the flow is still denied');
        for (const other of everyFlow(cluster, asked)) {
          const [was, is] = [judge.verdict(other).allowed, after.verdict(other).allowed];
          assert.ok(is || !was, `closes ${JSON.stringify(other)}`);
          if (is && !was) assert.ok(isMeant(other, asked, remedies), `also opens ${JSON.stringify(other)}`);
        }
      }),
      { numRuns: runs(400) },
    );
  });

  it('is a connection that the API server admits', () => {
    fc.assert(
      fc.property(asked, fc.constantFrom<PolicyType>('Ingress', 'Egress'), ([cluster, asked], direction) => {
        const subject = direction === 'Ingress' ? asked.to : asked.from;
        fc.pre(subject.kind === 'pod' && subject.pod.hostNetwork !== true);
        const result = remedyOf(cluster, asked, direction, cluster.profile);
        fc.pre(result.kind === 'remedy' && result.remedy.kind === 'connection');
        const { changed } = result.remedy;
        const manifest = {
          apiVersion: 'segmentation.dev/v1alpha1',
          kind: 'SegmentationProfile',
          ...changed,
        };
        assert.deepEqual(admitProfile(manifest).violations, []);
      }),
      { numRuns: runs(200) },
    );
  });

  const open: Pod = { namespace: 'a', name: 'open', labels: { app: 'x' }, ips: [] };
  const isolated: Pod = { ...open, name: 'isolated', labels: { app: 'x', tier: 'db' } };
  const deny: NetworkPolicy = {
    metadata: { namespace: 'a', name: 'deny' },
    spec: { podSelector: { matchLabels: { tier: 'db' } } },
  };
  const input = {
    direction: 'Ingress' as const,
    peer: { addresses: ['203.0.113.7'] },
    ports: [{ protocol: 'TCP' as const, from: 80, to: 80 }],
    names: { connection: 'a flow', policy: 'a flow' },
    profile: undefined,
    takenNames: ['a-flow'],
    newLabels: { subject: { key: 'app', value: 'new' }, peer: { key: 'app', value: 'new' } },
  };

  it('is a policy that excludes the open pods of the namespace', () => {
    const result = remedyFor({
      ...input,
      subjects: [isolated],
      cluster: new RemedyCluster([open, isolated], [deny]),
    });
    assert.ok(result.kind === 'remedy' && result.remedy.kind === 'policy');
    const { metadata, spec } = result.remedy.policy;
    assert.deepEqual(metadata, { name: 'a-flow-2', namespace: 'a' });
    assert.deepEqual(spec.podSelector, { matchLabels: { tier: 'db' } });
  });

  it('needs a new label if the pods have none that stays', () => {
    const bare = { ...isolated, labels: { 'pod-template-hash': '7d9f' } };
    const isolateAll = { ...deny, spec: { podSelector: { matchLabels: bare.labels } } };
    const result = remedyFor({
      ...input,
      subjects: [bare],
      cluster: new RemedyCluster([open, bare], [isolateAll]),
    });
    assert.ok(result.kind === 'remedy' && result.remedy.kind === 'policy');
    assert.deepEqual(result.remedy.labels, [{ end: 'subject', key: 'app', value: 'new' }]);
    assert.deepEqual(result.remedy.policy.spec.podSelector, { matchLabels: { app: 'new' } });
  });

  it('does not exist if open pods of the same workload have the same labels', () => {
    const pods = ['db-0', 'db-1'].map((name) => ({
      ...isolated,
      name,
      labels: { app: 'db', 'statefulset.kubernetes.io/pod-name': name },
    }));
    const first = { ...deny, spec: { podSelector: { matchLabels: pods[0]?.labels ?? {} } } };
    const result = remedyFor({ ...input, subjects: pods, cluster: new RemedyCluster(pods, [first]) });
    assert.deepEqual(result, { kind: 'obstacle', obstacle: { kind: 'open-pods', pods: [pods[1]] } });
  });

  it('does not exist for a peer on the host network without an address', () => {
    const agent: Pod = { ...open, name: 'agent', hostNetwork: true };
    const result = remedyFor({
      ...input,
      subjects: [isolated],
      peer: { pods: [agent] },
      cluster: new RemedyCluster([isolated, agent], [deny]),
    });
    assert.deepEqual(result, { kind: 'obstacle', obstacle: { kind: 'no-address' } });
  });

  it('has ranges for ranges of ports, and no ports for every port', () => {
    const portsOf = (ports: typeof EVERY_PORT) => {
      const result = remedyFor({
        ...input,
        ports,
        subjects: [isolated],
        cluster: new RemedyCluster([isolated], [deny]),
      });
      assert.ok(result.kind === 'remedy' && result.remedy.kind === 'policy');
      return result.remedy.policy.spec.ingress?.[0]?.ports;
    };
    assert.equal(portsOf(EVERY_PORT), undefined);
    assert.deepEqual(
      portsOf([
        { protocol: 'TCP', from: 1, to: 79 },
        { protocol: 'UDP', from: 1, to: 65_535 },
      ]),
      [{ protocol: 'TCP', port: 1, endPort: 79 }, { protocol: 'UDP' }],
    );
  });
});

function remedyOf(
  cluster: Cluster,
  { from, to, port, protocol }: Flow,
  direction: PolicyType,
  current: SegmentationProfile,
): RemedyResult {
  const [own, other] = direction === 'Ingress' ? [to, from] : [from, to];
  assert.ok(own.kind === 'pod');
  const isSelected = cluster.selected.has(own.pod.namespace);
  const policies = policiesOf(cluster, cluster.profile);
  const label = newLabel({
    name: own.pod.name,
    kind: 'Pod',
    pods: cluster.pods,
    selectedKeys: podSelectorKeys(policies),
  });
  return remedyFor({
    direction,
    subjects: [own.pod],
    peer: other.kind === 'pod' ? { pods: [other.pod] } : { addresses: [other.ip] },
    ports: [{ protocol, from: port, to: port }],
    names: { connection: 'a flow', policy: 'a flow' },
    profile: isSelected ? current : undefined,
    cluster: new RemedyCluster(cluster.pods, policies),
    takenNames: cluster.foreign.map(({ metadata }) => metadata.name),
    newLabels: { subject: label, peer: label },
  });
}

function* everyFlow({ pods }: Cluster, asked: Flow): Generator<Flow> {
  const ends = [
    ...pods.map((pod) => ({ kind: 'pod' as const, pod })),
    ...[asked.from, asked.to].filter(({ kind }) => kind === 'external'),
  ];
  for (const from of ends) {
    for (const to of ends) {
      if (from.kind === 'external' && to.kind === 'external') continue;
      for (const port of PORTS) {
        for (const protocol of ['TCP', 'UDP'] as Protocol[]) yield { from, to, port, protocol };
      }
    }
  }
}

/** True for the flow that was asked for, and for those of other pods that the remedies name. */
function isMeant(other: Flow, asked: Flow, remedies: readonly Remedy[]): boolean {
  if (other.port !== asked.port || other.protocol !== asked.protocol) return false;
  return remedies.some((each) => {
    const [subject, peer] =
      each.direction === 'Ingress' ? ([other.to, other.from] as const) : ([other.from, other.to] as const);
    const [askedSubject, askedPeer] =
      each.direction === 'Ingress' ? ([asked.to, asked.from] as const) : ([asked.from, asked.to] as const);
    const is = (end: Flow['from'], meant: Flow['from'], also: readonly Pod[]) =>
      end.kind === 'pod'
        ? (meant.kind === 'pod' && (end.pod === meant.pod || sharesAddress(end.pod, meant))) ||
          also.includes(end.pod)
        : meant.kind === 'external' && meant.ip === end.ip;
    return is(subject, askedSubject, each.alsoSubjects) && is(peer, askedPeer, each.alsoPeers);
  });
}

function sharesAddress(pod: Pod, meant: Flow['from']): boolean {
  return meant.kind === 'pod' && pod.ips.some((ip) => meant.pod.ips.includes(ip));
}
