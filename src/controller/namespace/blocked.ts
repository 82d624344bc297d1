/** Judges whether a reconcile can begin: nothing is written while an input is missing (I3). No I/O. */
import type { SegmentationProfile } from '../../api/profile.ts';
import { encodePeerSource, type PeerSource } from '../../policy/facts.ts';
import { hasFinalizer } from '../profile/finalizer.ts';
import type { Failure } from '../results.ts';
import type { MissingInput } from './additions.ts';
import type { Gathered, ProfileIntent } from './gather.ts';

export interface Blocked {
  readonly kind: 'blocked';
  /** The intents that wait. */
  readonly intents: readonly ProfileIntent[];
  /** Undefined while a first read is merely under way: its end enqueues the namespace. */
  readonly failure: Failure | undefined;
}

export type Readiness = { readonly kind: 'ready' } | Blocked;

const ACCEPTING: Failure = {
  reason: 'Accepting',
  message: "the operator's finalizer is not on the profile yet",
  kind: 'waiting',
};

/** @param readError why a peer source can't be read, if that is known */
export function readinessOf(
  { namespace, profiles, intents, additions, facts: { missing } }: Gathered,
  readError: (source: PeerSource) => string | undefined,
): Readiness {
  const accepting = intents.filter(
    ({ profile, relation }) => relation === 'enforce' && lacksFinalizer(profile),
  );
  if (accepting.length > 0) return { kind: 'blocked', intents: accepting, failure: ACCEPTING };
  for (const each of additions) {
    const input = each.missing(profiles, namespace);
    if (input !== undefined) return { kind: 'blocked', intents, failure: unreadable(input) };
  }
  if (missing.length === 0) return { kind: 'ready' };
  const error = missing.map(readError).find((each) => each !== undefined);
  if (error === undefined) return { kind: 'blocked', intents, failure: undefined };
  const message = `waiting to read ${missing.map(encodePeerSource).join(', ')}: ${error}`;
  return { kind: 'blocked', intents, failure: { reason: 'SourceUnavailable', message, kind: 'waiting' } };
}

function unreadable({ resource, error }: MissingInput): Failure | undefined {
  if (error === undefined) return undefined;
  const message = `waiting to read ${resource}: ${error}`;
  return { reason: 'SourceUnavailable', message, kind: 'waiting' };
}

/**
 * True if the profile is new and lacks the operator's finalizer, without which its deletion would not be ordered. Until
 * it has one, nothing changes in its namespaces for any profile: it may take over what another profile ceases to allow
 * or to isolate (I1, I2).
 */
function lacksFinalizer(profile: SegmentationProfile): boolean {
  return !hasFinalizer(profile) && profile.metadata.deletionTimestamp === undefined;
}
