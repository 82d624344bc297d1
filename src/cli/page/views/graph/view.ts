/** The graph: a card for each namespace, a row for each workload, and curves between those that may talk. */
import { button, h, svg } from '../../dom.ts';
import { type Card, layout, ROW_HEIGHT, TITLE_HEIGHT } from './layout.ts';
import { type Isolation, isolation, type Link, type Node } from '../../model/nodes.ts';
import { type Box, PanZoom } from './pan-zoom.ts';
import type { Shown } from '../../model/selection.ts';
import type { State } from '../../model/view-state.ts';
import { counted } from '../../../../util/list-text.ts';

/** More curves than this are unreadable: then only those of the selected nodes are drawn. */
const MAX_CURVES = 800;
/** More curves than this are drawn thin. */
const MANY_CURVES = 150;
/** With so many nodes or fewer, the selected one is in view anyway. */
const FEW_PLACES = 12;

type Select = (node: Node, second?: Node) => void;

const ISOLATION: Readonly<Record<Isolation, string>> = {
  closed: 'isolated both ways',
  partly: 'partly isolated',
  open: 'open',
  host: 'host network',
  outside: 'addresses',
};

/** A node in the graph: a card, or a row of one. */
interface Place {
  readonly node: Node;
  readonly element: SVGGElement;
  readonly card: Card;
  /** The middle of the row, or of the title, from the top of the card. */
  readonly y: number;
}

export function graphView(shown: Shown, state: State, select: Select): HTMLElement {
  const { nodes, links } = shown;
  const cards = layout(nodes, links, state.level === 'namespaces');
  const content = svg('g');
  const curves = svg('g', { class: 'curves' });
  content.append(curves);
  const frame = svg(
    'svg',
    { class: 'graph', role: 'application', 'aria-label': 'Graph of who may talk to whom' },
    content,
  );
  frame.prepend(arrowheads());
  const places = cards.flatMap((card) => drawCard(card, content, state.level));
  const panZoom = new PanZoom(frame, content);
  const box = bounds(cards);
  const between = links.filter((link) => link.from !== link.to);
  const focus = new Focus(places, between, state);
  markPlaces(places, focus, frame, select);
  frame.classList.toggle('focused', focus.exists);
  frame.classList.toggle('many', between.length > MANY_CURVES && !focus.exists);
  curves.append(...drawCurves(focus.links, places, select));
  frame.addEventListener(
    'keydown',
    keyboard(places, panZoom, select, () => panZoom.fit(box)),
  );
  requestAnimationFrame(() => {
    panZoom.fit(box);
    const selected = places.find(({ node }) => focus.isSelected(node));
    if (selected !== undefined && places.length > FEW_PLACES)
      panZoom.reveal(selected.card.x, selected.card.y);
  });
  const hint = hintText(shown, focus, state);
  return h(
    'div',
    { class: 'canvas' },
    frame,
    hint !== '' && h('p', { class: 'hint' }, hint),
    zoomButtons(panZoom, box),
    legend(),
  );
}

/** The nodes that are selected, and the links to draw: those of the selection, or all if there are not too many. */
class Focus {
  /** True if a node of the graph is selected. */
  readonly exists: boolean;
  readonly links: readonly Link[];
  /** True if too many links are allowed to draw them. */
  readonly isTooMany: boolean;
  readonly #ids: readonly string[];
  readonly #near: ReadonlySet<Node>;

  constructor(places: readonly Place[], links: readonly Link[], { from, to }: State) {
    this.#ids = [from, to].filter((id) => id !== undefined);
    const isRelated = (link: Link) =>
      from !== undefined && to !== undefined
        ? link.from.id === from && link.to.id === to
        : this.isSelected(link.from) || this.isSelected(link.to);
    const related = links.filter(isRelated);
    this.#near = new Set(related.flatMap((link) => [link.from, link.to]));
    this.exists = places.some(({ node }) => this.isSelected(node));
    this.isTooMany = !this.exists && links.length > MAX_CURVES;
    this.links = this.exists ? related : this.isTooMany ? [] : links;
  }

