/** Summarises occurrences for one Event, in bounded memory however many there are. */

/** The summary of several occurrences, from which an Event's note is made. */
export interface OccurrenceSummary {
  /** Distinct subjects in alphabetical order, at most MAX_SUBJECTS. */
  readonly subjects: readonly string[];
  /** Number of subjects. May over-count above MAX_SUBJECTS: duplicates are no longer detected. */
  readonly subjectCount: number;
  /** Sums of the occurrences' amounts, by name. */
  readonly amounts: Readonly<Record<string, number>>;
  /** The first few distinct details. */
  readonly details: readonly string[];
}

/** The part of an occurrence that is summarised. */
export interface OccurrenceFacts {
  /** The object that it happened to, such as a namespace. */
  readonly subject?: string | undefined;
  /** Counts under fixed names, such as `created`. */
  readonly amounts?: Readonly<Record<string, number>> | undefined;
  readonly details?: readonly string[] | undefined;
}

/** Subjects that are remembered; further ones are only counted. */
export const MAX_SUBJECTS = 1000;
const MAX_DETAILS = 5;

export class Summariser {
  readonly #subjects = new Set<string>();
  readonly #details = new Set<string>();
  readonly #amounts: Record<string, number> = {};
  #unnamedSubjects = 0;

  add({ subject, amounts = {}, details = [] }: OccurrenceFacts): void {
    if (subject !== undefined && !this.#subjects.has(subject)) {
      if (this.#subjects.size < MAX_SUBJECTS) this.#subjects.add(subject);
      else this.#unnamedSubjects += 1;
    }
    for (const [name, amount] of Object.entries(amounts)) {
      this.#amounts[name] = (this.#amounts[name] ?? 0) + amount;
    }
    for (const detail of details) if (this.#details.size < MAX_DETAILS) this.#details.add(detail);
  }

  summary(): OccurrenceSummary {
    return {
      subjects: [...this.#subjects].sort(),
      subjectCount: this.#subjects.size + this.#unnamedSubjects,
      amounts: this.#amounts,
      details: [...this.#details],
    };
  }
}
