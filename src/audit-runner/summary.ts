/** The summary of an audit: findings by check, and the state of each profile. Pure. */
import type { Condition } from '../api/meta.ts';
import type { Check } from '../audit/check.ts';
import { type Finding, objectText, SEVERITIES, type Severity } from '../audit/finding.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { counted, shortList } from '../util/list-text.ts';
import { scopeOf } from './reports/compile.ts';

export interface FindingCount {
  readonly check: string;
  readonly severity: Severity;
  readonly count: number;
}

/** The findings in the namespaces that a profile selects. */
export interface ProfileAudit {
  readonly namespaces: number;
  /** Namespaces with findings. */
  readonly affected: number;
  /** Number of findings, by severity. */
  readonly counts: Readonly<Partial<Record<Severity, number>>>;
  /** The worst findings as text. */
  readonly worst: readonly string[];
}

/** How many findings a condition names. */
const NAMED = 3;

/** Counts by check and severity. A check that ran and found nothing counts 0. */
export function countsOf(findings: readonly Finding[], checks: readonly Check[]): FindingCount[] {
  const counts = new Map<string, FindingCount>();
  for (const { id, severity } of checks) counts.set(`${id} ${severity}`, { check: id, severity, count: 0 });
  for (const { check, severity } of findings) {
    const key = `${check} ${severity}`;
    counts.set(key, { check, severity, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()];
}

/** @param findings the most severe first */
export function profileAudits(snapshot: Snapshot, findings: readonly Finding[]): Map<string, ProfileAudit> {
  const byScope = Map.groupBy(findings, scopeOf);
  return new Map(
    snapshot.profiles.map((profile) => {
      const selected = snapshot.namespaces.filter(
        (namespace) => snapshot.relation(profile, namespace) !== 'none',
      );
      const affected = selected.filter(({ name }) => byScope.has(name));
      const own = affected.flatMap(({ name }) => byScope.get(name) ?? []);
      return [
        profile.metadata.name,
        { namespaces: selected.length, affected: affected.length, ...severe(own) },
      ];
    }),
  );
}

function severe(findings: readonly Finding[]): Pick<ProfileAudit, 'counts' | 'worst'> {
  const counts: Partial<Record<Severity, number>> = {};
  const worst: string[] = [];
  for (const severity of SEVERITIES.toReversed()) {
    const own = findings.filter((each) => each.severity === severity);
    if (own.length > 0) counts[severity] = own.length;
    for (const each of own.slice(0, NAMED - worst.length)) {
      worst.push(`${severity} ${each.check} (${objectText(each.object)})`);
    }
  }
  return { counts, worst };
}

export const AUDIT_CLEAN = 'AuditClean';

/** The state of an audit, for the conditions of profiles. */
export interface ConditionInput {
  /** Undefined before the first audit has ended, and for a profile that it did not know. */
  readonly audit: ProfileAudit | undefined;
  readonly minSeverity: Severity;
  /** Ids of checks that could not run. */
  readonly skipped: readonly string[];
  /** Why the last audit did not end, or its reports could not be written. */
  readonly problem: string | undefined;
  /** The condition in the stored status. */
  readonly stored: Condition | undefined;
}

export function auditClean(input: ConditionInput): Pick<Condition, 'type' | 'status' | 'reason' | 'message'> {
  const { audit, stored, problem } = input;
  if (audit !== undefined) {
    const { message, ...verdict } = verdictOf(audit, input);
    return { type: AUDIT_CLEAN, ...verdict, message: [message, problem].filter(Boolean).join('; ') };
  }
  // The result of an audit before the restart stays until this process has audited (I6).
  if (stored !== undefined && problem === undefined) {
    const { status, reason, message } = stored;
    return { type: AUDIT_CLEAN, status, reason, message };
  }
  const reason = problem === undefined ? 'Pending' : 'AuditFailed';
  return {
    type: AUDIT_CLEAN,
    status: 'Unknown',
    reason,
    message: problem ?? 'the first audit has not ended yet',
  };
}

function verdictOf(
  { namespaces, affected, counts, worst }: ProfileAudit,
  { minSeverity, skipped }: ConditionInput,
): Pick<Condition, 'status' | 'reason' | 'message'> {
  const entries = SEVERITIES.toReversed().flatMap((severity) => {
    const count = counts[severity] ?? 0;
    return count === 0 ? [] : [[severity, count] as const];
  });
  if (entries.length > 0) {
    const total = entries.reduce((sum, [, count]) => sum + count, 0);
    const list = entries.map(([severity, count]) => `${count} ${severity}`).join(', ');
    const where = `${affected} of ${counted(namespaces, 'namespace')}`;
    return {
      status: 'False',
      reason: 'Findings',
      message: `${counted(total, 'finding')} in ${where} (${list}): ${shortList(worst, { total })}`,
    };
  }
  if (skipped.length > 0) {
    const message = `no finding, but not all checks could run, as objects can't be read: ${shortList(skipped)}`;
    return { status: 'Unknown', reason: 'Incomplete', message };
  }
  const scope = minSeverity === 'info' ? '' : ` of severity ${minSeverity} or worse`;
  return {
    status: 'True',
    reason: 'NoFindings',
    message: `no finding${scope} in ${counted(namespaces, 'namespace')}`,
  };
}
