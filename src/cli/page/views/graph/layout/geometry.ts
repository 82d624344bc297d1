/** Cards, edges between places on them, and routes: input and results of layouts. Pure. Lengths are in pixels. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Box extends Point, Size {}

/** A rectangle to place. */
export interface Item extends Size {
  readonly id: string;
}

/** One end of an edge: an item, and the height on it at which the edge begins or ends. */
export interface EdgeEnd {
  readonly item: Item;
  /** From the top of the item. */
  readonly y: number;
}

/** An edge to route. */
export interface Edge {
  readonly source: EdgeEnd;
  readonly target: EdgeEnd;
  /** Text to stand on the edge. */
  readonly text: string;
}

/** A way from source to target. A piece between two points is straight if x or y is equal, and a bend otherwise. */
export interface Route {
  readonly points: readonly Point[];
  /** The middle of the space that the layout kept free for the text; undefined if it kept none. */
  readonly label: Point | undefined;
}

export interface Layout {
  /** By id of the item. `x` and `y` are the upper left corner. */
  readonly boxes: ReadonlyMap<string, Box>;
  readonly routes: ReadonlyMap<Edge, Route>;
}

/** The free space between columns, in which edges bend. */
export const GAP_X = 80;
/** The free space between cards one above the other. */
export const GAP_Y = 28;
/** The height of a line of text on an edge. */
export const LABEL_HEIGHT = 15;
/** Average width of a character on an edge. */
const LABEL_CHARACTER = 6.3;

export function labelWidth(text: string): number {
  return text.length * LABEL_CHARACTER + 10;
}

/** The smallest box around others. */
export function bounds(boxes: Iterable<Box>): Box {
  let [left, top, right, bottom] = [
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ];
  for (const { x, y, width, height } of boxes) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x + width);
    bottom = Math.max(bottom, y + height);
  }
  if (left > right) return { x: 0, y: 0, width: 1, height: 1 };
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** The smallest box around everything in a layout. */
export function extentOf({ boxes, routes }: Layout): Box {
  const points = [...routes.values()].flatMap((route) => route.points);
  return bounds([...boxes.values(), ...points.map(({ x, y }) => ({ x, y, width: 0, height: 0 }))]);
}

/** The scale at which a box fits a window. */
export function fitScale(box: Size, window: Size): number {
  return Math.min(window.width / box.width, window.height / box.height);
}

/** The offset of one of `count` lines beside each other that have `step` between them and `room` in all. */
export function lane(index: number, count: number, step: number, room = Number.POSITIVE_INFINITY): number {
  const between = count > 1 ? Math.min(step, room / (count - 1)) : 0;
  return (index - (count - 1) / 2) * between;
}
