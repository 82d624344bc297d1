/** The graph: cards, and curves between those that may talk. */
import { button, h, svg } from '../../dom.ts';
import { type Card, layout, ROW_HEIGHT, TITLE_HEIGHT } from './layout.ts';
import { type Isolation, isolation, type Link, type Node } from '../../model/nodes.ts';
import { PanZoom } from './pan-zoom.ts';
import type { Shown } from '../../model/selection.ts';
import type { State } from '../../model/view-state.ts';
import { counted } from '../../../../util/list-text.ts';

/** More curves than this at once show nothing; then only those of what is selected are drawn. */
const MOST_CURVES = 800;
/** From here on they are drawn thin. */
const MANY_CURVES = 150;

const ISOLATION: Readonly<Record<Isolation, string>> = {
  closed: 'isolated both ways',
  partly: 'partly isolated',
  open: 'open',
  host: 'host network',
  outside: 'addresses',
};

interface Place {
  readonly node: Node;
  readonly element: SVGGElement;
  readonly card: Card;
  /** Of the row, or the card. */
  readonly y: number;
}

export function graphView(
  { nodes, links }: Shown,
  { level, from, to }: State,
  select: (node: Node, second?: Node) => void,
): HTMLElement {
  const cards = layout(nodes, links, level === 'namespaces');
  const content = svg('g');
  const curves = svg('g', { class: 'curves' });
  content.append(curves);
  const frame = svg(
    'svg',
    { class: 'graph', role: 'application', 'aria-label': 'Graph of who may talk to whom' },
    content,
  );
  frame.prepend(arrowheads());
  const places = cards.flatMap((card) => draw(card, content, level));
  const panZoom = new PanZoom(frame, content);
  const box = bounds(cards);

  const all = links.filter((link) => link.from !== link.to);
  const few = all.length <= MOST_CURVES;
  const selected = [from, to].filter((id) => id !== undefined);
  const placeOf = new Map(places.map((place) => [place.node, place]));
  const isSelected = (node: Node) => selected.includes(node.id);
  const related = (link: Link) =>
    from !== undefined && to !== undefined
      ? link.from.id === from && link.to.id === to
      : isSelected(link.from) || isSelected(link.to);
  const near = new Set(all.filter(related).flatMap((link) => [link.from, link.to]));
  const isFocused = places.some(({ node }) => isSelected(node));
  frame.classList.toggle('focused', isFocused);
  frame.classList.toggle('many', all.length > MANY_CURVES && !isFocused);
  for (const { node, element } of places) {
    element.classList.toggle('selected', isSelected(node));
    element.classList.toggle('near', isSelected(node) || near.has(node));
    element.addEventListener('click', () => {
      if (!frame.classList.contains('dragging')) select(node);
    });
  }
  for (const link of all) {
    const strong = isFocused && related(link);
    if (!strong && (isFocused || !few)) continue;
    const [source, target] = [placeOf.get(link.from), placeOf.get(link.to)];
    if (source !== undefined && target !== undefined) {
      const element = curve(link, source, target);
      element.addEventListener('click', () => select(link.from, link.to));
      curves.append(element);
    }
  }

  const roving = keys(places, panZoom, select, () => panZoom.fit(box));
  frame.addEventListener('keydown', roving);
  requestAnimationFrame(() => {
    panZoom.fit(box);
    const [first] = places.filter(({ node }) => isSelected(node));
    if (first !== undefined && places.length > 12) panZoom.reveal(first.card.x, first.card.y);
  });
  const hint =
    nodes.length === 0
      ? 'Nothing matches the filters.'
      : few || isFocused
        ? ''
        : `${counted(all.length, 'link')}: too many to draw at once. Select a ${level === 'namespaces' ? 'namespace' : 'workload'} to see its own, or narrow the filters.`;
  return h(
    'div',
    { class: 'canvas' },
    frame,
    hint !== '' && h('p', { class: 'hint' }, hint),
    h(
      'div',
      { class: 'zoom', role: 'group', 'aria-label': 'Zoom' },
      button({ title: 'Closer (+)', 'aria-label': 'Closer' }, '+', () => panZoom.zoomIn()),
      button({ title: 'Farther (−)', 'aria-label': 'Farther' }, '−', () => panZoom.zoomOut()),
      button({ title: 'Everything (0)', 'aria-label': 'Show everything' }, '⤢', () => panZoom.fit(box)),
    ),
    legend(),
  );
}

function legend(): HTMLElement {
  const item = (kind: string, text: string) => h('span', { class: `key ${kind}` }, text);
  return h(
    'div',
    { class: 'legend' },
    ...Object.entries(ISOLATION).map(([kind, text]) => item(kind, text)),
    h('span', { class: 'key line-some' }, 'some ports'),
    h('span', { class: 'key line-all' }, 'all ports'),
    h('span', { class: 'key line-partial' }, 'some pods only'),
  );
}

