/**
 * The writes that lead from the observed staged policies of a namespace to the desired ones. Staged policies enforce nothing,
 * so that the writes need no order. Pure.
 */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { withFreeNames } from '../../policy/planning/free-names.ts';
import { updatedMetadata } from '../../policy/planning/updated-metadata.ts';
import { fingerprint } from '../../policy/semantics/normalize.ts';
import type { ObjectStep } from '../object-step.ts';
import type { StagingEngine } from './engine.ts';

export interface StagingPlanContext {
  readonly engine: Pick<StagingEngine, 'stage' | 'staged'>;
  /** The profile that owns an observed object; undefined for a foreign one. */
  readonly ownerOf: (object: KubeObject) => string | undefined;
  /** Profiles whose observed staged policies stay as they are. */
  readonly kept: ReadonlySet<string>;
}

/**
 * @param observed all objects of the engine's staged kind in the namespace
 * @param desired the policies to stage, under the names that they would be enforced by
 */
export function planStaged(
  observed: readonly KubeObject[],
  desired: readonly NetworkPolicy[],
  { engine, ownerOf, kept }: StagingPlanContext,
): ObjectStep[] {
  const own = new Map<string, KubeObject>();
  const taken = new Set<string>();
  for (const object of observed) {
    const owner = ownerOf(object);
    if (owner === undefined) taken.add(object.metadata.name);
    else if (!kept.has(owner)) own.set(object.metadata.name, object);
  }
  const steps: ObjectStep[] = [];
  for (const policy of withFreeNames(desired, taken).named) {
    const { name } = policy.metadata;
    const before = own.get(name);
    own.delete(name);
    const object = engine.stage(policy);
    if (before === undefined) steps.push({ verb: 'create', object });
    else if (!isSame(engine.staged(before), policy)) {
      const metadata = updatedMetadata(before.metadata, object.metadata);
      steps.push({ verb: 'update', object: { ...object, metadata }, before });
    }
  }
  return [...steps, ...own.values().map((before): ObjectStep => ({ verb: 'delete', before }))];
}

function isSame(staged: NetworkPolicy | undefined, policy: NetworkPolicy): boolean {
  return staged !== undefined && fingerprint(staged) === fingerprint(policy);
}
