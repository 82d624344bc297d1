/** Command lines: which flags there are, what they were given, and what is wrong with them. */
import { parseArgs } from 'node:util';
import { didYouMean } from '../../options/suggest.ts';
import { UsageError } from './failure.ts';

export interface Flag {
  /** Without the dashes. */
  readonly name: string;
  readonly short?: string;
  /** What stands for the value in the help text; absent for a flag that is on when it is there. */
  readonly value?: string;
  /** May be given several times. */
  readonly repeated?: boolean;
  /** The only values that it takes. */
  readonly choices?: readonly string[];
  /** What completion offers for the value. */
  readonly completes?: 'files' | 'directories' | 'namespaces' | 'contexts' | 'profiles';
  readonly help: string;
}

/** What a command line says. */
export class Flags {
  readonly #given: ReadonlyMap<string, readonly string[]>;

  constructor(given: ReadonlyMap<string, readonly string[]>) {
    this.#given = given;
  }

  /** Whether the flag is there, with whatever value. */
  has(name: string): boolean {
    return this.#given.has(name);
  }

  /** The last value; undefined without the flag. */
  get(name: string): string | undefined {
    return this.#given.get(name)?.at(-1);
  }

  /** Every value, in order. */
  all(name: string): readonly string[] {
    return this.#given.get(name) ?? [];
  }
}

export interface CommandLine {
  readonly flags: Flags;
  /** What is no flag, in order. */
  readonly words: readonly string[];
}

/**
 * Reads a command line strictly: an unknown flag, a missing value or a value that is not among the choices is an error.
 *
 * @throws UsageError
 */
export function readFlags(argv: readonly string[], known: readonly Flag[]): CommandLine {
  const options = Object.fromEntries(
    known.map(({ name, short, value }) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), ...(short && { short }) },
    ]),
  );
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  const given = new Map<string, string[]>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const flag = known.find(({ name }) => name === token.name);
    if (flag === undefined) {
      const names = known.flatMap(({ name, short }) => (short ? [name, short] : [name]));
      throw new UsageError(`unknown flag ${token.rawName}${didYouMean(token.name, names)}`);
    }
    given.set(flag.name, [...(given.get(flag.name) ?? []), valueOf(flag, token.value, token.inlineValue)]);
  }
  for (const { name, repeated } of known) {
    if (repeated !== true && (given.get(name)?.length ?? 0) > 1)
      throw new UsageError(`--${name} is given twice`);
  }
  return { flags: new Flags(given), words };
}

function valueOf(flag: Flag, value: string | undefined, inline: boolean | undefined): string {
  if (flag.value === undefined) {
    if (value === undefined || value === 'true') return 'true';
    throw new UsageError(`--${flag.name} takes no value, but was given "${value}"`);
  }
  // `-o=json` as kubectl understands it; parseArgs leaves the sign with the value of a short flag.
  const text = inline === true && value?.startsWith('=') ? value.slice(1) : value;
  if (text === undefined || text === '') throw new UsageError(`--${flag.name} needs a value: ${flag.value}`);
  if (flag.choices !== undefined && !flag.choices.includes(text)) {
    const known = flag.choices.join(', ');
    throw new UsageError(`--${flag.name} ${text}: not one of ${known}${didYouMean(text, flag.choices)}`);
  }
  return text;
}
