/** The profiles of a snapshot as `status` shows them, with the conditions that speak of the whole cluster. Pure. */
import type { Condition } from '../../../api/meta.ts';
import type { SegmentationProfile } from '../../../api/profile.ts';
import { connectionText } from '../../../policy/connections/usage.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { unusedConnectionsOf } from '../render/command.ts';
import { type RolloutUnderWay, rolloutUnderWay } from './temporary.ts';

export interface ProfileStatus {
  readonly name: string;
  readonly mode: string;
  readonly namespaces: string;
  readonly policies: number;
  readonly ready: string;
  readonly reason: string;
  readonly message: string;
  /** Connections of which no end lies in a selected namespace, each with its ends. */
  readonly unusedConnections: readonly string[];
  /** The condition ImagesVerified; absent if the profile limits no images, or no operator reports. */
  readonly imagesVerified?: Verdict;
  /** Absent if no rollout is under way. */
  readonly rollout?: RolloutUnderWay;
}

/** The condition that a line or an entry of the output repeats. */
export type Verdict = Pick<Condition, 'status' | 'reason' | 'message'>;

export function profileRow(profile: SegmentationProfile, snapshot: Snapshot): ProfileStatus {
  const { name, generation } = profile.metadata;
  const intents = snapshot.intents().filter((intent) => intent.profile === profile);
  const desired = intents.reduce((sum, { policies }) => sum + policies.length, 0);
  const unusedConnections = unusedConnectionsOf(profile, snapshot).map(connectionText);
  const condition = profile.status?.conditions?.find(({ type }) => type === 'Ready');
  if (!snapshot.isObserved || condition === undefined) {
    return {
      name,
      mode: profile.spec.mode,
      namespaces: String(intents.length),
      policies: desired,
      ready: snapshot.isObserved ? 'Unknown' : '-',
      reason: snapshot.isObserved ? 'NoStatus' : '-',
      message: snapshot.isObserved ? 'the operator has not reported yet: is it running?' : '',
      unusedConnections,
    };
  }
  const stale = profile.status?.observedGeneration !== generation;
  const rollout = rolloutUnderWay(profile);
  return {
    name,
    mode: profile.spec.mode,
    namespaces: profile.status?.namespaces?.summary ?? String(intents.length),
    policies: profile.status?.policies?.applied ?? 0,
    ready: stale ? 'Unknown' : condition.status,
    reason: stale ? 'Stale' : condition.reason,
    message: stale ? 'the operator has not seen the last change yet' : condition.message,
    unusedConnections,
    ...imagesVerified(profile),
    ...(rollout && { rollout }),
  };
}

function imagesVerified({
  status: { conditions = [] } = {},
}: SegmentationProfile): Pick<ProfileStatus, 'imagesVerified'> {
  const found = conditions.find(({ type }) => type === 'ImagesVerified');
  if (found === undefined) return {};
  return { imagesVerified: { status: found.status, reason: found.reason, message: found.message } };
}

/** A condition about the cluster, from the first profile that has it; undefined where no operator reports it. */
export function commonCondition(wanted: string, snapshot: Snapshot): Verdict | undefined {
  if (!snapshot.isObserved) return undefined;
  for (const { status } of snapshot.profiles) {
    const found = status?.conditions?.find(({ type }) => type === wanted);
    if (found !== undefined) return { status: found.status, reason: found.reason, message: found.message };
  }
  return undefined;
}
