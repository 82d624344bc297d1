/** The Event of the API (events.k8s.io/v1), as far as it is written here. */
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceKind } from '../resource.ts';

export const EVENTS: ResourceKind = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  namespaced: true,
};

/** The namespace in which the API requires Events about cluster-scoped objects (ValidateEventCreate). */
export const EVENT_NAMESPACE = 'default';

export type EventType = 'Normal' | 'Warning';

/** The object that an Event is about. */
export interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  /** Its namespace, in which the Event is as well; absent for a cluster-scoped object. */
  readonly namespace?: string;
  readonly name: string;
  readonly uid: string;
}

export interface KubeEvent extends KubeObject {
  readonly eventTime: string;
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly type: EventType;
  readonly reason: string;
  readonly action: string;
  readonly regarding: Regarding;
  readonly note: string;
  /** Repetitions of this Event; absent until the first. */
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
}
