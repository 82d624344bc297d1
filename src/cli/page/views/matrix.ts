/** The matrix: rows may talk to columns. */
import { h } from '../dom.ts';
import { isolation, type Link, type Model, type Node } from '../model/nodes.ts';
import type { State } from '../model/view-state.ts';
import { counted } from '../../../util/list-text.ts';

/** A larger table is slow to lay out, and unreadable. */
export const MAX_NODES = 160;

export interface MatrixViewInput {
  readonly nodes: readonly Node[];
  readonly model: Model;
  readonly state: State;
  readonly select: (node: Node, second?: Node) => void;
}

export function matrixView({ nodes, model, state, select }: MatrixViewInput): HTMLElement {
  if (nodes.length === 0) return h('p', { class: 'hint' }, 'Nothing matches the filters.');
  if (nodes.length > MAX_NODES) return tooManyNodes(nodes.length, state.level);
  const head = h(
    'tr',
    {},
    h('td', { class: 'corner' }, 'from ↓  to →'),
    ...nodes.map((node) =>
      h('th', { scope: 'col', class: headClass(node, state), title: node.label }, h('span', {}, node.label)),
    ),
  );
  const rows = nodes.map((source, row) =>
    h(
      'tr',
      { role: 'row' },
      h('th', { scope: 'row', class: headClass(source, state), title: source.label }, source.label),
      ...nodes.map((target, column) => {
        const isSelected = source.id === state.from && target.id === state.to;
        return cell({ source, target, link: model.link(source, target), isSelected, row, column });
      }),
    ),
  );
  const table = h(
    'table',
    { class: 'matrix', role: 'grid', 'aria-label': 'Rows may talk to columns' },
    h('thead', {}, head),
    h('tbody', {}, ...rows),
  );
  addInteraction(table, nodes, select);
  return h(
    'div',
    { class: 'scroll' },
    table,
    h('p', { class: 'legend' }, '● all ports   ○ some ports   ◌ some pods only   · nothing'),
  );
}

function headClass(node: Node, { from, to }: State): string {
  return node.id === from || node.id === to ? `${isolation(node)} selected` : isolation(node);
}

function tooManyNodes(count: number, level: State['level']): HTMLElement {
  const advice =
    level === 'workloads'
      ? 'Choose namespaces, search, or show namespaces instead.'
      : 'Choose namespaces, or search.';
  return h(
    'p',
    { class: 'hint' },
    `${counted(count, level.slice(0, -1))} are too many for a matrix. ${advice}`,
  );
}

interface CellInput {
  readonly source: Node;
  readonly target: Node;
  readonly link: Link | undefined;
  readonly isSelected: boolean;
  readonly row: number;
  readonly column: number;
}

function cell({ source, target, link, isSelected, row, column }: CellInput): HTMLElement {
  const isItself = source === target && source.groups.length === 1 && link === undefined;
  const ports = isItself ? 'itself' : (link?.ports ?? 'nothing');
  return h(
    'td',
    {
      role: 'gridcell',
      tabindex: '-1',
      class: `cell ${isItself ? 'self' : kind(link)}${isSelected ? ' selected' : ''}`,
      'aria-label': `${source.label} to ${target.label}: ${ports}`,
      'data-row': row,
      'data-column': column,
      title: `${source.label} → ${target.label}: ${ports}`,
    },
    isItself ? '' : mark(link),
  );
}

/** Selects the pair of a cell by click, Enter or space, and moves between cells by arrows and paging keys. */
function addInteraction(
  table: HTMLTableElement,
  nodes: readonly Node[],
  select: MatrixViewInput['select'],
): void {
  const cellAt = (row: number, column: number) =>
    table.querySelector<HTMLElement>(`td[data-row="${row}"][data-column="${column}"]`);
  const selectPair = (chosen: HTMLElement) => {
    const [row, column] = positionOf(chosen);
    const [source, target] = [nodes[row], nodes[column]];
    if (source !== undefined && target !== undefined) select(source, target);
  };
  (table.querySelector<HTMLElement>('td.selected') ?? cellAt(0, 0))?.setAttribute('tabindex', '0');
  table.addEventListener('click', (event) => {
    const clicked = (event.target as Element).closest<HTMLElement>('td.cell');
    if (clicked !== null) selectPair(clicked);
  });
  table.addEventListener('keydown', (event) => {
    const current = (event.target as Element).closest<HTMLElement>('td.cell');
    if (current === null) return;
    const target = targetOf(event.key, positionOf(current), nodes.length - 1);
    if (target !== undefined) {
      event.preventDefault();
      const next = cellAt(...target);
      if (next === null) return;
      current.setAttribute('tabindex', '-1');
      next.setAttribute('tabindex', '0');
      next.focus();
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      selectPair(current);
    }
  });
}

type Position = readonly [row: number, column: number];

function positionOf({ dataset }: HTMLElement): Position {
  return [Number(dataset['row']), Number(dataset['column'])];
}

/** The cell that a key leads to; undefined for other keys. */
function targetOf(key: string, [row, column]: Position, last: number): Position | undefined {
  const targets: Readonly<Record<string, Position>> = {
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    Home: [row, 0],
    End: [row, last],
    PageUp: [0, column],
    PageDown: [last, column],
  };
  return targets[key];
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
