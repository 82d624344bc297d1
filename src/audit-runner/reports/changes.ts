/**
 * Compares the reports of an audit with those in the cluster: which to write, and which findings are new.
 *
 * Guarantees: a report that is as compiled is not written, also after a restart. Only own reports are updated or deleted,
 * in the revision that was read. A result that was there before keeps the time at which it was found. Pure.
 */
import { createHash } from 'node:crypto';
import { LABEL_MANAGED_BY } from '../../api/names.ts';
import { SEVERITIES } from '../../audit/finding.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { compareText } from '../../util/order.ts';
import { CAPPED } from './compile.ts';
import { REPORT_NAME, type Report, type ReportResult } from './open-reports.ts';

/** Own reports in the cluster, reduced to what a comparison needs. */
export interface ObservedReport {
  readonly namespace: string | undefined;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly digest: string;
  /** When each result was found first, in seconds since the epoch, by `resultKey`. */
  readonly found: ReadonlyMap<string, number>;
  /** The rank of its last result, if it is capped: results that rank behind it may have existed before. */
  readonly cappedAfter: string | undefined;
}

export type ReportWrite =
  | { readonly verb: 'create'; readonly report: Report }
  | { readonly verb: 'update'; readonly report: Report }
  | { readonly verb: 'delete'; readonly report: ObservedIdentity };

export type ObservedIdentity = Pick<ObservedReport, 'namespace' | 'name' | 'uid' | 'resourceVersion'>;

export interface ReportChanges {
  readonly writes: readonly ReportWrite[];
  /** Failed results that no earlier audit reported, by namespace. Empty if there was no earlier audit. */
  readonly fresh: ReadonlyMap<string, readonly ReportResult[]>;
}

export function observedReport(report: Report): ObservedReport {
  const { namespace, name, uid = '', resourceVersion = '' } = report.metadata;
  const results = report.results ?? [];
  const last = results.at(-1);
  const isCapped = results.some(({ policy }) => policy === CAPPED);
  return {
    namespace,
    name,
    uid,
    resourceVersion,
    digest: digestOf(report),
    found: new Map(results.map((each) => [resultKey(each), each.timestamp?.seconds ?? 0])),
    cappedAfter: isCapped && last !== undefined ? rankOf(last) : undefined,
  };
}

/** Equal for two results of one check about one field of one object. */
export function resultKey({ policy, resources = [], properties = {} }: ReportResult): string {
  const objects = resources.map(({ kind, namespace = '', name }) => `${kind}/${namespace}/${name}`);
  return [policy, ...objects, properties['field'] ?? '', properties['subject'] ?? ''].join(' ');
}

/** @param nowSeconds the time of the audit, since the epoch */
export function reportChanges(
  compiled: ReadonlyMap<string, Report>,
  observed: ReadonlyMap<string, ObservedReport>,
  nowSeconds: number,
): ReportChanges {
  const writes: ReportWrite[] = [];
  const fresh = new Map<string, readonly ReportResult[]>();
  for (const [scope, bare] of compiled) {
    const before = observed.get(scope);
    const report = { ...bare, results: bare.results.map((each) => dated(each, before, nowSeconds)) };
    const isNew = bare.results.filter((each) => each.result === 'fail' && isFresh(each, before));
    if (observed.size > 0 && isNew.length > 0) fresh.set(scope, isNew);
    if (before === undefined) writes.push({ verb: 'create', report });
    else if (before.digest !== digestOf(report)) {
      const { uid, resourceVersion } = before;
      writes.push({
        verb: 'update',
        report: { ...report, metadata: { ...report.metadata, uid, resourceVersion } },
      });
    }
  }
  for (const [scope, { namespace, name, uid, resourceVersion }] of observed) {
    if (compiled.has(scope)) continue;
    writes.push({ verb: 'delete', report: { namespace, name, uid, resourceVersion } });
  }
  return { writes, fresh };
}

function dated(result: ReportResult, before: ObservedReport | undefined, nowSeconds: number): ReportResult {
  const seconds = before?.found.get(resultKey(result)) || nowSeconds;
  return { ...result, timestamp: { seconds, nanos: 0 } };
}

function isFresh(result: ReportResult, before: ObservedReport | undefined): boolean {
  if (before === undefined) return true;
  if (before.found.has(resultKey(result))) return false;
  return before.cappedAfter === undefined || rankOf(result) < before.cappedAfter;
}

/** Texts in the order of findings: by severity, check, object and field. Waived results come last. */
function rankOf(result: ReportResult): string {
  const { severity, policy, result: kind } = result;
  const severityRank = severity === undefined ? 0 : SEVERITIES.length - SEVERITIES.indexOf(severity);
  return [kind === 'skip' ? 1 : 0, severityRank, policy, resultKey(result)].join(' ');
}

/** A digest of all that is written of a report. */
export function digestOf({ metadata, source, scope, configuration, summary, results }: Report): string {
  const owners = (metadata.ownerReferences ?? []).map(({ uid }) => uid).sort(compareText);
  const managedBy = metadata.labels?.[LABEL_MANAGED_BY];
  const written = { owners, managedBy, source, scope, configuration, summary, results };
  return createHash('sha256').update(canonicalJSON(written)).digest('base64');
}

/** True for the report that this operator writes, and not for another that carries its label. */
export function isOwnReport({ metadata }: Report): boolean {
  return metadata.name === REPORT_NAME;
}
