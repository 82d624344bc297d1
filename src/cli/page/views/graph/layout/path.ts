/** The lines of routes. Pure. */
import type { Point } from './geometry.ts';

/** Points of a bend that stand for its curve. */
const SAMPLES = 16;
const RADIUS = 6;

/** The path of a route, for SVG. A bend leaves and arrives horizontally, within the rectangle of its two points. */
export function pathOf(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  let path = `M${first.x} ${first.y}`;
  let at = first;
  for (const [index, to] of rest.entries()) {
    if (at.x === to.x || at.y === to.y) {
      const end = towards(to, at, cornerRadius(at, to, rest[index + 1]));
      path += `L${end.x} ${end.y}`;
      const next = rest[index + 1];
      if (end !== to && next !== undefined) {
        const start = towards(to, next, cornerRadius(at, to, next));
        path += `Q${to.x} ${to.y} ${start.x} ${start.y}`;
      }
    } else {
      const middle = (at.x + to.x) / 2;
      path += `C${middle} ${at.y} ${middle} ${to.y} ${to.x} ${to.y}`;
    }
    at = to;
  }
  return path;
}

/** The radius of the corner at `at`; 0 where the line goes on in its direction. */
function cornerRadius(before: Point, at: Point, next: Point | undefined): number {
  if (next === undefined) return 0;
  const turns = (before.x === at.x && next.y === at.y) || (before.y === at.y && next.x === at.x);
  if (!turns) return 0;
  return Math.min(RADIUS, distance(before, at) / 2, distance(at, next) / 2);
}

function towards(from: Point, to: Point, by: number): Point {
  const length = distance(from, to);
  if (by === 0 || length === 0) return from;
  return { x: from.x + ((to.x - from.x) * by) / length, y: from.y + ((to.y - from.y) * by) / length };
}

function distance(a: Point, b: Point): number {
  return Math.hypot(b.x - a.x, b.y - a.y);
}

/** The route as straight segments, close to its path. */
export function flatten(points: readonly Point[]): Point[] {
  return points.flatMap((to, index) => {
    const from = points[index - 1];
    if (from === undefined || from.x === to.x || from.y === to.y) return [to];
    return Array.from({ length: SAMPLES }, (_, sample) => bendAt(from, to, (sample + 1) / SAMPLES));
  });
}

/** The point of a bend at `t`, from 0 to 1. */
function bendAt(from: Point, to: Point, t: number): Point {
  const middle = (from.x + to.x) / 2;
  const cubic = (a: number, b: number, c: number, d: number) =>
    a * (1 - t) ** 3 + 3 * b * t * (1 - t) ** 2 + 3 * c * t ** 2 * (1 - t) + d * t ** 3;
  return { x: cubic(from.x, middle, middle, to.x), y: cubic(from.y, from.y, to.y, to.y) };
}
