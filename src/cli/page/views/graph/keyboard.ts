/** The keys of the graph. One place takes part in the order of tabs; an arrow goes to the nearest in its direction. */
import type { Node } from '../../model/nodes.ts';
import type { PanZoom } from './pan-zoom.ts';

/** A node in the graph: a card, or a row of one. */
export interface Place {
  readonly node: Node;
  readonly element: SVGGElement;
  /** The namespace or group whose card it is on; undefined if there is nothing to fold. */
  readonly unit: Node | undefined;
  /** The middle of its row, or of its title. */
  readonly x: number;
  readonly y: number;
}

export interface KeyActions {
  readonly panZoom: PanZoom;
  readonly select: (node: Node) => void;
  readonly fold: (unit: Node) => void;
  /** Lists the findings of a node. */
  readonly listFindings: (node: Node) => void;
  readonly fit: () => void;
}

export function addKeyboard(
  frame: SVGSVGElement,
  places: readonly Place[],
  { panZoom, select, fold, listFindings, fit }: KeyActions,
): void {
  let current = places.find(({ element }) => element.classList.contains('selected')) ?? places[0];
  current?.element.setAttribute('tabindex', '0');
  frame.addEventListener('focusin', ({ target }) => {
    const focused = places.find(({ element }) => element === target);
    if (focused === undefined) return;
    current?.element.setAttribute('tabindex', '-1');
    current = focused;
    current.element.setAttribute('tabindex', '0');
  });
  const go = (dx: number, dy: number) => {
    const next = current && nearest(places, current, dx, dy);
    if (next === undefined) return;
    next.element.focus();
    panZoom.reveal(next.x, next.y);
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
    f: () => current?.unit && fold(current.unit),
    a: () => current && listFindings(current.node),
    Enter: () => current && select(current.node),
    ' ': () => current && select(current.node),
  };
  frame.addEventListener('keydown', (event) => {
    const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
}

function nearest(places: readonly Place[], here: Place, dx: number, dy: number): Place | undefined {
  return places
    .map((place) => {
      const along = (place.x - here.x) * dx + (place.y - here.y) * dy;
      const across = Math.abs((place.x - here.x) * dy) + Math.abs((place.y - here.y) * dx);
      return { place, along, cost: along + 2 * across };
    })
    .filter(({ along }) => along > 1)
    .sort((a, b) => a.cost - b.cost)[0]?.place;
}
