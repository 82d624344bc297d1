/** How far a rollout is, wave by wave, and what its revisions changed: the same functions as the operator's decide. Pure. */
import type { KubeObject } from '../../../api/meta.ts';
import type { SegmentationProfile } from '../../../api/profile.ts';
import { selects } from '../../../cluster-state/relation.ts';
import { assign, type Revisions } from '../../../rollout/assign.ts';
import { type Intent, intentOf, type Revision } from '../../../rollout/revision.ts';
import { nameOfWave, waveOf } from '../../../rollout/waves.ts';
import { canonicalJSON } from '../../../util/canonical-json.ts';
import { compareText } from '../../../util/order.ts';

export interface WaveView {
  readonly name: string;
  readonly state: 'done' | 'under way' | 'to come' | 'failed';
  readonly soak: string;
  readonly namespaces: readonly string[];
  /** The revisions that they have, each with the number of namespaces; `none`, or `before` for unrecorded policies. */
  readonly revisions: Readonly<Record<string, number>>;
}

/** The waves of the latest revision; none if it is not recorded. */
export function wavesOf(
  profile: SegmentationProfile,
  revisions: Revisions,
  namespaces: readonly KubeObject[],
  protectedNamespaces: ReadonlySet<string>,
): WaveView[] {
  const state = profile.status?.rollout;
  const latest = state && revisions.get(state.revision);
  if (state === undefined || latest === undefined) return [];
  const { name } = profile.metadata;
  const members = namespaces
    .map(({ metadata }) => ({
      name: metadata.name,
      labels: metadata.labels ?? {},
      terminating: metadata.deletionTimestamp !== undefined,
    }))
    .filter((each) => selects(profile, each, protectedNamespaces));
  const byWave = Map.groupBy(members, (each) => waveOf(latest.waves, each, name));
  return [...latest.waves, undefined].map((wave, index) => {
    const inWave = byWave.get(index) ?? [];
    const counts: Record<string, number> = {};
    for (const each of inWave) {
      const found = assign(state, revisions, each, name);
      const has = found.kind === 'revision' ? String(found.revision.number) : NAMES[found.kind];
      counts[has] = (counts[has] ?? 0) + 1;
    }
    return {
      name: nameOfWave(latest.waves, index),
      state: stateOf(profile, latest, index),
      soak: wave?.soak ?? '',
      namespaces: inWave.map((each) => each.name).sort(compareText),
      revisions: counts,
    };
  });
}

const NAMES = { nothing: 'none', held: 'before' } as const;

function stateOf({ status }: SegmentationProfile, latest: Revision, index: number): WaveView['state'] {
  const { phase, inForce = [], failure } = status?.rollout ?? {};
  if (failure?.wave === nameOfWave(latest.waves, index)) return 'failed';
  if (phase === 'Complete') return 'done';
  const reached = inForce[0]?.revision === latest.number ? (inForce[0].wave ?? latest.waves.length + 1) : -1;
  if (index < reached) return 'done';
  return index === reached ? 'under way' : 'to come';
}

/** The fields of the spec in which two revisions differ. */
export function changedFields(before: Intent | undefined, after: Intent): string[] {
  const [old, next] = [before ?? {}, after] as Readonly<Record<string, unknown>>[];
  const fields = new Set([...Object.keys(old ?? {}), ...Object.keys(next ?? {})]);
  return [...fields]
    .filter((each) => canonicalJSON([old?.[each]]) !== canonicalJSON([next?.[each]]))
    .sort(compareText);
}

/** The latest revision before the profile as it is, which differs from it; undefined if there is none. */
export function revisionBefore(
  profile: SegmentationProfile,
  revisions: ReadonlyMap<number, Revision>,
): Revision | undefined {
  const latest = profile.status?.rollout?.revision ?? 0;
  const intent = intentOf(profile.spec);
  return [...revisions.values()].findLast(
    (each) => each.number <= latest && changedFields(each.intent, intent).length > 0,
  );
}
