/** Laws that hold for the evaluator on generated clusters, and implementations that must agree with it. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { NetworkPolicy, NetworkPolicySpec, PolicyType } from '../../src/api/network-policy.ts';
import type { ClusterView, Flow } from '../../src/analysis/cluster.ts';
import { BitSet } from '../../src/analysis/model/bitset.ts';
import { compileView } from '../../src/analysis/evaluator.ts';
import { podMatrix } from '../../src/analysis/pod-matrix.ts';
import { egressRule, ingressRule, namespaces, pods, policies, policySpec, scenario } from './arbitrary.ts';
import { runs } from '../policy/fixture.ts';

const RUNS = { numRuns: runs(1000) };

interface Sides {
  readonly Ingress: boolean;
  readonly Egress: boolean;
}

function sides(view: ClusterView, flows: readonly Flow[]): Sides[] {
  const evaluator = compileView(view);
  return flows.map((flow) => {
    const { ingress, egress } = evaluator.verdict(flow);
    return { Ingress: ingress.allowed, Egress: egress.allowed };
  });
}

/** Fails if a flow that was allowed before is denied after. */
function assertNotNarrower(
  before: readonly Sides[],
  after: readonly Sides[],
  directions: readonly PolicyType[],
) {
  for (const [index, side] of before.entries()) {
    for (const direction of directions) {
      assert.ok(!side[direction] || after[index]?.[direction], `${direction} of flow ${index} was cut`);
    }
  }
}

describe('the evaluator', () => {
  it('denies no more flows after a rule is added', () => {
    fc.assert(
      fc.property(
        scenario,
        fc.nat(),
        fc.oneof(
          ingressRule.map((rule) => ({ ingress: rule })),
          egressRule.map((rule) => ({ egress: rule })),
        ),
        ({ view, flows }, which, added) => {
          fc.pre(view.policies.length > 0);
          const target = view.policies[which % view.policies.length]!;
          // With defaulted policyTypes, the first egress rule would make the policy isolate egress.
          const before = withSpec(view, target, { policyTypes: ['Ingress', 'Egress'] });
          const after = withSpec(view, target, {
            policyTypes: ['Ingress', 'Egress'],
            ...('ingress' in added
              ? { ingress: [...(target.spec.ingress ?? []), added.ingress] }
              : { egress: [...(target.spec.egress ?? []), added.egress] }),
          });
          assertNotNarrower(sides(before, flows), sides(after, flows), ['Ingress', 'Egress']);
        },
      ),
      RUNS,
    );
  });

  it('denies no more flows after a policy is added for pods that are isolated already', () => {
    fc.assert(
      fc.property(
        scenario,
        policySpec,
        fc.constantFrom('alpha', 'beta'),
        ({ view, flows }, spec, namespace) => {
          const deny = {
            metadata: { namespace, name: 'deny' },
            spec: { policyTypes: ['Ingress', 'Egress'] satisfies PolicyType[] },
          };
          const added = { metadata: { namespace, name: 'added' }, spec };
          const isolated = { ...view, policies: [...view.policies, deny] };
          const wider = { ...view, policies: [...view.policies, deny, added] };
          assertNotNarrower(sides(isolated, flows), sides(wider, flows), ['Ingress', 'Egress']);
        },
      ),
      RUNS,
    );
  });

  it('allows no more flows after a policy is added for pods that are not isolated', () => {
    fc.assert(
      fc.property(scenario, policySpec, ({ view, flows }, spec) => {
        const others = view.policies.filter(({ metadata }) => metadata.namespace !== 'alpha');
        const before = sides({ ...view, policies: others }, flows);
        const added = { metadata: { namespace: 'alpha', name: 'added' }, spec };
        const after = sides({ ...view, policies: [...others, added] }, flows);
        assertNotNarrower(after, before, ['Ingress', 'Egress']);
      }),
      RUNS,
    );
  });

  it('gives verdicts that do not depend on the order of policies, rules, peers and ports', () => {
    fc.assert(
      fc.property(scenario, ({ view, flows }) => {
        const turned = { ...view, policies: view.policies.toReversed().map(reversed) };
        assert.deepEqual(sides(turned, flows), sides(view, flows));
        const evaluator = compileView(view);
        const other = compileView({ ...view, policies: view.policies.toReversed() });
        for (const flow of flows) assert.deepEqual(other.verdict(flow), evaluator.verdict(flow));
      }),
      RUNS,
    );
  });

  it('answers allows() as the verdict of that end', () => {
    fc.assert(
      fc.property(scenario, ({ view, flows }) => {
        const evaluator = compileView(view);
        for (const flow of flows) {
          const { from, to, port, protocol, family } = flow;
          const { ingress, egress } = evaluator.verdict(flow);
          if (to.kind === 'pod') {
            assert.equal(
              evaluator.allows('Ingress', to.pod, from, { port, protocol, ...(family && { family }) }),
              ingress.allowed,
            );
          }
          if (from.kind === 'pod') {
            assert.equal(
              evaluator.allows('Egress', from.pod, to, { port, protocol, ...(family && { family }) }),
              egress.allowed,
            );
          }
        }
      }),
      RUNS,
    );
  });
});

