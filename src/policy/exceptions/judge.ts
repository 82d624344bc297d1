/**
 * Judges the exceptions of one namespace: which are in force now, by which profile, and until when. Pure: a function of the
 * exceptions, of the profiles, and of the time that it is given; nothing is remembered from an earlier judgement.
 */
import type { SegmentationException } from '../../api/exception.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { byObjectName, compareText } from '../../util/order.ts';
import { type Refusal, refusalBy } from './grant.ts';
import { rfc3339 } from '../../util/rfc3339.ts';

export type Verdict =
  /** The flows are to be open until `end`. */
  | { readonly kind: 'in-force'; readonly profile: SegmentationProfile; readonly end: number }
  /** A profile grants the exception, and somebody has to approve it. */
  | { readonly kind: 'awaiting-approval'; readonly profile: SegmentationProfile; readonly message: string }
  | { readonly kind: 'expired'; readonly end: number }
  | ({ readonly kind: 'refused' } & Refusal);

/**
 * The verdict for each exception of a namespace, the oldest exception first.
 *
 * @param profiles those in force in the namespace, each in the form that is in force there
 * @param now milliseconds since the epoch
 */
export function judge(
  exceptions: Iterable<SegmentationException>,
  profiles: readonly SegmentationProfile[],
  now: number,
): Map<SegmentationException, Verdict> {
  const selecting = profiles.toSorted(byObjectName);
  /** How many exceptions each profile grants in the namespace so far. */
  const granted = new Map<string, number>();
  const verdicts = new Map<SegmentationException, Verdict>();
  for (const exception of [...exceptions].sort(byAge)) {
    const verdict = verdictOf(exception, selecting, { granted, now });
    if (verdict.kind === 'in-force' || verdict.kind === 'awaiting-approval') {
      const { name } = verdict.profile.metadata;
      granted.set(name, (granted.get(name) ?? 0) + 1);
    }
    verdicts.set(exception, verdict);
  }
  return verdicts;
}

interface Context {
  readonly granted: ReadonlyMap<string, number>;
  readonly now: number;
}

function verdictOf(
  exception: SegmentationException,
  selecting: readonly SegmentationProfile[],
  { granted, now }: Context,
): Verdict {
  const { spec, metadata } = exception;
  const expires = Date.parse(spec.expires);
  // A time that can't be read is over as well.
  if (!(now < expires) || metadata.deletionTimestamp !== undefined) return { kind: 'expired', end: expires };
  const asked = selecting.filter(({ metadata: { name } }) => (spec.profile ?? name) === name);
  const refusals: Refusal[] = [];
  for (const profile of asked) {
    const refusal = refusalBy(profile, exception) ?? countRefusal(profile, granted);
    if (refusal === undefined) return approved(exception, profile, { expires, now });
    refusals.push(refusal);
  }
  // A profile that grants some exceptions says more than those that grant none.
  const refusal = refusals.find(({ reason }) => reason !== 'NotGranted') ?? refusals[0];
  return { kind: 'refused', ...(refusal ?? notSelected(exception)) };
}

function countRefusal(
  { metadata: { name }, spec: { exceptions } }: SegmentationProfile,
  granted: ReadonlyMap<string, number>,
): Refusal | undefined {
  const most = exceptions?.maxPerNamespace ?? 0;
  if ((granted.get(name) ?? 0) < most) return undefined;
  const message = `SegmentationProfile ${name} grants ${most} exceptions in a namespace at a time, and older ones have taken them: delete one of those`;
  return { reason: 'TooMany', message };
}

function notSelected({ metadata: { namespace }, spec: { profile } }: SegmentationException): Refusal {
  const message =
    profile === undefined
      ? `no SegmentationProfile is in force in namespace ${namespace}: none denies anything here`
      : `SegmentationProfile ${profile} is not in force in namespace ${namespace}: name another one, or none (kubectl get segp)`;
  return { reason: 'NotSelected', message };
}

function approved(
  { spec }: SegmentationException,
  profile: SegmentationProfile,
  { expires, now }: { readonly expires: number; readonly now: number },
): Verdict {
  if (profile.spec.exceptions?.mode !== 'ApprovalRequired')
    return { kind: 'in-force', profile, end: expires };
  const { approval, requestedBy, extendedBy } = spec;
  const how = `somebody else, who may approve it, writes spec.approval: {by: OWN-NAME, until: "${spec.expires}"}`;
  if (approval === undefined)
    return { kind: 'awaiting-approval', profile, message: `waits for an approval: ${how}` };
  // Admission refuses such an approval. Should its policy have been missing, the approval is worth nothing.
  if (approval.by === requestedBy || approval.by === extendedBy) {
    const message = `can't be approved by ${approval.by}, who asked for it: ${how}`;
    return { kind: 'awaiting-approval', profile, message };
  }
  const end = Math.min(expires, Date.parse(approval.until));
  if (now < end) return { kind: 'in-force', profile, end };
  const message = `was approved until ${rfc3339(end)} only, and waits for another approval: ${how}`;
  return { kind: 'awaiting-approval', profile, message };
}

function byAge({ metadata: a }: SegmentationException, { metadata: b }: SegmentationException): number {
  return compareText(a.creationTimestamp ?? '', b.creationTimestamp ?? '') || compareText(a.name, b.name);
}
