/**
 * Revisions of a profile: the part of its spec that a rollout brings to namespaces in waves, numbered and recorded.
 * Pure.
 */
import type { ProfileSpec, SegmentationProfile } from '../api/profile.ts';
import { canonicalJSON } from '../util/canonical-json.ts';

/** The fields that take effect at once. A new field of the spec is part of the intent unless it is listed here. */
const AT_ONCE = ['rollout', 'deletionPolicy', 'admission', 'workloads', 'exceptions', 'guard'] as const;

/** The part of a spec from which policies are compiled. */
export type Intent = Omit<ProfileSpec, (typeof AT_ONCE)[number]>;
export type Wave = NonNullable<ProfileSpec['rollout']>['waves'][number];

/** A recorded revision. It never changes. */
export interface Revision {
  readonly number: number;
  readonly intent: Intent;
  /** The waves of its rollout, without the last one of the other namespaces. */
  readonly waves: readonly Wave[];
}

export function intentOf(spec: ProfileSpec): Intent {
  const intent: Partial<ProfileSpec> = { ...spec };
  for (const field of AT_ONCE) delete (intent as Record<string, unknown>)[field];
  return intent as Intent;
}

/** True if the two compile to the same policies in every namespace. */
export function sameIntent(a: Intent, b: Intent): boolean {
  return canonicalJSON(a) === canonicalJSON(b);
}

export function sameWaves(a: readonly Wave[], b: readonly Wave[]): boolean {
  return canonicalJSON(a) === canonicalJSON(b);
}

/** The profile as it is in force where it has the revision: its own fields that take effect at once, and the intent. */
export function withIntent(profile: SegmentationProfile, intent: Intent): SegmentationProfile {
  const atOnce = Object.fromEntries(
    AT_ONCE.flatMap((field) => (field in profile.spec ? [[field, profile.spec[field]]] : [])),
  ) as Pick<ProfileSpec, (typeof AT_ONCE)[number]>;
  return { ...profile, spec: { ...intent, ...atOnce } };
}
