/** Metrics of what the operator is for: what is enforced where, what was written and why, how fast and how fresh. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { sampledGauge } from './sampled-gauge.ts';

/** Which writes there are, and why each is made. */
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
  /** Names that somebody else's object holds. */
  readonly conflicts: number;
  readonly unresolvedPeers: number;
  /** Condition types of its status, and whether each is True. */
  readonly conditions: Readonly<Record<string, boolean>>;
  /** Namespaces in which pods are refused because the default-deny does not stand there. */
  readonly refusing: number;
}

export interface SegmentationMetrics {
  /** The state of the profile `name` from now on. */
  setProfile(name: string, counts: ProfileCounts): void;
  /** The profile is gone, and all its series with it. */
  removeProfile(name: string): void;
  /** One policy was written. */
  policyWritten(verb: WriteVerb, reason: WriteReason): void;
  /** One policy that somebody else had changed or deleted was put right. */
  driftRepaired(): void;
  /** Whether the configuration file says something else than what is in effect. */
  configurationStale(stale: boolean): void;
  /** What became of an Event about a profile. */
  event(result: EventResult): void;
  /** A namespace is as its profiles want it, `duration` milliseconds after the event that made it differ. */
  enforced(duration: number): void;
  /** Every namespace was looked at and is as it should be, at `time` (milliseconds since the epoch). */
  fullSync(time: number): void;
  /**
   * The watches there are: `ages` is asked at each scrape for the milliseconds since the server was last heard of, by
   * resource; of several watches of one resource the longest.
   */
  watches(ages: () => ReadonlyMap<string, number>): void;
}

export function createSegmentationMetrics(registry: Registry): SegmentationMetrics {
  const registers = [registry];
  const profiles = createProfileGauges(registry);
  let watchAges: () => ReadonlyMap<string, number> = () => new Map<string, number>();
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
    help: 'NetworkPolicies put right after somebody else had changed, relabelled or deleted them.',
    registers,
  });
  const events = new Counter({
    name: 'segmentation_events_total',
    help: 'Events about profiles: created, continued (another of a series), or dropped (refused, or not told in time).',
    labelNames: ['result'],
    registers,
  });
  for (const result of EVENT_RESULTS) events.inc({ result }, 0);
  const configuration = new Gauge({
    name: 'segmentation_configuration_stale',
    help: 'Whether the configuration file has changed since the start (1): a restart would put it into effect.',
    registers,
  });
  const enforcement = new Histogram({
    name: 'segmentation_enforcement_seconds',
    help: 'Time from the creation or relabelling of a namespace until it was as its profiles want it.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    registers,
  });
  const fullSync = new Gauge({
    name: 'segmentation_last_full_sync_timestamp_seconds',
    help: 'When all namespaces were last found or made to be as they should, in Unix time; 0 before the first time.',
    registers,
  });
  sampledGauge(registry, {
    name: 'segmentation_watch_age_seconds',
    help: 'Time since the API server was last heard of on the watch of a resource (an event or a bookmark).',
    labelNames: ['resource'],
    sample: (set) => {
      for (const [resource, age] of watchAges()) set({ resource }, age / 1000);
    },
  });
  return {
    setProfile: (name, counts) => profiles.set(name, counts),
    removeProfile: (name) => profiles.delete(name),
    policyWritten: (verb, reason) => writes.inc({ verb, reason }),
    driftRepaired: () => repairs.inc(),
    configurationStale: (stale) => configuration.set(stale ? 1 : 0),
    event: (result) => events.inc({ result }),
    enforced: (duration) => enforcement.observe(duration / 1000),
    fullSync: (time) => fullSync.set(time / 1000),
    watches: (ages) => {
      watchAges = ages;
    },
  };
}

/** The gauges that have a `profile` label are written from this map at each scrape, so that none can be left over. */
function createProfileGauges(registry: Registry): Map<string, ProfileCounts> {
  const profiles = new Map<string, ProfileCounts>();
  sampledGauge(registry, {
    name: 'segmentation_profiles',
    help: 'SegmentationProfiles that are reconciled.',
    labelNames: [],
    sample: (set) => {
      set({}, profiles.size);
    },
  });
  sampledGauge(registry, {
    name: 'segmentation_namespaces',
    help: 'Namespaces that a profile selects, by state: enforced, pending (not yet as it wants them) or failed.',
    labelNames: ['profile', 'state'],
    sample: (set) => {
      for (const [profile, { namespaces }] of profiles) {
        for (const state of ['enforced', 'pending', 'failed'] as const)
          set({ profile, state }, namespaces[state]);
      }
    },
  });
  sampledGauge(registry, {
    name: 'segmentation_policies',
    help: 'NetworkPolicies of a profile: desired, and applied (there, as desired).',
    labelNames: ['profile', 'kind'],
    sample: (set) => {
      for (const [profile, { policies }] of profiles) {
        for (const kind of ['desired', 'applied'] as const) set({ profile, kind }, policies[kind]);
      }
    },
  });
  sampledGauge(registry, {
    name: 'segmentation_conflicts',
    help: "Names for a profile's policies that somebody else's object holds; an alternative name is used.",
    labelNames: ['profile'],
    sample: (set) => {
      for (const [profile, { conflicts }] of profiles) set({ profile }, conflicts);
    },
  });
  sampledGauge(registry, {
    name: 'segmentation_unresolved_peers',
    help: 'Peers of a profile that cannot be resolved now; the last known ones stay in force.',
    labelNames: ['profile'],
    sample: (set) => {
      for (const [profile, { unresolvedPeers }] of profiles) set({ profile }, unresolvedPeers);
    },
  });
  sampledGauge(registry, {
    name: 'segmentation_profile_condition',
    help:
      "Whether a condition of a profile's status is True (1) or not (0): Ready, Reconciling, Stalled, PeersResolved, " +
      'AdmissionReady.',
    labelNames: ['profile', 'condition'],
    sample: (set) => {
      for (const [profile, { conditions }] of profiles) {
        for (const [condition, held] of Object.entries(conditions)) set({ profile, condition }, held ? 1 : 0);
      }
    },
  });
  sampledGauge(registry, {
    name: 'segmentation_refusing_namespaces',
    help: 'Namespaces in which the gate of a profile refuses new pods, as its default-deny does not stand there.',
    labelNames: ['profile'],
    sample: (set) => {
      for (const [profile, { refusing }] of profiles) set({ profile }, refusing);
    },
  });
  return profiles;
}
