/**
 * Writes lines to a stream, those of some milliseconds together: a write for each line would cost more than everything
 * else in the log (docs/decisions/0012-performance.md). winston carries the lines to the stream.
 */
import { once } from 'node:events';
import { createLogger, format, type Logger, transports } from 'winston';

/** How long a line may wait for others, in milliseconds. */
const GATHER_MS = 50;

export class LineWriter {
  readonly #stream: NodeJS.WritableStream;
  readonly #sink: Logger;
  #pending: string[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
    this.#sink = createLogger({
      // Lines are complete: given fields, winston would merge those named `message` or `level` into the line.
      format: format.printf(({ message }) => String(message)),
      transports: [new transports.Stream({ stream, eol: '\n' })],
    });
  }

  /** Writes the line soon, or before this returns if it is urgent. */
  write(line: string, urgency: 'soon' | 'now'): void {
    this.#pending.push(line);
    if (urgency === 'now') this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS);
  }

  /** Resolves when every line is written. The stream stays open, as others may use it. */
  async close(): Promise<void> {
    this.#flush();
    const finished = once(this.#sink, 'finish');
    this.#sink.end();
    await finished;
    // An empty write ends after all writes before it.
    await new Promise<void>((resolve) => this.#stream.write('', () => resolve()));
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending.length === 0) return;
    const message = this.#pending.join('\n');
    this.#pending = [];
    // Any level that winston passes on.
    this.#sink.log({ level: 'error', message });
  }
}
