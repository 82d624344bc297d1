/**
 * The findings in groups that open and close. A group draws its rows when it opens, and groups are drawn in steps. The list
 * is drawn anew when filters change; a selection only marks its row, so that open groups and scrolling stay.
 */
import { counted } from '../../../../util/list-text.ts';
import { button, type Child, h } from '../../dom.ts';
import { type FindingGroup, groupsOf, type PageFinding } from '../../model/findings.ts';
import type { State } from '../../model/view-state.ts';
import { type FindingListInput, overview } from './overview.ts';
import { findingTable } from './table.ts';
import { controlList, countsText, namespaceText, pill, severityCounts } from './texts.ts';

/** Groups that are drawn at a time. */
const STEP = 100;
/** The first groups are open at first, as long as they have no more findings than this together. */
const OPEN_FINDINGS = 25;

export interface FindingList {
  /** The list of a state. The same element, if only the selection has changed. */
  readonly draw: (state: State) => { readonly element: HTMLElement; readonly count: number };
  /** Opens every group for paper, and closes those again that were closed. */
  readonly openAll: () => void;
  readonly closeAgain: () => void;
}

export function createFindingList(input: FindingListInput): FindingList {
  const { findings, node } = input;
  const openGroups = new OpenGroups();
  let last: { readonly key: string; readonly element: HTMLElement; readonly count: number } | undefined;
  return {
    draw: (state) => {
      const { severities, category, check, text, namespaces, grouping, subject } = state;
      const key = JSON.stringify([severities, category, check, text, namespaces, grouping, subject]);
      if (last?.key !== key) {
        const shown = findings.filtered(state, node(subject));
        const element = h(
          'div',
          { class: 'scroll findings' },
          overview(input, state, shown.findings.length),
          groupList(shown.findings, state, openGroups, input),
          shown.waived.length > 0 && waivedGroup(shown.waived, openGroups, input),
        );
        addArrowKeys(element);
        last = { key, element, count: shown.findings.length };
      }
      mark(last.element, state.finding);
      return last;
    },
    openAll: () => openGroups.openAll(),
    closeAgain: () => openGroups.closeAgain(),
  };
}

/** Remembers which groups people opened and closed, over new drawings. */
class OpenGroups {
  readonly #chosen = new Map<string, boolean>();
  readonly #drawn = new Map<HTMLDetailsElement, () => void>();
  #opened: HTMLDetailsElement[] = [];

  clear(): void {
    this.#drawn.clear();
  }

  /** A group with a heading. @param isOpen as long as nobody opens or closes it */
  create(key: string, isOpen: boolean, heading: readonly Child[], body: () => HTMLElement): HTMLElement {
    const element = h('details', { class: 'finding-group' }, h('summary', {}, ...heading));
    let isFilled = false;
    const fill = () => {
      if (!isFilled) element.append(body());
      isFilled = true;
    };
    this.#drawn.set(element, fill);
    if (this.#chosen.get(key) ?? isOpen) {
      fill();
      element.open = true;
    }
    element.addEventListener('toggle', () => {
      if (element.open) fill();
      if (!this.#opened.includes(element)) this.#chosen.set(key, element.open);
    });
    return element;
  }

  openAll(): void {
    for (const [element, fill] of this.#drawn) {
      if (!element.isConnected || element.open) continue;
      fill();
      element.open = true;
      this.#opened.push(element);
    }
  }

  closeAgain(): void {
    for (const element of this.#opened) element.open = false;
    this.#opened = [];
  }
}

function groupList(
  findings: readonly PageFinding[],
  { grouping }: State,
  openGroups: OpenGroups,
  { select }: FindingListInput,
): HTMLElement {
  const groups = groupsOf(findings, grouping);
  const list = h('div');
  const more = h('p', { class: 'more' });
  const note = h('p', { class: 'printed-more' });
  openGroups.clear();
  let [count, before] = [0, 0];
  const add = () => {
    const next = groups.slice(count, count + STEP);
    count += next.length;
    for (const group of next) {
      before += group.findings.length;
      list.append(
        openGroups.create(`${grouping} ${group.key}`, before <= OPEN_FINDINGS, heading(group, grouping), () =>
          h(
            'div',
            {},
            grouping === 'check' && checkText(group),
            findingTable({ findings: group.findings, grouping, select }),
          ),
        ),
      );
    }
    const left = groups.length - count;
    more.replaceChildren(
      left > 0 ? button({}, `Show ${counted(Math.min(left, STEP), 'group')} of ${left} more`, add) : '',
    );
    note.textContent = left > 0 ? `and ${counted(left, 'more group')}, on the page itself` : '';
  };
  add();
  return h('div', {}, list, more, note);
}

function heading({ key, worst, findings }: FindingGroup, grouping: State['grouping']): Child[] {
  const count = h('span', { class: 'size' }, String(findings.length));
  if (grouping === 'check') {
    const title = findings[0]?.check.title ?? '';
    return [pill(worst), h('strong', {}, key), h('span', { class: 'title' }, title), count];
  }
  const counts = countsText(severityCounts(findings));
  return [pill(worst), h('strong', {}, namespaceText(key)), h('span', { class: 'title' }, counts), count];
}

/** Why the findings of a check matter, and what to do. */
function checkText({ findings }: FindingGroup): Child {
  const check = findings[0]?.check;
  if (check === undefined) return undefined;
  const { why, remedy } = check;
  return h(
    'div',
    { class: 'check-text' },
    h('p', {}, why),
    h('p', {}, h('strong', {}, 'Remedy: '), remedy),
    controlList(check),
  );
}

function waivedGroup(
  waived: readonly PageFinding[],
  openGroups: OpenGroups,
  { select }: FindingListInput,
): HTMLElement {
  const element = openGroups.create(
    'waived',
    false,
    [
      h('span', { class: 'pill' }, 'waived'),
      h('span', { class: 'title' }, 'Somebody accepts these findings until a day'),
      h('span', { class: 'size' }, String(waived.length)),
    ],
    () => findingTable({ findings: waived, grouping: 'waived', select }),
  );
  element.classList.add('waived-group');
  return element;
}

/** Marks the row of the selected finding. */
function mark(element: HTMLElement, id: string | undefined): void {
  for (const row of element.querySelectorAll('tr.selected')) {
    row.classList.remove('selected');
    row.querySelector('button')?.removeAttribute('aria-current');
  }
  if (id === undefined) return;
  const row = element.querySelector(`tr[data-finding="${CSS.escape(id)}"]`);
  row?.classList.add('selected');
  row?.querySelector('button')?.setAttribute('aria-current', 'true');
}

/** Arrows go between the headings and rows; the browser opens and closes a group by Enter. */
function addArrowKeys(element: HTMLElement): void {
  element.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const places = [...element.querySelectorAll<HTMLElement>('summary, tr button, .more button')].filter(
      (each) => each.getClientRects().length > 0,
    );
    const here = places.indexOf(document.activeElement as HTMLElement);
    const next = here < 0 ? undefined : places[here + step];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  });
}
