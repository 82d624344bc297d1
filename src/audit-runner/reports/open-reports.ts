/** The objects of OpenReports (openreports.io/v1alpha1), as far as they are written here. */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import { LABEL_MANAGED_BY, MANAGER } from '../../api/names.ts';
import type { Severity } from '../../audit/finding.ts';
import type { ResourceKind } from '../../kube/resource.ts';

const GROUP = { group: 'openreports.io', version: 'v1alpha1' } as const;
export const REPORTS: ResourceKind = { ...GROUP, plural: 'reports', namespaced: true };
export const CLUSTER_REPORTS: ResourceKind = { ...GROUP, plural: 'clusterreports', namespaced: false };
export const REPORT_API = `${GROUP.group}/${GROUP.version}`;

/** The name of the one report of each namespace, and of the cluster. config/audit grants writes of this name only. */
export const REPORT_NAME = 'segmentation-audit';
/** Selects own reports: one of that name without the label is a foreign object. */
export const OWN_REPORTS = `${LABEL_MANAGED_BY}=${MANAGER}`;

export type ResultKind = 'fail' | 'warn' | 'skip' | 'error';

export interface ReportReference {
  readonly apiVersion?: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

export interface ReportResult {
  /** Id of the check. */
  readonly policy: string;
  readonly category: string;
  readonly severity?: Severity;
  readonly result: ResultKind;
  /** False if the result does not count as a failure. */
  readonly scored: boolean;
  readonly message: string;
  readonly resources?: readonly ReportReference[];
  readonly properties?: StringMap;
  /** When the result was found first. */
  readonly timestamp?: { readonly seconds: number; readonly nanos: number };
}

export interface Report extends KubeObject {
  readonly source: string;
  /** The namespace; absent in the report of the cluster. */
  readonly scope?: ReportReference;
  readonly configuration: { readonly limits: { readonly maxResults: number } };
  readonly summary: Readonly<Record<'pass' | ResultKind, number>>;
  readonly results: readonly ReportResult[];
}

/** The scope of cluster-scoped findings, in maps from namespaces. */
export const CLUSTER_SCOPE = '';
