/** Metrics of segmentation: namespaces and policies by state, writes by reason, latency of enforcement, age of watches. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ProfileStatus } from '../../api/profile.ts';
import { type SampledGauge, sampledGauge } from './sampled-gauge.ts';

/** The verbs of writes, each with its reasons. */
const WRITES = {
  create: ['missing', 'transition'],
  update: ['changed', 'transition'],
  delete: ['unwanted', 'transition'],
} as const;
export type WriteVerb = keyof typeof WRITES;
export type WriteReason = (typeof WRITES)[WriteVerb][number];

const EVENT_RESULTS = ['created', 'continued', 'dropped'] as const;
export type EventResult = (typeof EVENT_RESULTS)[number];

/** The state of one profile. */
export interface ProfileCounts {
  readonly namespaces: { readonly enforced: number; readonly pending: number; readonly failed: number };
  readonly policies: { readonly desired: number; readonly applied: number };
  /** Names of policies that are taken by foreign objects. */
  readonly conflicts: number;
  readonly unresolvedPeers: number;
  /** By type of condition: true if its status is True. */
  readonly conditions: Readonly<Record<string, boolean>>;
  /** Namespaces in which the gate refuses pods, as they have no default-deny yet. */
  readonly refusing: number;
  /** Namespaces by the state of their Pod Security levels; absent if the profile asks for none. */
  readonly podSecurity?: { readonly inForce: number; readonly outstanding: number };
  /** Objects that break limits of `spec.workloads`, by group; absent if they were not counted. */
  readonly violations?: Readonly<Record<string, number>>;
  /** Absent if the profile has no rollout. */
  readonly rollout?: RolloutCounts;
}

const ROLLOUT_PHASES = [
  'Recording',
  'Applying',
  'Soaking',
  'Paused',
  'Complete',
  'Failed',
  'RolledBack',
] as const satisfies readonly RolloutPhase[];
type RolloutPhase = NonNullable<ProfileStatus['rollout']>['phase'];

/** The rollout of the latest revision of a profile. */
export interface RolloutCounts {
  readonly phase: RolloutPhase;
  /** Waves that are complete; absent if no wave of the revision is under way. */
  readonly completeWaves?: number;
  /** Namespaces in which the policies of the revision are in place, and all others that the profile is in force in. */
  readonly namespaces: { readonly reached: number; readonly outstanding: number };
}

export interface SegmentationMetrics {
  /** Sets the gauges of the profile `name`. */
  setProfile(name: string, counts: ProfileCounts): void;
  /** Removes all series of the profile. */
  removeProfile(name: string): void;
  /** Counts one write of a policy. */
  policyWritten(verb: WriteVerb, reason: WriteReason): void;
  /** Counts one repair of a policy that somebody else had changed or deleted. */
  driftRepaired(): void;
  /** @param stale true if the configuration file differs from the options in effect */
  configurationStale(stale: boolean): void;
  /** Counts one Event about a profile. */
  event(result: EventResult): void;
  /** A namespace converged `durationMs` milliseconds after the event that made it differ. */
  enforced(durationMs: number): void;
  /** Every namespace was reconciled and had converged at `timeMs`, in milliseconds since the epoch. */
  fullSync(timeMs: number): void;
  /**
   * Gives the source of the watch gauges, which is called at each scrape: by resource, the milliseconds since the last
   * event or bookmark; of several watches of one resource, the largest.
   */
  watches(ages: () => ReadonlyMap<string, number>): void;
}

export function createSegmentationMetrics(registry: Registry): SegmentationMetrics {
  return {
    ...createProfileMetrics(registry),
    ...createWriteMetrics(registry),
    ...createProgressMetrics(registry),
  };
}

function createWriteMetrics(
  registry: Registry,
): Pick<SegmentationMetrics, 'policyWritten' | 'driftRepaired' | 'event'> {
  const registers = [registry];
  const writes = new Counter({
    name: 'segmentation_policy_writes_total',
    help:
      'NetworkPolicies written, by verb and reason: missing, changed, unwanted, or transition (an object or form ' +
      'that exists only while several others are written).',
    labelNames: ['verb', 'reason'],
    registers,
  });
  for (const [verb, reasons] of Object.entries(WRITES)) {
    for (const reason of reasons) writes.inc({ verb, reason }, 0);
  }
  const repairs = new Counter({
    name: 'segmentation_drift_repairs_total',
    help: 'NetworkPolicies repaired after a change, relabelling or deletion by others.',
    registers,
  });
  const events = new Counter({
    name: 'segmentation_events_total',
    help: 'Events about profiles, by result: created, continued (one more of a series), or dropped (refused, or given up).',
    labelNames: ['result'],
    registers,
  });
  for (const result of EVENT_RESULTS) events.inc({ result }, 0);
  return {
    policyWritten: (verb, reason) => writes.inc({ verb, reason }),
    driftRepaired: () => repairs.inc(),
    event: (result) => events.inc({ result }),
  };
}

