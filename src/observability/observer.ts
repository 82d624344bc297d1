/** Tells logs, metrics and Events what the controller does. */
import { hostname } from 'node:os';
import { KIND, PLURAL } from '../api/names.ts';
import type { ProfileStatus, SegmentationProfile } from '../api/profile.ts';
import type { AdmissionReport } from '../controller/admission/report.ts';
import type { Key } from '../controller/queue/key.ts';
import type { ControllerObserver } from '../controller/observer.ts';
import { isRepair, writeFields } from './audit-line.ts';
import { createEventObserver, type EventSource } from './profile-events.ts';
import type { Outcome } from '../controller/queue/key-queue.ts';
import { PlanTooComplexError } from '../policy/planning/transition.ts';
import type { Metrics, QueueMetrics } from './metrics/registry.ts';
import { ApiError, classify } from '../kube/errors.ts';
import type { Logger } from './logs/logger.ts';

/** Unique to this process among all replicas that may contend for the Lease. */
export const identity = `${hostname()}_${crypto.randomUUID()}`;

export function createObserver(
  logger: Logger,
  metrics: Metrics,
  queue: QueueMetrics,
  concurrency: number,
  source: EventSource,
  now: () => number,
): ControllerObserver {
  const events = createEventObserver(source);
  const reconciles = {
    namespace: metrics.reconcile('namespace', concurrency),
    profile: metrics.reconcile('profile', concurrency),
    admission: metrics.reconcile('admission', 1),
    'service-accounts': metrics.reconcile('service-accounts', 1),
  };
  const watchErrors = new Map<string, string>();
  const statuses = new Map<string, string>();
  const refusing = new Set<string>();
  return {
    onAdd: () => queue.onAdd(),
    onStart: (waited) => queue.onStart(waited),
    onDone: (worked) => queue.onDone(worked),
    onRetry: ({ key, error, failures, delay }) => {
      queue.onRetry();
      // A single conflict or dropped connection is everyday life; what keeps failing is not.
      const level = failures > 1 || classify(error) !== 'retry' ? 'warn' : 'debug';
      logger[level]('reconcile failed, will try again', {
        ...keyFields(key),
        failures,
        inMs: Math.round(delay),
        error,
      });
    },
    onWatchError: (resource, error, retryInMs) => {
      const fields = { resource, inMs: Math.round(retryInMs), error };
      // A kind of which nothing ever changes is silent for good: the API server sends no bookmarks then, and
      // connecting anew is all that is due.
      if (error instanceof ApiError && error.reason === 'Stalled') {
        logger.debug('watch silent, connecting anew', fields);
        return;
      }
      const { what, subject } = troubleOf(error, resource);
      const known = new Set(watchErrors.values()).has(subject);
      watchErrors.set(resource, subject);
      // Each trouble once; the repetitions are for debugging.
      logger[known ? 'debug' : 'warn'](what, fields);
    },
    onSynced: (resource, items) => {
      if (watchErrors.delete(resource)) logger.info('watch recovered', { resource, items });
      else logger.debug('listed', { resource, items });
    },
    onWrite: (write) => {
      const { step, before, after, isDriftOnly } = write;
      metrics.policyWritten(step.verb, step.reason);
      if (isRepair(step, isDriftOnly)) metrics.driftRepaired();
      if (logger.enabled('info')) {
        logger.info(`policy ${step.verb}d`, writeFields(step, before, after, isDriftOnly));
      }
      events.onWrite(write);
    },
    onReconciling: (key) => reconciles[key.kind].start(),
    onReconciled: (key, end) => {
      const { durationMs, outcome, panicked } = end;
      events.onReconciled(key, end);
      const result =
        outcome.kind === 'done' ? 'success' : outcome.kind === 'retry' ? 'error' : 'requeue_after';
      reconciles[key.kind].done(
        result,
        durationMs,
        panicked ? 'panic' : isTerminal(outcome) ? 'terminal' : undefined,
      );
    },
    onEnforced: (namespace, sinceEventMs) => {
      metrics.enforced(sinceEventMs);
      logger.debug('namespace enforced', { namespace, ms: Math.round(sinceEventMs) });
    },
    onStatus: (profile, status, results, admission) => {
      let [conflicts, unresolvedPeers] = [0, 0];
      for (const result of results.values()) {
        conflicts += result.conflicts.length;
        unresolvedPeers += result.unresolved.length;
      }
      metrics.setProfile(profile.metadata.name, {
        namespaces: {
          enforced: status.namespaces?.enforced ?? 0,
          pending: status.namespaces?.pending ?? 0,
          failed: status.namespaces?.failed ?? 0,
        },
        policies: status.policies ?? { desired: 0, applied: 0 },
        conflicts,
        unresolvedPeers,
        conditions: Object.fromEntries(
          (status.conditions ?? []).map((each) => [each.type, each.status === 'True']),
        ),
        refusing: admission?.refusing ?? 0,
      });
      logStatus(profile, status);
      logRefusal(profile, admission);
      events.onStatus(profile, status, results, admission);
    },
    onGone: (profile) => {
      events.onGone(profile);
      metrics.removeProfile(profile);
      refusing.delete(profile);
      if (statuses.delete(profile)) logger.info('profile gone', { profile });
    },
    onFullSync: () => {
      metrics.fullSync(now());
      logger.info('all namespaces reconciled');
    },
  };

  /** One line when pods begin to be refused, and one when that ends. */
  function logRefusal(
    { metadata: { name } }: SegmentationProfile,
    report: AdmissionReport | undefined,
  ): void {
    const refuses = report !== undefined && report.refusing > 0;
    if (refuses === refusing.has(name)) return;
    if (refuses) {
      refusing.add(name);
      logger.warn('pods are refused', {
        profile: name,
        namespaces: report.refusing,
        message: report.message,
      });
    } else {
      refusing.delete(name);
      logger.info('pods are admitted again', { profile: name });
    }
  }

  /** One line each time that Ready changes its status or reason. */
  function logStatus(
    { metadata: { name } }: SegmentationProfile,
    { conditions = [], namespaces }: ProfileStatus,
  ): void {
    const ready = conditions.find(({ type }) => type === 'Ready');
    const text = `${ready?.status} ${ready?.reason}`;
    if (ready === undefined || statuses.get(name) === text) return;
    statuses.set(name, text);
    const level =
      ready.status === 'True' || ready.reason === 'Progressing' || ready.reason === 'Deleting'
        ? 'info'
        : 'warn';
    logger[level](`profile ${ready.status === 'True' ? 'ready' : 'not ready'}`, {
      profile: name,
      reason: ready.reason,
      namespaces: namespaces?.summary,
      message: ready.message,
    });
  }
}

