import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type Box,
  bounds,
  type Edge,
  type Item,
  type Layout,
  type Point,
} from '../../../src/cli/page/views/graph/layout/geometry.ts';
import { layout } from '../../../src/cli/page/views/graph/layout/layout.ts';
import { flatten } from '../../../src/cli/page/views/graph/layout/path.ts';
import { runs } from '../../policy/fixture.ts';

const WINDOW = { width: 840, height: 760 };

const graphs = fc
  .record({ cards: fc.integer({ min: 1, max: 25 }), density: fc.integer({ min: 0, max: 40 }) })
  .chain(({ cards, density }) =>
    fc.record({
      items: fc.array(item(), { minLength: cards, maxLength: cards }).map(named),
      ends: fc.array(fc.tuple(fc.nat(cards - 1), fc.nat(cards - 1), fc.nat(), fc.nat()), {
        minLength: density,
        maxLength: density * 2,
      }),
    }),
  )
  .map(({ items, ends }) => ({ items, edges: ends.map((each) => edge(items, each)) }));

function item(): fc.Arbitrary<{ width: number; height: number }> {
  return fc.record({ width: fc.integer({ min: 70, max: 320 }), height: fc.integer({ min: 30, max: 400 }) });
}

function named(sizes: readonly { width: number; height: number }[]): Item[] {
  return sizes.map((size, index) => ({ id: `card ${index}`, ...size }));
}

function edge(items: readonly Item[], [from, to, y1, y2]: readonly [number, number, number, number]): Edge {
  const end = (index: number, y: number) => {
    const at = items[index] ?? { id: '', width: 0, height: 0 };
    return { item: at, y: 15 + (y % (at.height - 29)) };
  };
  return { source: end(from, y1), target: end(to, y2), text: 'TCP 8443' };
}

/** An edge from the middle of the first line of one card to that of another. */
function link(items: readonly Item[], from: number, to: number): Edge {
  return edge(items, [from, to, 0, 0]);
}

const cards = (count: number) => named(Array.from({ length: count }, () => ({ width: 150, height: 30 })));

/** The faults of a layout: overlapping cards, and edges that cross cards which they have nothing to do with. */
function faults(items: readonly Item[], edges: readonly Edge[], { boxes, routes }: Layout): string[] {
  const found: string[] = [];
  for (const [id, box] of boxes) {
    for (const [other, another] of boxes) {
      if (id < other && overlaps(box, another)) found.push(`${id} overlaps ${other}`);
    }
  }
  for (const each of edges) {
    const route = routes.get(each);
    if (route === undefined) {
      found.push(`no route from ${each.source.item.id} to ${each.target.item.id}`);
      continue;
    }
    const line = flatten(route.points);
    for (const { id } of items) {
      if (id === each.source.item.id || id === each.target.item.id) continue;
      if (line.some((to, at) => at > 0 && crosses(line[at - 1] ?? to, to, boxes.get(id)))) {
        found.push(`the edge from ${each.source.item.id} to ${each.target.item.id} crosses ${id}`);
      }
    }
  }
  return found;
}

function overlaps(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

/** True if a segment has a point within a box, by clipping it (Liang and Barsky). */
function crosses(a: Point, b: Point, box: Box | undefined): boolean {
  if (box === undefined) return true;
  let [from, to] = [0, 1];
  const clip = (start: number, delta: number, low: number, high: number) => {
    if (delta === 0) return start > low && start < high;
    const [near, far] = [(low - start) / delta, (high - start) / delta].sort((x, y) => x - y) as [
      number,
      number,
    ];
    [from, to] = [Math.max(from, near), Math.min(to, far)];
    return from < to;
  };
  return clip(a.x, b.x - a.x, box.x, box.x + box.width) && clip(a.y, b.y - a.y, box.y, box.y + box.height);
}

describe('the layout of the graph page', () => {
  it('lets no edge cross a card that is neither its source nor its target, and no card overlap another', () => {
    fc.assert(
      fc.property(graphs, ({ items, edges }) => {
        assert.deepEqual(faults(items, edges, layout(items, edges, WINDOW)), []);
      }),
      { numRuns: runs(40) },
    );
  });

  it('keeps edges off cards in graphs that are too dense to show a flow', () => {
    const items = cards(30);
    const edges = items.flatMap((_, from) => items.map((_, to) => link(items, from, to)));
    assert.deepEqual(faults(items, edges, layout(items, edges, WINDOW)), []);
  });

  it('puts the target of an edge to the right of its source', () => {
    const items = cards(4);
    const { boxes } = layout(items, [link(items, 2, 0), link(items, 0, 3), link(items, 3, 1)], WINDOW);
    const x = items.map(({ id }) => boxes.get(id)?.x ?? 0);
    assert.deepEqual(
      x.toSorted((a, b) => a - b),
      [x[2], x[0], x[3], x[1]],
    );
  });

  for (const [name, edgesOf] of [
    ['sixty cards without edges', () => []],
    [
      'a card with edges to sixty others',
      (items: readonly Item[]) => items.slice(1).map((_, at) => link(items, 0, at + 1)),
    ],
  ] as const) {
    it(`gives ${name} about the window's proportions`, () => {
      const items = cards(61);
      const { boxes } = layout(items, edgesOf(items), WINDOW);
      const { width, height } = bounds(boxes.values());
      const proportion = width / height / (WINDOW.width / WINDOW.height);
      assert.ok(proportion > 0.5 && proportion < 2, `${width} x ${height}`);
    });
  }

  it('keeps space for the text of each edge, apart from all others and from cards', () => {
    const items = cards(12);
    const edges = items
      .slice(1)
      .flatMap((_, at) => [link(items, 0, at + 1), link(items, at + 1, (at % 3) + 1)]);
    const between = edges.filter(({ source, target }) => source.item !== target.item);
    const { boxes, routes } = layout(items, edges, WINDOW);
    const texts = between.map((each) => {
      const at = routes.get(each)?.label;
      assert.ok(at !== undefined);
      return { x: at.x - 28, y: at.y - 7, width: 56, height: 14 };
    });
    for (const [at, text] of texts.entries()) {
      assert.deepEqual(
        texts.slice(at + 1).filter((other) => overlaps(text, other)),
        [],
      );
      assert.deepEqual(
        [...boxes.values()].filter((box) => overlaps(text, box)),
        [],
      );
    }
  });

  it('gives equal graphs an equal picture', () => {
    const items = cards(20);
    const edges = items.slice(5).map((_, at) => link(items, at % 5, at + 5));
    assert.deepEqual(layout(items, edges, WINDOW), layout(items, edges, WINDOW));
  });
});