function createProgressMetrics(
  registry: Registry,
): Pick<SegmentationMetrics, 'configurationStale' | 'enforced' | 'fullSync' | 'watches'> {
  const registers = [registry];
  let watchAges: () => ReadonlyMap<string, number> = () => new Map<string, number>();
  const configuration = new Gauge({
    name: 'segmentation_configuration_stale',
    help: '1 if the configuration file has changed since the start, else 0; a restart puts it into effect.',
    registers,
  });
  const enforcement = new Histogram({
    name: 'segmentation_enforcement_seconds',
    help: 'Time from the creation or relabelling of a namespace until its policies were as desired.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    registers,
  });
  const fullSync = new Gauge({
    name: 'segmentation_last_full_sync_timestamp_seconds',
    help: 'When all namespaces had last converged, in Unix time; 0 before the first time.',
    registers,
  });
  sampledGauge(registry, {
    name: 'segmentation_watch_age_seconds',
    help: 'Time since the last event or bookmark on the watch of a resource.',
    labelNames: ['resource'],
    sample: (set) => {
      for (const [resource, age] of watchAges()) set({ resource }, age / 1000);
    },
  });
  return {
    configurationStale: (stale) => configuration.set(stale ? 1 : 0),
    enforced: (durationMs) => enforcement.observe(durationMs / 1000),
    fullSync: (timeMs) => fullSync.set(timeMs / 1000),
    watches: (ages) => {
      watchAges = ages;
    },
  };
}

/** The gauges with a `profile` label are set anew at each scrape, so no series outlives its profile. */
function createProfileMetrics(registry: Registry): Pick<SegmentationMetrics, 'setProfile' | 'removeProfile'> {
  const profiles = new Map<string, ProfileCounts>();
  sampledGauge(registry, {
    name: 'segmentation_profiles',
    help: 'SegmentationProfiles in the cluster.',
    labelNames: [],
    sample: (set) => {
      set({}, profiles.size);
    },
  });
  for (const { name, help, label, values } of PROFILE_GAUGES) {
    sampledGauge(registry, {
      name,
      help,
      labelNames: label === undefined ? ['profile'] : ['profile', label],
      sample: (set) => {
        for (const [profile, counts] of profiles) {
          for (const [key, value] of Object.entries(values(counts)))
            set(label === undefined ? { profile } : { profile, [label]: key }, value);
        }
      },
    } satisfies SampledGauge<string>);
  }
  return {
    setProfile: (name, counts) => profiles.set(name, counts),
    removeProfile: (name) => profiles.delete(name),
  };
}

interface ProfileGauge {
  readonly name: string;
  readonly help: string;
  /** A label beside `profile`, which distinguishes the values. */
  readonly label?: string;
  /** The values of a profile, by that label; a single one without it. */
  readonly values: (counts: ProfileCounts) => Readonly<Record<string, number>>;
}

const PROFILE_GAUGES: readonly ProfileGauge[] = [
  {
    name: 'segmentation_namespaces',
    help: 'Namespaces that a profile selects, by state: enforced, pending (not yet enforced) or failed.',
    label: 'state',
    values: ({ namespaces: { enforced, pending, failed } }) => ({ enforced, pending, failed }),
  },
  {
    name: 'segmentation_policies',
    help: 'NetworkPolicies of a profile: desired, and applied (observed as desired).',
    label: 'kind',
    values: ({ policies: { desired, applied } }) => ({ desired, applied }),
  },
  {
    name: 'segmentation_conflicts',
    help: "Names of a profile's policies that are taken by foreign objects; alternative names are used.",
    values: ({ conflicts }) => ({ conflicts }),
  },
  {
    name: 'segmentation_unresolved_peers',
    help: 'Peers of a profile that cannot be resolved now; the last known peers stay enforced.',
    values: ({ unresolvedPeers }) => ({ unresolvedPeers }),
  },
  {
    name: 'segmentation_profile_condition',
    help:
      "Whether a condition of a profile's status is True (1) or not (0): Ready, Reconciling, Stalled, PeersResolved, " +
      'ConnectionsUnused, EnforcementVerified, AdmissionReady, PodSecurityReady, ImagesVerified, AuditClean, ' +
      'EngineReady, MeshReady, RolloutReady.',
    label: 'condition',
    values: ({ conditions }) =>
      Object.fromEntries(Object.entries(conditions).map(([type, isTrue]) => [type, isTrue ? 1 : 0])),
  },
  {
    name: 'segmentation_refusing_namespaces',
    help: 'Namespaces in which the gate of a profile refuses new pods, as they have no default-deny yet.',
    values: ({ refusing }) => ({ refusing }),
  },
  {
    name: 'segmentation_pod_security_namespaces',
    help: 'Namespaces that a profile selects, by state of its Pod Security levels: in_force or outstanding.',
    label: 'state',
    values: ({ podSecurity }): Record<string, number> =>
      podSecurity === undefined
        ? {}
        : { in_force: podSecurity.inForce, outstanding: podSecurity.outstanding },
  },
  {
    name: 'segmentation_workload_violations',
    help: 'Objects that exist and that a group of spec.workloads of a profile would not admit now.',
    label: 'group',
    values: ({ violations = {} }) => violations,
  },
  {
    name: 'segmentation_rollout_phase',
    help: 'The phase of the rollout of a profile: 1 for the one it is in, 0 for the others.',
    label: 'phase',
    values: ({ rollout }): Record<string, number> =>
      rollout === undefined
        ? {}
        : Object.fromEntries(ROLLOUT_PHASES.map((phase) => [phase, phase === rollout.phase ? 1 : 0])),
  },
  {
    name: 'segmentation_rollout_complete_waves',
    help: 'Waves of the latest revision of a profile that are complete, while one of its waves is under way.',
    values: ({ rollout: { completeWaves } = {} }): Record<string, number> =>
      completeWaves === undefined ? {} : { completeWaves },
  },
  {
    name: 'segmentation_rollout_namespaces',
    help: 'Namespaces of a profile with a rollout: reached by its latest revision, or outstanding.',
    label: 'state',
    values: ({ rollout }): Record<string, number> => ({ ...rollout?.namespaces }),
  },
];
