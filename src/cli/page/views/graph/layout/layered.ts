/**
 * Items in columns along the flow, from left to right, by dagre. An edge passes a column between two of its items, in
 * space that dagre keeps free for it, and bends only between columns. So it crosses no item. Pure.
 */
import { Graph, layout as dagre } from '@dagrejs/dagre';
import { compact, type Slot } from './compact.ts';
import {
  type Box,
  type Edge,
  GAP_X,
  GAP_Y,
  type Item,
  LABEL_HEIGHT,
  labelWidth,
  lane,
  type Layout,
  type Point,
  type Route,
  type Size,
} from './geometry.ts';

const LANE_STEP = 4;
/** How far the edges' ends on an item spread around the middle of its row. */
const END_SPREAD = 12;
/** The length of the first piece of an edge between rows of one item. */
const LOOP = 10;

export interface LayeredOptions {
  /** A column is not filled beyond this height unless one item alone is higher. */
  readonly maxColumnHeight: number;
  /** True to keep space for the texts of edges. */
  readonly withLabels: boolean;
  /** The space between two edges that pass a column beside each other. */
  readonly edgeGap: number;
}

/** Dagre's graph. Its own types import each other without extensions, so TypeScript can't resolve them here. */
interface LayoutGraph {
  setGraph(options: {
    readonly rankdir: 'LR';
    readonly ranksep: number;
    readonly nodesep: number;
    readonly edgesep: number;
    readonly acyclicer: 'greedy';
    readonly ranker: (acyclic: LayoutGraph) => void;
  }): unknown;
  setNode(id: string, size: Size): unknown;
  setEdge(from: string, to: string, label: Partial<Size> & { readonly labelpos: 'c' }): unknown;
  node(id: string): LayoutNode;
  edge(from: string, to: string): Partial<Point> & { readonly points?: readonly Point[] };
  nodes(): string[];
  inEdges(id: string): readonly { readonly v: string }[];
  outEdges(id: string): readonly { readonly w: string }[];
}

interface LayoutNode extends Size, Partial<Point> {
  /** `root` for a node that dagre adds while it gives ranks. */
  readonly dummy?: string;
  rank?: number;
}

/** Edges between the same two items. They go side by side. */
interface Bundle {
  readonly from: string;
  readonly to: string;
  readonly edges: readonly Edge[];
}

/** Where dagre put a bundle. */
interface Track {
  /** The points between source and target, one for each rank. */
  readonly points: readonly Point[];
  readonly label: Point | undefined;
}

interface Columns {
  /** The rank of each item. A rank with an even number has items; one with an odd number has only edges and texts. */
  readonly ranks: ReadonlyMap<string, number>;
  /** The range of x that a rank takes up; absent for a rank that is only a line. */
  readonly extents: ReadonlyMap<number, readonly [left: number, right: number]>;
}

export function layered(items: readonly Item[], edges: readonly Edge[], options: LayeredOptions): Layout {
  const bundles = bundle(edges);
  const ranks = new Map<string, number>();
  const graph = arrange(items, bundles, options, ranks);
  const { boxes, tracks } = compacted({ items, bundles, graph, ranks, options });
  const columns = { ranks, extents: extentsOf(boxes, bundles, tracks, ranks) };
  const spread = spreadEnds(bundles, boxes);
  const routes = new Map<Edge, Route>();
  for (const [each, track] of tracks) {
    for (const [index, edge] of each.edges.entries()) {
      routes.set(
        edge,
        route({ bundle: each, edge, index, track, columns, boxes, spread, edgeGap: options.edgeGap }),
      );
    }
  }
  return { boxes, routes };
}

/** Edges within an item are left out: `loopRoute` has them. */
function bundle(edges: readonly Edge[]): Bundle[] {
  const between = edges.filter(({ source, target }) => source.item.id !== target.item.id);
  const byEnds = Map.groupBy(between, ({ source, target }) =>
    JSON.stringify([source.item.id, target.item.id]),
  );
  return [...byEnds.values()].map((members) => {
    const sorted = members.toSorted((a, b) => a.source.y - b.source.y || a.target.y - b.target.y);
    return {
      from: sorted[0]?.source.item.id ?? '',
      to: sorted[0]?.target.item.id ?? '',
      edges: sorted,
    };
  });
}

