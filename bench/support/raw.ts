/** Runs the raw writer, and finds its best rate. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface RawRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: string;
}

/** Requests that are sent with `flight` of them at a time. */
export interface RawPhase {
  readonly flight: number;
  readonly requests: readonly RawRequest[];
}

export interface RawResult {
  readonly flight: number;
  readonly count: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

export interface Best {
  /** Requests per second at the best number in flight. */
  readonly rate: number;
  readonly flight: number;
  /** The raw writer's CPU time for each request at that number, milliseconds. */
  readonly cpuMs: number;
}

const FLIGHTS = [1, 2, 4, 8, 16, 32, 64];

/** Share of the requests that only find the best numbers in flight. */
const SCANNED = 0.2;
/** Numbers in flight that are measured. */
const CONTENDERS = 2;

/**
 * Measures the raw writer's rate before and after a benchmark, so that a machine that slows down or speeds up affects
 * both. The best number in flight is found with separate requests: the best of many short measurements would be a
 * result of chance.
 */
export class Yardstick {
  readonly #kubeconfig: string;
  readonly #requests: readonly RawRequest[];
  readonly #results: RawResult[] = [];
  #flights: readonly number[] = FLIGHTS;

  /** @param requests requests of equal weight, which all measurements share */
  constructor(kubeconfig: string, requests: readonly RawRequest[]) {
    this.#kubeconfig = kubeconfig;
    this.#requests = requests;
  }

  async before(): Promise<void> {
    const scanned = await this.#send(0, SCANNED, FLIGHTS);
    const rates = scanned
      .map(({ flight, count, seconds }) => ({ flight, rate: count / seconds }))
      .sort((a, b) => b.rate - a.rate);
    this.#flights = rates.slice(0, CONTENDERS).map(({ flight }) => flight);
    this.#results.push(...(await this.#send(SCANNED, (1 + SCANNED) / 2, this.#flights)));
  }

  /** Number of requests that `after` sends. */
  get left(): number {
    return this.#requests.length - Math.round((this.#requests.length * (1 + SCANNED)) / 2);
  }

  async after(): Promise<Best> {
    this.#results.push(...(await this.#send((1 + SCANNED) / 2, 1, this.#flights)));
    return best(this.#results);
  }

  #send(from: number, to: number, flights: readonly number[]): Promise<RawResult[]> {
    const { length } = this.#requests;
    const requests = this.#requests.slice(Math.round(length * from), Math.round(length * to));
    return sendRaw(this.#kubeconfig, requests, flights);
  }
}

/** Sends `requests` in equal shares, with each of `flights` in flight. */
async function sendRaw(
  kubeconfig: string,
  requests: readonly RawRequest[],
  flights: readonly number[],
): Promise<RawResult[]> {
  const child = fork(join(import.meta.dirname, 'raw-writer.ts'), [kubeconfig], { stdio: 'inherit' });
  try {
    await message(child);
    const share = Math.ceil(requests.length / flights.length);
    const results: RawResult[] = [];
    for (const [index, flight] of flights.entries()) {
      const phase: RawPhase = { flight, requests: requests.slice(index * share, (index + 1) * share) };
      if (phase.requests.length === 0) continue;
      child.send(phase);
      results.push((await message(child)) as RawResult);
    }
    return results;
  } finally {
    child.kill();
  }
}

/** The number in flight with the highest rate, over all results that have it. */
function best(results: readonly RawResult[]): Best {
  const sum = (of: readonly RawResult[], figure: 'count' | 'seconds' | 'cpuSeconds') =>
    of.reduce((total, each) => total + each[figure], 0);
  const rates = [...Map.groupBy(results, ({ flight }) => flight)].map(([flight, of]) => ({
    flight,
    rate: sum(of, 'count') / sum(of, 'seconds'),
    cpuMs: (sum(of, 'cpuSeconds') * 1000) / sum(of, 'count'),
  }));
  return rates.reduce((a, b) => (b.rate > a.rate ? b : a));
}

async function message(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController();
  try {
    return await Promise.race([
      once(child, 'message', { signal: ended.signal }).then(([value]) => value as unknown),
      once(child, 'exit', { signal: ended.signal }).then(() => {
        throw new Error('the raw writer ended');
      }),
    ]);
  } finally {
    ended.abort();
  }
}
