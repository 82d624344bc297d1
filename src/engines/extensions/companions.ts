/** The extensions of an engine whose policies isolate their pods, as the plan of the NetworkPolicies sees them. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../api/network-policy.ts';
import type { Companions } from '../../policy/planning/plan.ts';
import type { ExtensionEngine } from './engine.ts';
import type { ExtensionPlan } from './plan.ts';

/** The observed objects of a namespace: the extensions of profiles, and those of others. */
export interface ObservedCompanions {
  readonly own: readonly KubeObject[];
  readonly foreign: readonly KubeObject[];
  /** Policies of the cluster that isolate pods of the namespace, as NetworkPolicies there. */
  readonly ofCluster: readonly NetworkPolicy[];
}

/** The extensions of a namespace before and after their plan; undefined for an engine whose policies do not isolate. */
export function companionsOf(
  { own, foreign, ofCluster }: ObservedCompanions,
  { widen, narrow }: ExtensionPlan,
  engine: ExtensionEngine,
): Companions | undefined {
  const { asPolicy, foreign: foreignObjects } = engine;
  if (asPolicy === undefined) return undefined;
  const after = new Map(own.map((object) => [object.metadata.name, object]));
  for (const step of [...widen, ...narrow]) {
    if (step.verb === 'delete') after.delete(step.before.metadata.name);
    else after.set(step.object.metadata.name, step.object);
  }
  const policies = (
    objects: Iterable<KubeObject>,
    specOf: (object: KubeObject) => NetworkPolicySpec | string | undefined,
  ) =>
    [...objects].flatMap((object): NetworkPolicy[] => {
      const spec = specOf(object);
      return typeof spec === 'object' ? [{ metadata: object.metadata, spec }] : [];
    });
  return {
    before: policies(own, asPolicy),
    after: policies(after.values(), asPolicy),
    foreign:
      foreignObjects === undefined ? [] : [...policies(foreign, foreignObjects.isolation), ...ofCluster],
  };
}