describe('podMatrix', () => {
  const ports = [
    { port: 53, protocol: 'UDP' },
    { port: 80, protocol: 'TCP' },
    { port: 85, protocol: 'TCP' },
    { port: 8080, protocol: 'SCTP' },
  ] as const;

  it('agrees with the evaluator on every pair of pods and every port', () => {
    const view = fc.record({ namespaces, pods, policies: policies(5) });
    fc.assert(
      fc.property(view, fc.constantFrom(4, 6), fc.boolean(), (view, family, podsInIPBlocks) => {
        // More pods than a word of the bit set has bits.
        const crowd = view.pods.flatMap((pod) =>
          Array.from({ length: 15 }, (_, i) => ({ ...pod, name: `${pod.name}-${i}` })),
        );
        const reachable = podMatrix({ ...view, pods: crowd }, { ports, family, podsInIPBlocks });
        const evaluator = compileView(view, { podsInIPBlocks });
        let allowed = 0;
        for (const [i, from] of crowd.entries()) {
          for (const [j, to] of crowd.entries()) {
            for (const [k, port] of ports.entries()) {
              const flow: Flow = {
                from: { kind: 'pod', pod: from },
                to: { kind: 'pod', pod: to },
                ...port,
                family,
              };
              const expected = evaluator.verdict(flow).allowed;
              assert.equal(reachable.allowed(i, j, k), expected, `${from.name} > ${to.name} ${port.port}`);
              if (expected) allowed++;
            }
          }
        }
        assert.equal(reachable.count(), allowed);
      }),
      { numRuns: runs(100) },
    );
  });
});

describe('BitSet', () => {
  const size = 100;
  const some = fc.uniqueArray(fc.nat(size - 1));
  const all = Array.from({ length: size }, (_, i) => i);
  const setOf = (members: readonly number[]) => BitSet.of(all.map((index) => members.includes(index)));
  const membersOf = (set: BitSet) => all.filter((index) => set.has(index));

  it('has the members of its construction, and of the intersections that were added', () => {
    fc.assert(
      fc.property(some, some, some, (own, a, b) => {
        const set = setOf(own);
        assert.deepEqual(
          membersOf(set),
          own.toSorted((x, y) => x - y),
        );
        set.addCommon(setOf(a), setOf(b));
        const expected = all.filter(
          (index) => own.includes(index) || (a.includes(index) && b.includes(index)),
        );
        assert.deepEqual(membersOf(set), expected);
      }),
    );
  });
});

function withSpec(view: ClusterView, target: NetworkPolicy, part: NetworkPolicySpec): ClusterView {
  const policies = view.policies.map((policy) =>
    policy === target ? { ...policy, spec: { ...policy.spec, ...part } } : policy,
  );
  return { ...view, policies };
}

function reversed(policy: NetworkPolicy): NetworkPolicy {
  const turn = <T>(list: readonly T[]): readonly T[] => list.toReversed();
  const { ingress, egress } = policy.spec;
  return {
    ...policy,
    spec: {
      ...policy.spec,
      ...(ingress && {
        ingress: turn(ingress).map(({ from = [], ports = [] }) => ({ from: turn(from), ports: turn(ports) })),
      }),
      ...(egress && {
        egress: turn(egress).map(({ to = [], ports = [] }) => ({ to: turn(to), ports: turn(ports) })),
      }),
    },
  };
}
