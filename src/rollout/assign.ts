/**
 * Which revision of a profile each namespace has. Pure: it follows from the recorded state of the rollout, the recorded
 * revisions, and the name and labels of the namespace, and from nothing else. So a restart, another replica and the
 * kubectl plugin come to the same answer, and a namespace has exactly one revision at each moment.
 */
import type { ProfileStatus } from '../api/profile.ts';
import type { Revision } from './revision.ts';
import { type Member, positionOf, waveOf } from './waves.ts';

export type RolloutState = NonNullable<ProfileStatus['rollout']>;
export type RevisionInForce = RolloutState['inForce'][number];

export type Assignment =
  | { readonly kind: 'revision'; readonly revision: Revision }
  /** No revision has reached the namespace, and the profile had no policies before: it wants none. */
  | { readonly kind: 'nothing' }
  /** It is not known what the namespace had before, or a revision can't be read: its policies stay as they are. */
  | { readonly kind: 'held' };

/** The revisions of one profile that are known, by number. */
export type Revisions = ReadonlyMap<number, Revision>;

const NOTHING: Assignment = { kind: 'nothing' };
const HELD: Assignment = { kind: 'held' };

/** @param profile its name */
export function assign(
  state: Pick<RolloutState, 'inForce' | 'base'> | undefined,
  revisions: Revisions,
  namespace: Member,
  profile: string,
): Assignment {
  if (state === undefined) return HELD;
  for (const layer of state.inForce) {
    const revision = revisions.get(layer.revision);
    if (revision === undefined) return HELD;
    if (reaches(layer, revision, namespace, profile)) return { kind: 'revision', revision };
  }
  return state.base === 'Nothing' ? NOTHING : HELD;
}

function reaches(
  { wave, limit = 0 }: RevisionInForce,
  { waves }: Revision,
  namespace: Member,
  profile: string,
): boolean {
  if (wave === undefined) return true;
  const index = waveOf(waves, namespace, profile);
  return index < wave || (index === wave && positionOf(profile, namespace.name) < limit);
}