function draw(card: Card, content: SVGGElement, level: State['level']): Place[] {
  const { title, node, rows, width, height, x, y } = card;
  const [left, top] = [x - width / 2, y - height / 2];
  const group = svg('g', {
    class: `card ${node === undefined ? 'group' : isolation(node)}`,
    transform: `translate(${left} ${top})`,
  });
  group.append(svg('rect', { class: 'frame', width, height, rx: 8 }));
  group.append(svg('text', { class: 'title', x: 14, y: TITLE_HEIGHT / 2 + 5 }, title));
  content.append(group);
  if (node !== undefined) {
    const pods = level === 'namespaces' && node.pods > 0 ? `, ${counted(node.pods, 'pod')}` : '';
    name(group, `${title}${pods}, ${words(node)}`);
    return [{ node, element: group, card, y: TITLE_HEIGHT / 2 }];
  }
  return rows.map((row) => {
    const element = svg(
      'g',
      { class: `row ${isolation(row.node)}`, transform: `translate(0 ${row.y})` },
      svg('rect', { x: 4, width: width - 8, height: ROW_HEIGHT, rx: 5 }),
      svg('circle', { cx: 16, cy: ROW_HEIGHT / 2, r: 4 }),
      svg('text', { x: 28, y: ROW_HEIGHT / 2 + 4.5 }, row.text),
    );
    name(
      element,
      `${row.node.label}, ${row.node.kind}, ${counted(row.node.pods, 'pod')}, ${words(row.node)}`,
    );
    group.append(element);
    return { node: row.node, element, card, y: row.y + ROW_HEIGHT / 2 };
  });
}

function name(element: SVGGElement, text: string): void {
  element.setAttribute('role', 'button');
  element.setAttribute('tabindex', '-1');
  element.setAttribute('aria-label', text);
  element.prepend(svg('title', {}, text));
}

function words(node: Node): string {
  return ISOLATION[isolation(node)];
}

function curve(link: Link, source: Place, target: Place): SVGPathElement {
  const rightwards = target.card.x >= source.card.x;
  const side = rightwards ? 1 : -1;
  // Of cards above each other the curve leaves and enters on the same side.
  const inside = Math.abs(target.card.x - source.card.x) < (source.card.width + target.card.width) / 2;
  const x1 = source.card.x + (side * source.card.width) / 2;
  const x2 = target.card.x + ((inside ? side : -side) * target.card.width) / 2;
  const y1 = source.card.y - source.card.height / 2 + source.y;
  const y2 = target.card.y - target.card.height / 2 + target.y;
  const bend = inside ? 36 : Math.max(40, Math.abs(x2 - x1) / 2);
  const d = `M${x1} ${y1} C${x1 + side * bend} ${y1} ${x2 + (inside ? side : -side) * bend} ${y2} ${x2} ${y2}`;
  const text = `${link.from.label} to ${link.to.label}: ${link.ports}${link.partial ? ' (some pods)' : ''}`;
  const kind = `${link.everyPort ? 'every' : 'some'}${link.partial ? ' partial' : ''}`;
  const head = link.everyPort ? 'head-every' : 'head-some';
  return svg('path', { class: `curve ${kind}`, d, 'marker-end': `url(#${head})` }, svg('title', {}, text));
}

function arrowheads(): SVGDefsElement {
  const head = (id: string) =>
    svg(
      'marker',
      {
        id,
        viewBox: '0 0 8 8',
        refX: 7,
        refY: 4,
        markerWidth: 7,
        markerHeight: 7,
        orient: 'auto',
        markerUnits: 'userSpaceOnUse',
      },
      svg('path', { class: id, d: 'M0 0 L8 4 L0 8 z' }),
    );
  return svg('defs', {}, head('head-some'), head('head-every'));
}

function bounds(cards: readonly Card[]): { x: number; y: number; width: number; height: number } {
  const left = Math.min(...cards.map(({ x, width }) => x - width / 2), 0);
  const top = Math.min(...cards.map(({ y, height }) => y - height / 2), 0);
  const right = Math.max(...cards.map(({ x, width }) => x + width / 2), 1);
  const bottom = Math.max(...cards.map(({ y, height }) => y + height / 2), 1);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** One node takes part in the order of tabs; arrows go to the nearest in their direction. */
function keys(
  places: readonly Place[],
  panZoom: PanZoom,
  select: (node: Node) => void,
  fit: () => void,
): (event: KeyboardEvent) => void {
  let current = places.find(({ element }) => element.classList.contains('selected')) ?? places[0];
  current?.element.setAttribute('tabindex', '0');
  const centre = ({ card, y }: Place) => ({ x: card.x, y: card.y - card.height / 2 + y });
  const go = (dx: number, dy: number) => {
    if (current === undefined) return;
    const here = centre(current);
    const ranked = places
      .map((place) => {
        const there = centre(place);
        const along = (there.x - here.x) * dx + (there.y - here.y) * dy;
        const across = Math.abs((there.x - here.x) * dy) + Math.abs((there.y - here.y) * dx);
        return { place, along, cost: along + 2 * across };
      })
      .filter(({ along }) => along > 1)
      .sort((a, b) => a.cost - b.cost);
    const next = ranked[0]?.place;
    if (next === undefined) return;
    current.element.setAttribute('tabindex', '-1');
    next.element.setAttribute('tabindex', '0');
    current = next;
    next.element.focus();
    const { x, y } = centre(next);
    panZoom.reveal(x, y);
  };
  const actions: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => go(-1, 0),
    ArrowRight: () => go(1, 0),
    ArrowUp: () => go(0, -1),
    ArrowDown: () => go(0, 1),
    '+': () => panZoom.zoomIn(),
    '=': () => panZoom.zoomIn(),
    '-': () => panZoom.zoomOut(),
    '0': fit,
    Enter: () => current && select(current.node),
    ' ': () => current && select(current.node),
  };
  return (event) => {
    const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  };
}