function arrange(
  items: readonly Item[],
  bundles: readonly Bundle[],
  { maxColumnHeight, withLabels, edgeGap }: LayeredOptions,
  ranks: Map<string, number>,
): LayoutGraph {
  const graph = new Graph() as LayoutGraph;
  graph.setGraph({
    rankdir: 'LR',
    ranksep: GAP_X,
    nodesep: GAP_Y,
    edgesep: edgeGap,
    acyclicer: 'greedy',
    ranker: (acyclic) => rank(acyclic, maxColumnHeight, ranks),
  });
  for (const { id, width, height } of items) graph.setNode(id, { width, height });
  for (const { from, to, edges } of bundles) {
    graph.setEdge(from, to, { ...(withLabels && labelSize(edges)), labelpos: 'c' });
  }
  dagre(graph);
  return graph;
}

function labelSize(edges: readonly Edge[]): Size {
  return {
    width: Math.max(...edges.map(({ text }) => labelWidth(text))),
    height: edges.length * LABEL_HEIGHT,
  };
}

/**
 * Gives each item the first column to the right of all items that lead to it which still has room. Columns have even
 * ranks, because dagre puts the texts of edges into ranks between them.
 */
function rank(acyclic: LayoutGraph, maxHeight: number, ranks: Map<string, number>): void {
  const heights: number[] = [];
  const place = (id: string) => {
    const node = acyclic.node(id);
    if (node.dummy === 'root') {
      node.rank = -1;
      return;
    }
    const before = acyclic.inEdges(id).map(({ v }) => ranks.get(v) ?? -2);
    let column = Math.max(0, ...before.map((each) => each / 2 + 1));
    while ((heights[column] ?? 0) > 0 && (heights[column] ?? 0) + node.height > maxHeight) column++;
    heights[column] = (heights[column] ?? 0) + node.height + GAP_Y;
    node.rank = 2 * column;
    ranks.set(id, node.rank);
  };
  for (const id of topologicalOrder(acyclic)) place(id);
  closeEmptyColumns(acyclic, ranks);
}

/** Items that were moved to the right because columns were full can leave a column without any. */
function closeEmptyColumns(acyclic: LayoutGraph, ranks: Map<string, number>): void {
  const used = [...new Set(ranks.values())].sort((a, b) => a - b);
  for (const [id, old] of ranks) {
    const closed = 2 * used.indexOf(old);
    acyclic.node(id).rank = closed;
    ranks.set(id, closed);
  }
}

function topologicalOrder(acyclic: LayoutGraph): string[] {
  const waiting = new Map(acyclic.nodes().map((id) => [id, acyclic.inEdges(id).length]));
  const order = acyclic.nodes().filter((id) => waiting.get(id) === 0);
  for (const id of order) {
    for (const { w } of acyclic.outEdges(id)) {
      const left = (waiting.get(w) ?? 0) - 1;
      waiting.set(w, left);
      if (left === 0) order.push(w);
    }
  }
  return order;
}

interface CompactInput {
  readonly items: readonly Item[];
  readonly bundles: readonly Bundle[];
  readonly graph: LayoutGraph;
  readonly ranks: ReadonlyMap<string, number>;
  readonly options: LayeredOptions;
}

