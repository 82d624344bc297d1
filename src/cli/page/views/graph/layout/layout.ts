/**
 * The positions of the graph's cards and the routes of its edges. Cards with edges stand along the flow, from left to
 * right; those without stand below. Of several arrangements, the one that fits the window at the largest scale is taken.
 * Pure: equal input gives an equal picture.
 */
import {
  type Edge,
  extentOf,
  fitScale,
  GAP_X,
  GAP_Y,
  type Item,
  type Layout,
  type Size,
} from './geometry.ts';
import { cellWidth, columnsFor, grid } from './grid.ts';
import { layered, loopRoute } from './layered.ts';

/** With more pairs of linked cards than this, there is no flow to see, and dagre takes seconds. */
const MAX_PAIRS = 300;
/** With more pairs than this, one arrangement is tried, as each takes up to a second. */
const MANY_PAIRS = 120;
/** The space between two edges that pass a column beside each other; the narrow one is for many pairs. */
const EDGE_GAP = 14;
const NARROW_GAP = 5;
/** Space is kept for the texts of so many edges. More of them would take more space than the cards. */
const MAX_LABELS = 60;
/** A larger scale than this is of no use: the page does not enlarge the graph. */
const LARGE_ENOUGH = 1;
/** An arrangement with higher columns shows more of the flow, so another one has to be better by this factor. */
const CLEARLY_BETTER = 1.15;

export function layout(items: readonly Item[], edges: readonly Edge[], window: Size): Layout {
  const within = edges.filter(({ source, target }) => source.item.id === target.item.id);
  const between = edges.filter(({ source, target }) => source.item.id !== target.item.id);
  const pairs = new Set(
    between.map(({ source, target }) => JSON.stringify([source.item.id, target.item.id])),
  );
  const { boxes, routes } =
    pairs.size > MAX_PAIRS
      ? grid(items, between, { x: 0, y: 0, columns: columnsFor(items, window) })
      : alongTheFlow(items, between, { window, pairs: pairs.size });
  const loops = within.flatMap((edge) => {
    const box = boxes.get(edge.source.item.id);
    return box === undefined ? [] : [[edge, loopRoute(edge, box)] as const];
  });
  return { boxes, routes: new Map([...routes, ...loops]) };
}

function alongTheFlow(
  items: readonly Item[],
  edges: readonly Edge[],
  { window, pairs }: { readonly window: Size; readonly pairs: number },
): Layout {
  const ids = new Set(edges.flatMap(({ source, target }) => [source.item.id, target.item.id]));
  const linked = items.filter(({ id }) => ids.has(id));
  const alone = items.filter(({ id }) => !ids.has(id));
  if (linked.length === 0) return grid(alone, [], { x: 0, y: 0, columns: columnsFor(alone, window) });
  let best: { readonly layout: Layout; readonly scale: number } | undefined;
  for (const maxColumnHeight of columnHeights(linked, window, pairs)) {
    const flow = layered(linked, edges, {
      maxColumnHeight,
      withLabels: edges.length <= MAX_LABELS,
      edgeGap: pairs > MANY_PAIRS ? NARROW_GAP : EDGE_GAP,
    });
    const candidate = below(flow, alone, window);
    const scale = fitScale(extentOf(candidate), window);
    if (best === undefined || scale > best.scale * CLEARLY_BETTER) best = { layout: candidate, scale };
    if (best.scale >= LARGE_ENOUGH) break;
  }
  return best?.layout ?? { boxes: new Map(), routes: new Map() };
}

/** The heights of columns to try: unlimited first, then around the height at which columns fill the window. */
function columnHeights(items: readonly Item[], window: Size, pairs: number): number[] {
  const total = items.reduce((sum, { height }) => sum + height + GAP_Y, 0);
  const ideal = Math.sqrt((total * cellWidth(items) * window.height) / window.width);
  return pairs > MANY_PAIRS
    ? [0.7 * ideal]
    : [Number.POSITIVE_INFINITY, 2 * ideal, 1.3 * ideal, ideal, 0.6 * ideal];
}

/** Adds items without edges below the others. */
function below(flow: Layout, alone: readonly Item[], window: Size): Layout {
  if (alone.length === 0) return flow;
  const { x, y, width, height } = extentOf(flow);
  const widest = Math.max(width, (height * window.width) / window.height);
  const columns = Math.max(1, Math.floor((widest + GAP_X) / cellWidth(alone)));
  const rest = grid(alone, [], { x, y: y + height + 2 * GAP_Y, columns });
  return { boxes: new Map([...flow.boxes, ...rest.boxes]), routes: flow.routes };
}
