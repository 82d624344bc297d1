/** The ports of a link: the union over the pairs of classes of its groups. Pure. */
import type { StandInRole } from '../layers/layered-view.ts';
import type { PortBounds } from '../layers/port-bounds.ts';
import type { PortMask } from '../model/ports.ts';

export interface Union {
  least: PortMask;
  most: PortMask;
  /** The ports of the first pair of classes, with which those of the others are compared. */
  readonly first: PortBounds;
  partial: boolean;
  /** The rules of layers that decide about some of the ports; absent if there are none. */
  deciders?: Set<StandInRole>;
}

/** Adds the ports to the union of a key, which begins with them if there is none. */
export function add(union: Map<number, Union>, key: number, open: PortBounds): Union {
  const known = union.get(key);
  if (known === undefined) {
    const made: Union = { ...open, first: open, partial: false };
    union.set(key, made);
    return made;
  }
  addTo(known, open);
  return known;
}

export function addTo(union: Union, open: PortBounds): void {
  union.least |= open.least;
  union.most |= open.most;
  union.partial ||= open.least !== union.first.least || open.most !== union.first.most;
}

export function addDeciders(union: Union, deciders: readonly StandInRole[] = []): void {
  if (deciders.length === 0) return;
  union.deciders ??= new Set();
  for (const role of deciders) union.deciders.add(role);
}