/** Dagre's result, with heights of its own. */
function compacted({ items, bundles, graph, ranks, options }: CompactInput): {
  readonly boxes: Map<string, Box>;
  readonly tracks: Map<Bundle, Track>;
} {
  const columns = new Map<number, Slot[]>();
  const add = (of: number, slot: Slot) => {
    const column = columns.get(of) ?? [];
    column.push(slot);
    columns.set(of, column);
    return slot;
  };
  const cards = new Map(
    items.map(({ id, height }) => {
      const slot = { height, gap: GAP_Y, y: graph.node(id).y ?? 0, neighbours: [] };
      return [id, add(ranks.get(id) ?? 0, slot)];
    }),
  );
  const lines = new Map<Bundle, readonly Slot[]>();
  for (const each of bundles) {
    const track = trackOf(graph, each, options);
    const [first, last] = [ranks.get(each.from) ?? 0, ranks.get(each.to) ?? 0];
    const step = Math.sign(last - first);
    const middle = labelRank(each, ranks);
    const passing = track.points.map(({ y }, index) => {
      const of = first + step * (index + 1);
      const height = track.label !== undefined && of === middle ? labelSize(each.edges).height : 0;
      return add(of, { height, gap: options.edgeGap, y, neighbours: [] });
    });
    lines.set(each, passing);
    connect(each, [cards.get(each.from), ...passing, cards.get(each.to)]);
  }
  const sorted = [...columns].sort(([a], [b]) => a - b).map(([, column]) => column.sort((a, b) => a.y - b.y));
  compact(sorted);
  const boxes = new Map(
    items.map(({ id, width, height }): [string, Box] => {
      const x = (graph.node(id).x ?? 0) - width / 2;
      return [id, { x, y: (cards.get(id)?.y ?? 0) - height / 2, width, height }];
    }),
  );
  const tracks = new Map(
    bundles.map((each): [Bundle, Track] => {
      const { points, label } = trackOf(graph, each, options);
      const moved = points.map(({ x }, index) => ({ x, y: lines.get(each)?.[index]?.y ?? 0 }));
      const at = Math.abs(labelRank(each, ranks) - (ranks.get(each.from) ?? 0)) - 1;
      return [each, { points: moved, label: label && { x: label.x, y: moved[at]?.y ?? label.y } }];
    }),
  );
  return { boxes, tracks };
}

/** Makes each slot of a bundle the neighbour of the next. */
function connect({ edges: [edge] }: Bundle, slots: readonly (Slot | undefined)[]): void {
  for (const [index, b] of slots.entries()) {
    const a = slots[index - 1];
    if (a === undefined || b === undefined) continue;
    const outgoing = index === 1 ? (edge?.source.y ?? 0) - a.height / 2 : 0;
    const incoming = index === slots.length - 1 ? (edge?.target.y ?? 0) - b.height / 2 : 0;
    a.neighbours.push({ slot: b, offset: incoming - outgoing });
    b.neighbours.push({ slot: a, offset: outgoing - incoming });
  }
}

function trackOf(graph: LayoutGraph, { from, to }: Bundle, { withLabels }: LayeredOptions): Track {
  const { points = [], x, y } = graph.edge(from, to);
  return {
    // The first and the last point are on the items.
    points: points.slice(1, -1),
    label: withLabels && x !== undefined && y !== undefined ? { x, y } : undefined,
  };
}

function extentsOf(
  boxes: ReadonlyMap<string, Box>,
  bundles: readonly Bundle[],
  tracks: ReadonlyMap<Bundle, Track>,
  ranks: ReadonlyMap<string, number>,
): Map<number, readonly [left: number, right: number]> {
  const extents = new Map<number, readonly [left: number, right: number]>();
  const include = (of: number, left: number, right: number) => {
    const [l, r] = extents.get(of) ?? [left, right];
    extents.set(of, [Math.min(l, left), Math.max(r, right)]);
  };
  for (const [id, { x, width }] of boxes) include(ranks.get(id) ?? 0, x, x + width);
  for (const each of bundles) {
    const label = tracks.get(each)?.label;
    if (label === undefined) continue;
    const { width } = labelSize(each.edges);
    include(labelRank(each, ranks), label.x - width / 2, label.x + width / 2);
  }
  return extents;
}

function labelRank({ from, to }: Bundle, ranks: ReadonlyMap<string, number>): number {
  return ((ranks.get(from) ?? 0) + (ranks.get(to) ?? 0)) / 2;
}

/** The offset from the middle of its row for each end of an edge, so that edges of one row can be told apart. */
type Spread = ReadonlyMap<Edge, { readonly source: number; readonly target: number }>;

