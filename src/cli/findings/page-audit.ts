/**
 * The findings of an audit as the page has them, for the code that writes it and the page's own code. Findings are numbers
 * that refer to checks and texts, so that a page with thousands of them stays small.
 */

export interface PageCheck {
  readonly id: string;
  readonly title: string;
  readonly category: string;
  readonly controls: readonly string[];
  readonly why: string;
  readonly remedy: string;
  /** Number of its findings, those that the page leaves out included. */
  readonly findings: number;
}

export interface PageWaiver {
  readonly reason: string;
  readonly by: string;
  readonly until: string;
}

/** Numbers of findings by severity, in the order of SEVERITIES, those that the page leaves out included. */
export type SeverityCounts = readonly number[];

export interface PageAudit {
  /** Checks that have findings or waived findings. */
  readonly checks: readonly PageCheck[];
  /** Distinct texts; the first is empty, and stands for an absent text. */
  readonly texts: readonly string[];
  /**
   * FINDING_NUMBERS for each finding, the most severe first: indices of its check and severity, and of the texts for kind,
   * namespace, name, field, message and remedy. An absent remedy is that of the check.
   */
  readonly findings: readonly number[];
  /** Waived findings: as `findings`, each followed by the index of its waiver. */
  readonly waived: readonly number[];
  readonly waivers: readonly PageWaiver[];
  readonly severities: SeverityCounts;
  /** By namespace, and '' for cluster-scoped objects. Sorted by name. */
  readonly namespaces: readonly (readonly [namespace: string, counts: SeverityCounts])[];
  /** Number of waived findings, those that the page leaves out included. */
  readonly waivedCount: number;
  /** Number of findings that the baseline has. */
  readonly known: number;
  /** Number of checks that ran. */
  readonly ran: number;
  /** Checks that did not run, and why. */
  readonly skipped: readonly { readonly check: string; readonly reason: string }[];
}

/** Numbers of one finding in PageAudit.findings. */
export const FINDING_NUMBERS = 8;
