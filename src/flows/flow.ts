/** A flow as a flow log recorded it, before its ends are mapped to workloads. */
import type { StringMap } from '../api/meta.ts';
import type { Protocol } from '../api/network-policy.ts';

/** A record of a flow log, or several equal ones. */
export interface ObservedFlow {
  /** When it was last seen, in milliseconds since 1970; undefined if the log has no times. */
  readonly time: number | undefined;
  readonly source: ObservedEnd;
  readonly destination: ObservedEnd;
  readonly sourcePort?: number;
  readonly port: number;
  readonly protocol: Protocol;
  readonly verdict: FlowVerdict;
  /** The end whose node or proxy recorded the flow. A log of both ends has each flow twice. */
  readonly observedAt: 'source' | 'destination' | 'unknown';
  /** `yes` for packets from the server to the client; `unknown` if the record does not say who opened the connection. */
  readonly reply: 'no' | 'yes' | 'unknown';
  /** Number of connections, packets or requests that the record stands for. */
  readonly count: number;
  /** The address to which the source's was translated on the way, if the log says so. */
  readonly translatedSource?: string;
}

/** `denied`: a policy, the mesh or a cloud firewall refused it. */
export type FlowVerdict = 'allowed' | 'denied';

/** An end of an observed flow. Every field that the log lacks is absent. */
export interface ObservedEnd {
  readonly namespace?: string;
  /** Name of the pod. It ends in `*` if the log sums up the pods of a controller. */
  readonly pod?: string;
  readonly workload?: { readonly kind?: string; readonly name: string };
  /** Labels of the pod. Reading them costs time, so it is left until names have failed. */
  readonly labels?: () => StringMap;
  readonly ip?: string;
  /** `node` for a node or a pod on its network, `outside` for an address outside of the cluster. */
  readonly place?: 'node' | 'outside';
  /** Name of the node, if `place` is `node` and the node itself recorded the flow. */
  readonly node?: string;
  /** A name for several nodes or addresses that the log sums up without naming one of them. */
  readonly summary?: string;
  /** The Service through which the flow went. */
  readonly service?: { readonly namespace: string; readonly name: string };
}

/** Why a record is no flow to compare with policies. */
export type SkipReason =
  /** The record is about something else, such as a lost event or an agent's state. */
  | 'no-flow'
  /** The record repeats another record of the same connection. */
  | 'repeated'
  /** ICMP and other protocols, which NetworkPolicies can't name. */
  | 'protocol'
  /** The record sums up flows to several ports, and names none. */
  | 'no-port'
  /** The connection failed, or was dropped for another reason than a policy. */
  | 'failed'
  /** The record ends before --since. */
  | 'too-old'
  /** The answer to a flow. */
  | 'reply'
  /** From a node to a pod that runs there: no policy limits it. */
  | 'local-node';

/** The result of reading one record. */
export type Reading =
  | { readonly kind: 'flows'; readonly flows: readonly ObservedFlow[] }
  | { readonly kind: 'skipped'; readonly reason: SkipReason }
  /** A line that says what the fields of the following lines are. */
  | { readonly kind: 'header' }
  | { readonly kind: 'malformed' };

export const MALFORMED: Reading = { kind: 'malformed' };

export function skipped(reason: SkipReason): Reading {
  return { kind: 'skipped', reason };
}

export function oneFlow(flow: ObservedFlow): Reading {
  return { kind: 'flows', flows: [flow] };
}
