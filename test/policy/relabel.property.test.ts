/** Labels of namespaces and pods change under policies: the engine sees the new labels before the operator has written. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compileView } from '../../src/analysis/evaluator.ts';
import type { Namespace, Pod } from '../../src/analysis/cluster.ts';
import { DIRECTIONS, type NetworkPolicy } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { compile } from '../../src/policy/compile.ts';
import { lastKnownFrom } from '../../src/policy/peers/last-known.ts';
import { plan, type Step } from '../../src/policy/planning/plan.ts';
import { labels, namespaces } from '../analysis/arbitrary.ts';
import { clusterFacts, NAMESPACE, profiles } from './arbitrary.ts';
import { facts, type FactsInput } from './fixture.ts';

const POD_LABELS: readonly Record<string, string>[] = [{}, { app: 'red' }, { app: 'blue', tier: '' }];

interface Cluster {
  readonly namespaces: readonly Namespace[];
  readonly policies: readonly NetworkPolicy[];
}

const podsIn = (places: readonly Namespace[]): Pod[] =>
  places.flatMap(({ name }, place) =>
    POD_LABELS.map((labels, i) => ({
      namespace: name,
      name: `pod-${i}`,
      labels,
      ips: [`10.0.${place}.${i + 1}`],
    })),
  );

/** The ends that let a flow pass: an entry for each direction and pair of pods. */
function openEnds({ namespaces, policies }: Cluster): Set<string> {
  const evaluator = compileView({ namespaces, policies });
  const pods = podsIn(namespaces);
  const open = new Set<string>();
  for (const direction of DIRECTIONS) {
    for (const pod of pods) {
      for (const peer of pods) {
        for (const port of [53, 80]) {
          if (
            evaluator.allows(direction, pod, { kind: 'pod', pod: peer }, { port, protocol: 'TCP', family: 4 })
          )
            open.add(
              `${direction} of ${pod.namespace}/${pod.name}, ${peer.namespace}/${peer.name}, port ${port}`,
            );
        }
      }
    }
  }
  return open;
}

function compiled(
  profile: SegmentationProfile,
  places: readonly Namespace[],
  given: FactsInput,
  observed: readonly NetworkPolicy[] = [],
): NetworkPolicy[] {
  return places.flatMap((namespace) => {
    const own = observed.filter(({ metadata }) => metadata.namespace === namespace.name);
    return compile(profile, namespace, facts(given), lastKnownFrom(own)).policies;
  });
}

function applied(policies: readonly NetworkPolicy[], step: Step): NetworkPolicy[] {
  const name = step.verb === 'delete' ? step.name : step.policy.metadata.name;
  const others = policies.filter(
    ({ metadata }) => metadata.name !== name || metadata.namespace !== NAMESPACE,
  );
  return step.verb === 'delete' ? others : [...others, step.policy];
}

describe('a label of a namespace that changes under its policies', () => {
  it('cuts no flow that the profile allows before and after, until and while the policies follow', () => {
    let kept = 0;
    fc.assert(
      fc.property(profiles, clusterFacts, namespaces, labels, (profile, given, before, relabelled) => {
        const after = before.map((each) =>
          each.name === NAMESPACE
            ? { name: NAMESPACE, labels: { ...relabelled, 'kubernetes.io/metadata.name': NAMESPACE } }
            : each,
        );
        const old = compiled(profile, before, given);
        const desired = compiled(profile, after, given, old);
        const openBefore = openEnds({ namespaces: before, policies: old });
        const openAfter = openEnds({ namespaces: after, policies: desired });
        const mustStay = openBefore.intersection(openAfter);
        kept += mustStay.size;
        const inPlace = (list: readonly NetworkPolicy[]) =>
          list.filter(({ metadata }) => metadata.namespace === NAMESPACE);
        const { steps } = plan(inPlace(old), inPlace(desired), { hasPods: true, isOurs: () => true });
        let policies: readonly NetworkPolicy[] = old;
        for (const step of [undefined, ...steps]) {
          if (step !== undefined) policies = applied(policies, step);
          const open = openEnds({ namespaces: after, policies });
          assert.deepEqual([...mustStay.difference(open)], [], `cut ${step ? 'by a step' : 'by the label'}`);
        }
      }),
      { numRuns: 300 },
    );
    assert.ok(kept > 1000);
  });
});
