/** The observer of the controller: passes everything on to metrics, the log and Events, in this order. */
import type { ControllerObserver } from '../controller/observer.ts';
import { createLogObserver } from './log-observer.ts';
import type { Logger } from './logs/logger.ts';
import { createMetricsObserver, type MetricsObserverOptions } from './metrics-observer.ts';
import type { ProfileEvents } from './profile-events.ts';

export interface ObserverOptions extends MetricsObserverOptions {
  readonly logger: Logger;
  readonly events: ProfileEvents;
}

export function createObserver(options: ObserverOptions): ControllerObserver {
  return combine([createMetricsObserver(options), createLogObserver(options.logger), options.events]);
}

/** An observer that calls each of `observers`, in order, where it has the method. */
export function combine(observers: readonly Partial<ControllerObserver>[]): ControllerObserver {
  return {
    onAdd: each(observers, 'onAdd'),
    onStart: each(observers, 'onStart'),
    onDone: each(observers, 'onDone'),
    onRetry: each(observers, 'onRetry'),
    onWatchError: each(observers, 'onWatchError'),
    onSynced: each(observers, 'onSynced'),
    onWrite: each(observers, 'onWrite'),
    onReconciling: each(observers, 'onReconciling'),
    onReconciled: each(observers, 'onReconciled'),
    onEnforced: each(observers, 'onEnforced'),
    onStatus: each(observers, 'onStatus'),
    onGone: each(observers, 'onGone'),
    onFullSync: each(observers, 'onFullSync'),
  };
}

/** Calls the method of each observer that has it. Which ones have it is looked up once: some are called for each write. */
function each<K extends keyof ControllerObserver>(
  observers: readonly Partial<ControllerObserver>[],
  method: K,
): Required<ControllerObserver>[K] {
  type Args = Parameters<Required<ControllerObserver>[K]>;
  const having = observers.filter((observer) => observer[method] !== undefined);
  const call = (...args: Args) => {
    for (const observer of having) (observer[method] as (...args: Args) => void)(...args);
  };
  return call as Required<ControllerObserver>[K];
}
