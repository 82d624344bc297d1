/**
 * The audit of a cluster: `audit(snapshot, options)` runs every check of registry.ts and returns its findings. Pure.
 *
 * - A snapshot may hold the cluster, a part of it, or manifests. `isRead` says which kinds it has; a check whose kinds are
 *   missing is skipped, and named with the reason. So a caller that keeps no pods can audit namespace by namespace.
 * - A finding names object, field, what is so, and what to write instead. Its `findingKey` stays the same as long as the
 *   object has the finding, whatever the message says, so that callers can tell new findings from known ones.
 * - Findings are sorted: the most severe first, then by check, object and field. A check reports a field once.
 * - Protected namespaces are left out unless `namespaces` names them.
 */
import { AuditContext } from './context.ts';
import type { Check } from './check.ts';
import { type Finding, findingKey, isNamed, objectText, SEVERITIES } from './finding.ts';
import { CHECKS } from './registry.ts';
import type { AuditSnapshot } from './snapshot.ts';
import { compareText } from '../util/order.ts';

export interface AuditOptions {
  /** Ids or categories of the checks to run; all if absent. */
  readonly only?: readonly string[];
  /** Ids or categories of the checks not to run. */
  readonly skip?: readonly string[];
  /** The namespaces to audit; all that are not protected if absent. */
  readonly namespaces?: readonly string[];
  /** Registries that images may come from; any if absent. */
  readonly registries?: readonly string[];
  /** False for a finding to leave out, so that it takes no memory; all are kept if absent. */
  readonly keeps?: (finding: Finding) => boolean;
}

export interface SkippedCheck {
  readonly check: Check;
  /** Kinds that could not be read. */
  readonly unread: readonly string[];
  /** The facts that the check can't know of the cluster, as a sentence; absent if kinds are unread. */
  readonly unknown?: string;
}

export interface AuditResult {
  readonly findings: readonly Finding[];
  /** The checks that ran. */
  readonly checks: readonly Check[];
  readonly skipped: readonly SkippedCheck[];
}

export function audit(snapshot: AuditSnapshot, options: AuditOptions = {}): AuditResult {
  const { only, skip = [], namespaces, registries = [], keeps = () => true } = options;
  const context = new AuditContext(snapshot, { registries }, namespaces && new Set(namespaces));
  const findings = new Map<string, Finding>();
  const checks: Check[] = [];
  const skipped: SkippedCheck[] = [];
  for (const check of CHECKS) {
    if (only?.some((name) => isNamed(check, name)) === false) continue;
    if (skip.some((name) => isNamed(check, name))) continue;
    const unread = check.needs.filter((kind) => !snapshot.isRead(kind));
    if (unread.length > 0) {
      skipped.push({ check, unread });
      continue;
    }
    // Manifests seldom describe the platform.
    const unknown = snapshot.isComplete ? check.unknown?.(context) : undefined;
    if (unknown !== undefined) {
      skipped.push({ check, unread: [], unknown });
      continue;
    }
    checks.push(check);
    check.run(context, (report) => {
      const { id, category, severity, remedy } = check;
      const finding: Finding = { severity, remedy, ...report, check: id, category };
      const key = findingKey(finding);
      if (!findings.has(key) && keeps(finding)) findings.set(key, finding);
    });
  }
  return { findings: [...findings.values()].sort(byImportance), checks, skipped };
}

function byImportance(a: Finding, b: Finding): number {
  return (
    SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) ||
    compareText(a.check, b.check) ||
    compareText(a.object.namespace ?? '', b.object.namespace ?? '') ||
    compareText(objectText(a.object), objectText(b.object)) ||
    compareText(a.field ?? '', b.field ?? '')
  );
}
