/** Output of a command: results on stdout, remarks on stderr; colours and progress only on a terminal. */
import type { Readable, Writable } from 'node:stream';
import { styleText } from 'node:util';

const STYLES = ['bold', 'dim', 'red', 'green', 'yellow', 'cyan'] as const;
type Style = (typeof STYLES)[number];

export type Paint = (text: string) => string;
export type Palette = Readonly<Record<Style, Paint>>;

/** The parts of `node:process` that commands use; tests pass their own. */
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
  /** Colours for stdout. */
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

  /** Columns of the terminal on stdout; undefined if stdout is no terminal. */
  get width(): number | undefined {
    return this.#process.stdout.isTTY === true ? this.#process.stdout.columns : undefined;
  }

  /** Writes a text to stdout unchanged. */
  write(text: string): void {
    this.#clear();
    this.#process.stdout.write(text);
  }

  /** Writes lines to stdout, each given alone or in a list: a list of any length, which no spread argument could be. */
  print(...lines: readonly (string | readonly string[])[]): void {
    this.write(
      lines
        .flatMap((each) => (typeof each === 'string' ? `${each}\n` : each.map((line) => `${line}\n`)))
        .join(''),
    );
  }

  /** Writes a line to stderr. */
  say(line: string): void {
    this.#clear();
    this.#process.stderr.write(`${line}\n`);
  }

  /** Writes a note to stderr: an assumption behind the answer. Equal remarks are written once. */
  note(text: string): void {
    this.#remark(this.#paintRemarks.cyan('note'), text);
  }

  warn(text: string): void {
    this.#remark(this.#paintRemarks.yellow('warning'), text);
  }

  error(text: string): void {
    this.#remark(this.#paintRemarks.red('error'), text);
  }

  /** Shows progress on a terminal. The next call, or any output, replaces it; an empty text clears it. */
  progress(text: string): void {
    if (this.#process.stderr.isTTY !== true || text === this.#progress) return;
    this.#clear();
    this.#progress = text;
    this.#process.stderr.write(this.#paintRemarks.dim(text));
  }

  #remark(label: string, text: string): void {
    // Commands that load two snapshots would repeat the remarks that both cause.
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
  // https://no-color.org: any value but the empty one.
  if (env['NO_COLOR']) return false;
  if (env['FORCE_COLOR']) return env['FORCE_COLOR'] !== '0';
  return isTerminal && env['TERM'] !== 'dumb';
}

function palette(on: boolean): Palette {
  return Object.fromEntries(
    STYLES.map((style) => [
      style,
      // The caller has decided about colours: styleText must not ask the stream.
      (text: string) => (on && text !== '' ? styleText(style, text, { validateStream: false }) : text),
    ]),
  ) as Palette;
}
