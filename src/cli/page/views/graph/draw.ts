/** The elements of the graph: cards, curves with their ports, and arrowheads. */
import { svg } from '../../dom.ts';
import { type Isolation, isolation, type Node } from '../../model/nodes.ts';
import { counted } from '../../../../util/list-text.ts';
import type { Badge } from '../../model/findings.ts';
import {
  badgeText,
  badgeWidth,
  type Card,
  type LinkEdge,
  ROW_HEIGHT,
  type Row,
  TITLE_HEIGHT,
} from './cards.ts';
import type { Place } from './keyboard.ts';
import { type Box, LABEL_HEIGHT, labelWidth, type Point } from './layout/geometry.ts';
import { pathOf } from './layout/path.ts';

export const ISOLATION: Readonly<Record<Isolation, string>> = {
  closed: 'isolated both ways',
  partly: 'partly isolated',
  open: 'open',
  host: 'host network',
  outside: 'addresses',
};

export interface CardActions {
  /** Folds a namespace or group, or unfolds it. */
  readonly fold: (unit: Node) => void;
  /** Lists the findings of a node. */
  readonly listFindings: (node: Node) => void;
}

/** Draws a card into `content`, and returns the places of its nodes. */
export function drawCard(card: Card, box: Box, content: SVGGElement, actions: CardActions): Place[] {
  const { fold, listFindings } = actions;
  const { title, node, rows, unit } = card;
  const { x, y, width, height } = box;
  const group = svg('g', {
    class: `card ${node === undefined ? 'group' : isolation(node)}`,
    transform: `translate(${x} ${y})`,
  });
  const button = svg('g');
  button.append(svg('rect', { class: 'frame', width, height, rx: 8 }));
  button.append(svg('text', { class: 'title', x: 14, y: TITLE_HEIGHT / 2 + 5 }, title));
  group.append(button);
  content.append(group);
  const places = rows.flatMap((row) => {
    const element = drawRow(row, width);
    group.append(element);
    if (row.node === undefined) return [];
    if (row.badge)
      group.append(
        drawBadge(row.badge, row.node, { right: width - 10, y: row.y + ROW_HEIGHT / 2, listFindings }),
      );
    return [{ node: row.node, element, unit, x: x + width / 2, y: y + row.y + ROW_HEIGHT / 2 }];
  });
  if (unit !== undefined) group.append(foldToggle(unit, { width, isFolded: node !== undefined, fold }));
  const whole = unit ?? node;
  if (card.badge && whole) {
    const right = width - (unit === undefined ? 10 : 30);
    const badge = drawBadge(card.badge, whole, { right, y: TITLE_HEIGHT / 2, listFindings });
    badge.classList.add('of-card');
    group.append(badge);
  }
  for (const { element } of places) element.setAttribute('data-unit', unit?.id ?? '');
  if (node === undefined) return places;
  button.setAttribute('data-unit', unit?.id ?? '');
  button.setAttribute('class', 'whole');
  label(button, cardText(node));
  return [{ node, element: button, unit, x: x + width / 2, y: y + TITLE_HEIGHT / 2 }];
}

function cardText(node: Node): string {
  const namespaces = node.kind === 'Group' ? ', folded group of namespaces' : '';
  const pods = node.pods > 0 ? `, ${counted(node.pods, 'pod')}` : '';
  return `${node.label}${namespaces}${pods}, ${ISOLATION[isolation(node)]}`;
}

interface BadgePlace {
  /** Its right end, and the middle of its height. */
  readonly right: number;
  readonly y: number;
  readonly listFindings: CardActions['listFindings'];
}

function drawBadge(badge: Badge, node: Node, { right, y, listFindings }: BadgePlace): SVGGElement {
  const [width, text] = [badgeWidth(badge), badgeText(badge)];
  const element = svg(
    'g',
    { class: `badge ${badge.worst}`, transform: `translate(${right - width} ${y - 8})` },
    svg('rect', { width, height: 16, rx: 8 }),
    svg('text', { x: width / 2, y: 12 }, text),
  );
  label(
    element,
    `${text}: ${counted(badge.count, 'finding')} of ${node.label}, the worst ${badge.worst} (a)`,
  );
  element.addEventListener('click', () => listFindings(node));
  return element;
}

function drawRow({ node, text, y }: Row, width: number): SVGGElement {
  const transform = `translate(0 ${y})`;
  if (node === undefined) {
    return svg('g', { class: 'heading', transform }, svg('text', { x: 14, y: ROW_HEIGHT / 2 + 5 }, text));
  }
  const element = svg(
    'g',
    { class: `row ${isolation(node)}`, transform },
    svg('rect', { x: 4, width: width - 8, height: ROW_HEIGHT, rx: 5 }),
    svg('circle', { cx: 16, cy: ROW_HEIGHT / 2, r: 4 }),
    svg('text', { x: 28, y: ROW_HEIGHT / 2 + 4.5 }, text),
  );
  label(element, `${node.label}, ${node.kind}, ${counted(node.pods, 'pod')}, ${ISOLATION[isolation(node)]}`);
  return element;
}

interface FoldToggle {
  readonly width: number;
  readonly isFolded: boolean;
  readonly fold: (unit: Node) => void;
}

function foldToggle(unit: Node, { width, isFolded, fold }: FoldToggle): SVGGElement {
  const element = svg(
    'g',
    { class: 'fold', transform: `translate(${width - 26} 5)`, 'aria-expanded': String(!isFolded) },
    svg('rect', { width: 20, height: 20, rx: 5 }),
    svg('path', { d: isFolded ? 'M8 5 L13 10 L8 15' : 'M5 8 L10 13 L15 8' }),
  );
  label(element, `${isFolded ? 'Unfold' : 'Fold'} ${unit.label} (f)`);
  element.addEventListener('click', () => fold(unit));
  return element;
}

/** Makes an element a button for keyboards and screen readers. */
function label(element: SVGGElement, text: string): void {
  element.setAttribute('role', 'button');
  element.setAttribute('tabindex', '-1');
  element.setAttribute('aria-label', text);
  element.prepend(svg('title', {}, text));
}

export function drawCurve({ link }: LinkEdge, points: readonly Point[]): SVGPathElement {
  const text = `${link.from.label} to ${link.to.label}: ${link.ports}${link.partial ? ' (some pods)' : ''}`;
  const kind = `${link.everyPort ? 'every' : 'some'}${link.partial ? ' partial' : ''}`;
  const head = link.everyPort ? 'head-every' : 'head-some';
  return svg(
    'path',
    { class: `curve ${kind}`, d: pathOf(points), 'marker-end': `url(#${head})` },
    svg('title', {}, text),
  );
}

export function drawPorts({ link, text }: LinkEdge, { x, y }: Point): SVGGElement {
  const width = labelWidth(text) - 4;
  return svg(
    'g',
    { class: `ports ${link.everyPort ? 'every' : 'some'}` },
    svg('rect', { x: x - width / 2, y: y - LABEL_HEIGHT / 2, width, height: LABEL_HEIGHT }),
    svg('text', { x, y: y + 4 }, text),
  );
}

export function arrowheads(): SVGDefsElement {
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
