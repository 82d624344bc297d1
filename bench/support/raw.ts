/** Runs the raw writer, and says what its best rate is. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface RawRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: string;
}

/** Requests that are sent with `flight` of them under way at once. */
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
  /** Milliseconds of CPU of the raw writer for each request, at that number. */
  readonly cpuMs: number;
}

const FLIGHTS = [1, 2, 4, 8, 16, 32, 64];

/**
 * Sends `requests` in equal shares with 1 to 64 in flight. Calls for the same yardstick may be spread over a run, so
 * that a machine that slows down or speeds up does so for both: see `best`.
 */
export async function sendRaw(kubeconfig: string, requests: readonly RawRequest[]): Promise<RawResult[]> {
  const child = fork(join(import.meta.dirname, 'raw-writer.ts'), [kubeconfig], { stdio: 'inherit' });
  try {
    await message(child);
    const share = Math.ceil(requests.length / FLIGHTS.length);
    const results: RawResult[] = [];
    for (const [index, flight] of FLIGHTS.entries()) {
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
export function best(results: readonly RawResult[]): Best {
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
