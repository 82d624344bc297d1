/** The extensions of an engine whose policies isolate their pods, as the plan of the NetworkPolicies sees them. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { Companions } from '../../policy/planning/plan.ts';
import type { ExtensionEngine } from './engine.ts';
import type { ExtensionPlan } from './plan.ts';

/**
 * The extensions of a namespace before and after their plan.
 *
 * @param own the observed extensions of profiles
 */
export function companionsOf(
  own: readonly KubeObject[],
  { widen, narrow }: ExtensionPlan,
  asPolicy: NonNullable<ExtensionEngine['asPolicy']>,
): Companions {
  const after = new Map(own.map((object) => [object.metadata.name, object]));
  for (const step of [...widen, ...narrow]) {
    if (step.verb === 'delete') after.delete(step.before.metadata.name);
    else after.set(step.object.metadata.name, step.object);
  }
  const policies = (objects: Iterable<KubeObject>) =>
    [...objects].flatMap((object): NetworkPolicy[] => {
      const spec = asPolicy(object);
      return spec === undefined ? [] : [{ metadata: object.metadata, spec }];
    });
  return { before: policies(own), after: policies(after.values()) };
}
