/** What is known of like occurrences until an Event tells of them together. Its size is bounded, however many come. */

/** The sum of what was gathered; the text of an Event is made of it. */
export interface Gathered {
  /** Distinct subjects, in the order of their names: all of them, or as many as are remembered. */
  readonly subjects: readonly string[];
  /** How many subjects there were; beyond those remembered one that came again counts again. */
  readonly subjectCount: number;
  /** The sums of the occurrences' amounts. */
  readonly amounts: Readonly<Record<string, number>>;
  /** Distinct details, the first few. */
  readonly details: readonly string[];
}

export interface Part {
  /** What it happened to, such as a namespace. */
  readonly subject?: string | undefined;
  /** A few numbers under fixed names. */
  readonly amounts?: Readonly<Record<string, number>> | undefined;
  readonly details?: readonly string[] | undefined;
}

/** Subjects beyond these are only counted. */
export const MAX_SUBJECTS = 1000;
const MAX_DETAILS = 5;

export class Gathering {
  readonly #subjects = new Set<string>();
  readonly #details = new Set<string>();
  readonly #amounts: Record<string, number> = {};
  #uncounted = 0;

  add({ subject, amounts = {}, details = [] }: Part): void {
    if (subject !== undefined && !this.#subjects.has(subject)) {
      if (this.#subjects.size < MAX_SUBJECTS) this.#subjects.add(subject);
      else this.#uncounted += 1;
    }
    for (const [name, amount] of Object.entries(amounts)) {
      this.#amounts[name] = (this.#amounts[name] ?? 0) + amount;
    }
    for (const detail of details) if (this.#details.size < MAX_DETAILS) this.#details.add(detail);
  }

  sum(): Gathered {
    return {
      subjects: [...this.#subjects].sort(),
      subjectCount: this.#subjects.size + this.#uncounted,
      amounts: this.#amounts,
      details: [...this.#details],
    };
  }
}