function spreadEnds(bundles: readonly Bundle[], boxes: ReadonlyMap<string, Box>): Spread {
  const ends = bundles.flatMap(({ edges }) =>
    edges.flatMap((edge) => [
      { edge, end: 'source' as const, at: edge.source, other: edge.target },
      { edge, end: 'target' as const, at: edge.target, other: edge.source },
    ]),
  );
  const offsets = new Map<Edge, { source: number; target: number }>();
  for (const { edge } of ends) offsets.set(edge, { source: 0, target: 0 });
  const boxOf = ({ item }: Edge['source']) => boxes.get(item.id) ?? { x: 0, y: 0, width: 0, height: 0 };
  const bySide = Map.groupBy(ends, ({ at, other }) =>
    JSON.stringify([at.item.id, at.y, boxOf(other).x > boxOf(at).x]),
  );
  for (const side of bySide.values()) {
    const sorted = side.toSorted((a, b) => boxOf(a.other).y + a.other.y - boxOf(b.other).y - b.other.y);
    for (const [index, { edge, end }] of sorted.entries()) {
      const offset = offsets.get(edge);
      if (offset !== undefined) offset[end] = lane(index, sorted.length, LANE_STEP, END_SPREAD);
    }
  }
  return offsets;
}

interface RouteInput {
  readonly bundle: Bundle;
  readonly edge: Edge;
  /** The place of the edge in its bundle. */
  readonly index: number;
  readonly track: Track;
  readonly columns: Columns;
  readonly boxes: ReadonlyMap<string, Box>;
  readonly spread: Spread;
  readonly edgeGap: number;
}

function route(input: RouteInput): Route {
  const {
    bundle: { from, to, edges },
    edge,
    index,
    track,
    columns,
    boxes,
    spread,
    edgeGap,
  } = input;
  const [first, last] = [columns.ranks.get(from) ?? 0, columns.ranks.get(to) ?? 0];
  const step = Math.sign(last - first);
  const middle = labelRank(input.bundle, columns.ranks);
  const points: Point[] = [];
  const cross = (of: number, y: number) => {
    const extent = columns.extents.get(of);
    if (extent === undefined) return;
    const [left, right] = extent;
    points.push(
      ...(step > 0
        ? [
            { x: left, y },
            { x: right, y },
          ]
        : [
            { x: right, y },
            { x: left, y },
          ]),
    );
  };
  const ends = { source: boxes.get(from), target: boxes.get(to) };
  const offset = spread.get(edge) ?? { source: 0, target: 0 };
  const y1 = (ends.source?.y ?? 0) + edge.source.y + offset.source;
  const y2 = (ends.target?.y ?? 0) + edge.target.y + offset.target;
  cross(first, y1);
  // The route begins at the side of its item, which may be narrower than the column.
  points.splice(0, 1, { x: sideOf(ends.source, step), y: y1 });
  let label: Point | undefined;
  for (const [at, { y }] of track.points.entries()) {
    const of = first + step * (at + 1);
    const isLabel = track.label !== undefined && of === middle;
    const own = isLabel
      ? track.label.y + lane(index, edges.length, LABEL_HEIGHT)
      : y + lane(index, edges.length, LANE_STEP, edgeGap);
    cross(of, own);
    if (isLabel) label = { x: track.label.x, y: own };
  }
  cross(last, y2);
  points.splice(-1, 1, { x: sideOf(ends.target, -step), y: y2 });
  return { points, label };
}

function sideOf(box: Box | undefined, step: number): number {
  return (box?.x ?? 0) + (step > 0 ? (box?.width ?? 0) : 0);
}

/** The route of an edge between two rows of one item, at its right side. */
export function loopRoute({ source, target }: Edge, box: Box): Route {
  const right = box.x + box.width;
  const [y1, y2] = [box.y + source.y, box.y + target.y];
  const x = right + Math.min(GAP_X / 2, LOOP + Math.abs(y2 - y1) / 10);
  return {
    points: [
      { x: right, y: y1 },
      { x, y: y1 },
      { x, y: y2 },
      { x: right, y: y2 },
    ],
    label: undefined,
  };
}
