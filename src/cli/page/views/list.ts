/** The list: a line for each link. */
import { button, endCell, h } from '../dom.ts';
import type { Node } from '../model/nodes.ts';
import type { Shown } from '../model/selection.ts';
import { counted } from '../../../util/list-text.ts';

/** Links that are added at a time. */
const STEP = 500;

export function listView({ links }: Shown, select: (node: Node, second?: Node) => void): HTMLElement {
  const body = h('tbody');
  const more = h('p', { class: 'more' });
  let count = 0;
  const add = () => {
    const next = links.slice(count, count + STEP);
    count += next.length;
    body.append(
      ...next.map(({ from, to, ports, partial }) => {
        const ask = button({ class: 'link', 'aria-label': `why? ${from.label} to ${to.label}` }, 'why?', () =>
          select(from, to),
        );
        const text = partial ? `${ports} (some pods)` : ports;
        return h('tr', {}, endCell(from.label), endCell(to.label), h('td', {}, text), h('td', {}, ask));
      }),
    );
    const left = links.length - count;
    more.replaceChildren(left > 0 ? button({}, `Show ${Math.min(left, STEP)} of ${left} more`, add) : '');
  };
  add();
  return h(
    'div',
    { class: 'scroll' },
    h(
      'table',
      { class: 'list' },
      h('caption', {}, counted(links.length, 'link')),
      h(
        'thead',
        {},
        h('tr', {}, ...['From', 'To', 'Ports', 'Reason'].map((text) => h('th', { scope: 'col' }, text))),
      ),
      body,
    ),
    more,
  );
}
