/** The positions of the graph's cards: a card for each namespace, with a row for each of its workloads. */
import { forceLink, forceManyBody, forceSimulation, forceX, forceY } from 'd3-force';
import type { Link, Node } from '../../model/nodes.ts';

export interface Row {
  readonly node: Node;
  readonly text: string;
  /** Its top, from the top of the card. */
  readonly y: number;
}

export interface Card {
  readonly title: string;
  /** The node that the card as a whole stands for; undefined for a card with rows. */
  readonly node: Node | undefined;
  readonly rows: readonly Row[];
  readonly width: number;
  readonly height: number;
  /** Centre. */
  x: number;
  y: number;
}

export const TITLE_HEIGHT = 30;
export const ROW_HEIGHT = 24;
/** Average width of a character, in pixels. */
const CHARACTER = 7.4;
const PADDING = 44;
const ROUNDS = 300;
/** Space between cards. It is wider at the sides, where curves leave. */
const GAP_X = 48;
const GAP_Y = 22;

export function layout(nodes: readonly Node[], links: readonly Link[], byNamespace: boolean): Card[] {
  const cards = byNamespace
    ? nodes.map((node) => card(node.label, node, []))
    : [...Map.groupBy(nodes, (node) => node.ns ?? node.id).values()].map((members) => {
        const [first] = members;
        return first?.ns === undefined
          ? card(first?.label ?? '', first, [])
          : card(first.ns, undefined, members);
      });
  const cardOf = new Map<Node, Card>();
  for (const each of cards) {
    if (each.node !== undefined) cardOf.set(each.node, each);
    for (const { node } of each.rows) cardOf.set(node, each);
  }
  const edges = new Map<string, { source: Card; target: Card }>();
  for (const { from, to } of links) {
    const [source, target] = [cardOf.get(from), cardOf.get(to)];
    if (source === undefined || target === undefined || source === target) continue;
    edges.set(`${cards.indexOf(source)} ${cards.indexOf(target)}`, { source, target });
  }
  const sizes = cards.map(({ width, height }) => Math.sqrt(width * height));
  const distance = 60 + sizes.reduce((sum, size) => sum + size, 0) / Math.max(sizes.length, 1);
  // d3-force has a fixed seed, so that equal data gives an equal picture.
  forceSimulation(cards)
    .force(
      'links',
      forceLink<Card, { source: Card; target: Card }>([...edges.values()])
        .distance(distance)
        .strength(0.05),
    )
    .force('apart', forceManyBody().strength(-distance))
    .force('collide', () => separate(cards))
    .force('x', forceX(0).strength(0.06))
    // Cards are wider than high.
    .force('y', forceY(0).strength(0.04))
    .stop()
    .tick(ROUNDS);
  // Forces may leave overlaps: these are removed without forces.
  for (let round = 0; round < ROUNDS && separate(cards); round++);
  return cards;
}

/** Moves overlapping cards apart, along the shorter way. Returns true if any overlapped. */
function separate(cards: readonly Card[]): boolean {
  let moved = false;
  for (const [index, a] of cards.entries()) {
    for (const b of cards.slice(index + 1)) {
      const [dx, dy] = [b.x - a.x, b.y - a.y];
      const overX = (a.width + b.width) / 2 + GAP_X - Math.abs(dx);
      const overY = (a.height + b.height) / 2 + GAP_Y - Math.abs(dy);
      if (overX <= 0 || overY <= 0) continue;
      moved = true;
      if (overX < overY) {
        const step = ((dx < 0 ? -1 : 1) * overX) / 2;
        a.x -= step;
        b.x += step;
      } else {
        const step = ((dy < 0 ? -1 : 1) * overY) / 2;
        a.y -= step;
        b.y += step;
      }
    }
  }
  return moved;
}

function card(title: string, node: Node | undefined, members: readonly Node[]): Card {
  const rows = members.map((member, index) => ({
    node: member,
    text: member.label.slice(title.length + 1),
    y: TITLE_HEIGHT + index * ROW_HEIGHT,
  }));
  const longest = Math.max(title.length, ...rows.map(({ text }) => text.length));
  const height = TITLE_HEIGHT + rows.length * ROW_HEIGHT + (rows.length > 0 ? 6 : 0);
  return { title, node, rows, width: longest * CHARACTER + PADDING, height, x: 0, y: 0 };
}
