/** The flows: a line for each two ends of which something was seen, or may pass and was not. */
import { button, endCell, h } from '../dom.ts';
import type { Node } from '../model/nodes.ts';
import type { Seen, SeenRow } from '../model/seen.ts';
import type { SeenState } from '../model/seen-state.ts';
import { counted } from '../../../util/list-text.ts';

export const STATE_TEXT: Readonly<Record<SeenState, string>> = {
  denied: 'denied and seen',
  unknown: 'seen, verdict unknown',
  refused: 'denied in the log only',
  unseen: 'allowed, never seen',
  seen: 'allowed and seen',
};

/** Rows that are added at a time. */
const STEP = 500;

export function flowsView(
  rows: readonly SeenRow[],
  { data }: Seen,
  select: (node: Node, second?: Node) => void,
): HTMLElement {
  const body = h('tbody');
  const more = h('p', { class: 'more' });
  let count = 0;
  const add = () => {
    const next = rows.slice(count, count + STEP);
    count += next.length;
    body.append(...next.map((row) => rowElement(row, select)));
    const left = rows.length - count;
    more.replaceChildren(left > 0 ? button({}, `Show ${Math.min(left, STEP)} of ${left} more`, add) : '');
  };
  add();
  const heads = ['State', 'From', 'To', 'Ports', 'Seen', 'Last seen', 'Reason'];
  return h(
    'div',
    { class: 'scroll' },
    h(
      'table',
      { class: 'list' },
      h('caption', {}, `${counted(rows.length, 'row')}, from ${data.source}`),
      h('thead', {}, h('tr', {}, ...heads.map((text) => h('th', { scope: 'col' }, text)))),
      body,
    ),
    more,
  );
}

function rowElement(
  { state, from, to, ports, count, last }: SeenRow,
  select: (node: Node, second?: Node) => void,
): HTMLElement {
  const { node: source } = from;
  const { node: destination } = to;
  const why =
    source !== undefined &&
    destination !== undefined &&
    button({ class: 'link', 'aria-label': `why? ${from.label} to ${to.label}` }, 'why?', () =>
      select(source, destination),
    );
  return h(
    'tr',
    {},
    h('td', { class: `state ${state}` }, STATE_TEXT[state]),
    endCell(from.label),
    endCell(to.label),
    h('td', {}, ports),
    h('td', {}, count === 0 ? '-' : count.toLocaleString('en-US')),
    h('td', {}, dayText(last)),
    h('td', {}, why),
  );
}

/** The day in UTC, as the other times of the page. */
export function dayText(time: number | undefined): string {
  return time === undefined ? '-' : new Date(time).toISOString().slice(0, 10);
}
