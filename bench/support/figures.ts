/** Measures of benchmarks: percentiles, time, and a process's CPU time and memory as Linux accounts them. */
import { readdirSync, readFileSync } from 'node:fs';

/** Figures by name. The name has the unit; ratios have none. */
export type Figures = Readonly<Record<string, number>>;

/** The value below which a share `p` of the samples lies; NaN without samples. */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}

/** Seconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** Runs `work` for each item, `limit` at a time. */
export async function inFlight<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const queue = items[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: limit }, async () => {
      for (let next = queue.next(); next.done !== true; next = queue.next()) await work(next.value);
    }),
  );
}

/** Unit of Linux's CPU times in /proc, on every architecture. */
const TICKS_PER_SECOND = 100;

/** Seconds of CPU, user and system, that the process has used; 0 without /proc. */
export function cpuSeconds(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  // The name, in parentheses, may contain any character.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
}

/** Resident memory in MiB, now and at its highest; 0 without /proc. */
export function residentMiB(pid: number): { now: number; peak: number } {
  const status = read(`/proc/${pid}/status`);
  const value = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return { now: value('VmRSS'), peak: value('VmHWM') };
}

/** Processes whose command line contains `text`, such as the directory of a control plane. */
export function processesOf(text: string): number[] {
  try {
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry) && read(`/proc/${entry}/cmdline`).includes(text))
      .map(Number);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
