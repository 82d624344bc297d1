/**
 * Reads command lines strictly, on node:util's parseArgs. Everything that is wrong is reported, in the order of the
 * command line; the callers word it, since each has its own conventions. Pure.
 */
import { parseArgs } from 'node:util';

export interface FlagDefinition {
  /** Without the dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  readonly takesValue: boolean;
}

export interface GivenFlag {
  readonly name: string;
  /** Undefined for a flag without a value; a flag that takes none can be given one all the same: `--help=x`. */
  readonly value: string | undefined;
}

export type CommandLineError =
  /** `flag` as it was typed, with its dashes. */
  | { readonly kind: 'unknown-flag'; readonly flag: string }
  | { readonly kind: 'missing-value'; readonly name: string }
  /** An argument that belongs to no flag, where none is taken. */
  | { readonly kind: 'unexpected-argument'; readonly argument: string };

export interface CommandLine {
  /** In order; a flag that was given twice is here twice. */
  readonly flags: readonly GivenFlag[];
  /** The arguments that belong to no flag, in order. */
  readonly words: readonly string[];
  readonly errors: readonly CommandLineError[];
}

export interface CommandLineOptions {
  readonly flags: readonly FlagDefinition[];
  /** True if arguments that belong to no flag are taken. */
  readonly takesWords: boolean;
}

/** @param argv without the executable and the script */
export function readCommandLine(
  argv: readonly string[],
  { flags: known, takesWords }: CommandLineOptions,
): CommandLine {
  const flags: GivenFlag[] = [];
  const words: string[] = [];
  const errors: CommandLineError[] = [];
  // The argument behind a flag that is unknown or lacks its value is likely meant as that value: it is no second error.
  let mayBeValue = false;
  for (const token of tokensOf(argv, known)) {
    if (token.kind === 'positional') {
      if (takesWords) words.push(token.value);
      else if (!mayBeValue) errors.push({ kind: 'unexpected-argument', argument: token.value });
    }
    mayBeValue = false;
    if (token.kind !== 'option') continue;
    const definition = known.find(({ name }) => name === token.name);
    if (definition === undefined) {
      errors.push({ kind: 'unknown-flag', flag: token.rawName });
      mayBeValue = true;
      continue;
    }
    const value = definition.takesValue ? valueOf(token) : token.value;
    if (definition.takesValue && value === undefined) {
      errors.push({ kind: 'missing-value', name: definition.name });
      mayBeValue = true;
    } else {
      flags.push({ name: definition.name, value });
    }
  }
  return { flags, words, errors };
}

function tokensOf(argv: readonly string[], known: readonly FlagDefinition[]) {
  const options = known.map(
    ({ name, short, takesValue }) =>
      [
        name,
        { type: takesValue ? ('string' as const) : ('boolean' as const), ...(short && { short }) },
      ] as const,
  );
  return parseArgs({
    args: [...argv],
    options: Object.fromEntries(options),
    strict: false,
    tokens: true,
    allowPositionals: true,
  }).tokens;
}

type OptionToken = Extract<ReturnType<typeof tokensOf>[number], { kind: 'option' }>;

/** Undefined where the value is absent, empty, or the next flag; "-" stands for standard input and is a value. */
function valueOf({ rawName, value, inlineValue }: OptionToken): string | undefined {
  // `-o=json` is kubectl's way too; parseArgs leaves the sign with the value of a short flag.
  const isShort = !rawName.startsWith('--');
  const text = inlineValue && isShort && value?.startsWith('=') ? value.slice(1) : value;
  if (text === '' || (!inlineValue && text !== '-' && text?.startsWith('-'))) return undefined;
  return text;
}
