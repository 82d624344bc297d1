// Shows the progress of long steps as text: one line that is rewritten on a terminal, a few plain lines in a pipe.

/** Receives the current state as one line; an empty line after the last step. */
export type Progress = (line: string) => void;

type Output = Pick<NodeJS.WriteStream, 'write'> & { readonly isTTY?: boolean; readonly columns?: number };

const PLAIN_INTERVAL = 30_000; // ms between two lines about a step in a pipe
const TICK = 1000; // ms
const SEPARATOR = ' ... ';

/** Shows progress on a stream. */
export function showProgress(stream: Output = process.stderr): Progress {
  if (stream.isTTY) return (line) => stream.write(`\r\x1b[K${line.slice(0, (stream.columns ?? 80) - 1)}`);
  let step: string | undefined;
  let shownAt = 0;
  return (line) => {
    const now = performance.now();
    const [current] = line.split(SEPARATOR, 1);
    if (line === '' || (current === step && now - shownAt < PLAIN_INTERVAL)) return;
    step = current;
    shownAt = now;
    stream.write(`${line}\n`);
  };
}

/** Runs `work` and reports its duration every second: `STEP ... 1:05 (NOTE)`. */
export async function withElapsed<T>(
  progress: Progress,
  step: string,
  note: () => string,
  work: () => Promise<T>,
): Promise<T> {
  const started = performance.now();
  const report = () => {
    // A timer may fire a part of a millisecond early.
    const seconds = Math.round((performance.now() - started) / 1000);
    const elapsed = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    progress(`${step}${SEPARATOR}${elapsed} (${note()})`);
  };
  report();
  const timer = setInterval(report, TICK);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
