import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Endpoint, Pod } from '../../../src/analysis/cluster.ts';
import { compileView } from '../../../src/analysis/evaluator.ts';
import {
  API_VERSION,
  KIND,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  MANAGER,
} from '../../../src/api/names.ts';
import type { LabelSelector } from '../../../src/api/meta.ts';
import {
  DIRECTIONS,
  type NetworkPolicy,
  type NetworkPolicySpec,
  type PolicyType,
} from '../../../src/api/network-policy.ts';
import { fingerprint, withRules } from '../../../src/policy/semantics/normalize.ts';
import { isolatesAll } from '../../../src/policy/planning/effect.ts';
import { union } from '../../../src/policy/planning/noted-rules.ts';
import { ownerByLabels, runs } from '../fixture.ts';
import { plan, type PlanContext, type Step } from '../../../src/policy/planning/plan.ts';
import type { UnknownIsolation } from '../../../src/policy/planning/transition.ts';

const NAMESPACE = 'shop';
const context = (hasPods = true): PlanContext => ({ hasPods, ownerOf: ownerByLabels });

/** A rule allows one address, so that the allowed flows are a set of addresses for each pod. */
const ADDRESSES = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'];
/** In the place of an address: a rule that names no peers. */
const EVERYONE: string = 'everyone';
const SELECTORS: LabelSelector[] = [
  { matchLabels: { app: 'a' } },
  { matchLabels: { app: 'b' } },
  { matchLabels: { app: 'a', tier: 'x' } },
  { matchExpressions: [{ key: 'tier', operator: 'Exists' }] },
  { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['a'] }] },
];
const POD_LABELS: readonly Record<string, string>[] = [
  {},
  { app: 'a' },
  { app: 'b' },
  { app: 'a', tier: 'x' },
  { app: 'b', tier: 'x' },
  { tier: 'y' },
];
const PODS: readonly Pod[] = POD_LABELS.map((labels, index) => ({
  labels,
  namespace: NAMESPACE,
  name: `pod-${index}`,
  ips: [`10.0.0.${index + 1}`],
}));

function policy(name: string, spec: NetworkPolicySpec, labels?: Record<string, string>): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: NAMESPACE, ...(labels && { labels }) },
    spec,
  };
}

function spec(
  podSelector: LabelSelector,
  policyTypes: readonly PolicyType[],
  addresses: readonly string[] = [],
): NetworkPolicySpec {
  const [direction = 'Ingress'] = policyTypes;
  const base: NetworkPolicySpec = { podSelector, policyTypes };
  return addresses.length === 0
    ? base
    : withRules(
        base,
        direction,
        addresses.map((ip) => (ip === EVERYONE ? {} : { peers: [{ ipBlock: { cidr: `${ip}/32` } }] })),
      );
}

const labelsOf = (profile: string, role: string) => ({
  [LABEL_MANAGED_BY]: MANAGER,
  [LABEL_PROFILE]: profile,
  [LABEL_ROLE]: role,
});

