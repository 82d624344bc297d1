/** Flags of the plugin's commands: how a command declares them, and their values on a command line. */
import { type CommandLineError, readCommandLine } from '../../util/command-line.ts';
import { didYouMean } from '../../util/text/suggest.ts';
import { UsageError } from './failure.ts';

export interface Flag {
  /** Without the dashes. */
  readonly name: string;
  readonly short?: string;
  /** The value's name in the help text; absent for a flag that takes no value. */
  readonly value?: string;
  /** May be given several times. */
  readonly repeated?: boolean;
  /** Allowed values; absent if any text is allowed. */
  readonly choices?: readonly string[];
  /** The kind of name that shell completion offers for the value. */
  readonly completes?: 'files' | 'directories' | 'namespaces' | 'contexts' | 'profiles';
  readonly help: string;
}

/** The flags that a command line gives. */
export class Flags {
  readonly #given: ReadonlyMap<string, readonly string[]>;

  constructor(given: ReadonlyMap<string, readonly string[]>) {
    this.#given = given;
  }

  /** True if the flag is given, with any value. */
  has(name: string): boolean {
    return this.#given.has(name);
  }

  /** The last value; undefined if the flag is not given. */
  get(name: string): string | undefined {
    return this.#given.get(name)?.at(-1);
  }

  /** These flags, with other values of one of them; without it if there are none. */
  with(name: string, values: readonly string[]): Flags {
    const given = new Map(this.#given);
    if (values.length > 0) given.set(name, values);
    else given.delete(name);
    return new Flags(given);
  }

  /** All values, in order. */
  all(name: string): readonly string[] {
    return this.#given.get(name) ?? [];
  }
}

export interface CommandLine {
  readonly flags: Flags;
  /** The arguments that are no flags, in order. */
  readonly words: readonly string[];
}

/**
 * Parses a command line. An unknown flag, a missing value, or a value that is not among the choices is an error.
 *
 * @throws UsageError
 */
export function readFlags(argv: readonly string[], known: readonly Flag[]): CommandLine {
  const { flags, words, errors } = readCommandLine(argv, {
    flags: known.map(({ name, short, value }) => ({
      name,
      ...(short && { short }),
      takesValue: value !== undefined,
    })),
    takesWords: true,
  });
  const [error] = errors;
  if (error !== undefined) throw new UsageError(errorText(error, known));
  const given = new Map<string, string[]>();
  for (const { name, value } of flags) {
    const flag = known.find((each) => each.name === name);
    if (flag !== undefined) given.set(name, [...(given.get(name) ?? []), valueOf(flag, value)]);
  }
  for (const { name, repeated } of known) {
    if (repeated !== true && (given.get(name)?.length ?? 0) > 1)
      throw new UsageError(`--${name} is given twice`);
  }
  return { flags: new Flags(given), words };
}

function errorText(error: CommandLineError, known: readonly Flag[]): string {
  switch (error.kind) {
    case 'unknown-flag': {
      const names = known.flatMap(({ name, short }) => (short ? [name, short] : [name]));
      return `unknown flag ${error.flag}${didYouMean(error.flag.replace(/^-+/, ''), names)}`;
    }
    case 'missing-value':
      return `--${error.name} needs a value: ${known.find(({ name }) => name === error.name)?.value}`;
    case 'unexpected-argument':
      return `unexpected argument ${error.argument}`;
  }
}

function valueOf(flag: Flag, value: string | undefined): string {
  if (flag.value === undefined) {
    if (value === undefined || value === 'true') return 'true';
    throw new UsageError(`--${flag.name} takes no value, but was given "${value}"`);
  }
  const text = value ?? '';
  if (flag.choices !== undefined && !flag.choices.includes(text)) {
    const choices = flag.choices.join(', ');
    throw new UsageError(`--${flag.name} ${text}: not one of ${choices}${didYouMean(text, flag.choices)}`);
  }
  return text;
}
