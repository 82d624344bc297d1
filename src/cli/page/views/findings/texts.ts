/** Texts and marks of findings that several views show. */
import { SEVERITIES, type Severity } from '../../../../audit/finding.ts';
import { counted } from '../../../../util/list-text.ts';
import type { PageCheck, SeverityCounts } from '../../../findings/page-audit.ts';
import { h } from '../../dom.ts';
import { type Findings, type PageFinding, WORST_FIRST } from '../../model/findings.ts';

/** The name of a severity, with a colour. */
export function pill(severity: Severity): HTMLElement {
  return h('span', { class: `pill ${severity}` }, severity);
}

/** The path of a field, which breaks into lines at its dots and brackets. */
export function fieldPath(field: string): HTMLElement {
  const parts = field.split(/(?<=\.)|(?=\[)/);
  return h('code', {}, ...parts.flatMap((part) => [h('wbr'), part]));
}

/** The category of a check, and the controls that it stands for. */
export function controlList({ category, controls }: PageCheck): HTMLElement {
  const items = [category, ...controls].flatMap((text) => [h('span', {}, text), ' ']);
  return h('p', { class: 'controls' }, ...items);
}

/** `2 high, 1 low`; `no findings` for no counts. */
export function countsText(counts: SeverityCounts): string {
  const parts = WORST_FIRST.flatMap((severity) => {
    const count = counts[SEVERITIES.indexOf(severity)] ?? 0;
    return count === 0 ? [] : [`${count} ${severity}`];
  });
  return parts.length === 0 ? 'no findings' : parts.join(', ');
}

export function severityCounts(findings: readonly PageFinding[]): number[] {
  return SEVERITIES.map((severity) => findings.filter((finding) => finding.severity === severity).length);
}

/** The name of a namespace, or a text for the objects that have none. */
export function namespaceText(namespace: string): string {
  return namespace === '' ? 'cluster-scoped objects' : namespace;
}

/** Sentences about the audit as a whole: checks, waivers and baseline. */
export function auditFacts({ audit }: Findings): string {
  const { ran, checks, waivedCount, known } = audit;
  const clean = ran - checks.filter((check) => check.category !== 'Waivers' && check.findings > 0).length;
  const rest = [
    ...(waivedCount > 0 ? [`${counted(waivedCount, 'finding')} waived.`] : []),
    ...(known > 0 ? [`${counted(known, 'finding')} in the baseline, not listed here.`] : []),
  ];
  return [`${counted(ran, 'check')} ran, ${clean} without a finding.`, ...rest].join(' ');
}

/** Says how many findings the page leaves out; empty if it has all. */
export function omittedText({ omitted, all, waived, audit }: Findings): string {
  const omittedWaived = audit.waivedCount - waived.length;
  const parts = [
    ...(omitted > 0 ? [`${counted(omitted, 'finding')} beyond the ${all.length} most severe`] : []),
    ...(omittedWaived > 0 ? [counted(omittedWaived, 'waived finding')] : []),
  ];
  return parts.length === 0
    ? ''
    : `This page leaves out ${parts.join(' and ')}. kubectl segmentation audit -o json has them all.`;
}
