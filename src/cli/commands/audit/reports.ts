/** Documents of an audit for programs: JSON, and JUnit XML and SARIF for CI systems. Pure. */
import type { Check } from '../../../audit/check.ts';
import {
  type Finding,
  findingKey,
  isAtLeast,
  objectText,
  SEVERITIES,
  type Severity,
} from '../../../audit/finding.ts';
import { constraintOf } from '../../../audit/pods/constraints.ts';
import type { CheckText } from '../../../audit/waivers/checks.ts';
import type { AuditReport } from '../../findings/run.ts';
import type { ManifestPlace } from '../../../snapshot/objects.ts';
import { junitDocument, type TestResult } from '../../reports/junit.ts';
import { objectPlace, ruleName, type SarifLevel, sarifDocument } from '../../reports/sarif.ts';

export interface ReportInput {
  /** Checks that ran, and those about waivers. */
  readonly checks: readonly (Check | CheckText)[];
  readonly findings: readonly Finding[];
  /** A finding from this severity on is a failure; undefined: none is. */
  readonly failOn: Severity | undefined;
  /** Where a manifest describes the object of a finding. */
  readonly placeOf: (finding: Finding) => ManifestPlace | undefined;
  /** Absolute path, to which files are relative. */
  readonly cwd: string;
}

/** Object, field and message of a finding. */
export function findingText({ object, field, message }: Finding): string {
  return `${objectText(object)}${field === undefined ? '' : ` ${field}`}: ${message}`;
}

/** The document of `-o json` and `-o yaml`, which --baseline reads. */
export function jsonDocument(source: string, { findings, waived, skipped }: AuditReport): object {
  return {
    source,
    summary: Object.fromEntries(
      SEVERITIES.toReversed().map((severity) => [
        severity,
        findings.filter((finding) => finding.severity === severity).length,
      ]),
    ),
    findings: findings.map((finding) => {
      const constraint = constraintOf(finding.check);
      return constraint === undefined ? finding : { ...finding, constraint };
    }),
    waived: waived.map(({ finding, waiver: { reason, by, until } }) => ({
      ...finding,
      waiver: { reason, by, until },
    })),
    skipped: skipped.map(({ check, unread, unknown }) => ({
      check: check.id,
      unread,
      ...(unknown && { unknown }),
    })),
  };
}

/** A test for each check, which fails if it has a finding from `failOn` on. Others are its output. */
export function junit({ checks, findings, failOn }: ReportInput): string {
  const byCheck = Map.groupBy(findings, ({ check }) => check);
  const isFailure = ({ severity }: Finding) => failOn !== undefined && isAtLeast(severity, failOn);
  const resultOf = ({ id, remedy }: ReportInput['checks'][number]): TestResult => {
    const own = byCheck.get(id) ?? [];
    if (own.length === 0) return { kind: 'passed' };
    const text = [...own.map(findingText), remedy].join('\n');
    const first = own.find(isFailure);
    return first === undefined
      ? { kind: 'output', text }
      : { kind: 'failure', message: findingText(first), text };
  };
  const suites = [...Map.groupBy(checks, ({ category }) => category)].map(([category, list]) => ({
    name: category,
    cases: list.map((check) => ({
      name: `${check.id}: ${check.title}`,
      classname: `audit.${category}`,
      result: resultOf(check),
    })),
  }));
  return junitDocument('kubectl segmentation audit', suites);
}

/** Levels, and scores as code scanning ranks them (`security-severity`). */
const LEVELS: Readonly<Record<Severity, { readonly level: SarifLevel; readonly score: string }>> = {
  critical: { level: 'error', score: '9.5' },
  high: { level: 'error', score: '8.0' },
  medium: { level: 'warning', score: '5.5' },
  low: { level: 'note', score: '3.0' },
  info: { level: 'note', score: '1.0' },
};

export function sarif({ checks, findings, placeOf, cwd }: ReportInput): string {
  const rules = checks.map(({ id, title, why, remedy, controls, severity, category }) => ({
    id,
    name: ruleName(id),
    shortDescription: { text: `${title}.` },
    fullDescription: { text: why },
    help: { text: remedy },
    defaultConfiguration: { level: LEVELS[severity].level },
    properties: { tags: ['security', category, ...controls], 'security-severity': LEVELS[severity].score },
  }));
  const results = findings.map((finding) => {
    const { object, check, severity, remedy } = finding;
    const named = { name: object.name, fullName: objectText(object) };
    return {
      ruleId: check,
      level: LEVELS[severity].level,
      message: { text: `${findingText(finding)}. ${remedy}` },
      locations: [objectPlace(named, placeOf(finding), cwd)],
      partialFingerprints: { 'finding/v1': findingKey(finding) },
    };
  });
  return sarifDocument(rules, results);
}
