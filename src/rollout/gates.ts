/** The gates of a rollout: which workloads have become unavailable since a wave began. Pure. */
import type { ProfileSpec } from '../api/profile.ts';
import { parseDuration } from '../util/duration.ts';
import { compareText } from '../util/order.ts';
import type { RolloutState } from './assign.ts';

export type WorkloadGate = NonNullable<
  NonNullable<NonNullable<ProfileSpec['rollout']>['gates']>['workloads']
>;
export type GateReadings = NonNullable<RolloutState['gates']>;

/** Most workloads that may be unavailable when a wave begins; the schema's bound. */
const MAX_UNAVAILABLE = 100;

/** A workload that is unavailable now. */
export interface UnavailableWorkload {
  readonly namespace: string;
  /** `NAMESPACE/KIND/NAME`. */
  readonly name: string;
  /** When it was created, and since when it has been unavailable as far as is known; milliseconds since the epoch. */
  readonly created: number;
  readonly since: number;
}

export type GateInput =
  | { readonly kind: 'off' }
  /** Workloads are being read, or can't be. */
  | { readonly kind: 'unread' }
  | {
      readonly kind: 'read';
      /** True if the workloads of the namespace are known. */
      readonly covers: (namespace: string) => boolean;
      readonly unavailable: readonly UnavailableWorkload[];
    };

/** A Deployment, StatefulSet or DaemonSet, as far as it says how many of its pods are available. */
export interface WorkloadScale {
  readonly desired: number;
  readonly available: number;
  /** As in its strategy: a number, or a share of the desired pods. */
  readonly maxUnavailable: number | string;
}

/** True if fewer pods are available than an update of the workload itself would leave, and at least one should be. */
export function isUnavailable({ desired, available, maxUnavailable }: WorkloadScale): boolean {
  const share = typeof maxUnavailable === 'string' ? Number.parseFloat(maxUnavailable) / 100 : undefined;
  // A share is rounded down, as the Deployment controller does.
  const tolerated = share === undefined ? Number(maxUnavailable) : Math.floor(desired * share);
  return desired > 0 && available < Math.max(1, desired - (Number.isFinite(tolerated) ? tolerated : 0));
}

/** The readings as a wave begins; undefined if too many workloads are unavailable to be recorded. */
export function readingsOf(
  unavailable: readonly UnavailableWorkload[],
  namespaces: ReadonlySet<string>,
  since: string,
): GateReadings | undefined {
  const names = unavailable.filter(({ namespace }) => namespaces.has(namespace)).map(({ name }) => name);
  if (names.length > MAX_UNAVAILABLE) return undefined;
  return { since, ...(names.length > 0 && { unavailable: names.sort(compareText) }) };
}

export interface GateVerdict {
  /** The workloads that count, by name; a failure if there are more than the gate allows. */
  readonly failed: readonly UnavailableWorkload[];
  /** When a workload will count if it stays unavailable, in milliseconds since the epoch. */
  readonly wakeAt?: number;
}

/** Judges the workloads of these namespaces against what was recorded when the wave began. */
export function judgeGate(
  gate: WorkloadGate,
  readings: GateReadings,
  unavailable: readonly UnavailableWorkload[],
  { namespaces, now }: { readonly namespaces: ReadonlySet<string>; readonly now: number },
): GateVerdict {
  const known = new Set(readings.unavailable);
  const began = Date.parse(readings.since);
  const forMs = parseDuration(gate.for) ?? 0;
  const suspects = unavailable.filter(
    ({ namespace, name, created }) => namespaces.has(namespace) && !known.has(name) && created < began,
  );
  const failed = suspects.filter(({ since }) => now - since >= forMs);
  if (failed.length > gate.maxUnavailable)
    return { failed: failed.toSorted((a, b) => compareText(a.name, b.name)) };
  const next = Math.min(
    ...suspects.filter((each) => !failed.includes(each)).map(({ since }) => since + forMs),
  );
  return { failed: [], ...(Number.isFinite(next) && { wakeAt: next }) };
}
