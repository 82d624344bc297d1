/** The matrix: rows may talk to columns. */
import { h } from '../dom.ts';
import { isolation, type Link, type Model, type Node } from '../model/nodes.ts';
import type { Shown } from '../model/selection.ts';
import type { State } from '../model/view-state.ts';
import { counted } from '../../../util/list-text.ts';

/** A larger table is slow to lay out, and nobody reads it. */
const MOST = 160;

export function matrixView(
  { nodes }: Shown,
  model: Model,
  { level, from, to }: State,
  select: (node: Node, second?: Node) => void,
): HTMLElement {
  if (nodes.length === 0) return h('p', { class: 'hint' }, 'Nothing matches the filters.');
  if (nodes.length > MOST) {
    const advice =
      level === 'workloads'
        ? 'Choose namespaces, search, or show namespaces instead.'
        : 'Choose namespaces, or search.';
    return h(
      'p',
      { class: 'hint' },
      `${counted(nodes.length, level.slice(0, -1))} are too many for a matrix. ${advice}`,
    );
  }
  const head = h(
    'tr',
    {},
    h('td', { class: 'corner' }, 'from ↓  to →'),
    ...nodes.map((node) =>
      h('th', { scope: 'col', class: isolation(node), title: node.label }, h('span', {}, node.label)),
    ),
  );
  const rows = nodes.map((source, row) =>
    h(
      'tr',
      { role: 'row' },
      h('th', { scope: 'row', class: isolation(source), title: source.label }, source.label),
      ...nodes.map((target, column) => {
        const link = model.link(source, target);
        const own = source === target && source.groups.length === 1 && link === undefined;
        const current = source.id === from && target.id === to;
        return h(
          'td',
          {
            role: 'gridcell',
            tabindex: '-1',
            class: `cell ${own ? 'self' : kind(link)}${current ? ' selected' : ''}`,
            'aria-label': `${source.label} to ${target.label}: ${own ? 'itself' : (link?.ports ?? 'nothing')}`,
            'data-row': row,
            'data-column': column,
            title: `${source.label} → ${target.label}: ${own ? 'itself' : (link?.ports ?? 'nothing')}`,
          },
          own ? '' : mark(link),
        );
      }),
    ),
  );
  const table = h(
    'table',
    { class: 'matrix', role: 'grid', 'aria-label': 'Rows may talk to columns' },
    h('thead', {}, head),
    h('tbody', {}, ...rows),
  );
  const cellAt = (row: number, column: number) =>
    table.querySelector<HTMLElement>(`td[data-row="${row}"][data-column="${column}"]`);
  const choose = (cell: HTMLElement) => {
    const [source, target] = [nodes[Number(cell.dataset['row'])], nodes[Number(cell.dataset['column'])]];
    if (source !== undefined && target !== undefined) select(source, target);
  };
  (table.querySelector<HTMLElement>('td.selected') ?? cellAt(0, 0))?.setAttribute('tabindex', '0');
  table.addEventListener('click', (event) => {
    const cell = (event.target as Element).closest<HTMLElement>('td.cell');
    if (cell !== null) choose(cell);
  });
  table.addEventListener('keydown', (event) => {
    const cell = (event.target as Element).closest<HTMLElement>('td.cell');
    if (cell === null) return;
    const [row, column] = [Number(cell.dataset['row']), Number(cell.dataset['column'])];
    const last = nodes.length - 1;
    const targets: Readonly<Record<string, readonly [number, number]>> = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [row, 0],
      End: [row, last],
      PageUp: [0, column],
      PageDown: [last, column],
    };
    const target = targets[event.key];
    if (target !== undefined) {
      event.preventDefault();
      const next = cellAt(...target);
      if (next === null) return;
      cell.setAttribute('tabindex', '-1');
      next.setAttribute('tabindex', '0');
      next.focus();
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      choose(cell);
    }
  });
  return h(
    'div',
    { class: 'scroll' },
    table,
    h('p', { class: 'legend' }, '● all ports   ○ some ports   ◌ some pods only   · nothing'),
  );
}

function kind(link: Link | undefined): string {
  if (link === undefined) return 'none';
  return `${link.everyPort ? 'every' : 'some'}${link.partial ? ' partial' : ''}`;
}

function mark(link: Link | undefined): string {
  if (link === undefined) return '·';
  if (link.partial) return '◌';
  return link.everyPort ? '●' : '○';
}
