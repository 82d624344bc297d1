/** Documents of an audit for programs: JSON, and JUnit XML and SARIF 2.1.0 for CI systems. Pure. */
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
import { version } from '../../../util/version.ts';
import { uriOf, xml } from '../check/reports.ts';

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
  const failed = (list: readonly Check['id'][]) =>
    list.filter((id) => byCheck.get(id)?.some(isFailure)).length;
  const suites = [...Map.groupBy(checks, ({ category }) => category)].map(([category, list]) => {
    const ids = list.map(({ id }) => id);
    const cases = list.map(({ id, title, remedy }) => {
      const own = byCheck.get(id) ?? [];
      const head = `    <testcase name="${xml(`${id}: ${title}`)}" classname="audit.${xml(category)}"`;
      if (own.length === 0) return `${head}/>`;
      const text = xml([...own.map(findingText), remedy].join('\n'));
      const first = own.find(isFailure);
      const body =
        first === undefined
          ? `<system-out>${text}</system-out>`
          : `<failure message="${xml(findingText(first))}">${text}</failure>`;
      return `${head}>\n      ${body}\n    </testcase>`;
    });
    return `  <testsuite name="${xml(category)}" tests="${list.length}" failures="${failed(ids)}" errors="0">\n${cases.join('\n')}\n  </testsuite>`;
  });
  const total = failed(checks.map(({ id }) => id));
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="kubectl segmentation audit" tests="${checks.length}" failures="${total}" errors="0">\n${suites.join('\n')}\n</testsuites>\n`;
}

/** Levels, and scores as code scanning ranks them (`security-severity`). */
const LEVELS: Readonly<Record<Severity, { readonly level: string; readonly score: string }>> = {
  critical: { level: 'error', score: '9.5' },
  high: { level: 'error', score: '8.0' },
  medium: { level: 'warning', score: '5.5' },
  low: { level: 'note', score: '3.0' },
  info: { level: 'note', score: '1.0' },
};

/** SARIF as GitHub code scanning reads it. An object of a cluster is a logical location: it has no file. */
export function sarif({ checks, findings, placeOf, cwd }: ReportInput): string {
  const rules = checks.map(({ id, title, why, remedy, controls, severity, category }) => ({
    id,
    name: id.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase()),
    shortDescription: { text: `${title}.` },
    fullDescription: { text: why },
    help: { text: remedy },
    defaultConfiguration: { level: LEVELS[severity].level },
    properties: { tags: ['security', category, ...controls], 'security-severity': LEVELS[severity].score },
  }));
  const results = findings.map((finding) => {
    const place = sourceOf(placeOf(finding));
    const name = objectText(finding.object);
    return {
      ruleId: finding.check,
      level: LEVELS[finding.severity].level,
      message: { text: `${findingText(finding)}. ${finding.remedy}` },
      locations: [
        {
          ...(place && {
            physicalLocation: {
              artifactLocation: { uri: uriOf(place.file, cwd) },
              region: { startLine: place.line },
            },
          }),
          logicalLocations: [{ name: finding.object.name, fullyQualifiedName: name, kind: 'object' }],
        },
      ],
      partialFingerprints: { 'finding/v1': findingKey(finding) },
    };
  });
  const driver = { name: 'kubectl-segmentation', semanticVersion: version, rules };
  const document = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [{ tool: { driver }, results }],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** The file that a person would edit: what a kustomization prints has no lines of its own, and standard input no file. */
function sourceOf(place: ManifestPlace | undefined): ManifestPlace | undefined {
  const [, directory] = /^-k (.*)$/.exec(place?.file ?? '') ?? [];
  if (directory !== undefined)
    return { file: `${directory.replace(/\/+$/, '')}/kustomization.yaml`, line: 1 };
  return place?.file === 'standard input' ? undefined : place;
}
