/** Labels of namespaces change under policies: the engine sees the new labels before the operator has written. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Namespace, Pod } from '../../src/analysis/cluster.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { compile } from '../../src/policy/compile.ts';
import { lastKnownFrom } from '../../src/policy/peers/last-known.ts';
import { labels, namespaces } from '../analysis/arbitrary.ts';
import { clusterFacts, NAMESPACE, profiles } from './arbitrary.ts';
import { CLUSTER, connected } from './connections/arbitrary.ts';
import { facts, type FactsInput, runs } from './fixture.ts';
import { openEnds, transition } from './open-ends.ts';

const POD_LABELS: readonly Record<string, string>[] = [{}, { app: 'red' }, { app: 'blue', tier: '' }];

/** Pods with the first `relabelled` of them under labels of others: labels of pods change as well. */
const podsIn = (places: readonly Namespace[], relabelled: number): Pod[] =>
  places.flatMap(({ name }, place) =>
    POD_LABELS.map((own, index) => ({
      namespace: name,
      name: `pod-${index}`,
      labels: index < relabelled ? (POD_LABELS[(index + 1) % POD_LABELS.length] ?? own) : own,
      ips: [`10.0.${place}.${index + 1}`],
    })),
  );

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

/** Changes labels of NAMESPACE and of pods, and checks that no flow is cut that is allowed before and after. */
function assertNothingCut(
  profile: SegmentationProfile,
  given: FactsInput,
  before: readonly Namespace[],
  relabelled: Record<string, string>,
): number {
  const after = before.map((each) =>
    each.name === NAMESPACE
      ? { name: NAMESPACE, labels: { ...relabelled, 'kubernetes.io/metadata.name': NAMESPACE } }
      : each,
  );
  const old = compiled(profile, before, given);
  const desired = compiled(profile, after, given, old);
  let kept = 0;
  for (const relabelledPods of [0, 2]) {
    const pods = podsIn(after, relabelledPods);
    const openBefore = openEnds({ namespaces: before, pods, policies: old });
    const openAfter = openEnds({ namespaces: after, pods, policies: desired });
    const mustStay = openBefore.intersection(openAfter);
    kept += mustStay.size;
    for (const state of transition({ namespaces: after, pods, policies: old }, desired))
      assert.deepEqual([...mustStay.difference(openEnds(state))], [], 'cut');
  }
  return kept;
}

describe('labels of a namespace and its pods that change under its policies', () => {
  for (const [name, profile, given] of [
    ['rules', profiles, clusterFacts],
    ['connections', connected, fc.constant(CLUSTER)],
  ] as const) {
    it(`cut no flow that the ${name} of a profile allow before and after, until and while the policies follow`, () => {
      let kept = 0;
      fc.assert(
        fc.property(profile, given, namespaces, labels, (...input) => {
          kept += assertNothingCut(...input);
        }),
        { numRuns: runs(100) },
      );
      assert.ok(kept > runs(1000));
    });
  }
});
