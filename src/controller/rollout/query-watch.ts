/** Asks Prometheus the queries of a rollout, again and again while its wave is under way. Without a wave, there is no timer. */
import {
  answerAfter,
  isNews,
  type QueryAnswer,
  type QueryAnswers,
  type QueryGate,
} from '../../rollout/query-gate.ts';
import type { QueryResult } from '../../rollout/query-result.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { type Clock, sleep } from '../../util/clock.ts';
import { parseDuration } from '../../util/duration.ts';

/** The Prometheus of the operator's configuration. */
export interface PrometheusQueries {
  /** Resolves with the value of the query now, or why there is none. Never rejects. */
  ask(query: string, signal: AbortSignal): Promise<QueryResult>;
  close(): Promise<void>;
}

export interface QueryWatchOptions {
  readonly prometheus: Pick<PrometheusQueries, 'ask'>;
  readonly clock: Clock;
  /** Called when a query goes beyond its bound or has no value any more, and when that ends. */
  readonly onChange: () => void;
}

/** Time from a result to the next request, milliseconds; shorter if a bound has to be broken for a shorter time. */
const INTERVAL = { leastMs: 1000, mostMs: 15_000 };

interface Asked {
  readonly gate: QueryGate;
  readonly stopping: AbortController;
  readonly ended: Promise<void>;
}

export class QueryWatch {
  readonly #options: QueryWatchOptions;
  readonly #asked = new Map<string, Asked>();
  readonly #answers = new Map<string, QueryAnswer>();

  constructor(options: QueryWatchOptions) {
    this.#options = options;
  }

  get answers(): QueryAnswers {
    return this.#answers;
  }

  /** Asks these queries, and no others. */
  follow(gates: readonly QueryGate[]): void {
    const wanted = new Map(gates.map((gate) => [gate.name, gate]));
    for (const [name, { gate, stopping }] of this.#asked) {
      if (canonicalJSON(wanted.get(name) ?? null) === canonicalJSON(gate)) continue;
      stopping.abort();
      this.#asked.delete(name);
      this.#answers.delete(name);
    }
    for (const gate of gates) if (!this.#asked.has(gate.name)) this.#begin(gate);
  }

  async stop(): Promise<void> {
    const asked = [...this.#asked.values()];
    this.follow([]);
    await Promise.all(asked.map(({ ended }) => ended));
  }

  #begin(gate: QueryGate): void {
    const stopping = new AbortController();
    this.#asked.set(gate.name, { gate, stopping, ended: this.#repeat(gate, stopping.signal) });
  }

  async #repeat(gate: QueryGate, signal: AbortSignal): Promise<void> {
    const { prometheus, clock, onChange } = this.#options;
    const forMs = parseDuration(gate.for) ?? 0;
    const intervalMs = Math.min(INTERVAL.mostMs, Math.max(INTERVAL.leastMs, forMs));
    while (!signal.aborted) {
      const result = await prometheus.ask(gate.query, signal);
      if (signal.aborted) return;
      const before = this.#answers.get(gate.name);
      const after = answerAfter(gate, before, result, clock.now());
      this.#answers.set(gate.name, after);
      if (isNews(before, after)) onChange();
      await sleep(clock, intervalMs, signal);
    }
  }
}