/** The log fields that name a key. */
function keyFields(key: Key): Record<string, string> {
  switch (key.kind) {
    case 'namespace':
    case 'profile':
      return { [key.kind]: key.name };
    case 'admission':
      return { admission: 'bindings' };
    case 'service-accounts':
      return { admission: 'accounts' };
  }
}

/** Whether the reconcile fails the same way until a person acts. */
function isTerminal(outcome: Outcome): boolean {
  if (outcome.kind !== 'retry') return false;
  return outcome.error instanceof PlanTooComplexError || classify(outcome.error) === 'stalled';
}

/**
 * What a failed request means to a person, and what the trouble is about: the same for all requests that meet it. A
 * server that does not answer is one trouble, however many watches there are.
 */
export function troubleOf(
  error: unknown,
  resource: string,
): { readonly what: string; readonly subject: string } {
  const { status, reason } = error instanceof ApiError ? error : { status: undefined, reason: String(error) };
  const subject = status === 0 ? `server ${reason}` : `${resource} ${status} ${reason}`;
  if (status === 404 && resource === PLURAL) {
    return {
      what: `the CRD of ${KIND} is not installed, waiting for it (kubectl apply -k config/crd)`,
      subject,
    };
  }
  if (status === 403) return { what: 'a permission is missing, waiting for it', subject };
  if (status === 401) return { what: 'the credentials are refused, will try again', subject };
  if (status === 0) return { what: 'the API server does not answer, will try again', subject };
  return { what: 'request failed, will try again', subject };
}
