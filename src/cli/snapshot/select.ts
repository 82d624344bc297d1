/** Finds the objects that arguments name; an error lists the names that exist. */
import type { SegmentationProfile } from '../../api/profile.ts';
import { didYouMean } from '../../util/text/suggest.ts';
import { CliError } from '../shell/failure.ts';
import type { Snapshot, SnapshotNamespace } from '../../snapshot/snapshot.ts';
import { shortList } from '../../util/list-text.ts';

/** The profiles of these names; all profiles if there is no name. @throws CliError if a name is not found */
export function profilesNamed(snapshot: Snapshot, names: readonly string[]): readonly SegmentationProfile[] {
  const known = snapshot.profiles.map(({ metadata }) => metadata.name);
  for (const name of names) {
    if (!known.includes(name)) throw unknown('SegmentationProfile', name, known, snapshot.origin);
  }
  return names.length === 0
    ? snapshot.profiles
    : snapshot.profiles.filter(({ metadata }) => names.includes(metadata.name));
}

/** The namespace of this name; all namespaces if there is no name. @throws CliError if it is not found */
export function namespacesNamed(snapshot: Snapshot, name: string | undefined): readonly SnapshotNamespace[] {
  if (name === undefined) return snapshot.namespaces;
  const found = snapshot.namespaces.filter((each) => each.name === name);
  if (found.length > 0) return found;
  throw unknown(
    'namespace',
    name,
    snapshot.namespaces.map((each) => each.name),
    snapshot.origin,
  );
}

/** An error for a name that is not found, with a similar name or the names that exist. */
export function unknown(what: string, name: string, known: readonly string[], origin: string): CliError {
  const meant = didYouMean(name, known);
  const there =
    known.length === 0 ? 'there is none' : `there is ${shortList([...known].sort(), { most: 5 })}`;
  return new CliError(`no ${what} "${name}" in ${originOf(origin)}${meant || `; ${there}`}`);
}

function originOf(origin: string): string {
  return origin === 'manifests' ? 'the manifests' : origin;
}
