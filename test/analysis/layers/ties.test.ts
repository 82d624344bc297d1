/** Decisions by rules of policies whose order among each other nobody knows. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ALLOWED, decide, DENIED, type Step } from '../../../src/analysis/layers/decision.ts';
import { runs } from '../../policy/fixture.ts';

const step = fc.record({
  effect: fc.constantFrom('allow', 'deny', 'pass'),
  priority: fc.nat(1),
  policy: fc.constantFrom('a', 'b', 'c'),
});
const chains = fc.array(step, { maxLength: 7 }).map((list) =>
  list
    .toSorted((a, b) => a.priority - b.priority)
    .map(
      ({ effect, priority, policy }): Step => ({
        effect,
        tier: 0,
        isUncertain: false,
        rule: { object: { kind: 'ClusterNetworkPolicy', name: policy }, field: '' },
        tie: { among: String(priority), policy },
      }),
    ),
);

/** The effects that decide if the policies of each priority are asked in every possible order. */
function effectsOf(steps: readonly Step[]): Set<Step['effect'] | undefined> {
  const [first] = steps;
  if (first === undefined) return new Set([undefined]);
  // The first priority has a rule, and every rule matches, so that one of its policies decides.
  const tied = steps.filter(({ tie }) => tie?.among === first.tie?.among);
  const policies = Map.groupBy(tied, ({ tie }) => tie?.policy);
  return new Set([...policies.values()].map(([own]) => own?.effect));
}

describe('decision by policies of one priority', () => {
  it('is unknown exactly if two of them lead to different verdicts', () => {
    fc.assert(
      fc.property(chains, fc.boolean(), (steps, isAllowed) => {
        const rest = isAllowed ? ALLOWED : DENIED;
        const { allow, deny, dependsOn } = decide(steps, rest);
        const verdicts = [...effectsOf(steps)].map((effect) =>
          effect === 'allow' || (effect !== 'deny' && isAllowed) ? 'allow' : 'deny',
        );
        assert.equal(allow !== undefined, verdicts.includes('allow'));
        assert.equal(deny !== undefined, verdicts.includes('deny'));
        assert.equal(dependsOn.length > 0, new Set(verdicts).size > 1);
      }),
      { numRuns: runs(500) },
    );
  });

  it('names the policies on whose order it depends', () => {
    const tied = (name: string, effect: 'allow' | 'deny'): Step => ({
      effect,
      tier: 0,
      isUncertain: false,
      rule: { object: { kind: 'ClusterNetworkPolicy', name }, field: 'spec.ingress[0]' },
      tie: { among: '10', policy: name },
    });
    const { dependsOn } = decide([tied('one', 'allow'), tied('other', 'deny')], DENIED);
    assert.deepEqual(
      dependsOn.map(({ object, unknown }) => `${object.name}: ${unknown}`),
      ['one', 'other'].map((name) => `${name}: a priority that another policy has too`),
    );
  });
});
