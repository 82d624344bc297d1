/**
 * Structured logs on winston: one line per event, for people (text) or for machines (json). What is logged is put in
 * order and rid of secrets here; winston carries the lines to the stream, those of a moment together: a write for each
 * would cost more than all else here (docs/decisions/0012-performance.md).
 */
import { once } from 'node:events';
import { createLogger as createWinston, format, transports } from 'winston';
import { type Clock, systemClock } from '../../util/clock.ts';
import { jsonLine, textLine } from './log-line.ts';
import { type Fields, plainFields } from './log-value.ts';

export type { Fields } from './log-value.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'json' | 'text';

export interface Logger {
  /** Fields are evaluated by the caller: guard costly ones of a debug line with `enabled`. */
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** A logger that puts `fields` before those of each line. */
  child(fields: Fields): Logger;
  enabled(level: LogLevel): boolean;
  /** Resolves when every line is out; nothing may be logged afterwards. For before process.exit, which waits for no pipe. */
  close(): Promise<void>;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Defaults to standard error. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly clock?: Clock;
  /** For NO_COLOR (no-color.org). */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** How long a line that is no warning may wait for others, in milliseconds. */
const GATHER_MS = 20;

/** As winston has it: what is more severe is lower. */
const LEVELS: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };

export function createLogger(options: LoggerOptions): Logger {
  const { stream = process.stderr, clock = systemClock, env = process.env } = options;
  const colours = options.format === 'text' && stream.isTTY === true && !env.NO_COLOR;
  const render = options.format === 'json' ? jsonLine : textLine(colours);
  const sink = createWinston({
    level: options.level,
    levels: { ...LEVELS },
    // The line is complete when it gets here: winston would merge fields named `message` or `level` into it.
    format: format.printf(({ message }) => String(message)),
    transports: [new transports.Stream({ stream, eol: '\n' })],
  });
  const threshold = LEVELS[options.level];
  const stacks = options.level === 'debug';

  let pending: string[] = [];
  let flushing: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(flushing);
    flushing = undefined;
    if (pending.length === 0) return;
    const message = pending.join('\n');
    pending = [];
    // Of no line in particular: what is not wanted was left out before.
    sink.log({ level: 'error', message });
  };

  const close = async (): Promise<void> => {
    flush();
    const finished = once(sink, 'finish');
    sink.end();
    await finished;
    // The stream is not ours to end: an empty write comes after all that are under way.
    await new Promise<void>((resolve) => stream.write('', () => resolve()));
  };

  const build = (bound: Fields): Logger => {
    const write = (level: LogLevel, message: string, fields?: Fields) => {
      if (LEVELS[level] > threshold) return;
      const line = render(
        new Date(clock.now()),
        level,
        message,
        plainFields(fields ? { ...bound, ...fields } : bound, stacks),
      );
      pending.push(line);
      // What may be the last words is out when this returns.
      if (LEVELS[level] <= LEVELS.warn) flush();
      else flushing ??= setTimeout(flush, GATHER_MS);
    };
    return {
      debug: (message, fields) => write('debug', message, fields),
      info: (message, fields) => write('info', message, fields),
      warn: (message, fields) => write('warn', message, fields),
      error: (message, fields) => write('error', message, fields),
      child: (fields) => build({ ...bound, ...fields }),
      enabled: (level) => LEVELS[level] <= threshold,
      close,
    };
  };
  return build({});
}
