/** Writes the findings of an audit as the page's data. Pure. */
import { type Finding, type ObjectReference, SEVERITIES } from '../../audit/finding.ts';
import { WAIVER_CHECKS } from '../../audit/waivers/checks.ts';
import { listText } from '../../util/list-text.ts';
import { compareText } from '../../util/order.ts';
import type { PageAudit, PageWaiver } from './page-audit.ts';
import type { AuditReport } from './run.ts';

/** Findings that a page has. The rest is counted, and only `-o json` has it. Waived findings have the same bound. */
export const MAX_FINDINGS = 20_000;
/** Characters of a text; the rest is cut. */
const MAX_TEXT = 1000;

/** @param max findings that the page has, and waived findings */
export function pageAudit(report: AuditReport, max = MAX_FINDINGS): PageAudit {
  const { findings, waived, known, skipped } = report;
  const texts = new Interned('');
  const waivers = new Interned();
  const found = new Set([...findings, ...waived.map(({ finding }) => finding)].map(({ check }) => check));
  const checks = report.checks.filter(({ id }) => found.has(id));
  const checkIndex = new Map(checks.map(({ id }, index) => [id, index]));
  const remedies = new Map(checks.map(({ id, remedy }) => [id, remedy]));
  const perCheck = Map.groupBy(findings, ({ check }) => check);
  const text = (value = '') =>
    texts.indexOf(value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value);
  const numbers = ({ check, severity, object, field, message, remedy }: Finding): number[] => [
    checkIndex.get(check) ?? -1,
    SEVERITIES.indexOf(severity),
    text(object.kind),
    text(object.namespace),
    text(object.name),
    text(field),
    text(message),
    text(remedy === remedies.get(check) ? '' : remedy),
  ];
  return {
    findings: findings.slice(0, max).flatMap(numbers),
    waived: waived.slice(0, max).flatMap(({ finding, waiver: { reason, by, until } }) => {
      const waiver: PageWaiver = { reason, by, until };
      return [...numbers(finding), waivers.indexOf(JSON.stringify(waiver))];
    }),
    waivers: waivers.values.map((each) => JSON.parse(each) as PageWaiver),
    texts: texts.values,
    checks: checks.map(({ id, title, category, controls, why, remedy }) => {
      return { id, title, category, controls, why, remedy, findings: perCheck.get(id)?.length ?? 0 };
    }),
    severities: severityCounts(findings),
    namespaces: [...Map.groupBy(findings, ({ object }) => namespaceOf(object))]
      .map(([namespace, own]) => [namespace, severityCounts(own)] as const)
      .sort(([a], [b]) => compareText(a, b)),
    waivedCount: waived.length,
    known,
    ran: report.checks.length - WAIVER_CHECKS.length,
    skipped: skipped.map(({ check, unread, unknown }) => ({
      check: check.id,
      reason: unknown ?? `${listText(unread)} could not be read`,
    })),
  };
}

/** The namespace that an object is in, or is; empty for another cluster-scoped object. */
function namespaceOf({ kind, namespace, name }: ObjectReference): string {
  return namespace ?? (kind === 'Namespace' ? name : '');
}

function severityCounts(findings: readonly Finding[]): number[] {
  const counts = SEVERITIES.map(() => 0);
  for (const { severity } of findings) {
    const index = SEVERITIES.indexOf(severity);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  return counts;
}

/** Distinct texts, each with its index. */
class Interned {
  readonly values: string[];
  readonly #indices: Map<string, number>;

  constructor(...values: readonly string[]) {
    this.values = [...values];
    this.#indices = new Map(values.map((value, index) => [value, index]));
  }

  indexOf(value: string): number {
    const known = this.#indices.get(value);
    if (known !== undefined) return known;
    this.#indices.set(value, this.values.length);
    return this.values.push(value) - 1;
  }
}
