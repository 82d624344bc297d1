/**
 * The suggestions of `explain`, applied and compared by `diff` over generated clusters: they open the denied flow, open
 * nothing else but what they declare, close nothing, and select by no label that changes from run to run.
 */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { KubeObject, LabelSelector, StringMap } from '../../../../src/api/meta.ts';
import type { NetworkPolicy, PolicyType } from '../../../../src/api/network-policy.ts';
import { KIND } from '../../../../src/api/names.ts';
import type { SegmentationProfile } from '../../../../src/api/profile.ts';
import type { FlowChange } from '../../../../src/analysis/flow-changes.ts';
import { compareSnapshots } from '../../../../src/cli/commands/diff/compare.ts';
import { Questions } from '../../../../src/cli/commands/explain/questions.ts';
import { suggestionValue } from '../../../../src/cli/commands/explain/suggestion-output.ts';
import { suggest } from '../../../../src/cli/commands/explain/suggestions.ts';
import { ObjectSet } from '../../../../src/snapshot/objects.ts';
import type { Snapshot } from '../../../../src/snapshot/snapshot.ts';
import { labels, policySpec, selector } from '../../../analysis/arbitrary.ts';
import { admittedProfile, manifestsSnapshot } from '../../snapshot/fixture.ts';
import { runs } from '../../../policy/fixture.ts';

const NAMESPACES = ['alpha', 'beta', 'gamma'] as const;
const VOLATILE: readonly StringMap[] = [
  {},
  { 'pod-template-hash': '7d9f5c' },
  { 'batch.kubernetes.io/job-name': 'run-1', 'batch.kubernetes.io/controller-uid': 'c0ffee' },
  { 'statefulset.kubernetes.io/pod-name': 'db-0', 'apps.kubernetes.io/pod-index': '0' },
  { 'helm.sh/chart': 'web-1.2.3', 'app.kubernetes.io/version': '1.2.3', 'ci.example.com/commit': '4f5e6d7' },
];

interface Workload {
  readonly namespace: string;
  readonly kind: 'Deployment' | 'StatefulSet';
  readonly name: string;
  readonly labels: StringMap;
  /** Labels of its own for each running pod; none if only the template exists. */
  readonly pods: readonly StringMap[];
  readonly hostNetwork: boolean;
}

interface Cluster {
  readonly workloads: readonly Workload[];
  readonly policies: readonly NetworkPolicy[];
  readonly profile: SegmentationProfile | undefined;
}

const workload = fc.record({
  namespace: fc.constantFrom(...NAMESPACES),
  kind: fc.constantFrom('Deployment' as const, 'StatefulSet' as const),
  // Few sets of labels, so that workloads often have equal ones.
  labels: fc.oneof(
    fc.constantFrom<StringMap>({}, { app: 'red' }, { app: 'red', tier: 'blue' }, { tier: 'blue' }),
    labels,
  ),
  pods: fc.array(fc.constantFrom(...VOLATILE), { maxLength: 2 }),
  hostNetwork: fc.integer({ min: 0, max: 5 }).map((each) => each === 0),
});

const cluster: fc.Arbitrary<Cluster> = fc
  .record({
    workloads: fc.array(workload, { minLength: 2, maxLength: 5 }),
    specs: fc.array(fc.record({ namespace: fc.constantFrom(...NAMESPACES), spec: policySpec }), {
      maxLength: 3,
    }),
    denied: fc.subarray([...NAMESPACES]),
    volatile: fc.option(fc.constantFrom(...VOLATILE.slice(1)), { nil: undefined }),
    profile: fc.option(
      fc.record({
        namespaces: fc.subarray([...NAMESPACES], { minLength: 1 }),
        isolation: fc.constantFrom<PolicyType[]>(['Ingress'], ['Egress'], ['Ingress', 'Egress']),
        sameNamespace: fc.constantFrom('Allow', 'Deny'),
        allowed: fc.array(selector, { maxLength: 1 }),
      }),
      { nil: undefined },
    ),
  })
  .map(({ workloads, specs, denied, volatile, profile }) => ({
    workloads: workloads.map((each, index) => ({ ...each, name: `w${index}` })),
    policies: [
      ...specs.map(({ namespace, spec }, index) => policy(namespace, `p${index}`, spec)),
      // These isolate some pods of a namespace, and leave others open.
      ...denied.map((namespace) =>
        policy(namespace, 'deny', {
          podSelector: { matchLabels: { app: 'red' } },
          policyTypes: ['Ingress', 'Egress'],
        }),
      ),
      ...(volatile === undefined
        ? []
        : [policy('alpha', 'volatile', { podSelector: { matchLabels: volatile } })]),
    ],
    profile:
      profile === undefined
        ? undefined
        : admittedProfile({
            namespaceSelector: {
              matchExpressions: [
                { key: 'kubernetes.io/metadata.name', operator: 'In', values: profile.namespaces },
              ],
            },
            isolation: profile.isolation,
            baseline: { sameNamespace: profile.sameNamespace },
            ...(profile.isolation.includes('Ingress') && {
              ingress: profile.allowed.map((podSelector, index) => ({
                name: `given-${index}`,
                from: [{ podSelector }],
              })),
            }),
          }),
  }));

