/**
 * Endpoint addresses that vanished a short while ago. Such an address may come back, and its replacement may not be known
 * yet: while an API server restarts, its clients must not be cut from it.
 */
import type { Clock, Timer } from '../../util/clock.ts';
import type { EndpointFacts } from '../../policy/facts.ts';

/** How long an address is kept after it vanished, in milliseconds: longer than a control plane node takes to restart. */
const RETENTION_MS = 5 * 60_000;

interface Retained {
  readonly facts: EndpointFacts;
  readonly timer: Timer;
}

export class RetainedEndpoints {
  /** Slices of one address each, by the address and its ports. */
  readonly #retained = new Map<string, Retained>();
  readonly #clock: Clock;
  readonly #onExpired: () => void;

  /** @param onExpired called when an address expires: `with` adds it no longer */
  constructor(clock: Clock, onExpired: () => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** An EndpointSlice was changed, created (`old` is undefined) or deleted (`next` is undefined). */
  note(old: EndpointFacts | undefined, next: EndpointFacts | undefined): void {
    const present = new Set(next === undefined ? [] : single(next).keys());
    for (const [key, facts] of old === undefined ? [] : single(old))
      if (!present.has(key)) this.#retain(key, facts);
  }

  /** `slices`, and the addresses that were in them until lately. */
  with(slices: readonly EndpointFacts[]): readonly EndpointFacts[] {
    const present = new Set(slices.flatMap((slice) => [...single(slice).keys()]));
    return [
      ...slices,
      ...[...this.#retained].filter(([key]) => !present.has(key)).map(([, { facts }]) => facts),
    ];
  }

  #retain(key: string, facts: EndpointFacts): void {
    this.#retained.get(key)?.timer.cancel();
    const timer = this.#clock.schedule(RETENTION_MS, () => {
      this.#retained.delete(key);
      this.#onExpired();
    });
    this.#retained.set(key, { facts, timer });
  }
}

/** Each address of a slice as a slice of its own, by the address and its ports. */
function single({ addresses, ports }: EndpointFacts): Map<string, EndpointFacts> {
  return new Map(
    addresses.map((address) => [JSON.stringify([address, ports]), { addresses: [address], ports }] as const),
  );
}
