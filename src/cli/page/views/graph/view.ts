/** The graph: a card for each namespace, a row for each workload, and curves between those that may talk. */
import { button, h, svg } from '../../dom.ts';
import type { Link, Model, Node } from '../../model/nodes.ts';
import type { Shown } from '../../model/selection.ts';
import type { Seen } from '../../model/seen.ts';
import type { State } from '../../model/view-state.ts';
import type { Findings } from '../../model/findings.ts';
import { counted } from '../../../../util/list-text.ts';
import { type Content, contentOf, type LinkEdge } from './cards.ts';
import { arrowheads, drawCard, drawCurve, drawPorts, ISOLATION } from './draw.ts';
import { placeTexts } from './edge-texts.ts';
import { Focus } from './focus.ts';
import { addKeyboard, type Place } from './keyboard.ts';
import { type Box, extentOf, type Layout, type Size } from './layout/geometry.ts';
import { layout } from './layout/layout.ts';
import { PanZoom } from './pan-zoom.ts';

/** More curves than this are drawn thin. */
const MANY_CURVES = 150;
/** With so many nodes or fewer, the selected one is in view anyway. */
const FEW_PLACES = 12;
/** Space around the cards, for arrows that leave them, and around the window's edge. */
const MARGIN = 24;
/** The height of the bar with the legend. */
const BAR = 60;

export interface GraphViewInput {
  readonly model: Model;
  readonly shown: Shown;
  readonly state: State;
  /** The space for the view. */
  readonly window: Size;
  readonly select: (node: Node, second?: Node) => void;
  /** Folds a namespace or group, or unfolds it. */
  readonly fold: (unit: Node) => void;
  /** Undefined if the page has no observed flows. */
  readonly seen: Seen | undefined;
  /** Undefined if the page has no findings. */
  readonly findings: Findings | undefined;
  readonly listFindings: (node: Node) => void;
}

interface Picture {
  readonly content: Content;
  readonly layout: Layout;
}

/** The last picture. A selection changes neither cards nor positions. */
let last: { readonly key: string; readonly picture: Picture } | undefined;

function pictureOf({ model, shown, state, window, findings }: GraphViewInput): Picture {
  const size = { width: Math.max(window.width, 300), height: Math.max(window.height - BAR, 300) };
  const { level, search, namespaces, peers, addresses, group, folded, badges } = state;
  const key = JSON.stringify([level, search, namespaces, peers, addresses, group, folded, badges, size]);
  if (last?.key !== key) {
    const content = contentOf(model, shown, state, badges ? findings : undefined);
    last = { key, picture: { content, layout: layout(content.cards, content.edges, size) } };
  }
  return last.picture;
}

export function graphView(input: GraphViewInput): HTMLElement {
  const { shown, state, select, fold, listFindings } = input;
  const picture = pictureOf(input);
  const content = svg('g');
  const frame = svg(
    'svg',
    { class: 'graph', role: 'application', 'aria-label': 'Graph of who may talk to whom' },
    arrowheads(),
    content,
  );
  const focus = new Focus(picture.content, state);
  content.append(drawEdges(focus, picture.layout, input));
  const places = picture.content.cards.flatMap((card) => {
    const box = picture.layout.boxes.get(card.id);
    return box === undefined ? [] : drawCard(card, box, content, { fold, listFindings });
  });
  markPlaces(places, focus, frame, select);
  frame.classList.toggle('focused', focus.exists);
  frame.classList.toggle('many', focus.edges.length > MANY_CURVES && !focus.exists);
  const panZoom = new PanZoom(frame, content);
  const box = withMargin(extentOf(picture.layout));
  const fit = () => panZoom.fit(box);
  addKeyboard(frame, places, { panZoom, select, fold, listFindings, fit });
  requestAnimationFrame(() => {
    fit();
    const selected = places.find(({ node }) => focus.isSelected(node));
    if (selected !== undefined && places.length > FEW_PLACES) panZoom.reveal(selected.x, selected.y);
  });
  const hint = hintText(
    shown,
    focus,
    picture.content.edges.map(({ link }) => link),
    state,
  );
  return h(
    'div',
    { class: 'canvas' },
    frame,
    hint !== '' && h('p', { class: 'hint' }, hint),
    h(
      'div',
      { class: 'bar' },
      legend({ hasBadges: input.findings !== undefined && state.badges, hasSeen: input.seen !== undefined }),
      zoomButtons(panZoom, fit),
    ),
  );
}

function drawEdges(
  focus: Focus,
  { routes, boxes }: Layout,
  { select, seen }: Pick<GraphViewInput, 'select' | 'seen'>,
): SVGGElement {
  const group = svg('g', { class: 'curves' });
  const texts = placeTexts(focus.edges, { routes, boxes });
  for (const edge of focus.edges) {
    const curve = drawCurve(edge, routes.get(edge)?.points ?? []);
    if (seen?.isUnseen(edge.link) === true) {
      curve.classList.add('unseen');
      curve.querySelector('title')?.append(', never seen');
    }
    curve.addEventListener('click', () => select(edge.link.from, edge.link.to));
    group.append(curve);
  }
  group.append(...[...texts].map(([edge, at]: [LinkEdge, { x: number; y: number }]) => drawPorts(edge, at)));
  return group;
}

function markPlaces(
  places: readonly Place[],
  focus: Focus,
  frame: SVGSVGElement,
  select: GraphViewInput['select'],
): void {
  for (const { node, element } of places) {
    element.classList.toggle('selected', focus.isSelected(node));
    element.classList.toggle('near', focus.isNear(node));
    element.addEventListener('click', () => {
      if (!frame.classList.contains('dragging')) select(node);
    });
  }
}

function hintText({ nodes }: Shown, { isTooMany }: Focus, links: readonly Link[], { level }: State): string {
  if (nodes.length === 0) return 'Nothing matches the filters.';
  if (!isTooMany) return '';
  const noun = level === 'namespaces' ? 'namespace' : 'workload';
  return `${counted(links.length, 'link')}: too many to draw at once. Select a ${noun} to see its own, fold, or narrow the filters.`;
}

function zoomButtons(panZoom: PanZoom, fit: () => void): HTMLElement {
  return h(
    'div',
    { class: 'zoom', role: 'group', 'aria-label': 'Zoom' },
    button({ title: 'Closer (+)', 'aria-label': 'Closer' }, '+', () => panZoom.zoomIn()),
    button({ title: 'Farther (−)', 'aria-label': 'Farther' }, '−', () => panZoom.zoomOut()),
    button({ title: 'Everything (0)', 'aria-label': 'Show everything' }, '⤢', fit),
  );
}

function legend({ hasBadges, hasSeen }: { hasBadges: boolean; hasSeen: boolean }): HTMLElement {
  const item = (kind: string, text: string) => h('span', { class: `key ${kind}` }, text);
  return h(
    'div',
    { class: 'legend' },
    ...Object.entries(ISOLATION).map(([kind, text]) => item(kind, text)),
    item('line-some', 'some ports'),
    item('line-all', 'all ports'),
    item('line-partial', 'some pods only'),
    hasSeen && item('line-unseen', 'never seen'),
    hasBadges && h('span', {}, h('span', { class: 'pill high' }, 'H 12'), ' 12 findings, the worst high'),
  );
}

function withMargin({ x, y, width, height }: Box): Box {
  return { x: x - MARGIN, y: y - MARGIN, width: width + 2 * MARGIN, height: height + 2 * MARGIN };
}