function policy(namespace: string, name: string, spec: NetworkPolicy['spec']): NetworkPolicy {
  return { metadata: { namespace, name }, spec };
}

function snapshotOf({ workloads, policies, profile }: Cluster): Snapshot {
  const objects = new ObjectSet();
  for (const name of NAMESPACES) {
    objects.put('Namespace', { metadata: { name, labels: { 'kubernetes.io/metadata.name': name } } });
  }
  if (profile !== undefined) objects.put(KIND, profile);
  for (const each of policies) objects.put('NetworkPolicy', each);
  for (const [index, each] of workloads.entries()) {
    for (const [kind, object] of objectsOf(each, index)) objects.put(kind, object);
  }
  return manifestsSnapshot(objects);
}

/** The running pods of a workload or, if there are none, its manifest. */
function objectsOf(
  { namespace, kind, name, labels, pods, hostNetwork }: Workload,
  index: number,
): [kind: string, object: KubeObject][] {
  const spec = { hostNetwork, containers: [{ name: 'a', ports: [{ containerPort: 80 }] }] };
  if (pods.length === 0) {
    const template = { metadata: { labels }, spec };
    return [[kind, { metadata: { namespace, name }, spec: { template } } as KubeObject]];
  }
  return pods.map((own, number) => {
    const ownerReferences = [{ apiVersion: 'apps/v1', kind, name, uid: name, controller: true }];
    const ip = hostNetwork ? `192.168.0.${number}` : `10.0.${index}.${number + 1}`;
    return [
      'Pod',
      {
        metadata: { namespace, name: `${name}-${number}`, labels: { ...labels, ...own }, ownerReferences },
        spec,
        status: { phase: 'Running', podIPs: [{ ip }] },
      } as KubeObject,
    ];
  });
}

/** The JSON document of a suggestion. */
interface SuggestionDocument {
  readonly direction: PolicyType;
  readonly labels?: readonly { readonly workload: string; readonly key: string; readonly value: string }[];
  readonly networkPolicy?: NetworkPolicy;
  readonly patch?: readonly { readonly path: string; readonly value: unknown }[];
  readonly alsoOpensFor: readonly string[];
}

/** The cluster after a user has done what the suggestion says. */
function applied(state: Cluster, { labels = [], networkPolicy, patch = [] }: SuggestionDocument): Cluster {
  const labelled = state.workloads.map((each) => {
    const added = labels.filter(({ workload }) => workload === labelOfWorkload(each));
    return {
      ...each,
      labels: { ...each.labels, ...Object.fromEntries(added.map(({ key, value }) => [key, value])) },
    };
  });
  const spec: Record<string, unknown> = { ...state.profile?.spec };
  for (const { path, value } of patch) {
    const [field = '', isAppended] = path.replace('/spec/', '').split('/');
    spec[field] = isAppended === '-' ? [...((spec[field] as unknown[] | undefined) ?? []), value] : value;
  }
  return {
    workloads: labelled,
    policies: networkPolicy === undefined ? state.policies : [...state.policies, networkPolicy],
    profile: patch.length === 0 ? state.profile : admittedProfile(spec),
  };
}

function labelOfWorkload({ namespace, kind, name }: Workload): string {
  return `${namespace}/${kind === 'Deployment' ? 'deploy' : 'sts'}/${name}`;
}

interface Outcome {
  readonly suggested: readonly SuggestionDocument[];
  readonly isComplete: boolean;
  readonly opened: readonly FlowChange[];
  readonly closed: readonly FlowChange[];
}

