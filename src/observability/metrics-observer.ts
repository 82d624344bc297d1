/** The controller's activity as metrics. */
import type { ProfileStatus } from '../api/profile.ts';
import type { ControllerObserver } from '../controller/observer.ts';
import type { NamespaceResult } from '../controller/results.ts';
import type { Outcome } from '../controller/queue/key-queue.ts';
import { classify } from '../kube/errors.ts';
import { needsPerson } from '../policy/planning/transition.ts';
import { isRepair } from './audit-line.ts';
import type { Metrics, QueueMetrics, ReconcileResult, RolloutCounts } from './metrics/registry.ts';

export interface MetricsObserverOptions {
  readonly metrics: Metrics;
  /** The metrics of the controller's queue. */
  readonly queue: QueueMetrics;
  /** How many keys are reconciled at once. */
  readonly concurrency: number;
  /** Wall clock, milliseconds since the epoch. */
  readonly now: () => number;
}

export function createMetricsObserver(options: MetricsObserverOptions): Partial<ControllerObserver> {
  const { metrics, queue, concurrency, now } = options;
  const reconciles = {
    namespace: metrics.reconcile('namespace', concurrency),
    profile: metrics.reconcile('profile', concurrency),
    admission: metrics.reconcile('admission', 1),
    'service-accounts': metrics.reconcile('service-accounts', 1),
    workloads: metrics.reconcile('workloads', 1),
  };
  return {
    onAdd: () => queue.onAdd(),
    onStart: (waitedMs) => queue.onStart(waitedMs),
    onDone: (workedMs) => queue.onDone(workedMs),
    onRetry: () => queue.onRetry(),
    onWrite: ({ step, isDriftOnly }) => {
      metrics.policyWritten(step.verb, step.reason);
      if (isRepair(step, isDriftOnly)) metrics.driftRepaired();
    },
    onReconciling: ({ kind }) => reconciles[kind].start(),
    onReconciled: ({ kind }, { durationMs, outcome, panicked }) => {
      const failure = panicked ? 'panic' : isTerminal(outcome) ? 'terminal' : undefined;
      reconciles[kind].done(RESULTS[outcome.kind], durationMs, failure);
    },
    onEnforced: (_namespace, sinceEventMs) => metrics.enforced(sinceEventMs),
    onStatus: ({ metadata: { name, generation } }, status, results, admission) => {
      let [conflicts, unresolvedPeers] = [0, 0];
      for (const result of results.values()) {
        conflicts += result.conflicts.length;
        unresolvedPeers += result.unresolved.length;
      }
      const { namespaces, policies = { desired: 0, applied: 0 }, conditions = [] } = status;
      const { podSecurity, workloads, rollout } = status;
      metrics.setProfile(name, {
        namespaces: {
          enforced: namespaces?.enforced ?? 0,
          pending: namespaces?.pending ?? 0,
          failed: namespaces?.failed ?? 0,
        },
        policies,
        conflicts,
        unresolvedPeers,
        conditions: Object.fromEntries(conditions.map((each) => [each.type, each.status === 'True'])),
        refusing: admission?.refusing ?? 0,
        ...(podSecurity && { podSecurity }),
        ...(rollout && { rollout: rolloutCounts(rollout, generation, results) }),
        ...(workloads && {
          violations: Object.fromEntries(workloads.groups.map((each) => [each.name, each.violating])),
        }),
      });
    },
    onGone: (profile) => metrics.removeProfile(profile),
    onFullSync: () => metrics.fullSync(now()),
  };
}

function rolloutCounts(
  { phase, revision, inForce: [top] }: NonNullable<ProfileStatus['rollout']>,
  generation: number | undefined,
  results: ReadonlyMap<string, NamespaceResult>,
): RolloutCounts {
  let reached = 0;
  for (const result of results.values()) {
    const isInPlace = result.state === 'enforced' || result.state === 'audited';
    if (result.generation === generation && result.revision === revision && isInPlace) reached += 1;
  }
  const completeWaves = top?.revision === revision ? top.wave : undefined;
  return {
    phase,
    ...(completeWaves !== undefined && { completeWaves }),
    namespaces: { reached, outstanding: results.size - reached },
  };
}

/** The names that controller-runtime gives the outcomes of a reconcile. */
const RESULTS: Readonly<Record<Outcome['kind'], ReconcileResult>> = {
  done: 'success',
  retry: 'error',
  again: 'requeue_after',
};

/** True if the reconcile fails in the same way until a person acts. */
function isTerminal(outcome: Outcome): boolean {
  if (outcome.kind !== 'retry') return false;
  return needsPerson(outcome.error) || classify(outcome.error) === 'stalled';
}
