/** The texts on edges: in the space that the layout kept for them, or else where there happens to be room. Pure. */
import { type Box, type Edge, LABEL_HEIGHT, labelWidth, type Layout, type Point } from './layout/geometry.ts';

/** More texts than this are not readable at any scale at which they are all in view. */
const MAX_TEXTS = 120;

/** The middle of the text of each edge that has room for it. */
export function placeTexts<E extends Edge>(edges: readonly E[], { routes, boxes }: Layout): Map<E, Point> {
  const placed = new Map<E, Point>();
  if (edges.length > MAX_TEXTS) return placed;
  const taken: Box[] = [...boxes.values()];
  const put = (edge: E, middle: Point) => {
    placed.set(edge, middle);
    taken.push(textBox(edge, middle));
  };
  for (const edge of edges) {
    const kept = routes.get(edge)?.label;
    if (kept !== undefined) put(edge, kept);
  }
  // Edges beside each other with equal texts share one text.
  const known = new Set([...placed.keys()].map(beside));
  for (const edge of edges) {
    if (known.has(beside(edge))) continue;
    const middle = candidates(routes.get(edge)?.points ?? [], labelWidth(edge.text)).find((each) => {
      const box = textBox(edge, each);
      return !taken.some((other) => overlap(box, other));
    });
    if (middle === undefined) continue;
    put(edge, middle);
    known.add(beside(edge));
  }
  return placed;
}

function beside({ source, target, text }: Edge): string {
  return JSON.stringify([source.item.id, target.item.id, text]);
}

/** The middles of the pieces that are wide enough for a text, straight ones first. */
function candidates(points: readonly Point[], width: number): Point[] {
  const pieces = points.slice(1).map((to, index) => ({ from: points[index] ?? to, to }));
  return pieces
    .filter(({ from, to }) => Math.abs(to.x - from.x) >= width)
    .sort((a, b) => Math.abs(a.to.y - a.from.y) - Math.abs(b.to.y - b.from.y))
    .map(({ from, to }) => ({ x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 }));
}

function textBox({ text }: Edge, { x, y }: Point): Box {
  const width = labelWidth(text);
  return { x: x - width / 2, y: y - LABEL_HEIGHT / 2, width, height: LABEL_HEIGHT };
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
