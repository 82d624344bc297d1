/**
 * The data of the HTML page, shared by the code that writes it and the page's own code. It has indices instead of
 * names, so that a page for hundreds of workloads stays small.
 */
import type { PageAudit } from '../findings/page-audit.ts';

/** A workload, or a block of addresses, whose `pods` is 0. */
export interface PageGroup {
  readonly ns?: string;
  readonly kind: string;
  readonly name: string;
  readonly pods: number;
  readonly host: number;
  /** Numbers of isolated pods. */
  readonly isolated: readonly [ingress: number, egress: number];
  /** Indices in `policies`. */
  readonly ingress: readonly number[];
  readonly egress: readonly number[];
}

export interface PageRule {
  /** Indices in `groups`; `any` for a rule without peers. */
  readonly peers: readonly number[] | 'any';
  readonly ports: string;
  readonly rule?: string;
  readonly description?: string;
}

export interface PagePolicy {
  readonly ns: string;
  readonly name: string;
  readonly profile?: string;
  readonly ingress?: readonly PageRule[];
  readonly egress?: readonly PageRule[];
}

/** A label that several namespaces share. */
export interface PageLabel {
  readonly key: string;
  readonly values: readonly (readonly [namespace: string, value: string])[];
}

/** An end of observed flows. */
export interface PageEnd {
  readonly label: string;
  /** Indices in `groups`: the workload or, of addresses outside, each block that has one of them. */
  readonly groups: readonly number[];
}

/** Observed flows between two ends on one port. */
export interface PageFlow {
  /** Indices in `ends`. */
  readonly from: number;
  readonly to: number;
  readonly port: string;
  readonly count: number;
  /** In milliseconds since 1970; absent if the logs have no times. */
  readonly last?: number;
  /** True if the policies certainly allow it. */
  readonly allowed: boolean;
  /** True if it depends on a part of a policy that can't be evaluated. */
  readonly isUnknown?: boolean;
  /** True if the log says that it was denied. */
  readonly wasDenied: boolean;
}

/** Flows of flow logs, for the page. */
export interface PageSeen {
  /** The number of flows, and the time that they are of. */
  readonly source: string;
  readonly ends: readonly PageEnd[];
  readonly flows: readonly PageFlow[];
}

export interface PageLinkLayers {
  /** Distinct sets of policies of other kinds, as indices in `layers`; the first is empty. */
  readonly sets: readonly (readonly number[])[];
  /** For each link the index of its set. */
  readonly links: readonly number[];
}

export interface PageData {
  readonly title: string;
  /** Where and when the objects were read. */
  readonly source: string;
  /** The view that the page begins with. */
  readonly view: 'graph' | 'findings';
  /** Absent if the page has no findings. */
  readonly audit?: PageAudit;
  /** Absent if the page was written without flow logs. */
  readonly seen?: PageSeen;
  readonly groups: readonly PageGroup[];
  /** Present if more links between workloads are allowed than this, so that groups and links are those of namespaces. */
  readonly maxLinks?: number;
  /** Texts of distinct sets of ports; the first is every port. */
  readonly ports: readonly string[];
  /** Three numbers for each link: from, to, and twice the index of its ports, plus one if it is partial. */
  readonly links: readonly number[];
  readonly policies: readonly PagePolicy[];
  /** Policies of other kinds that links go by; absent if there are none. */
  readonly layers?: readonly string[];
  /** The policies of other kinds that decide about each link; absent if they decide about none. */
  readonly linkLayers?: PageLinkLayers;
  readonly labels: readonly PageLabel[];
}
