/** I1 and I2 for each end, over edits of profiles that mix rules and connections, in all of their namespaces. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Namespace } from '../../../src/analysis/cluster.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { Connection, EgressRule, IngressRule, SegmentationProfile } from '../../../src/api/profile.ts';
import { compile } from '../../../src/policy/compile.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import { namespaces, selector } from '../../analysis/arbitrary.ts';
import { port } from '../arbitrary.ts';
import { facts, profile, runs } from '../fixture.ts';
import { openEnds, transition } from '../open-ends.ts';
import { CLUSTER, connections, end, isolation, PLACES, PODS } from './arbitrary.ts';

const scope = fc.oneof(
  fc.uniqueArray(fc.constantFrom(...PLACES), { minLength: 1, maxLength: 2 }).map((names) => ({ names })),
  fc.record({ selector }),
);

const rule = fc.record({
  podSelector: fc.option(selector, { nil: undefined }),
  inNamespaces: fc.option(scope, { nil: undefined }),
  peers: fc.array(end, { minLength: 1, maxLength: 2 }),
  ports: fc.option(fc.array(port, { maxLength: 2 }), { nil: undefined }),
});

const defined = <T extends object>(object: T) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;

/** Names are few, so that an edit turns a rule into a connection of its name, and back. */
const mixed: fc.Arbitrary<SegmentationProfile> = fc
  .record({
    isolation,
    connections: fc.option(connections, { nil: [] as Connection[] }),
    ingress: fc.array(rule, { maxLength: 2 }),
    egress: fc.array(rule, { maxLength: 2 }),
  })
  .map(({ isolation, connections, ingress, egress }) => {
    const rules = (list: typeof ingress, field: 'from' | 'to') =>
      list.map(({ peers, ...rest }, index) =>
        defined({ ...rest, name: `c${connections.length + index}`, [field]: peers }),
      );
    return profile({
      isolation,
      connections,
      ingress: isolation.includes('Ingress') ? (rules(ingress, 'from') as IngressRule[]) : [],
      egress: isolation.includes('Egress') ? (rules(egress, 'to') as EgressRule[]) : [],
    });
  });

const policiesOf = (
  made: SegmentationProfile,
  places: readonly Namespace[],
  observed: readonly NetworkPolicy[] = [],
) =>
  places.flatMap((namespace) => {
    const own = observed.filter(({ metadata }) => metadata.namespace === namespace.name);
    return compile(made, namespace, facts(CLUSTER), lastKnownFrom(own)).policies;
  });

function assertBetween(
  all: readonly Namespace[],
  old: SegmentationProfile,
  edited: SegmentationProfile,
): void {
  const start = { namespaces: all, pods: PODS, policies: policiesOf(old, all) };
  const desired = policiesOf(edited, all, start.policies);
  const before = openEnds(start);
  const after = openEnds({ ...start, policies: desired });
  for (const state of transition(start, desired)) {
    const open = openEnds(state);
    assert.deepEqual([...before.intersection(after).difference(open)], [], 'I2: cut');
    assert.deepEqual([...open.difference(before.union(after))], [], 'I1: wider');
  }
}

/** An end that a pair of rules can say as well: pods of named namespaces. */
const namedEnd = fc.record({
  namespaces: fc.uniqueArray(fc.constantFrom(...PLACES), { minLength: 1, maxLength: 2 }),
  podSelector: selector,
});

/** A profile with connections, and the one that says the same by pairs of rules. */
const convertible = fc
  .array(fc.record({ from: namedEnd, to: namedEnd, ports: fc.array(port, { maxLength: 1 }) }), {
    minLength: 1,
    maxLength: 3,
  })
  .map((list) => {
    const named = list.map((each, index) => ({ ...each, name: `c${index}` }));
    const scoped = ({ namespaces, podSelector }: (typeof named)[number]['from']) => ({
      podSelector,
      inNamespaces: { names: namespaces },
    });
    return {
      connected: profile({
        connections: named.map(({ from, to, ...rest }) => ({ ...rest, from: [from], to: [to] })),
      }),
      paired: profile({
        egress: named.map(({ name, from, to, ports }) => ({ name, ports, ...scoped(from), to: [to] })),
        ingress: named.map(({ name, from, to, ports }) => ({ name, ports, ...scoped(to), from: [from] })),
      }),
    };
  });

describe('an edit of a profile with rules and connections', () => {
  it('opens and cuts nothing between its two forms, at any step in any namespace', () => {
    fc.assert(
      fc.property(namespaces, mixed, mixed, (all, old, edited) => assertBetween(all, old, edited)),
      { numRuns: runs(150) },
    );
  });

  it('changes no flow at any moment when it turns pairs of rules into connections, or back', () => {
    fc.assert(
      fc.property(namespaces, convertible, fc.boolean(), (all, { connected, paired }, back) => {
        const [old, edited] = back ? [connected, paired] : [paired, connected];
        const state = { namespaces: all, pods: PODS };
        assert.deepEqual(
          openEnds({ ...state, policies: policiesOf(edited, all) }),
          openEnds({ ...state, policies: policiesOf(old, all) }),
        );
        assertBetween(all, old, edited);
      }),
      { numRuns: runs(150) },
    );
  });
});