function outcomeOf(state: Cluster, from: string, to: string): Outcome | undefined {
  const before = snapshotOf(state);
  const policies = before.effective();
  const { answers } = new Questions(before, policies).ask(from, to, '80');
  if (answers.every(({ explanation }) => explanation.allowed)) return undefined;
  const { suggestions, obstacles } = suggest(answers, before, policies);
  const suggested = suggestions.map((each) => suggestionValue(each) as SuggestionDocument);
  const changed = suggested.reduce(applied, state);
  const after = snapshotOf(changed);
  const { opened, closed } = compareSnapshots({
    before,
    after,
    policiesBefore: policies,
    policiesAfter: after.effective(),
  });
  return { suggested, isComplete: obstacles.length === 0, opened, closed };
}

const asked = cluster.chain((state) => {
  const end = fc.constantFrom(...state.workloads.map(labelOfWorkload));
  const address = fc.constantFrom('203.0.113.7', '2001:db8::7');
  return fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constant(state), end, end) },
    { weight: 1, arbitrary: fc.tuple(fc.constant(state), address, end) },
    { weight: 1, arbitrary: fc.tuple(fc.constant(state), end, address) },
  );
});

/** Runs a property on the outcome of the suggestions for denied flows. */
function property(numRuns: number, judge: (outcome: Outcome, from: string, to: string) => void): void {
  fc.assert(
    fc.property(asked, ([state, from, to]) => {
      let outcome: Outcome | undefined;
      try {
        outcome = outcomeOf(state, from, to);
      } catch (error) {
        fc.pre(!/one and the same pod/.test(String(error)));
        throw error;
      }
      fc.pre(outcome !== undefined);
      judge(outcome, from, to);
    }),
    { numRuns: runs(numRuns) },
  );
}

/** The end of a changed flow, as explain names it. */
function endOf({ namespace, kind, name }: FlowChange['from']): string {
  if (kind === 'Addresses') return name.replace(/\/(32|128)$/, '');
  return `${namespace}/${kind === 'Deployment' ? 'deploy' : 'sts'}/${name}`;
}

/** A changed flow that is neither the one that was asked for nor declared by the suggestions. */
function isUnexpected(
  { from, to }: FlowChange,
  asked: { readonly from: string; readonly to: string },
  suggested: readonly SuggestionDocument[],
): boolean {
  const workloadOf = (pod: string) => pod.replace(/-\d$/, '');
  const also = new Set(suggested.flatMap(({ alsoOpensFor }) => alsoOpensFor).map(workloadOf));
  const blocks = new Set(cidrsIn(suggested));
  const isMeant = (end: FlowChange['from'], meant: string) =>
    endOf(end) === meant ||
    also.has(`${end.namespace}/${end.name}`) ||
    (end.kind === 'Addresses' && blocks.has(end.name));
  return !isMeant(from, asked.from) || !isMeant(to, asked.to);
}

describe('the suggestions of explain, applied to the cluster and compared by diff,', () => {
  it('open the flow that was asked for, and no other but those that they declare, and close none', () => {
    property(600, ({ opened, closed, isComplete, suggested }, from, to) => {
      const story = `${from} → ${to}: ${JSON.stringify(suggested)}`;
      assert.deepEqual(closed, [], story);
      const isOpened = opened.some((each) => endOf(each.from) === from && endOf(each.to) === to);
      assert.ok(isOpened || !isComplete, `does not open ${story}`);
      for (const each of opened) {
        assert.ok(!isUnexpected(each, { from, to }, suggested), `opens ${JSON.stringify(each)}, ${story}`);
        assert.deepEqual(each.ports, [{ protocol: 'TCP', from: 80, to: 80 }], story);
      }
    });
  });

  it('select by labels, and by none that changes from run to run', () => {
    const volatile = new Set(VOLATILE.flatMap((each) => Object.keys(each)));
    property(200, ({ suggested }) => {
      for (const { matchLabels = {}, matchExpressions = [] } of suggested.flatMap(selectorsIn)) {
        const keys = [...Object.keys(matchLabels), ...matchExpressions.map(({ key }) => key)];
        assert.ok(keys.length > 0, JSON.stringify(suggested));
        for (const key of keys) assert.ok(!volatile.has(key), key);
      }
    });
  });
});

function cidrsIn(value: unknown): string[] {
  return [...JSON.stringify(value).matchAll(/"cidr":"([^"]+)"/g)].map(([, cidr = '']) => cidr);
}

/** All podSelectors of a suggestion. */
function selectorsIn(value: unknown): LabelSelector[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => [
    ...(key === 'podSelector' ? [each as LabelSelector] : []),
    ...selectorsIn(each),
  ]);
}
