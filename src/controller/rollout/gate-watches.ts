/** The watches of workloads for the gates of rollouts: of each profile, those of its wave that is under way. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { Progress } from '../../rollout/advance.ts';
import type { Revisions, RolloutState } from '../../rollout/assign.ts';
import type { GateInput } from '../../rollout/gates.ts';
import { waveOf } from '../../rollout/waves.ts';
import { WorkloadWatch, type WorkloadWatchOptions } from './workloads.ts';

export interface GateWatchesOptions extends Omit<WorkloadWatchOptions, 'onChange'> {
  /** Called with the name of a profile whose gates have to be judged again. */
  readonly onChange: (profile: string) => void;
}

export class GateWatches {
  readonly #options: GateWatchesOptions;
  readonly #watches = new Map<string, WorkloadWatch>();

  constructor(options: GateWatchesOptions) {
    this.#options = options;
  }

  /** The workloads of the profile's wave, as far as they are known. */
  input({ metadata, spec }: SegmentationProfile): GateInput {
    if (spec.rollout?.gates?.workloads === undefined) return { kind: 'off' };
    return this.#watches.get(metadata.name)?.input ?? { kind: 'unread' };
  }

  /** Watches the workloads of the wave that is under way in this state, and no others. */
  follow(
    profile: SegmentationProfile,
    state: RolloutState,
    { revisions, progress }: { readonly revisions: Revisions; readonly progress: readonly Progress[] },
  ): void {
    const { name } = profile.metadata;
    const namespaces = this.#isNeeded(profile, state)
      ? namespacesOfWave(name, state, revisions, progress)
      : new Set<string>();
    const watch = this.#watches.get(name);
    if (namespaces.size === 0) return this.forget(name);
    if (watch !== undefined) return watch.follow(namespaces);
    const created = new WorkloadWatch({ ...this.#options, onChange: () => this.#options.onChange(name) });
    this.#watches.set(name, created);
    created.follow(namespaces);
  }

  /** Why the workloads can't be read; undefined if they can, or that is not known. */
  error(profile: string): unknown {
    return this.#watches.get(profile)?.error;
  }

  /** Ends the watches of a profile. */
  forget(profile: string): void {
    void this.#watches.get(profile)?.stop();
    this.#watches.delete(profile);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#watches.values()].map((each) => each.stop()));
    this.#watches.clear();
  }

  #isNeeded({ metadata, spec }: SegmentationProfile, { phase }: RolloutState): boolean {
    if (spec.rollout?.gates?.workloads === undefined || metadata.deletionTimestamp !== undefined)
      return false;
    return phase === 'Applying' || phase === 'Soaking';
  }
}

function namespacesOfWave(
  profile: string,
  { inForce }: RolloutState,
  revisions: Revisions,
  progress: readonly Progress[],
): Set<string> {
  const [top] = inForce;
  const revision = top && revisions.get(top.revision);
  if (top?.wave === undefined || revision === undefined) return new Set();
  const members = progress.filter((each) => waveOf(revision.waves, each, profile) === top.wave);
  return new Set(members.map(({ name }) => name));
}
