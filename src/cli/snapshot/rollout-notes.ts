/** Notes about namespaces in which another revision of a profile is in force than the latest. Pure. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';
import { shortList } from '../../util/list-text.ts';

/** The number of the latest revision of a profile; undefined if it has no rollout, or none is recorded. */
export function latestRevision({ status }: SegmentationProfile): number | undefined {
  return status?.rollout?.revision;
}

/** True if a namespace that the profile selects does not have its latest revision. */
export function isUnderWay(profile: SegmentationProfile, snapshot: Snapshot): boolean {
  const latest = latestRevision(profile);
  return (
    snapshot.awaited().some((each) => each.profile === profile) ||
    snapshot.intents().some((each) => each.profile === profile && (each.revision ?? latest) !== latest)
  );
}

/** A note for each revision that is not the latest, and for the namespaces that no revision has reached. */
export function rolloutNotes(
  snapshot: Snapshot,
  isConcerned: (namespace: string, profile: SegmentationProfile) => boolean,
): string[] {
  return snapshot.profiles.flatMap((profile) => {
    const latest = latestRevision(profile);
    if (latest === undefined) return [];
    const name = `profile ${profile.metadata.name}`;
    const earlier = snapshot
      .intents()
      .filter((each) => each.profile === profile && (each.revision ?? latest) !== latest)
      .filter(({ namespace }) => isConcerned(namespace.name, profile));
    const awaited = snapshot
      .awaited()
      .filter((each) => each.profile === profile && isConcerned(each.namespace.name, profile));
    const listed = (of: readonly { readonly namespace: { readonly name: string } }[]) =>
      shortList(of.map(({ namespace }) => namespace.name));
    const [held, nothing] = [
      awaited.filter(({ kind }) => kind === 'held'),
      awaited.filter(({ kind }) => kind === 'nothing'),
    ];
    return [
      ...[...Map.groupBy(earlier, ({ revision }) => revision)]
        .sort(([a = 0], [b = 0]) => b - a)
        .map(
          ([revision, of]) =>
            `${name}: revision ${revision} is in force in ${listed(of)}; the latest is ${latest}`,
        ),
      ...(nothing.length > 0
        ? [
            `${name}: its rollout has not reached ${listed(nothing)}, which it selects: it has no policies there`,
          ]
        : []),
      ...(held.length > 0
        ? [`${name}: the policies in ${listed(held)} stay as they are, as their revision is not recorded`]
        : []),
    ];
  });
}
