/** Guards that are to be widened, and who waits for it. No I/O. */
export class Turns {
  /** The end of the next turn of a profile, which has not begun. */
  readonly #next = new Map<string, () => void>();
  readonly #open = new Set<Promise<void>>();

  /** The inputs of the profile's guard have changed: a turn of it has to begin from now on. */
  request(profile: string): void {
    if (this.#next.has(profile)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#open.add(promise);
    this.#next.set(profile, () => {
      this.#open.delete(promise);
      resolve();
    });
  }

  /** Begins a turn. @returns ends it; may be called more than once */
  begin(profile: string): () => void {
    const end = this.#next.get(profile) ?? (() => {});
    this.#next.delete(profile);
    return end;
  }

  /** Resolves when all turns that were requested by now have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#open);
  }
}
