/** Where a command writes: its output, its remarks, and what a terminal can show that a pipe should not get. */
import type { Readable, Writable } from 'node:stream';

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Select Graphic Rendition: begin and end of each style (ECMA-48). */
const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

export type Paint = (text: string) => string;
export type Palette = Readonly<Record<Style, Paint>>;

/** The process as a command sees it; tests give one of their own. */
export interface Process {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean };
}

export const COLOUR_CHOICES = ['auto', 'always', 'never'] as const;

export class Terminal {
  readonly #process: Process;
  /** For what is written to the output. */
  readonly paint: Palette;
  readonly #paintRemarks: Palette;
  #progress = '';
  readonly #remarks = new Set<string>();

  /** @param colour one of COLOUR_CHOICES; `auto`: on a terminal, unless NO_COLOR or TERM=dumb say otherwise */
  constructor(process: Process, colour = 'auto') {
    this.#process = process;
    this.paint = palette(wantsColour(process, process.stdout.isTTY === true, colour));
    this.#paintRemarks = palette(wantsColour(process, process.stderr.isTTY === true, colour));
  }

  /** Columns of the terminal that the output goes to; undefined where it is none. */
  get width(): number | undefined {
    return this.#process.stdout.isTTY === true ? this.#process.stdout.columns : undefined;
  }

  /** Writes to the output, as it is. */
  write(text: string): void {
    this.#clear();
    this.#process.stdout.write(text);
  }

  /** Writes lines to the output. */
  print(...lines: readonly string[]): void {
    this.write(lines.map((line) => `${line}\n`).join(''));
  }

  /** Writes a line to stderr. */
  say(line: string): void {
    this.#clear();
    this.#process.stderr.write(`${line}\n`);
  }

  /** Says on stderr what a person should know about the answer. */
  note(text: string): void {
    this.#remark(this.#paintRemarks.cyan('note'), text);
  }

  warn(text: string): void {
    this.#remark(this.#paintRemarks.yellow('warning'), text);
  }

  error(text: string): void {
    this.#remark(this.#paintRemarks.red('error'), text);
  }

  /** Shows on a terminal what is being waited for; the next call, or any output, replaces it. */
  progress(text: string): void {
    if (this.#process.stderr.isTTY !== true || text === this.#progress) return;
    this.#clear();
    this.#progress = text;
    this.#process.stderr.write(this.#paintRemarks.dim(text));
  }

  #remark(label: string, text: string): void {
    // Two states that are compared may call for the same remark.
    if (this.#remarks.has(text)) return;
    this.#remarks.add(text);
    this.say(`${label}: ${text}`);
  }

  #clear(): void {
    if (this.#progress === '') return;
    this.#progress = '';
    this.#process.stderr.write('\r\u001b[K');
  }
}

function wantsColour({ env }: Process, isTerminal: boolean, colour: string): boolean {
  if (colour !== 'auto') return colour === 'always';
  // https://no-color.org: set and not empty, whatever the value.
  if (env['NO_COLOR']) return false;
  if (env['FORCE_COLOR']) return env['FORCE_COLOR'] !== '0';
  return isTerminal && env['TERM'] !== 'dumb';
}

function palette(on: boolean): Palette {
  return Object.fromEntries(
    Object.entries(CODES).map(([style, [begin, end]]) => [
      style,
      (text: string) => (on && text !== '' ? `\u001b[${begin}m${text}\u001b[${end}m` : text),
    ]),
  ) as Palette;
}
