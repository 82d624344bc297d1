/** Structured logs: one line per event, for people (text) or for machines (json), without secrets. */
import { type Clock, systemClock } from '../../util/clock.ts';
import type { LogFormat, LogLevel } from './log-level.ts';
import { LineWriter } from './line-writer.ts';
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

/** Lower is more severe. */
const SEVERITY: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };

export function createLogger(options: LoggerOptions): Logger {
  const { stream = process.stderr, clock = systemClock, env = process.env } = options;
  const colours = options.format === 'text' && stream.isTTY === true && !env.NO_COLOR;
  const render = options.format === 'json' ? jsonLine : textLine(colours);
  const writer = new LineWriter(stream);
  const threshold = SEVERITY[options.level];
  const stacks = options.level === 'debug';

  const build = (bound: Fields): Logger => {
    const write = (level: LogLevel, message: string, fields?: Fields) => {
      if (SEVERITY[level] > threshold) return;
      const all = plainFields(fields ? { ...bound, ...fields } : bound, stacks);
      // Warnings and errors may come right before the process ends: they are written at once.
      const urgency = SEVERITY[level] <= SEVERITY.warn ? 'now' : 'soon';
      writer.write(render(new Date(clock.now()), level, message, all), urgency);
    };
    return {
      debug: (message, fields) => write('debug', message, fields),
      info: (message, fields) => write('info', message, fields),
      warn: (message, fields) => write('warn', message, fields),
      error: (message, fields) => write('error', message, fields),
      child: (fields) => build({ ...bound, ...fields }),
      enabled: (level) => SEVERITY[level] <= threshold,
      close: () => writer.close(),
    };
  };
  return build({});
}
