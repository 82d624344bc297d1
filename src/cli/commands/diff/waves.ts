/** In which wave of its rollout a changed profile brings which changes. Pure. */
import type { PolicyChange } from '../../../analysis/policy-changes.ts';
import type { KubeObject } from '../../../api/meta.ts';
import { needsNoWaves } from '../../../rollout/advance.ts';
import { intentOf, type Revision, sameIntent, type Wave } from '../../../rollout/revision.ts';
import { nameOfWave, waveOf } from '../../../rollout/waves.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { compareText } from '../../../util/order.ts';

/** The changes of one profile. */
export interface ChangedRollout {
  readonly profile: string;
  /** True if all changes come at once: they are what the namespaces of later waves have. */
  readonly atOnce: boolean;
  /** The waves in which something changes; none if all changes come at once. */
  readonly waves: readonly ChangedWave[];
}

export interface ChangedWave {
  readonly wave: string;
  /** How long the rollout waits after it; absent for the last wave. */
  readonly soak?: string;
  /** The namespaces whose policies change. */
  readonly namespaces: readonly string[];
}

interface ChangedPolicies {
  readonly policies: readonly PolicyChange[];
  /** Policies of the network engine. */
  readonly extensions: readonly { readonly profile: string; readonly namespace: string }[];
}

/** The rollouts of changed profiles. Profiles without `spec.rollout` are left out. */
export function changedRollouts(
  before: Snapshot,
  after: Snapshot,
  changes: ChangedPolicies,
): ChangedRollout[] {
  const changed = changedNamespaces(before, after, changes);
  return after.profiles.flatMap((profile): ChangedRollout[] => {
    const { name } = profile.metadata;
    const { rollout } = profile.spec;
    const namespaces = changed.get(name);
    if (rollout === undefined || namespaces === undefined) return [];
    const live = before.profiles.find(({ metadata }) => metadata.name === name);
    const revisions: ReadonlyMap<number, Revision> =
      before.revisions.get(live?.metadata.uid ?? '') ?? new Map();
    const state = live?.status?.rollout;
    const wanted = intentOf(profile.spec);
    if (state !== undefined && needsNoWaves(state, wanted, { revisions, convergence: 'differs' }))
      return [{ profile: name, atOnce: true, waves: [] }];
    // A rollout that is under way keeps the waves with which it began.
    const latest = state && revisions.get(state.revision);
    const isUnderWay = latest !== undefined && sameIntent(latest.intent, wanted);
    const waves = isUnderWay ? latest.waves : rollout.waves;
    return [{ profile: name, atOnce: false, waves: wavesOf(waves, name, namespaces, after) }];
  });
}

function wavesOf(
  waves: readonly Wave[],
  profile: string,
  changed: ReadonlySet<string>,
  { namespaces }: Snapshot,
): ChangedWave[] {
  const members = Map.groupBy(
    namespaces.filter(({ name }) => changed.has(name)),
    (each) => waveOf(waves, each, profile),
  );
  return [...members]
    .sort(([a], [b]) => a - b)
    .map(([index, of]) => {
      const soak = waves[index]?.soak;
      return {
        wave: nameOfWave(waves, index),
        ...(soak !== undefined && { soak }),
        namespaces: of.map(({ name }) => name).sort(compareText),
      };
    });
}

/** By the name of a profile, the namespaces in which its policies change. */
function changedNamespaces(
  before: Snapshot,
  after: Snapshot,
  { policies, extensions }: ChangedPolicies,
): Map<string, Set<string>> {
  const changed = new Map<string, Set<string>>();
  const add = (profile: string | undefined, namespace: string | undefined) => {
    if (profile === undefined || namespace === undefined) return;
    changed.set(profile, (changed.get(profile) ?? new Set<string>()).add(namespace));
  };
  const note = (snapshot: Snapshot, object: KubeObject | undefined) =>
    add(object && snapshot.ownerOf(object), object?.metadata.namespace);
  for (const change of policies) {
    note(before, change.before);
    note(after, change.after);
  }
  for (const { profile, namespace } of extensions) add(profile, namespace);
  return changed;
}