const someAddresses: fc.Arbitrary<string[]> = fc.oneof(
  { weight: 6, arbitrary: fc.uniqueArray(fc.constantFrom(...ADDRESSES), { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.constant<string[]>([EVERYONE]) },
);
const someSelector = fc.constantFrom(...SELECTORS);

/** The desired policies of one profile; none if it does not select the namespace. */
const profilePolicies = (profile: string): fc.Arbitrary<NetworkPolicy[]> =>
  fc
    .option(
      fc.record({
        // Under deletionPolicy Retain the profile is no owner; taken up again, it becomes one.
        retain: fc.boolean(),
        isolation: fc.constantFrom<PolicyType[]>(['Ingress'], ['Egress'], ['Ingress', 'Egress']),
        general: fc.record({ Ingress: fc.option(someAddresses), Egress: fc.option(someAddresses) }),
        own: fc.array(
          fc.record({
            direction: fc.constantFrom(...DIRECTIONS),
            rule: fc.constantFrom('r1', 'r2'),
            selector: someSelector,
            addresses: someAddresses,
          }),
          { maxLength: 3 },
        ),
      }),
      { freq: 4 },
    )
    .map((wanted) => {
      if (wanted === null) return [];
      const made = [
        policy(`${profile}.default-deny`, spec({}, wanted.isolation), labelsOf(profile, 'default-deny')),
      ];
      for (const direction of wanted.isolation) {
        const role = direction.toLowerCase();
        const general = wanted.general[direction];
        if (general)
          made.push(policy(`${profile}.${role}`, spec({}, [direction], general), labelsOf(profile, role)));
        for (const own of wanted.own.filter((each) => each.direction === direction)) {
          made.push(
            policy(
              `${profile}.${role}.${own.rule}`,
              spec(own.selector, [direction], own.addresses),
              labelsOf(profile, role),
            ),
          );
        }
      }
      const owner = { apiVersion: API_VERSION, kind: KIND, name: profile, uid: `uid-${profile}` };
      const named = [...new Map(made.map((each) => [each.metadata.name, each])).values()];
      return wanted.retain
        ? named
        : named.map((each) => ({ ...each, metadata: { ...each.metadata, ownerReferences: [owner] } }));
    });

const ours = fc.tuple(profilePolicies('p'), profilePolicies('q')).map((both) => both.flat());

const foreign = fc
  .array(
    fc.record({
      selector: fc.oneof(
        { weight: 5, arbitrary: someSelector },
        { weight: 1, arbitrary: fc.constant<LabelSelector>({}) },
      ),
      types: fc.constantFrom<PolicyType[]>(['Ingress'], ['Egress']),
      addresses: fc.option(someAddresses),
      // Sometimes under a name that the profile needs.
      name: fc.constantFrom('theirs-1', 'theirs-2', 'p.default-deny', 'p.ingress', 'q.egress.r1'),
    }),
    { maxLength: 2 },
  )
  .map((list) => [
    ...new Map(
      list.map(({ name, selector, types, addresses }) => [
        name,
        policy(name, spec(selector, types, addresses ?? [])),
      ]),
    ).values(),
  ]);

/** Drift: own policies that somebody deleted or changed. */
const drift = fc.array(
  fc.record({
    at: fc.nat(20),
    how: fc.oneof(
      { weight: 3, arbitrary: fc.constant('delete' as const) },
      {
        weight: 1,
        arbitrary: fc.record({
          selector: fc.oneof(someSelector, fc.constant<LabelSelector>({})),
          types: fc.constantFrom<PolicyType[]>(['Ingress'], ['Egress'], ['Ingress', 'Egress']),
          addresses: someAddresses,
        }),
      },
    ),
  }),
  { maxLength: 2 },
);

function drifted(
  policies: NetworkPolicy[],
  changes: {
    at: number;
    how: 'delete' | { selector: LabelSelector; types: PolicyType[]; addresses: string[] };
  }[],
): NetworkPolicy[] {
  const result: (NetworkPolicy | undefined)[] = [...policies];
  for (const { at, how } of changes) {
    const index = at % Math.max(result.length, 1);
    const current = result[index];
    if (current === undefined) continue;
    result[index] =
      how === 'delete' ? undefined : { ...current, spec: spec(how.selector, how.types, how.addresses) };
  }
  return result.filter((each) => each !== undefined);
}

type State = readonly NetworkPolicy[];

function apply(state: State, step: Step): State {
  if (step.verb === 'delete') {
    assert.ok(
      state.some(({ metadata }) => metadata.name === step.name),
      `deletes ${step.name}, which does not exist`,
    );
    return state.filter(({ metadata }) => metadata.name !== step.name);
  }
  const { name } = step.policy.metadata;
  const existing = state.find(({ metadata }) => metadata.name === name);
  if (step.verb === 'create') {
    assert.equal(existing, undefined, `creates ${name}, which exists`);
    return [...state, step.policy];
  }
  assert.ok(existing, `updates ${name}, which does not exist`);
  assert.ok(ownerByLabels(existing), `changes ${name}, which is somebody else's`);
  return state.map((each) => (each === existing ? step.policy : each));
}

/** The allowed flows: an entry for each pod, direction and address. */
function allowed(state: State): Set<string> {
  const evaluator = compileView({
    namespaces: [{ name: NAMESPACE, labels: {} }],
    policies: state,
  });
  const flows = new Set<string>();
  for (const pod of PODS) {
    for (const direction of DIRECTIONS) {
      for (const ip of [...ADDRESSES, '198.51.100.9']) {
        const peer: Endpoint = { kind: 'external', ip };
        if (evaluator.allows(direction, pod, peer, { port: 8080, protocol: 'TCP' }))
          flows.add(`${pod.name} ${direction} ${ip}`);
      }
    }
  }
  return flows;
}

function assertBetween(now: Set<string>, before: Set<string>, after: Set<string>, at: string): void {
  const wider = [...now].filter((flow) => !before.has(flow) && !after.has(flow));
  const cut = [...before].filter((flow) => after.has(flow) && !now.has(flow));
  assert.deepEqual(wider, [], `I1: wider than before and after, ${at}`);
  assert.deepEqual(cut, [], `I2: cut, ${at}`);
}

/** Every state of the plan, the first one included. */
function run(state: State, desired: State): State[] {
  const { steps } = plan(state, desired, context());
  const states = [state];
  for (const step of steps) states.push(apply(states.at(-1) ?? [], step));
  return states;
}

/** Own policies that stand for those of a network engine: they are written beside the plan, at its two places. */
const isCompanion = ({ metadata }: NetworkPolicy) => metadata.name.includes(' ');

/** Every state of a plan with companions, the first one included. Each companion gains all at once, and loses all at once. */
function runWithCompanions(state: State, desired: State, unknown: UnknownIsolation | undefined): State[] {
  const companions = { before: state.filter(isCompanion), after: desired.filter(isCompanion), foreign: [] };
  const others = (all: State) => all.filter((each) => !isCompanion(each));
  const { steps, widenAt, narrowAt } = plan(others(state), others(desired), {
    ...context(),
    companions,
    unknown,
  });
  const states = [state];
  const write = (change: (now: State) => State) => states.push(change(states.at(-1) ?? []));
  const places = (done: number) => {
    const { before, after } = companions;
    const named = (policies: State, { metadata }: NetworkPolicy) =>
      policies.find((each) => each.metadata.name === metadata.name);
    if (done === widenAt)
      for (const next of after) {
        const old = named(before, next);
        write((now) => [...now.filter((each) => each !== old), old === undefined ? next : union(old, next)]);
      }
    if (done === narrowAt)
      for (const old of [...before, ...after]) {
        const next = named(after, old);
        write((now) => [
          ...now.filter((each) => !isCompanion(each) || each.metadata.name !== old.metadata.name),
          ...(next === undefined ? [] : [next]),
        ]);
      }
  };
  steps.forEach((step, index) => {
    places(index);
    write((now) => apply(now, step));
  });
  places(steps.length);
  return states;
}

/** Companions of one profile; each has rules and selects the same pods under the same name. */
const companionPolicies = profilePolicies('q').map((policies) =>
  policies
    .filter((each) => (each.spec.ingress ?? each.spec.egress ?? []).length > 0)
    .map((each) => {
      const name = `${each.metadata.name} ${JSON.stringify(each.spec.podSelector)}`;
      return { ...each, metadata: { ...each.metadata, name } };
    }),
);

const summary = (state: State) => state.map((each) => `${each.metadata.name} ${fingerprint(each)}`).sort();

describe('plan', () => {
  it('never opens a flow that neither form allows, nor cuts one that both allow, at any prefix', () => {
    fc.assert(
      fc.property(ours, drift, foreign, ours, (old, changes, others, desired) => {
        const start = [
          ...drifted(old, changes).filter(
            ({ metadata }) => !others.some((other) => other.metadata.name === metadata.name),
          ),
          ...others,
        ];
        const states = run(start, desired);
        const before = allowed(start);
        const after = allowed(states.at(-1) ?? []);
        states.forEach((state, index) => assertBetween(allowed(state), before, after, `after step ${index}`));
      }),
      { numRuns: runs(600) },
    );
  });

  it('holds both guarantees when policies have the names that an earlier release gave them', () => {
    fc.assert(
      fc.property(ours, foreign, ours, (old, others, desired) => {
        const renamed = old.map((each) => ({
          ...each,
          metadata: { ...each.metadata, name: `${each.metadata.name}-of-an-earlier-release` },
        }));
        const start = [...renamed, ...others];
        const states = run(start, desired);
        const before = allowed(start);
        const after = allowed(states.at(-1) ?? []);
        states.forEach((state, index) => assertBetween(allowed(state), before, after, `after step ${index}`));
      }),
      { numRuns: runs(150) },
    );
  });

  it('holds both guarantees when planning starts anew from any prefix', () => {
    fc.assert(
      fc.property(ours, foreign, ours, (old, others, desired) => {
        const start = [
          ...old.filter(({ metadata }) => !others.some((other) => other.metadata.name === metadata.name)),
          ...others,
        ];
        const first = run(start, desired);
        const before = allowed(start);
        const after = allowed(first.at(-1) ?? []);
        for (const prefix of first.slice(1, -1)) {
          for (const state of run(prefix, desired))
            assertBetween(allowed(state), before, after, 'after planning anew');
        }
      }),
      { numRuns: runs(150) },
    );
  });

  it('holds both guarantees when the intent changes at any prefix', () => {
    fc.assert(
      fc.property(ours, foreign, ours, ours, (old, others, desired, changed) => {
        const start = [
          ...old.filter(({ metadata }) => !others.some((other) => other.metadata.name === metadata.name)),
          ...others,
        ];
        for (const prefix of run(start, desired)) {
          const states = run(prefix, changed);
          const before = allowed(prefix);
          const after = allowed(states.at(-1) ?? []);
          for (const state of states)
            assertBetween(allowed(state), before, after, 'after the intent changed');
        }
      }),
      { numRuns: runs(80) },
    );
  });

  it('holds both guarantees with companions, which stand beside an isolation of all pods in their directions', () => {
    const state = fc.tuple(profilePolicies('p'), companionPolicies).map(([own, companions]) => {
      const isIsolated = (direction: PolicyType) => own.some((each) => isolatesAll(each.spec, direction));
      return [
        ...own,
        ...companions.filter(({ spec: { policyTypes = [] } }) => policyTypes.every(isIsolated)),
      ];
    });
    fc.assert(
      fc.property(state, foreign, state, fc.constantFrom(undefined, {}), (old, others, desired, unknown) => {
        const start = [
          ...old.filter(({ metadata }) => !others.some((other) => other.metadata.name === metadata.name)),
          ...others,
        ];
        const states = runWithCompanions(start, desired, unknown);
        const before = allowed(start);
        const after = allowed(states.at(-1) ?? []);
        states.forEach((each, index) => assertBetween(allowed(each), before, after, `after write ${index}`));
        for (const prefix of states.slice(1, -1)) {
          const again = runWithCompanions(prefix, desired, unknown);
          const [from, to] = [allowed(prefix), allowed(again.at(-1) ?? [])];
          for (const each of again) assertBetween(allowed(each), from, to, 'after planning anew');
        }
      }),
      { numRuns: runs(150) },
    );
  });

  it('holds both guarantees beside policies of others of the network engine', () => {
    fc.assert(
      fc.property(ours, foreign, ours, (old, others, desired) => {
        const beside = others.map((each) => ({
          ...each,
          metadata: { ...each.metadata, name: `engine ${each.metadata.name}` },
        }));
        const companions = { before: [], after: [], foreign: beside };
        const { steps } = plan(old, desired, { ...context(), companions });
        const [before, after] = [allowed([...old, ...beside]), allowed([...desired, ...beside])];
        steps.reduce((now, step, index) => {
          const next = apply(now, step);
          assertBetween(allowed([...next, ...beside]), before, after, `after write ${index}`);
          return next;
        }, old as State);
      }),
      { numRuns: runs(200) },
    );
  });

  it('holds both guarantees beside policies that it does not know, also anew from any prefix and with another intent', () => {
    const unknown = {};
    const statesOf = (old: State, desired: State) =>
      plan(old, desired, { ...context(), unknown }).steps.reduce<State[]>(
        (states, step) => [...states, apply(states.at(-1) ?? [], step)],
        [old],
      );
    fc.assert(
      fc.property(
        ours,
        drift,
        foreign,
        foreign,
        ours,
        ours,
        (old, changes, others, hidden, desired, changed) => {
          const beside = hidden.map((each) => ({
            ...each,
            metadata: { ...each.metadata, name: `engine ${each.metadata.name}` },
          }));
          const start = [
            ...drifted(old, changes).filter(
              ({ metadata }) => !others.some((other) => other.metadata.name === metadata.name),
            ),
            ...others,
          ];
          const judge = (states: readonly State[], at: string) => {
            const [before, after] = [states[0] ?? [], states.at(-1) ?? []].map((each) =>
              allowed([...each, ...beside]),
            );
            states.forEach((state, index) => {
              assertBetween(
                allowed([...state, ...beside]),
                before ?? new Set(),
                after ?? new Set(),
                `${at}, write ${index}`,
              );
            });
          };
          const states = statesOf(start, desired);
          judge(states, 'at first');
          for (const prefix of states.slice(1, -1)) {
            judge(statesOf(prefix, desired), 'planning anew');
            judge(statesOf(prefix, changed), 'after the intent changed');
          }
        },
      ),
      { numRuns: runs(60) },
    );
  });

  it('reaches the desired policies, leaves foreign ones alone, and then plans nothing', () => {
    fc.assert(
      fc.property(ours, drift, foreign, ours, fc.boolean(), (old, changes, others, desired, hasPods) => {
        const start = [
          ...drifted(old, changes).filter(
            ({ metadata }) => !others.some((other) => other.metadata.name === metadata.name),
          ),
          ...others,
        ];
        const { steps, conflicts } = plan(start, desired, context(hasPods));
        const end = steps.reduce(apply, start as State);
        assert.deepEqual(summary(end.filter((each) => ownerByLabels(each) === undefined)), summary(others));
        assert.deepEqual(
          end
            .filter((each) => ownerByLabels(each) !== undefined)
            .map((each) => JSON.stringify([fingerprint(each)]))
            .sort(),
          desired.map((each) => JSON.stringify([fingerprint(each)])).sort(),
        );
        assert.equal(
          conflicts.length,
          desired.filter(({ metadata }) => others.some((other) => other.metadata.name === metadata.name))
            .length,
        );
        assert.deepEqual(plan(end, desired, context(hasPods)).steps, []);
      }),
      { numRuns: runs(500) },
    );
  });
});
