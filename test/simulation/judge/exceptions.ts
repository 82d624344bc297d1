/** Judges a write of the policy of an exception: the exception is in force at that moment, by the clock of the leader. Pure. */
import type { SegmentationException } from '../../../src/api/exception.ts';
import { LABEL_EXCEPTION } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { rfc3339 } from '../../../src/util/rfc3339.ts';
import { verdicts } from '../schedule/exception-policies.ts';
import type { Inputs } from '../schedule/inputs.ts';

interface Place {
  readonly namespace: string;
  readonly inputs: Inputs;
  /** The time that the clock of the leader shows, in milliseconds since the epoch. */
  readonly readings: readonly number[];
  /** The policies of the namespace. */
  readonly base: readonly NetworkPolicy[];
  /** When the replica sent its latest successful GET of a path, in milliseconds of the simulation. */
  readonly readAt: (path: string) => number | undefined;
}

/** Describes the fault; empty if the exception is in force, and undefined for a policy of no exception. */
export function openedWithoutGrant({ metadata }: NetworkPolicy, place: Place): string | undefined {
  const { namespace, inputs, readings, base, readAt } = place;
  const name = metadata.labels?.[LABEL_EXCEPTION];
  if (name === undefined) return undefined;
  const path = `/apis/segmentation.dev/v1alpha1/namespaces/${namespace}/segmentationexceptions/${name}`;
  const read = readAt(path);
  const what = `the policy ${namespace}/${metadata.name} is written`;
  if (read === undefined) return `${what}, and exception ${name} was never read live`;
  const uids = metadata.ownerReferences?.map(({ uid }) => uid) ?? [];
  // The read shows this exception, and no other that the profile may grant instead.
  const known = new Set(
    inputs.values<readonly SegmentationException[]>(`exceptions ${namespace}`, read).flat().map(formOf),
  );
  const combinations = inputs.combinations(namespace);
  const isInForce = readings.some((now) =>
    combinations.some((each) =>
      [...verdicts({ ...each, now }, namespace, base)].some(
        ([exception, { kind }]) =>
          uids.includes(exception.metadata.uid ?? '') && known.has(formOf(exception)) && kind === 'in-force',
      ),
    ),
  );
  const [now = 0] = readings;
  return isInForce ? '' : `${what}, and exception ${name} is not in force at ${rfc3339(now)}`;
}

/** Equal for states of an exception with the same spec. */
function formOf({ metadata: { uid, generation, deletionTimestamp = '' } }: SegmentationException): string {
  return `${uid} ${generation} ${deletionTimestamp}`;
}
