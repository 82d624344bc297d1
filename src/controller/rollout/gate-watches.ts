/** The watches for the gates of rollouts: of each profile, those of its wave that is under way. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { Progress } from '../../rollout/advance.ts';
import type { Revisions, RolloutState } from '../../rollout/assign.ts';
import type { GateInput } from '../../rollout/gates.ts';
import type { QueryAnswers } from '../../rollout/query-gate.ts';
import { waveOf } from '../../rollout/waves.ts';
import { type PrometheusQueries, QueryWatch } from './query-watch.ts';
import { type UnreadCollection, WorkloadWatch, type WorkloadWatchOptions } from './workloads.ts';

export interface GateWatchesOptions extends Omit<WorkloadWatchOptions, 'onChange'> {
  /** Undefined: the operator's configuration has no Prometheus. */
  readonly prometheus: PrometheusQueries | undefined;
  /** Called with the name of a profile whose gates have to be judged again. */
  readonly onChange: (profile: string) => void;
}

const NO_ANSWERS: QueryAnswers = new Map();

export class GateWatches {
  readonly #options: GateWatchesOptions;
  readonly #workloads = new Map<string, WorkloadWatch>();
  readonly #queries = new Map<string, QueryWatch>();

  constructor(options: GateWatchesOptions) {
    this.#options = options;
  }

  /** The observations of the gates of the profile's wave. */
  input({ metadata: { name }, spec }: SegmentationProfile): GateInput {
    const isWatched = spec.rollout?.gates?.workloads !== undefined;
    return {
      workloads: isWatched ? (this.#workloads.get(name)?.input ?? { kind: 'unread' }) : { kind: 'off' },
      queries: this.#queries.get(name)?.answers ?? NO_ANSWERS,
    };
  }

  /** Watches the workloads of the wave that is under way in this state, and asks its queries; nothing else. */
  follow(
    profile: SegmentationProfile,
    state: RolloutState,
    { revisions, progress }: { readonly revisions: Revisions; readonly progress: readonly Progress[] },
  ): void {
    const { name } = profile.metadata;
    const { workloads, prometheus = [] } = profile.spec.rollout?.gates ?? {};
    const namespaces = isUnderWay(profile, state)
      ? namespacesOfWave(name, state, revisions, progress)
      : new Set<string>();
    if (workloads !== undefined && namespaces.size > 0) this.#workloadsOf(name).follow(namespaces);
    else this.#forgetWorkloads(name);
    if (prometheus.length > 0 && namespaces.size > 0) this.#queriesOf(name)?.follow(prometheus);
    else this.#forgetQueries(name);
  }

  /** True if a wave is under way whose queries nobody answers, as no Prometheus is configured. */
  lacksPrometheus(profile: SegmentationProfile, state: RolloutState): boolean {
    const { prometheus = [] } = profile.spec.rollout?.gates ?? {};
    return this.#options.prometheus === undefined && prometheus.length > 0 && isUnderWay(profile, state);
  }

  /** The collections of workloads that are known to be unreadable, in a fixed order. */
  unread(profile: string): readonly UnreadCollection[] {
    return this.#workloads.get(profile)?.unread ?? [];
  }

  /** Ends the watches of a profile. */
  forget(profile: string): void {
    this.#forgetWorkloads(profile);
    this.#forgetQueries(profile);
  }

  async stop(): Promise<void> {
    const all = [...this.#workloads.values(), ...this.#queries.values()];
    await Promise.all(all.map((each) => each.stop()));
    this.#workloads.clear();
    this.#queries.clear();
    await this.#options.prometheus?.close();
  }

  #workloadsOf(profile: string): WorkloadWatch {
    const onChange = () => this.#options.onChange(profile);
    const known = this.#workloads.get(profile) ?? new WorkloadWatch({ ...this.#options, onChange });
    this.#workloads.set(profile, known);
    return known;
  }

  #queriesOf(profile: string): QueryWatch | undefined {
    const { prometheus, clock } = this.#options;
    if (prometheus === undefined) return undefined;
    const onChange = () => this.#options.onChange(profile);
    const known = this.#queries.get(profile) ?? new QueryWatch({ prometheus, clock, onChange });
    this.#queries.set(profile, known);
    return known;
  }

  #forgetWorkloads(profile: string): void {
    void this.#workloads.get(profile)?.stop();
    this.#workloads.delete(profile);
  }

  #forgetQueries(profile: string): void {
    void this.#queries.get(profile)?.stop();
    this.#queries.delete(profile);
  }
}

/** True if a wave of the rollout is under way, and its gates have to be judged. */
function isUnderWay({ metadata }: SegmentationProfile, { phase }: RolloutState): boolean {
  return metadata.deletionTimestamp === undefined && (phase === 'Applying' || phase === 'Soaking');
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
