/**
 * Records the time of each test file of a run, as lines of JSON in the file that TEST_DURATIONS names. Of the processors'
 * time, a file has that of its mocha worker and of all processes that the worker started, such as control planes, operators
 * and tools, since the end of the file before it. It is read from /proc: absent elsewhere than on Linux.
 */
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

const TICK = 10; // ms of a clock tick: USER_HZ is 100 on all of Node's platforms

export interface FileDuration {
  /** Path relative to the working directory. */
  readonly file: string;
  readonly wallMs: number;
  readonly cpuMs?: number;
}

interface ProcessTime {
  readonly parent: number;
  /** Processor time of the process and of its ended children, milliseconds. */
  readonly ms: number;
}

/** Returns a function that records the file that has just ended. */
export function durationRecorder(to: string): (file: string) => void {
  let last: Omit<FileDuration, 'file'> = { wallMs: 0, cpuMs: 0 };
  return (file) => {
    const wallMs = performance.now();
    const cpuMs = familyTime(process.pid);
    const duration: FileDuration = {
      file: relative(process.cwd(), file),
      wallMs: wallMs - last.wallMs,
      ...(cpuMs !== undefined && { cpuMs: cpuMs - (last.cpuMs ?? 0) }),
    };
    last = { wallMs, ...(cpuMs !== undefined && { cpuMs }) };
    appendFileSync(to, `${JSON.stringify(duration)}\n`);
  };
}

/** Processor time of a process and all its descendants so far, milliseconds; undefined without /proc. */
export function familyTime(root: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const processes = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((id) => {
        const time = processTime(id);
        return time === undefined ? [] : [[Number(id), time] as const];
      }),
  );
  const isOfFamily = (id: number): boolean =>
    id === root || (processes.has(id) && isOfFamily(processes.get(id)?.parent ?? 0));
  return [...processes].reduce((sum, [id, { ms }]) => sum + (isOfFamily(id) ? ms : 0), 0);
}

function processTime(id: string): ProcessTime | undefined {
  try {
    // proc_pid_stat(5): the command in parentheses may have spaces and parentheses of its own.
    const fields = readFileSync(`/proc/${id}/stat`, 'utf8').split(') ').pop()?.split(' ').map(Number) ?? [];
    const [, parent = 0] = fields;
    const ticks = fields.slice(11, 15).reduce((sum, each) => sum + each, 0); // utime, stime, cutime, cstime
    return { parent, ms: ticks * TICK };
  } catch {
    return undefined; // the process has ended
  }
}
