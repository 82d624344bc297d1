/**
 * What the HTML page is given, as compact as a page for hundreds of workloads needs it: indices instead of names.
 * Shared by the code that makes it and the page's own code.
 */

/** `pods: 0` for addresses. Numbers of pods: [ingress, egress]. */
export interface PageGroup {
  readonly ns?: string;
  readonly kind: string;
  readonly name: string;
  readonly pods: number;
  readonly host: number;
  readonly isolated: readonly [ingress: number, egress: number];
  /** Indices in `policies`. */
  readonly ingress: readonly number[];
  readonly egress: readonly number[];
}

export interface PageRule {
  /** Indices in `groups`, or everything. */
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

export interface PageData {
  readonly title: string;
  /** Where the objects were read, and when. */
  readonly source: string;
  readonly groups: readonly PageGroup[];
  /** Distinct sets of ports, for a person; the first is every port. */
  readonly ports: readonly string[];
  /** Three numbers for each link: from, to, and twice the index of its ports, plus one where only some pods may. */
  readonly links: readonly number[];
  readonly policies: readonly PagePolicy[];
}
