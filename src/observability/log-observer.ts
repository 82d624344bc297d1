/** The controller's activity as lines of the log. */
import type { ProfileStatus, SegmentationProfile } from '../api/profile.ts';
import type { AdmissionReport } from '../controller/admission/report.ts';
import type { ControllerObserver } from '../controller/observer.ts';
import type { Key } from '../controller/queue/key.ts';
import { classify, isStalled } from '../kube/errors.ts';
import { writeFields } from './audit-line.ts';
import type { Logger } from './logs/logger.ts';
import { describeRequestFailure } from './request-failure.ts';

export function createLogObserver(logger: Logger): Partial<ControllerObserver> {
  const watches = createWatchLog(logger);
  const profiles = createProfileLog(logger);
  return {
    ...watches,
    onRetry: ({ key, error, failures, delayMs }) => {
      // A single write conflict or dropped connection is ordinary; a failure that repeats is not.
      const level = failures > 1 || classify(error) !== 'retry' ? 'warn' : 'debug';
      logger[level]('reconcile failed, will try again', {
        ...keyFields(key),
        failures,
        inMs: Math.round(delayMs),
        error,
      });
    },
    onWrite: (write) => {
      if (!logger.enabled('info')) return;
      logger.info(`policy ${write.step.verb}d`, writeFields(write));
    },
    onEnforced: (namespace, sinceEventMs) => {
      logger.debug('namespace enforced', { namespace, ms: Math.round(sinceEventMs) });
    },
    onStatus: (profile, status, _results, admission) => {
      profiles.logReady(profile, status);
      profiles.logRefusal(profile, admission);
    },
    onGone: (profile) => profiles.logGone(profile),
    onFullSync: () => logger.info('all namespaces reconciled'),
  };
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
    case 'workloads':
      return { admission: 'workloads' };
  }
}

/** Logs each cause of failing watches once as a warning; repetitions and further watches of the same cause as debug. */
function createWatchLog(logger: Logger): Pick<ControllerObserver, 'onWatchError' | 'onSynced'> {
  const causes = new Map<string, string>();
  return {
    onWatchError: (resource, error, retryInMs) => {
      const fields = { resource, inMs: Math.round(retryInMs), error };
      if (isStalled(error)) {
        logger.debug('watch silent, connecting anew', fields);
        return;
      }
      const { message, cause } = describeRequestFailure(error, resource);
      const isKnown = new Set(causes.values()).has(cause);
      causes.set(resource, cause);
      logger[isKnown ? 'debug' : 'warn'](message, fields);
    },
    onSynced: (resource, items) => {
      if (causes.delete(resource)) logger.info('watch recovered', { resource, items });
      else logger.debug('listed', { resource, items });
    },
  };
}

interface ProfileLog {
  /** Logs a line each time that Ready changes its status or reason. */
  logReady(profile: SegmentationProfile, status: ProfileStatus): void;
  /** Logs a line when the gate begins to refuse pods of a profile, and one when that ends. */
  logRefusal(profile: SegmentationProfile, report: AdmissionReport | undefined): void;
  /** Logs that a profile is gone, and forgets it. */
  logGone(profile: string): void;
}

function createProfileLog(logger: Logger): ProfileLog {
  const lastReady = new Map<string, string>();
  const refusing = new Set<string>();
  return {
    logReady: ({ metadata: { name } }, { conditions = [], namespaces }) => {
      const ready = conditions.find(({ type }) => type === 'Ready');
      const state = `${ready?.status} ${ready?.reason}`;
      if (ready === undefined || lastReady.get(name) === state) return;
      lastReady.set(name, state);
      const isExpected =
        ready.status === 'True' || ready.reason === 'Progressing' || ready.reason === 'Deleting';
      logger[isExpected ? 'info' : 'warn'](`profile ${ready.status === 'True' ? 'ready' : 'not ready'}`, {
        profile: name,
        reason: ready.reason,
        namespaces: namespaces?.summary,
        message: ready.message,
      });
    },
    logRefusal: ({ metadata: { name } }, report) => {
      const refuses = report !== undefined && report.refusing > 0;
      if (refuses === refusing.has(name)) return;
      if (refuses) {
        refusing.add(name);
        const { refusing: namespaces, message } = report;
        logger.warn('pods are refused', { profile: name, namespaces, message });
      } else {
        refusing.delete(name);
        logger.info('pods are admitted again', { profile: name });
      }
    },
    logGone: (profile) => {
      refusing.delete(profile);
      if (lastReady.delete(profile)) logger.info('profile gone', { profile });
    },
  };
}
