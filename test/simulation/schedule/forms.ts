/** The forms in which profiles with a rollout are in force, by the state that the operator recorded and nothing else. */
import { LABEL_EXCEPTION, LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { isProfileReference } from '../../../src/policy/semantics/normalize.ts';
import { assign, type Revisions } from '../../../src/rollout/assign.ts';
import { type Intent, type Revision, type Wave, withIntent } from '../../../src/rollout/revision.ts';
import type { Member } from '../../../src/rollout/waves.ts';
import type { Stored } from '../server/kinds.ts';
import type { ProfileForm } from './combination.ts';

/** A form, with a text that is equal for equal ones; without the text, as only the profile's own value tells it. */
export type Form = Pick<ProfileForm, 'profile' | 'isHeld' | 'revision'> & { readonly key?: string };

const NO_REVISIONS: Revisions = new Map();

export class Forms {
  /** By the uid of the profile, then by number. They never change, and deleted ones are kept. */
  readonly #revisions = new Map<string, Map<number, Revision>>();
  readonly #profiles = new Map<string, SegmentationProfile>();

  /** Remembers a ControllerRevision. */
  record({ metadata, revision, data }: Stored): void {
    const uid = metadata.ownerReferences?.find(isProfileReference)?.uid ?? '';
    const { intent, waves } = data as { readonly intent: Intent; readonly waves: readonly Wave[] };
    const known = this.#revisions.get(uid) ?? new Map<number, Revision>();
    const number = revision as number;
    this.#revisions.set(uid, known.set(number, { number, intent, waves }));
  }

  revisionsOf({ metadata: { uid = '' } }: SegmentationProfile): Revisions {
    return this.#revisions.get(uid) ?? NO_REVISIONS;
  }

  /** The form of a profile in a namespace. */
  in(profile: SegmentationProfile | undefined, namespace: Member): Form {
    if (profile === undefined || !isRolledOut(profile)) return { profile, isHeld: false };
    const { metadata, spec, status } = profile;
    const { uid = '', name, generation, deletionTimestamp = '' } = metadata;
    const found = assign(status?.rollout, this.revisionsOf(profile), namespace, name);
    if (found.kind === 'nothing') return { profile: undefined, isHeld: false, key: `${uid} nothing` };
    if (found.kind === 'held')
      return { profile: undefined, isHeld: true, key: `${uid} held at ${generation} ${deletionTimestamp}` };
    const { number, intent } = found.revision;
    const atOnce = JSON.stringify([spec.deletionPolicy, spec.exceptions, deletionTimestamp]);
    const key = `${uid} revision ${number} ${atOnce}`;
    let form = this.#profiles.get(key);
    if (form === undefined) this.#profiles.set(key, (form = withIntent(profile, intent)));
    return { profile: form, isHeld: false, revision: number, key };
  }
}

function isRolledOut({ metadata, spec, status }: SegmentationProfile): boolean {
  if (metadata.deletionTimestamp !== undefined && spec.deletionPolicy !== 'Retain') return false;
  return spec.rollout !== undefined || status?.rollout !== undefined;
}

/** True for a policy that stays while the profile is held: one of the profile, and of no exception. */
export function isHeldPolicy({ metadata }: NetworkPolicy, profile: string): boolean {
  const { labels = {}, ownerReferences = [] } = metadata;
  if (labels[LABEL_EXCEPTION] !== undefined) return false;
  const isLabelled = labels[LABEL_MANAGED_BY] === MANAGER && labels[LABEL_PROFILE] === profile;
  return isLabelled || ownerReferences.some((each) => isProfileReference(each) && each.name === profile);
}
