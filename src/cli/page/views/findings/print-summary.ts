/** The summary that leads the printed findings: by severity, namespace and check, what is waived, and what did not run. */
import { SEVERITIES } from '../../../../audit/finding.ts';
import { counted } from '../../../../util/list-text.ts';
import { h } from '../../dom.ts';
import { type Findings, groupsOf, WORST_FIRST } from '../../model/findings.ts';
import { summaryTable } from '../summary.ts';
import { auditFacts, countsText, namespaceText, omittedText } from './texts.ts';

export function findingSummary(findings: Findings): HTMLElement {
  const { audit, waived } = findings;
  const total = audit.severities.reduce((sum, count) => sum + count, 0);
  const byCheck = groupsOf(findings.all, 'check').flatMap(({ findings: [first], worst }) =>
    first === undefined ? [] : [{ check: first.check, worst }],
  );
  return h(
    'section',
    { class: 'summary of-findings' },
    h('h2', {}, 'Summary'),
    h('p', {}, `${counted(total, 'finding')}: ${countsText(audit.severities)}. ${auditFacts(findings)}`),
    h('p', {}, omittedText(findings)),
    summaryTable(
      'By namespace',
      ['Namespace', ...WORST_FIRST],
      audit.namespaces.map(([namespace, counts]) => [
        namespaceText(namespace),
        ...WORST_FIRST.map((severity) => String(counts[SEVERITIES.indexOf(severity)] ?? 0)),
      ]),
    ),
    summaryTable(
      'By check',
      ['Check', 'Worst', 'Findings', 'Category', 'The check asks that', 'Controls'],
      byCheck.map(({ check: { id, findings: count, category, title, controls }, worst }) => [
        id,
        worst,
        String(count),
        category,
        title,
        controls.join(', '),
      ]),
    ),
    waived.length > 0 &&
      summaryTable(
        'Waived',
        ['Object', 'Check', 'Reason', 'By', 'Until'],
        waived.map(({ object, check, waiver }) => [
          object,
          check.id,
          waiver?.reason ?? '',
          waiver?.by ?? '',
          waiver?.until ?? '',
        ]),
      ),
    audit.skipped.length > 0 &&
      summaryTable(
        'Checks that did not run',
        ['Check', 'Because'],
        audit.skipped.map(({ check, reason }) => [check, reason]),
      ),
  );
}
