/** The graph's content before it has positions: cards with rows, and the links between them. Pure. */
import type { Badge, Findings } from '../../model/findings.ts';
import type { Link, Model, Node } from '../../model/nodes.ts';
import type { Shown } from '../../model/selection.ts';
import type { State } from '../../model/view-state.ts';
import type { Edge, Item } from './layout/geometry.ts';

export interface Row {
  /** Undefined for a heading. */
  readonly node: Node | undefined;
  readonly text: string;
  /** Its top, from the top of the card. */
  readonly y: number;
  readonly badge?: Badge | undefined;
}

/** A card for a namespace, a group of namespaces, or a block of addresses. */
export interface Card extends Item {
  readonly title: string;
  /** The node that the card as a whole stands for; undefined for a card with rows. */
  readonly node: Node | undefined;
  readonly rows: readonly Row[];
  /** The namespace or group that can be folded or unfolded; undefined if there is nothing to fold. */
  readonly unit: Node | undefined;
  readonly badge?: Badge | undefined;
}

export interface LinkEdge extends Edge {
  readonly link: Link;
}

export interface Content {
  readonly cards: readonly Card[];
  readonly edges: readonly LinkEdge[];
}

export const TITLE_HEIGHT = 30;
export const ROW_HEIGHT = 24;
/** Average width of a character, in pixels. */
const CHARACTER = 7.4;
const PADDING = 44;
const FOLD_WIDTH = 22;
const BADGE_GAP = 8;
/** A text on an edge is cut at this length. The details have the whole of it. */
const MAX_TEXT = 28;

/**
 * @param state its level, group and folded units decide which nodes share a card
 * @param findings those whose numbers nodes show; undefined for none
 */
export function contentOf(model: Model, shown: Shown, state: State, findings?: Findings): Content {
  const badgeOf = (node: Node | undefined) => node && findings?.badge(node);
  const byUnit = Map.groupBy(shown.nodes, (node) => unitOf(model, node, state)?.id ?? node.id);
  const cards = [...byUnit].map(([id, members]) => {
    const unit = members[0] && unitOf(model, members[0], state);
    return unit === undefined
      ? createCard({ id, title: members[0]?.label ?? '', node: members[0], unit, rows: [] }, badgeOf)
      : createCard(unitCard(unit, members, state), badgeOf);
  });
  const nodeOf = (node: Node) => {
    const unit = unitOf(model, node, state);
    return unit !== undefined && state.folded.includes(unit.id) ? unit : node;
  };
  return { cards, edges: edgesOf(cards, foldedLinks(model, shown.links, nodeOf)) };
}

/** The units of a state, which can be folded. */
export function unitsOf(model: Model, state: State): Node[] {
  return [...new Set(model.nodes(state.level).flatMap((node) => unitOf(model, node, state) ?? []))];
}

/** The group or namespace in whose card a node stands; undefined if the node has a card of its own. */
function unitOf(model: Model, { ns }: Node, { group, level }: State): Node | undefined {
  if (ns === undefined) return undefined;
  return model.labelGroup(group, ns) ?? (level === 'workloads' ? model.node(ns) : undefined);
}

function unitCard(unit: Node, members: readonly Node[], state: State): CardInput {
  const isFolded = state.folded.includes(unit.id);
  return {
    id: unit.id,
    title: unit.label,
    node: isFolded ? unit : undefined,
    unit,
    rows: isFolded ? [] : rowsOf(unit, members, state),
  };
}

/** In a group, workloads have the names of their namespaces as headings. */
function rowsOf(unit: Node, members: readonly Node[], { level }: State): Omit<Row, 'y'>[] {
  if (level === 'namespaces') return members.map((node) => ({ node, text: node.label }));
  const workloads = (of: readonly Node[], ns: string) =>
    of.map((node) => ({ node, text: node.label.slice(ns.length + 1) }));
  if (unit.ns !== undefined) return workloads(members, unit.ns);
  return [...Map.groupBy(members, ({ ns = '' }) => ns)].flatMap(([ns, own]) => [
    { node: undefined, text: ns },
    ...workloads(own, ns),
  ]);
}

type CardInput = Pick<Card, 'id' | 'title' | 'node' | 'unit'> & { readonly rows: readonly Omit<Row, 'y'>[] };

function createCard(
  { id, title, node, unit, rows }: CardInput,
  badgeOf: (node: Node | undefined) => Badge | undefined,
): Card {
  const placed = rows.map((row, index) => ({
    ...row,
    y: TITLE_HEIGHT + index * ROW_HEIGHT,
    badge: badgeOf(row.node),
  }));
  const badge = badgeOf(unit ?? node);
  const height = TITLE_HEIGHT + rows.length * ROW_HEIGHT + (rows.length > 0 ? 6 : 0);
  const width =
    Math.max(
      textWidth(title, badge) + (unit === undefined ? 0 : FOLD_WIDTH),
      ...placed.map((row) => textWidth(row.text, row.badge)),
    ) + PADDING;
  return { id, title, node, unit, rows: placed, width, height, badge };
}

function textWidth(text: string, badge: Badge | undefined): number {
  return text.length * CHARACTER + (badge === undefined ? 0 : badgeWidth(badge) + BADGE_GAP);
}

/** `H 12`: the initial of the worst severity, and the number of findings. */
export function badgeText({ count, worst }: Badge): string {
  return `${worst.slice(0, 1).toUpperCase()} ${count}`;
}

export function badgeWidth(badge: Badge): number {
  return badgeText(badge).length * CHARACTER + 10;
}

/** The links between the nodes that are visible, which stand for those in folded cards. */
function foldedLinks(model: Model, links: readonly Link[], visible: (node: Node) => Node): Link[] {
  const joined = new Map<Node, Set<Node>>();
  const result: Link[] = [];
  for (const link of links) {
    const [from, to] = [visible(link.from), visible(link.to)];
    if (from === link.from && to === link.to) {
      result.push(link);
      continue;
    }
    const known = joined.get(from) ?? new Set();
    joined.set(from, known);
    if (known.has(to)) continue;
    known.add(to);
    const between = model.link(from, to);
    if (between !== undefined) result.push(between);
  }
  return result;
}

/** Links of a node with itself have no edge. */
function edgesOf(cards: readonly Card[], links: readonly Link[]): LinkEdge[] {
  const ends = new Map<Node, Edge['source']>();
  for (const card of cards) {
    if (card.node !== undefined) ends.set(card.node, { item: card, y: TITLE_HEIGHT / 2 });
    for (const { node, y } of card.rows) {
      if (node !== undefined) ends.set(node, { item: card, y: y + ROW_HEIGHT / 2 });
    }
  }
  return links.flatMap((link) => {
    const [source, target] = [ends.get(link.from), ends.get(link.to)];
    if (source === undefined || target === undefined || link.from === link.to) return [];
    return [{ link, source, target, text: shortText(link.ports) }];
  });
}

function shortText(ports: string): string {
  return ports.length > MAX_TEXT ? `${ports.slice(0, MAX_TEXT - 1)}…` : ports;
}
