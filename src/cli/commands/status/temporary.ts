/** States of a cluster that end by themselves: exceptions that open flows, and rollouts under way. Pure. */
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import type { SegmentationProfile } from '../../../api/profile.ts';
import { notesOf } from '../../../policy/notes.ts';
import { exceptionNameOf } from '../../../policy/ownership.ts';
import { isStopped } from '../../../rollout/advance.ts';
import { counted } from '../../../util/list-text.ts';

export interface OpenExceptions {
  readonly count: number;
  readonly namespaces: number;
  /** When the first of them ends, as RFC 3339; absent if no policy says so. */
  readonly nextEnd?: string;
}

/**
 * The exceptions of which policies exist, so that they open flows. Policies tell them without a permission to read exceptions.
 *
 * @param policies own policies
 * @returns undefined if there is none
 */
export function openExceptions(policies: readonly NetworkPolicy[]): OpenExceptions | undefined {
  const exceptions = new Set<string>();
  const namespaces = new Set<string>();
  let nextEnd: string | undefined;
  for (const policy of policies) {
    const { namespace = '' } = policy.metadata;
    const exception = exceptionNameOf(policy.metadata);
    if (exception === undefined) continue;
    exceptions.add(`${namespace}/${exception}`);
    namespaces.add(namespace);
    for (const note of notesOf(policy)) {
      const { until } = note ?? {};
      if (until !== undefined && (nextEnd === undefined || Date.parse(until) < Date.parse(nextEnd)))
        nextEnd = until;
    }
  }
  if (exceptions.size === 0) return undefined;
  return {
    count: exceptions.size,
    namespaces: namespaces.size,
    ...(nextEnd !== undefined && { nextEnd }),
  };
}

export function openExceptionsText({ count, namespaces, nextEnd }: OpenExceptions): string {
  const where = `by ${counted(count, 'exception')} in ${counted(namespaces, 'namespace')}`;
  if (nextEnd === undefined) return where;
  return `${where}, ${count === 1 ? 'until' : 'the first until'} ${nextEnd}`;
}

export interface RolloutUnderWay {
  readonly revision: number;
  /** The phase, with the waves that are complete and all of them. */
  readonly summary: string;
  readonly wave?: string;
}

/** The rollout of a profile; undefined if it has none, or none that is under way. */
export function rolloutUnderWay({ status }: SegmentationProfile): RolloutUnderWay | undefined {
  const { rollout } = status ?? {};
  if (rollout === undefined || rollout.phase === 'Complete' || isStopped(rollout)) return undefined;
  const { revision, summary, wave } = rollout;
  return { revision, summary, ...(wave !== undefined && { wave }) };
}

export function rolloutText({ revision, summary, wave }: RolloutUnderWay): string {
  return `revision ${revision}: ${summary}${wave === undefined ? '' : `, wave ${wave}`}`;
}
