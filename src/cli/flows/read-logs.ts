/** Reads flow logs into a table, each file in its own format, and counts lines that can't be read. */
import type { FlowTable } from '../../flows/flow-table.ts';
import type { FlowFormat, LogLine } from '../../flows/formats/format.ts';
import { FORMATS, formatOf } from '../../flows/formats/index.ts';
import type { Reading } from '../../flows/flow.ts';
import { isRecord } from '../../util/is-record.ts';
import { CliError } from '../shell/failure.ts';
import type { Terminal } from '../shell/terminal.ts';
import { type LineBatch, linesOf, type LogSource } from './lines.ts';

/** Counts of the lines and flows of one source. */
export interface LogReport {
  readonly source: string;
  /** Name of its format; undefined if no line was of a known one. */
  readonly format: string | undefined;
  /** Lines that are not empty. */
  readonly lines: number;
  readonly malformed: number;
  /** The first lines that can't be read, by number from 1. */
  readonly malformedLines: readonly number[];
}

export interface LogsInput {
  readonly sources: readonly LogSource[];
  /** Value of --format. */
  readonly format: string;
  readonly table: FlowTable;
  readonly terminal: Terminal;
}

const MAX_LISTED = 3;

/** @throws CliError if a source can't be read, or if the user named it and none of its lines is of a known format */
export async function readLogs({ sources, format, table, terminal }: LogsInput): Promise<LogReport[]> {
  const reports: LogReport[] = [];
  for (const source of sources) {
    const reader = new LogReader(
      FORMATS.find(({ name }) => name === format),
      table,
    );
    for await (const batch of linesOf(source)) {
      reader.read(batch.lines);
      terminal.progress(progressText(source, batch, table));
    }
    reports.push(reader.reportOf(source));
  }
  terminal.progress('');
  return reports;
}

function progressText({ name, size }: LogSource, { bytesRead }: LineBatch, { flows }: FlowTable): string {
  const share = size === undefined || size === 0 ? '' : `, ${Math.floor((100 * bytesRead) / size)}%`;
  return `reading ${name}: ${flows.toLocaleString('en-US')} flows${share}`;
}

class LogReader {
  readonly #table: FlowTable;
  readonly #malformedLines: number[] = [];
  #format: FlowFormat | undefined;
  #read: ((line: LogLine) => Reading) | undefined;
  #number = 0;
  #lines = 0;
  #malformed = 0;

  constructor(format: FlowFormat | undefined, table: FlowTable) {
    this.#format = format;
    this.#read = format?.reader();
    this.#table = table;
  }

  read(lines: readonly string[]): void {
    for (const raw of lines) {
      this.#number++;
      const text = logText(raw);
      if (text === '') continue;
      this.#lines++;
      const line = { text, json: jsonOf(text) };
      if (this.#read === undefined) this.#detect(line);
      else this.#readLine(this.#read, line);
    }
  }

  /** @throws CliError if there were lines, and no format was found, unless the source is only one of a directory */
  reportOf({ name: source, isListed = false }: LogSource): LogReport {
    if (this.#format === undefined && this.#lines > 0 && !isListed) {
      const names = FORMATS.map(({ name }) => name).join(', ');
      throw new CliError(
        `${source}: no line of it is a flow in a known format (${names}); if it is one of these, name it with --format to see which lines can't be read`,
      );
    }
    return {
      source,
      format: this.#format?.name,
      lines: this.#lines,
      malformed: this.#malformed,
      malformedLines: this.#malformedLines,
    };
  }

  /** Logs of containers begin with lines of the program's start, so the first flow tells the format. */
  #detect(line: LogLine): void {
    const format = formatOf(line);
    if (format === undefined) {
      this.#noteMalformed();
      return;
    }
    this.#format = format;
    const read = format.reader();
    this.#read = read;
    this.#readLine(read, line);
  }

  #readLine(read: (line: LogLine) => Reading, line: LogLine): void {
    const reading = read(line);
    switch (reading.kind) {
      case 'flows':
        for (const flow of reading.flows) this.#table.add(flow);
        return;
      case 'skipped':
        this.#table.skip(reading.reason);
        return;
      case 'malformed':
        this.#noteMalformed();
        return;
      case 'header':
    }
  }

  #noteMalformed(): void {
    this.#malformed++;
    if (this.#malformedLines.length < MAX_LISTED) this.#malformedLines.push(this.#number);
  }
}

/** A prefix that container runtimes (CRI: time, stream, tag), `kubectl logs --prefix` or streams of events put before a line. */
const LOG_PREFIX = /^(?:\d{4}-\d\d-\d\dT\S+ (?:stdout|stderr) [FP] |\[pod\/\S+\] |data: ?)/;

function logText(line: string): string {
  const text = line.trim();
  const first = text.charCodeAt(0);
  // Only a digit or a bracket can begin a prefix: most lines begin with a brace.
  return first === 0x7b ? text : text.replace(LOG_PREFIX, '');
}

function jsonOf(text: string): LogLine['json'] {
  if (text.charCodeAt(0) !== 0x7b) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
