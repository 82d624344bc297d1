/** Bounds of ports, equal ones once, so that they are compared by identity and combined by a table. Pure. */
import type { PortBounds } from '../layers/port-bounds.ts';
import type { PortMask } from './ports.ts';

export interface KnownBounds extends PortBounds {
  readonly id: number;
}

type Combine = (a: PortMask, b: PortMask) => PortMask;

export class InternedBounds {
  readonly #known = new Map<string, KnownBounds>();
  readonly #both: KnownBounds[][] = [];
  readonly #either: KnownBounds[][] = [];

  of({ least, most }: PortBounds): KnownBounds {
    const key = `${least} ${most}`;
    let known = this.#known.get(key);
    if (known === undefined) this.#known.set(key, (known = { least, most, id: this.#known.size }));
    return known;
  }

  /** The ports that both ends allow. */
  both(a: KnownBounds, b: KnownBounds): KnownBounds {
    return this.#combined(this.#both, [a, b], (one, other) => one & other);
  }

  either(a: KnownBounds, b: KnownBounds): KnownBounds {
    return this.#combined(this.#either, [a, b], (one, other) => one | other);
  }

  #combined(table: KnownBounds[][], [a, b]: readonly [KnownBounds, KnownBounds], by: Combine): KnownBounds {
    const row = (table[a.id] ??= []);
    return (row[b.id] ??= this.of({ least: by(a.least, b.least), most: by(a.most, b.most) }));
  }
}
