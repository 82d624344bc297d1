/** Details of a finding, and the findings of a node. */
import { counted } from '../../../../util/list-text.ts';
import { button, type Child, h } from '../../dom.ts';
import type { Findings, PageFinding } from '../../model/findings.ts';
import type { Node } from '../../model/nodes.ts';
import { controlList, countsText, fieldPath, pill, severityCounts } from './texts.ts';

/** Findings of a node that its details name. */
const MAX_ITEMS = 8;

export interface FindingLinks {
  /** Shows the node of a finding. */
  readonly showNode: (node: Node, view: 'graph' | 'matrix') => void;
  /** Lists the findings of a node. */
  readonly listFindings: (node: Node) => void;
  readonly select: (finding: PageFinding) => void;
}

export function findingDetails(finding: PageFinding, { showNode, listFindings }: FindingLinks): HTMLElement {
  const { check, severity, object, field, message, remedy, node, waiver } = finding;
  return h(
    'section',
    { class: 'finding-details' },
    h('h2', {}, object),
    h('p', {}, pill(severity), ' ', h('code', {}, check.id)),
    field !== '' && h('p', {}, fieldPath(field)),
    h('p', { class: 'verdict denied' }, message),
    waiver && h('p', { class: 'waiver' }, `Waived by ${waiver.by} until ${waiver.until}: ${waiver.reason}`),
    h('h3', {}, 'The check asks that'),
    h('p', {}, `${check.title}.`),
    h('h3', {}, 'Why it matters'),
    h('p', {}, check.why),
    h('h3', {}, 'Remedy'),
    h('p', {}, remedy),
    h('h3', {}, 'Category and controls'),
    controlList(check),
    node &&
      h(
        'p',
        { class: 'links-of-finding' },
        button({}, `Show ${node.label} in the graph`, () => showNode(node, 'graph')),
        button({}, 'In the matrix', () => showNode(node, 'matrix')),
        button({}, 'All its findings', () => listFindings(node)),
      ),
  );
}

/** The worst findings of a node, with links. */
export function nodeFindings(
  findings: Findings,
  node: Node,
  { listFindings, select }: FindingLinks,
): HTMLElement {
  const own = findings.of(node);
  return h(
    'section',
    { class: 'node-findings' },
    h('h3', {}, 'Findings'),
    own.length === 0
      ? h('p', {}, 'none')
      : h(
          'p',
          {},
          button({ class: 'link' }, counted(own.length, 'finding'), () => listFindings(node)),
          `: ${countsText(severityCounts(own))}`,
        ),
    h('ul', { class: 'links' }, ...own.slice(0, MAX_ITEMS).map((finding) => item(finding, node, select))),
    own.length > MAX_ITEMS && h('p', { class: 'note' }, `and ${own.length - MAX_ITEMS} more`),
  );
}

function item(finding: PageFinding, node: Node, select: (finding: PageFinding) => void): HTMLElement {
  const { severity, check, object, message } = finding;
  const about: Child = finding.node === node && node.kind !== 'Namespace' ? message : `${object}: ${message}`;
  return h(
    'li',
    {},
    pill(severity),
    ' ',
    button({ class: 'link' }, check.id, () => select(finding)),
    ' ',
    about,
  );
}
