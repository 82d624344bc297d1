/** The rule that is suggested allows what was denied, and nothing that was not asked for. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { NetworkPolicy, PolicyType, Protocol } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { compileView } from '../../src/analysis/evaluator.ts';
import type { Flow, Namespace, Pod } from '../../src/analysis/cluster.ts';
import { type Remedy, remedy, selectorFor } from '../../src/analysis/remedy.ts';
import { admitProfile } from '../../src/cli/snapshot/profile.ts';
import { compile } from '../../src/policy/compile.ts';
import { facts, profile } from '../policy/fixture.ts';
import { flow, labels, namespaces, pods, selector } from './arbitrary.ts';

const PORTS = [53, 80, 85, 8080, 9090];

interface World {
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  readonly profile: SegmentationProfile;
  /** Namespaces that the profile selects. */
  readonly selected: ReadonlySet<string>;
  readonly foreign: readonly NetworkPolicy[];
}

const world: fc.Arbitrary<World> = fc
  .record({
    namespaces,
    pods,
    more: fc.array(labels, { maxLength: 3 }),
    allowed: fc.array(selector, { maxLength: 2 }),
    selected: fc.subarray(['alpha', 'beta', 'gamma']),
    denying: fc.subarray(['alpha', 'beta', 'gamma']),
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
    foreign: denying.map((namespace) => ({
      metadata: { namespace, name: 'deny' },
      spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] as const },
    })),
  }));

function policiesOf({ namespaces, selected, foreign }: World, of: SegmentationProfile): NetworkPolicy[] {
  const own = namespaces
    .filter(({ name }) => selected.has(name))
    .flatMap((namespace) => compile(of, namespace, facts()).policies);
  return [...own, ...foreign];
}

describe('the rule that is suggested for a denied flow', () => {
  it('allows the flow, and opens nothing but this port between these pods and those that it names', () => {
    fc.assert(
      fc.property(
        world.chain((each) => fc.tuple(fc.constant(each), flow(each.pods))),
        ([world, asked]) => {
          const before = policiesOf(world, world.profile);
          const view = { namespaces: world.namespaces, policies: before };
          const verdict = compileView(view).verdict(asked);
          fc.pre(!verdict.allowed);
          let changed = world.profile;
          const added: NetworkPolicy[] = [];
          const remedies: Remedy[] = [];
          for (const direction of ['Egress', 'Ingress'] as const) {
            if (verdict[direction === 'Egress' ? 'egress' : 'ingress'].allowed) continue;
            const found = suggestion(world, asked, direction, changed);
            assert.ok(found, `nothing is suggested for ${direction}`);
            remedies.push(found);
            if (found.kind === 'rule') changed = found.changed;
            else added.push(found.policy);
          }
          const after = compileView({ ...view, policies: [...policiesOf(world, changed), ...added] });
          assert.ok(after.verdict(asked).allowed, 'the flow is denied still');
          const judge = compileView(view);
          for (const other of everyFlow(world, asked)) {
            const opened = after.verdict(other).allowed && !judge.verdict(other).allowed;
            if (opened) assert.ok(isMeant(other, asked, remedies), `also opens ${JSON.stringify(other)}`);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it('is one that the API server admits', () => {
    fc.assert(
      fc.property(
        world.chain((each) => fc.tuple(fc.constant(each), flow(each.pods))),
        fc.constantFrom<PolicyType>('Ingress', 'Egress'),
        ([world, asked], direction) => {
          const subject = direction === 'Ingress' ? asked.to : asked.from;
          fc.pre(subject.kind === 'pod' && subject.pod.hostNetwork !== true);
          const found = suggestion(world, asked, direction, world.profile);
          fc.pre(found?.kind === 'rule');
          const { changed } = found;
          const manifest = {
            apiVersion: 'segmentation.dev/v1alpha1',
            kind: 'SegmentationProfile',
            ...changed,
          };
          assert.deepEqual(admitProfile(manifest).problems, []);
        },
      ),
      { numRuns: 200 },
    );
  });
});

function suggestion(
  world: World,
  { from, to, port, protocol }: Flow,
  direction: PolicyType,
  current: SegmentationProfile,
): Remedy | undefined {
  const [own, other] = direction === 'Ingress' ? [to, from] : [from, to];
  assert.ok(own.kind === 'pod');
  const isolated = world.selected.has(own.pod.namespace);
  return remedy({
    direction,
    subjects: [own.pod],
    peer: other.kind === 'pod' ? { pods: [other.pod] } : { addresses: [other.ip] },
    ports: [{ port, protocol }],
    name: 'a flow',
    profile: isolated ? current : undefined,
    namespaces: world.selected,
    pods: world.pods,
    policyNames: world.foreign.map(({ metadata }) => metadata.name),
  });
}

function* everyFlow({ pods }: World, asked: Flow): Generator<Flow> {
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

/** One of the flows that are asked for, or that the remedies say they open too. */
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

describe('the selector for some pods', () => {
  const pod = (name: string, labels: Record<string, string>): Pod => ({
    namespace: 'a',
    name,
    labels,
    ips: [],
  });

  it('uses the label that says most, and none that passes', () => {
    const web = pod('web', { zone: 'x', app: 'web', 'pod-template-hash': '7f' });
    assert.deepEqual(selectorFor([web], [pod('db', { app: 'db' })]), {
      selector: { matchLabels: { app: 'web' } },
      also: [],
    });
  });

  it('uses two labels where one is not enough', () => {
    const web = pod('web', { app: 'shop', tier: 'web' });
    const others = [pod('db', { app: 'shop', tier: 'db' }), pod('blog', { app: 'blog', tier: 'web' })];
    assert.deepEqual(selectorFor([web], others).selector, { matchLabels: { app: 'shop', tier: 'web' } });
  });

  it('says which pods it can not tell from those that are meant', () => {
    const twin = pod('twin', { app: 'web' });
    assert.deepEqual(selectorFor([pod('web', { app: 'web' })], [twin]).also, [twin]);
    assert.deepEqual(selectorFor([pod('bare', {})], [twin]), { selector: {}, also: [twin] });
  });
});
