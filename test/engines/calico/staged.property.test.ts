/** Staged policies of generated profiles on Calico: they are what Enforce writes, with peers by service account too. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { CALICO_EXTENSIONS } from '../../../src/engines/calico/extensions.ts';
import { CALICO_STAGING } from '../../../src/engines/calico/staged.ts';
import { extensionObjects } from '../../../src/engines/extensions/objects.ts';
import { planExtensions } from '../../../src/engines/extensions/plan.ts';
import type { ObjectStep } from '../../../src/engines/object-step.ts';
import { stagedObjects } from '../../../src/engines/staging/objects.ts';
import { planStaged } from '../../../src/engines/staging/plan.ts';
import { compile } from '../../../src/policy/compile.ts';
import { clusterFacts, NAMESPACE, profiles } from '../../policy/arbitrary.ts';
import { facts, type FactsInput, runs } from '../../policy/fixture.ts';

type Spec = KubeObject & { readonly spec: Readonly<Record<string, unknown>> };

const SHOP = { name: NAMESPACE, labels: { 'kubernetes.io/metadata.name': NAMESPACE } };
const engine = { kind: 'available', carries: CALICO_EXTENSIONS.carries } as const;
const compiledOn = (profile: SegmentationProfile, cluster: FactsInput) =>
  compile(profile, SHOP, facts({ ...cluster, engine }));
const isNative = ({ kind }: KubeObject) => kind === 'StagedKubernetesNetworkPolicy';
const named = (objects: readonly KubeObject[]) =>
  objects.map((object) => ({ name: object.metadata.name, spec: (object as Spec).spec }));

/** The objects after the steps. */
function after(objects: readonly KubeObject[], steps: readonly ObjectStep[]): KubeObject[] {
  const stored = new Map(objects.map((each) => [each.metadata.name, each]));
  for (const step of steps) {
    if (step.verb === 'delete') stored.delete(step.before.metadata.name);
    else stored.set(step.object.metadata.name, step.object);
  }
  return [...stored.values()];
}

describe('staged policies of Calico', () => {
  it('are the policies and extensions that Enforce writes, with an action', () => {
    let extended = 0;
    fc.assert(
      fc.property(profiles, clusterFacts, (profile, cluster) => {
        const compiled = compiledOn(profile, cluster);
        const staged = stagedObjects(compiled, profile, CALICO_STAGING);
        const enforced = [
          ...compiled.policies,
          ...extensionObjects(compiled.extensions, CALICO_EXTENSIONS),
        ] as KubeObject[];
        assert.deepEqual(
          named(staged),
          named(enforced).map(({ name, spec }) => ({ name, spec: { stagedAction: 'Set', ...spec } })),
        );
        extended += staged.filter((object) => !isNative(object)).length;
      }),
      // Half of the profiles have extensions: with fewer runs, sometimes none would have any.
      { numRuns: Math.max(40, runs(60)) },
    );
    assert.ok(extended > 0);
  });

  it('become those of another profile, and are written once', () => {
    fc.assert(
      fc.property(profiles, profiles, clusterFacts, (from, to, cluster) => {
        const before = stagedObjects(compiledOn(from, cluster), from, CALICO_STAGING);
        const wanted = compiledOn(to, cluster);
        const target = stagedObjects(wanted, to, CALICO_STAGING);
        const context = { ownerOf: () => to.metadata.name, kept: new Set<string>() };
        const steps = (objects: readonly KubeObject[]) => {
          const native = planStaged(objects.filter(isNative), wanted.policies, {
            ...context,
            engine: CALICO_STAGING,
          });
          const { widen, narrow } = planExtensions(
            objects.filter((each) => !isNative(each)),
            wanted.extensions,
            { ...context, engine: CALICO_STAGING.extensions },
          );
          return [...widen, ...native, ...narrow];
        };
        const stored = after(before, steps(before));
        const byName = (objects: readonly KubeObject[]) =>
          named(objects).sort((a, b) => (a.name < b.name ? -1 : 1));
        // Last known rules of unresolved peers may stay.
        if (wanted.unresolved.length === 0) assert.deepEqual(byName(stored), byName(target));
        assert.deepEqual(steps(stored), []);
      }),
      { numRuns: runs(60) },
    );
  });
});
