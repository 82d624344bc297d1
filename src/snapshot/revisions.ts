/** Which revision of a profile each namespace of a snapshot has: by the same function as the operator's. Pure. */
import type { SegmentationProfile } from '../api/profile.ts';
import type { RevisionIn, RevisionLookup } from '../cluster-state/in-force.ts';
import { assign } from '../rollout/assign.ts';
import { RevisionForms } from '../rollout/forms.ts';
import { recordedRevision } from '../rollout/recorded.ts';
import type { Revision } from '../rollout/revision.ts';
import type { ObjectSet } from './objects.ts';

/** The kind under which an object set has recorded revisions. */
export const REVISION_KIND = 'ControllerRevision';

/** The revisions among the objects, by the uid of their profile and by number. */
export function revisionsIn(objects: ObjectSet): ReadonlyMap<string, ReadonlyMap<number, Revision>> {
  const found = objects.of(REVISION_KIND).flatMap((object) => recordedRevision(object) ?? []);
  const byProfile = Map.groupBy(found, ({ profile }) => profile);
  return new Map(
    [...byProfile].map(([uid, recorded]) => [
      uid,
      new Map(recorded.flatMap(({ revision }) => (revision ? [[revision.number, revision]] : []))),
    ]),
  );
}

/** True if every namespace has the profile as it is: it has no rollout, as those of manifests, or a complete one. */
export function isInForceAsItIs({ metadata, status }: SegmentationProfile): boolean {
  const { rollout, observedGeneration } = status ?? {};
  return (
    rollout === undefined || (rollout.phase === 'Complete' && observedGeneration === metadata.generation)
  );
}

export class SnapshotRevisions implements RevisionLookup {
  readonly #revisions: ReturnType<typeof revisionsIn>;
  readonly #forms = new RevisionForms();

  constructor(revisions: ReturnType<typeof revisionsIn>) {
    this.#revisions = revisions;
  }

  revisionIn(
    profile: SegmentationProfile,
    namespace: Parameters<RevisionLookup['revisionIn']>[1],
  ): RevisionIn | undefined {
    const { metadata, status } = profile;
    if (isInForceAsItIs(profile)) return undefined;
    const known = this.#revisions.get(metadata.uid ?? '') ?? new Map<number, Revision>();
    const found = assign(status?.rollout, known, namespace, metadata.name);
    if (found.kind !== 'revision') return found;
    const { revision } = found;
    return { kind: 'revision', number: revision.number, profile: this.#forms.formOf(profile, revision) };
  }
}
