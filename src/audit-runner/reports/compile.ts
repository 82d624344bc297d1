/**
 * Compiles findings into reports: one for each namespace that has findings, and one for the cluster.
 *
 * Guarantees: equal findings make equal reports, except for the time at which each was found first, which the caller
 * keeps. A report has at most `maxResults` results, the most severe first, and says so if there are more. Pure.
 */
import type { OwnerReference } from '../../api/meta.ts';
import { LABEL_MANAGED_BY, MANAGER } from '../../api/names.ts';
import type { SkippedCheck } from '../../audit/audit.ts';
import { type Finding, type ObjectReference, objectText } from '../../audit/finding.ts';
import type { WaivedFinding } from '../../audit/waivers/apply.ts';
import { AUDIT_KINDS, KNOWN_KINDS } from '../../snapshot/objects.ts';
import { listText } from '../../util/list-text.ts';
import {
  CLUSTER_SCOPE,
  type Report,
  REPORT_API,
  REPORT_NAME,
  type ReportReference,
  type ReportResult,
  type ResultKind,
} from './open-reports.ts';

export interface ReportInput {
  /** The most severe first. */
  readonly findings: readonly Finding[];
  readonly waived: readonly WaivedFinding[];
  /** Checks that could not run. */
  readonly skipped: readonly SkippedCheck[];
  /** The controls of a check, by its id. */
  readonly controlsOf: (check: string) => readonly string[];
  readonly maxResults: number;
  /** Owner of every report: with it, the API server deletes them. */
  readonly owner?: OwnerReference | undefined;
}

/** The reports by namespace; that of the cluster under CLUSTER_SCOPE. Results have no timestamp yet. */
export function compileReports(input: ReportInput): Map<string, Report> {
  const results = new Map<string, ReportResult[]>();
  const add = (scope: string, result: ReportResult) => {
    const known = results.get(scope);
    if (known === undefined) results.set(scope, [result]);
    else known.push(result);
  };
  for (const each of input.skipped) add(CLUSTER_SCOPE, skippedResult(each));
  for (const finding of input.findings) add(scopeOf(finding), findingResult(finding, input));
  for (const each of input.waived) add(scopeOf(each.finding), waivedResult(each, input));
  return new Map([...results].map(([scope, list]) => [scope, reportOf(scope, list, input)]));
}

/** The namespace in whose report a finding is: that of the object, or the object itself. */
export function scopeOf({ object: { kind, namespace, name } }: Pick<Finding, 'object'>): string {
  return namespace ?? (kind === 'Namespace' ? name : CLUSTER_SCOPE);
}

function reportOf(
  scope: string,
  results: readonly ReportResult[],
  { maxResults, owner }: ReportInput,
): Report {
  const count = (kind: ResultKind) => results.filter(({ result }) => result === kind).length;
  const isCluster = scope === CLUSTER_SCOPE;
  const shown =
    results.length > maxResults
      ? [capResult(results.length, maxResults), ...results.slice(0, maxResults - 1)]
      : results;
  return {
    apiVersion: REPORT_API,
    kind: isCluster ? 'ClusterReport' : 'Report',
    metadata: {
      name: REPORT_NAME,
      ...(!isCluster && { namespace: scope }),
      labels: { [LABEL_MANAGED_BY]: MANAGER },
      ...(owner && { ownerReferences: [owner] }),
    },
    source: MANAGER,
    ...(!isCluster && { scope: { apiVersion: 'v1', kind: 'Namespace', name: scope } }),
    configuration: { limits: { maxResults } },
    summary: {
      pass: 0,
      fail: count('fail'),
      warn: count('warn'),
      error: count('error'),
      skip: count('skip'),
    },
    results: shown,
  };
}

/** The policy of the result that says that others were left out. */
export const CAPPED = 'report-capped';

function capResult(total: number, most: number): ReportResult {
  return {
    policy: CAPPED,
    category: 'Report',
    result: 'warn',
    scored: false,
    message: `the report has ${most - 1} of ${total} results, the most severe; the summary counts all of them. Raise audit.maxResults to see more`,
  };
}

function findingResult(finding: Finding, { controlsOf }: ReportInput): ReportResult {
  // A finding of severity info is advice.
  const isScored = finding.severity !== 'info';
  return {
    ...shared(finding, controlsOf),
    result: isScored ? 'fail' : 'warn',
    scored: isScored,
    message: brief(finding.message),
  };
}

function waivedResult({ finding, waiver }: WaivedFinding, { controlsOf }: ReportInput): ReportResult {
  const { properties, ...result } = shared(finding, controlsOf);
  const { by, until, reason } = waiver;
  return {
    ...result,
    result: 'skip',
    scored: false,
    message: brief(`${finding.message}; waived by ${by} until ${until}: ${reason}`),
    properties: { ...properties, waivedBy: brief(by), waivedUntil: until },
  };
}

/** A check that has no permission is an error; what the cluster does not show is skipped. */
function skippedResult({ check: { id, category, title }, unread, unknown }: SkippedCheck): ReportResult {
  const reason = unknown ?? `objects of the kind ${listText(unread)} can't be read`;
  return {
    policy: id,
    category,
    result: unknown === undefined ? 'error' : 'skip',
    scored: false,
    message: brief(`not checked (${title}): ${reason}`),
  };
}

function shared(
  { check, category, severity, object, field, remedy }: Finding,
  controlsOf: ReportInput['controlsOf'],
): Pick<ReportResult, 'policy' | 'category' | 'severity' | 'resources' | 'properties'> {
  const controls = controlsOf(check);
  const resource = resourceOf(object);
  return {
    policy: check,
    category,
    severity,
    ...(resource && { resources: [resource] }),
    properties: {
      ...(field !== undefined && { field: brief(field) }),
      remedy: brief(remedy),
      ...(controls.length > 0 && { controls: controls.join(', ') }),
      // A subject that is no object of the API, such as a waiver, is reported by its name.
      ...(resource === undefined && { subject: brief(objectText(object)) }),
    },
  };
}

const KINDS = new Map(
  [...KNOWN_KINDS, ...AUDIT_KINDS].map(({ kind, group, version }) => [
    kind,
    group === '' ? version : `${group}/${version}`,
  ]),
);

/** Undefined for a waiver, which is no object. The version of a custom workload is unknown. */
function resourceOf({ kind, namespace, name }: ObjectReference): ReportReference | undefined {
  if (kind === 'Waiver') return undefined;
  const apiVersion = KINDS.get(kind);
  return { ...(apiVersion && { apiVersion }), kind, ...(namespace !== undefined && { namespace }), name };
}

/** Longest text of a result, in characters: etcd takes no object above 1.5 MiB. */
const MAX_TEXT = 700;

function brief(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
}
