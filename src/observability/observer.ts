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
    onAdd: (...args) => observers.forEach((each) => each.onAdd?.(...args)),
    onStart: (...args) => observers.forEach((each) => each.onStart?.(...args)),
    onDone: (...args) => observers.forEach((each) => each.onDone?.(...args)),
    onRetry: (...args) => observers.forEach((each) => each.onRetry?.(...args)),
    onWatchError: (...args) => observers.forEach((each) => each.onWatchError?.(...args)),
    onSynced: (...args) => observers.forEach((each) => each.onSynced?.(...args)),
    onWrite: (...args) => observers.forEach((each) => each.onWrite?.(...args)),
    onReconciling: (...args) => observers.forEach((each) => each.onReconciling?.(...args)),
    onReconciled: (...args) => observers.forEach((each) => each.onReconciled?.(...args)),
    onEnforced: (...args) => observers.forEach((each) => each.onEnforced?.(...args)),
    onStatus: (...args) => observers.forEach((each) => each.onStatus?.(...args)),
    onGone: (...args) => observers.forEach((each) => each.onGone?.(...args)),
    onFullSync: (...args) => observers.forEach((each) => each.onFullSync?.(...args)),
  };
}
