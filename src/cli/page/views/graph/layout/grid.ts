/**
 * Items in rows and columns, in the window's proportions: for items without edges, and for graphs with too many edges to
 * show a flow. Edges go between the rows and the columns, so they cross no item. Pure.
 */
import {
  type Box,
  type Edge,
  fitScale,
  GAP_X,
  GAP_Y,
  type Item,
  type Layout,
  type Point,
  type Route,
  type Size,
} from './geometry.ts';

/** Edges in the same gap keep this distance, up to `LANES` of them. */
const LANE_STEP = 4;
const LANES = 5;

export interface GridOptions {
  /** The upper left corner. */
  readonly x: number;
  readonly y: number;
  readonly columns: number;
}

interface Cell {
  readonly row: number;
  readonly column: number;
}

/** The number of columns with which items fit a window at the largest scale. */
export function columnsFor(items: readonly Item[], window: Size): number {
  let best = { columns: 1, scale: 0 };
  for (let columns = 1; columns <= items.length; columns++) {
    const rows = rowHeights(items, columns);
    const height = rows.reduce((sum, each) => sum + each + GAP_Y, 0);
    const scale = fitScale({ width: columns * cellWidth(items), height }, window);
    if (scale > best.scale) best = { columns, scale };
  }
  return best.columns;
}

/** The width of a column with the gap at its right. */
export function cellWidth(items: readonly Item[]): number {
  return Math.max(...items.map(({ width }) => width), 0) + GAP_X;
}

export function grid(items: readonly Item[], edges: readonly Edge[], options: GridOptions): Layout {
  const heights = rowHeights(items, options.columns);
  const tops = heights.map((_, row) =>
    heights.slice(0, row).reduce((sum, each) => sum + each + GAP_Y, options.y),
  );
  const step = cellWidth(items);
  const cells = new Map<string, Cell>();
  const boxes = new Map<string, Box>();
  for (const [index, { id, width, height }] of items.entries()) {
    const cell = { row: Math.floor(index / options.columns), column: index % options.columns };
    cells.set(id, cell);
    boxes.set(id, { x: options.x + cell.column * step, y: tops[cell.row] ?? 0, width, height });
  }
  /** The middle of the gap at the right of a column. */
  const gutter = (column: number) => options.x + (column + 1) * step - GAP_X / 2;
  /** The middle of the gap above a row. */
  const corridor = (row: number) => (row < tops.length ? (tops[row] ?? 0) : bottom) - GAP_Y / 2;
  const bottom = (tops.at(-1) ?? 0) + (heights.at(-1) ?? 0) + GAP_Y;
  const routes = new Map<Edge, Route>();
  for (const [index, edge] of edges.entries()) {
    const [from, to] = [cells.get(edge.source.item.id), cells.get(edge.target.item.id)];
    const [a, b] = [boxes.get(edge.source.item.id), boxes.get(edge.target.item.id)];
    if (from === undefined || to === undefined || a === undefined || b === undefined) continue;
    const shift = ((index % LANES) - (LANES - 1) / 2) * LANE_STEP;
    const start = { x: a.x + a.width, y: a.y + edge.source.y };
    const end = { x: b.x, y: b.y + edge.target.y };
    const [out, into] = [gutter(from.column) + shift, gutter(to.column - 1) + shift];
    const across = corridor(to.row > from.row ? from.row + 1 : from.row) + shift;
    const between: Point[] =
      out === into
        ? []
        : [
            { x: out, y: across },
            { x: into, y: across },
          ];
    const points = [start, { x: out, y: start.y }, ...between, { x: into, y: end.y }, end];
    routes.set(edge, { points, label: undefined });
  }
  return { boxes, routes };
}

function rowHeights(items: readonly Item[], columns: number): number[] {
  const rows = Map.groupBy(items.keys(), (index) => Math.floor(index / columns));
  return [...rows.values()].map((row) => Math.max(...row.map((index) => items[index]?.height ?? 0)));
}
