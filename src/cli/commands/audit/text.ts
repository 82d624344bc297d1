/** The findings of an audit for people: a table, or every field with the remedies. */
import type { Check } from '../../../audit/check.ts';
import { type Finding, objectText, SEVERITIES, type Severity } from '../../../audit/finding.ts';
import { constraintOf } from '../../../audit/pods/constraints.ts';
import type { CheckText } from '../../../audit/waivers/checks.ts';
import { counted } from '../../../util/list-text.ts';
import { type Cell, table } from '../../shell/output.ts';
import type { Paint, Palette, Terminal } from '../../shell/terminal.ts';

export interface ShownResult {
  readonly findings: readonly Finding[];
  /** Number of findings that a waiver covers. */
  readonly waived: number;
  /** Number of findings that the baseline has. */
  readonly known: number;
  readonly checks: readonly (Check | CheckText)[];
}

function colours({ red, yellow, dim, cyan }: Palette): Readonly<Record<Severity, Paint>> {
  return { critical: red, high: red, medium: yellow, low: cyan, info: dim };
}

export function show(result: ShownResult, wide: boolean, terminal: Terminal): void {
  const { findings } = result;
  const { paint } = terminal;
  const colour = colours(paint);
  if (findings.length > 0) {
    const rows = wide ? wideRows(findings) : shortRows(findings);
    const head = ['SEVERITY', 'CHECK', 'OBJECT', ...(wide ? ['FIELD'] : []), 'FINDING'];
    const cells = rows.map(([severity, ...rest]): Cell[] => [
      { text: severity, paint: colour[severity] },
      ...rest,
    ]);
    terminal.print(table(head, cells), '');
  }
  if (wide) showRemedies(result, terminal);
  terminal.print(summary(result, colour));
}

type Row = readonly [severity: Severity, ...cells: string[]];

function wideRows(findings: readonly Finding[]): Row[] {
  return findings.map(({ severity, check, object, field = '', message }) => [
    severity,
    check,
    objectText(object),
    field,
    message,
  ]);
}

/** A row for each check and object: fields beyond the first are counted. */
function shortRows(findings: readonly Finding[]): Row[] {
  const groups = Map.groupBy(
    findings,
    ({ severity, check, object }) => `${severity} ${check} ${objectText(object)}`,
  );
  return [...groups.values()].flatMap(([first, ...others]): Row[] => {
    if (first === undefined) return [];
    const more = others.length === 0 ? '' : ` (and ${counted(others.length, 'more field')})`;
    return [[first.severity, first.check, objectText(first.object), first.message + more]];
  });
}

function showRemedies({ findings, checks }: ShownResult, terminal: Terminal): void {
  const found = new Set(findings.map(({ check }) => check));
  for (const { id, title, why, remedy, controls } of checks) {
    if (!found.has(id)) continue;
    const stands = controls.length === 0 ? '' : terminal.paint.dim(`  ${controls.join(', ')}`);
    const constraint = constraintOf(id);
    terminal.print(
      `${terminal.paint.bold(id)}: ${title}${stands}`,
      `  ${why}`,
      `  ${remedy}`,
      constraint === undefined ? [] : [`  A profile refuses such pods by ${constraint}.`],
      '',
    );
  }
}

/** `2 high, 1 low; 3 waived, 12 in the baseline`. */
function summary(
  { findings, waived, known }: ShownResult,
  colour: Readonly<Record<Severity, Paint>>,
): string {
  const counts = SEVERITIES.toReversed().flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return count === 0 ? [] : [colour[severity](`${count} ${severity}`)];
  });
  const rest = [
    ...(waived > 0 ? [`${waived} waived`] : []),
    ...(known > 0 ? [`${known} in the baseline`] : []),
  ];
  const text = counts.length === 0 ? 'no findings' : counts.join(', ');
  return rest.length === 0 ? text : `${text}; ${rest.join(', ')}`;
}
