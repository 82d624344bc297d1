/** The gate of a rollout that looks at workloads: which of them have become unavailable since a wave began. Pure. */
import type { ProfileSpec } from '../api/profile.ts';
import { parseDuration } from '../util/duration.ts';
import { compareText } from '../util/order.ts';
import type { RolloutState } from './assign.ts';

export type WorkloadGate = NonNullable<
  NonNullable<NonNullable<ProfileSpec['rollout']>['gates']>['workloads']
>;
export type RecordedWorkloads = NonNullable<NonNullable<RolloutState['gates']>['unavailable']>;

/** Most workloads that may be unavailable when a wave begins; the schema's bound. */
const MAX_UNAVAILABLE = 100;

/** A workload, or a pod of none, that is unavailable now. */
export interface UnavailableWorkload {
  readonly namespace: string;
  /** `NAMESPACE/KIND/NAME`. */
  readonly name: string;
  /** When it was created, and since when it has been unavailable as far as is known; milliseconds since the epoch. */
  readonly created: number;
  readonly since: number;
}

export type WorkloadInput =
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

/** A pod, as far as it says that it is ready. */
export interface PodReadiness {
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** True if the pod is not ready and has not ended well. */
export function isPodUnavailable({ status: { phase, conditions = [] } = {} }: PodReadiness): boolean {
  if (phase === 'Succeeded') return false;
  return phase === 'Failed' || conditions.every(({ type, status }) => type !== 'Ready' || status !== 'True');
}

/** The names of the unavailable workloads of these namespaces as a wave begins; undefined if there are too many. */
export function recordedOf(
  unavailable: readonly UnavailableWorkload[],
  namespaces: ReadonlySet<string>,
): RecordedWorkloads | undefined {
  const names = unavailable.filter(({ namespace }) => namespaces.has(namespace)).map(({ name }) => name);
  return names.length > MAX_UNAVAILABLE ? undefined : names.sort(compareText);
}

export interface WorkloadVerdict {
  /** The workloads that count, by name; a failure if there are more than the gate allows. */
  readonly failed: readonly UnavailableWorkload[];
  /** Workloads that will count if they stay unavailable; none if even then the gate allows all. */
  readonly suspects: readonly UnavailableWorkload[];
  /** When the first suspect will count, in milliseconds since the epoch. */
  readonly wakeAt?: number;
}

/** Judges the workloads of these namespaces against what was recorded when the wave began. */
export function judgeWorkloads(
  gate: WorkloadGate,
  recorded: { readonly since: string; readonly unavailable?: RecordedWorkloads },
  unavailable: readonly UnavailableWorkload[],
  { namespaces, now }: { readonly namespaces: ReadonlySet<string>; readonly now: number },
): WorkloadVerdict {
  const known = new Set(recorded.unavailable);
  const began = Date.parse(recorded.since);
  const forMs = parseDuration(gate.for) ?? 0;
  const candidates = unavailable
    .filter(
      ({ namespace, name, created }) => namespaces.has(namespace) && !known.has(name) && created < began,
    )
    .sort((a, b) => compareText(a.name, b.name));
  const [failed, suspects] = [true, false].map((counts) =>
    candidates.filter(({ since }) => now - since >= forMs === counts),
  ) as [UnavailableWorkload[], UnavailableWorkload[]];
  if (failed.length > gate.maxUnavailable) return { failed, suspects: [] };
  if (candidates.length <= gate.maxUnavailable || suspects.length === 0) return { failed: [], suspects: [] };
  return { failed: [], suspects, wakeAt: Math.min(...suspects.map(({ since }) => since + forMs)) };
}
