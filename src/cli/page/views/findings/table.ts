/** A table of findings that adds rows in steps, so that thousands of them stay quick. */
import { button, type Child, h } from '../../dom.ts';
import type { PageFinding } from '../../model/findings.ts';
import type { FindingGrouping } from '../../model/view-state.ts';
import { fieldPath, pill } from './texts.ts';

/** Rows that are added at a time. */
const STEP = 100;

export interface FindingTable {
  readonly findings: readonly PageFinding[];
  /** The list's grouping: its group's heading says what the rows need not repeat. `waived`: rows name the waiver. */
  readonly grouping: FindingGrouping | 'waived';
  readonly select: (finding: PageFinding) => void;
}

/** A column: its heading, and its cell for a finding. */
type Column = readonly [heading: string, cell: (finding: PageFinding) => Child];

export function findingTable({ findings, grouping, select }: FindingTable): HTMLElement {
  const isMixed = findings.some((finding) => finding.severity !== findings[0]?.severity);
  // A group of one check has its severity in the heading, unless it has several.
  const columns = COLUMNS[grouping].filter(
    (column) => column !== severity || grouping !== 'check' || isMixed,
  );
  const body = h('tbody');
  const more = h('p', { class: 'more' });
  const note = h('p', { class: 'printed-more' });
  let count = 0;
  const add = () => {
    const next = findings.slice(count, count + STEP);
    count += next.length;
    body.append(...next.map((finding) => row(finding, { findings, grouping, select }, columns)));
    const left = findings.length - count;
    more.replaceChildren(left > 0 ? button({}, `Show ${Math.min(left, STEP)} of ${left} more`, add) : '');
    note.textContent = left > 0 ? `and ${left} more, on the page itself` : '';
  };
  add();
  const heads = [grouping === 'object' ? 'Check' : 'Object', ...columns.map(([heading]) => heading)];
  return h(
    'div',
    {},
    h(
      'table',
      { class: `finding-table ${grouping}` },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ...heads.map((text) => h('th', { scope: 'col', class: `of-${text.toLowerCase()}` }, text)),
        ),
      ),
      body,
    ),
    more,
    note,
  );
}

function row(
  finding: PageFinding,
  { grouping, select }: FindingTable,
  columns: readonly Column[],
): HTMLElement {
  const name = grouping === 'object' ? finding.check.id : finding.object;
  const open = button({ class: 'link', 'aria-label': `${name}: ${finding.message}` }, name, () =>
    select(finding),
  );
  const element = h(
    'tr',
    { 'data-finding': finding.id },
    h('td', {}, open),
    ...columns.map(([, cell]) => h('td', {}, cell(finding))),
  );
  element.addEventListener('click', ({ target }) => {
    // The button has a handler of its own, and a click that ends a selection of text is for that text.
    if (!(target instanceof HTMLButtonElement) && getSelection()?.isCollapsed !== false) select(finding);
  });
  return element;
}

const severity: Column = ['Severity', (finding) => pill(finding.severity)];
const check: Column = ['Check', (finding) => h('code', {}, finding.check.id)];
const field: Column = ['Field', fieldOf];
const message: Column = ['Finding', (finding) => messageOf(finding)];
const fieldAndMessage: Column = [
  'Finding',
  (finding) => h('div', {}, fieldOf(finding), h('div', {}, messageOf(finding))),
];

/** The columns after the first. */
const COLUMNS: Readonly<Record<FindingTable['grouping'], readonly Column[]>> = {
  check: [severity, field, message],
  namespace: [severity, check, fieldAndMessage],
  object: [severity, fieldAndMessage],
  waived: [
    check,
    ['Reason', ({ waiver }) => waiver?.reason],
    ['By', ({ waiver }) => waiver?.by],
    ['Until', ({ waiver }) => waiver?.until],
  ],
};

function fieldOf(finding: PageFinding): Child {
  return finding.field !== '' && fieldPath(finding.field);
}

/** The message, with the remedy if it is not that of the check. */
function messageOf({ message: text, remedy, check: { remedy: usual } }: PageFinding): HTMLElement {
  return h('span', {}, text, remedy !== usual && h('small', {}, remedy));
}
