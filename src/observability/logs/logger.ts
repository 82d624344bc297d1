/**
 * Structured logs on winston: one line per event, for people (text) or for machines (json), without secrets. The lines
 * of some milliseconds are written together, as a write for each line would cost more than everything else here
 * (docs/decisions/0012-performance.md).
 */
import { once } from 'node:events';
import { createLogger as createWinston, format, transports } from 'winston';
import { type Clock, systemClock } from '../../util/clock.ts';
import type { LogFormat, LogLevel } from './log-level.ts';
import { jsonLine, textLine } from './log-line.ts';
import { type Fields, plainFields } from './log-value.ts';

export type { LogFormat, LogLevel } from './log-level.ts';
export type { Fields } from './log-value.ts';

export interface Logger {
  /** Fields are evaluated by the caller: guard costly ones of a debug line with `enabled`. */
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** A logger that puts `fields` before those of each line. */
  child(fields: Fields): Logger;
  enabled(level: LogLevel): boolean;
  /** Resolves when every line is written; log nothing afterwards. Needed before process.exit, which does not wait for pipes. */
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

/** How long a debug or info line may wait for others, in milliseconds. */
const GATHER_MS = 20;

/** Levels as numbers for winston: lower is more severe. */
const LEVELS: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };

export function createLogger(options: LoggerOptions): Logger {
  const { stream = process.stderr, clock = systemClock, env = process.env } = options;
  const colours = options.format === 'text' && stream.isTTY === true && !env.NO_COLOR;
  const render = options.format === 'json' ? jsonLine : textLine(colours);
  const sink = createWinston({
    level: options.level,
    levels: { ...LEVELS },
    // The line is complete already: given fields, winston would merge those named `message` or `level` into it.
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
    // Any level that winston passes on: lines below the threshold were dropped before.
    sink.log({ level: 'error', message });
  };

  const close = async (): Promise<void> => {
    flush();
    const finished = once(sink, 'finish');
    sink.end();
    await finished;
    // The stream stays open, as others may use it; an empty write ends after all writes before it.
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
      // Warnings and errors may come right before the process ends: they are written at once.
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
