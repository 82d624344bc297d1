/**
 * Endpoint addresses that vanished a while ago. An address that goes may come back, and what replaces it may not be
 * known yet: while an API server restarts, its clients must not be cut from it.
 */
import type { Clock, Timer } from '../../util/clock.ts';
import type { EndpointFacts } from '../../policy/facts.ts';

/** For how long an address is kept after it vanished, in milliseconds: longer than a control plane node takes to restart. */
const RETENTION_MS = 5 * 60_000;

interface Kept {
  readonly facts: EndpointFacts;
  readonly timer: Timer;
}

export class RetainedEndpoints {
  /** One address each, by the address and its ports. */
  readonly #kept = new Map<string, Kept>();
  readonly #clock: Clock;
  readonly #onExpired: () => void;

  /** @param onExpired what `with` adds has become less */
  constructor(clock: Clock, onExpired: () => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** An EndpointSlice changed, came or went. */
  note(old: EndpointFacts | undefined, next: EndpointFacts | undefined): void {
    const present = new Set(next === undefined ? [] : single(next).keys());
    for (const [key, facts] of old === undefined ? [] : single(old))
      if (!present.has(key)) this.#keep(key, facts);
  }

  /** `slices`, and what was in them until lately. */
  with(slices: readonly EndpointFacts[]): readonly EndpointFacts[] {
    const present = new Set(slices.flatMap((slice) => [...single(slice).keys()]));
    return [...slices, ...[...this.#kept].filter(([key]) => !present.has(key)).map(([, { facts }]) => facts)];
  }

  #keep(key: string, facts: EndpointFacts): void {
    this.#kept.get(key)?.timer.cancel();
    const timer = this.#clock.schedule(RETENTION_MS, () => {
      this.#kept.delete(key);
      this.#onExpired();
    });
    this.#kept.set(key, { facts, timer });
  }
}

/** Each address of a slice as a slice of its own. */
function single({ addresses, ports }: EndpointFacts): Map<string, EndpointFacts> {
  return new Map(
    addresses.map((address) => [JSON.stringify([address, ports]), { addresses: [address], ports }] as const),
  );
}