  isSelected(node: Node): boolean {
    return this.#ids.includes(node.id);
  }

  /** True for the selected nodes and those that they may talk with. */
  isNear(node: Node): boolean {
    return this.isSelected(node) || this.#near.has(node);
  }
}

function markPlaces(places: readonly Place[], focus: Focus, frame: SVGSVGElement, select: Select): void {
  for (const { node, element } of places) {
    element.classList.toggle('selected', focus.isSelected(node));
    element.classList.toggle('near', focus.isNear(node));
    element.addEventListener('click', () => {
      if (!frame.classList.contains('dragging')) select(node);
    });
  }
}

function drawCurves(links: readonly Link[], places: readonly Place[], select: Select): SVGPathElement[] {
  const placeOf = new Map(places.map((place) => [place.node, place]));
  return links.flatMap((link) => {
    const [source, target] = [placeOf.get(link.from), placeOf.get(link.to)];
    if (source === undefined || target === undefined) return [];
    const element = curve(link, source, target);
    element.addEventListener('click', () => select(link.from, link.to));
    return [element];
  });
}

function hintText({ nodes, links }: Shown, { isTooMany }: Focus, { level }: State): string {
  if (nodes.length === 0) return 'Nothing matches the filters.';
  if (!isTooMany) return '';
  const count = links.filter(({ from, to }) => from !== to).length;
  const noun = level === 'namespaces' ? 'namespace' : 'workload';
  return `${counted(count, 'link')}: too many to draw at once. Select a ${noun} to see its own, or narrow the filters.`;
}

function zoomButtons(panZoom: PanZoom, box: Box): HTMLElement {
  return h(
    'div',
    { class: 'zoom', role: 'group', 'aria-label': 'Zoom' },
    button({ title: 'Closer (+)', 'aria-label': 'Closer' }, '+', () => panZoom.zoomIn()),
    button({ title: 'Farther (−)', 'aria-label': 'Farther' }, '−', () => panZoom.zoomOut()),
    button({ title: 'Everything (0)', 'aria-label': 'Show everything' }, '⤢', () => panZoom.fit(box)),
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

/** Draws a card, and returns the places of its nodes. */
function drawCard(card: Card, content: SVGGElement, level: State['level']): Place[] {
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
    label(group, `${title}${pods}, ${isolationText(node)}`);
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
    label(
      element,
      `${row.node.label}, ${row.node.kind}, ${counted(row.node.pods, 'pod')}, ${isolationText(row.node)}`,
    );
    group.append(element);
    return { node: row.node, element, card, y: row.y + ROW_HEIGHT / 2 };
  });
}

/** Makes an element a button for keyboards and screen readers. */
function label(element: SVGGElement, text: string): void {
  element.setAttribute('role', 'button');
  element.setAttribute('tabindex', '-1');
  element.setAttribute('aria-label', text);
  element.prepend(svg('title', {}, text));
}

function isolationText(node: Node): string {
  return ISOLATION[isolation(node)];
}

function curve(link: Link, source: Place, target: Place): SVGPathElement {
  const rightwards = target.card.x >= source.card.x;
  const side = rightwards ? 1 : -1;
  // Between cards above each other, the curve leaves and enters on the same side.
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

function bounds(cards: readonly Card[]): Box {
  const left = Math.min(...cards.map(({ x, width }) => x - width / 2), 0);
  const top = Math.min(...cards.map(({ y, height }) => y - height / 2), 0);
  const right = Math.max(...cards.map(({ x, width }) => x + width / 2), 1);
  const bottom = Math.max(...cards.map(({ y, height }) => y + height / 2), 1);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** Handles keys of the graph. One place takes part in the order of tabs; an arrow goes to the nearest in its direction. */
function keyboard(
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
