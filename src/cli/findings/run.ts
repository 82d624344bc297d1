/** Runs the audit over a snapshot, and applies waivers and a baseline to its findings. Pure. */
import { audit, type AuditResult } from '../../audit/audit.ts';
import { type Finding, findingKey } from '../../audit/finding.ts';
import { applyWaivers, type WaivedFinding } from '../../audit/waivers/apply.ts';
import { type CheckText, WAIVER_CHECKS } from '../../audit/waivers/checks.ts';
import { CHECKS } from '../../audit/registry.ts';
import { annotatedWaivers } from '../../audit/waivers/collect.ts';
import { judges } from '../../audit/waivers/scope.ts';
import type { Waiver } from '../../audit/waivers/waiver.ts';
import { namespacesNamed } from '../snapshot/select.ts';
import { auditSnapshot } from '../../snapshot/audit-snapshot.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';

export interface AuditRun {
  /** Ids or categories of the checks to run; all if empty. */
  readonly only?: readonly string[];
  /** Ids or categories of the checks not to run. */
  readonly skip?: readonly string[];
  /** Value of -n; all namespaces that are not protected if undefined. */
  readonly namespace?: string | undefined;
  /** Registries that images may come from; any if empty. */
  readonly registries?: readonly string[];
  /** Waivers beside those of annotations. */
  readonly waivers?: readonly Waiver[];
  /** True if no annotation may waive a finding. */
  readonly ignoresAnnotations?: boolean;
  /** Keys of the findings of the baseline. */
  readonly baseline?: ReadonlySet<string>;
  /** Waivers hold to the end of their last day, in UTC. */
  readonly now: Date;
}

export interface AuditReport {
  /** Findings that neither a waiver nor the baseline has, the most severe first. */
  readonly findings: readonly Finding[];
  readonly waived: readonly WaivedFinding[];
  /** Number of findings that the baseline has. */
  readonly known: number;
  /** Checks that ran, and those about waivers. */
  readonly checks: readonly CheckText[];
  readonly skipped: AuditResult['skipped'];
}

/** @throws CliError if there is no such namespace */
export function auditReport(snapshot: Snapshot, run: AuditRun): AuditReport {
  const { only = [], skip = [], namespace, registries = [], baseline = new Set<string>() } = run;
  const input = auditSnapshot(snapshot);
  const chosen = namespace === undefined ? undefined : namespacesNamed(snapshot, namespace);
  const result = audit(input, {
    ...(only.length > 0 && { only }),
    skip,
    ...(chosen && { namespaces: chosen.map(({ name }) => name) }),
    registries,
  });
  const annotated = run.ignoresAnnotations === true ? { waivers: [], invalid: [] } : annotatedWaivers(input);
  const { findings, waived } = applyWaivers(result.findings, {
    waivers: [...(run.waivers ?? []), ...annotated.waivers],
    invalid: annotated.invalid,
    today: run.now.toISOString().slice(0, 10),
    isJudged: judges({ ran: result.checks, all: CHECKS, leftOut: leftOutOf(snapshot, chosen) }),
  });
  const fresh = findings.filter((finding) => !baseline.has(findingKey(finding)));
  return {
    findings: fresh,
    waived,
    known: findings.length - fresh.length,
    checks: [...result.checks, ...WAIVER_CHECKS],
    skipped: result.skipped,
  };
}

/** The namespaces that are not audited. */
function leftOutOf(
  { namespaces, protectedNamespaces }: Snapshot,
  chosen: readonly { readonly name: string }[] | undefined,
): ReadonlySet<string> {
  const names = new Set(namespaces.map(({ name }) => name));
  return chosen === undefined
    ? names.intersection(protectedNamespaces)
    : names.difference(new Set(chosen.map(({ name }) => name)));
}
