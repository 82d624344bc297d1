/**
 * The frame of a script: reads its command line, answers --help, and turns an error into a message and an exit code. Exit
 * code 2 means that the command line is wrong.
 */
import { type CommandLineError, readCommandLine } from '../src/util/command-line.ts';
import { didYouMean } from '../src/util/text/suggest.ts';
import { errorMessage } from '../src/util/error-message.ts';

export interface ScriptFlag {
  /** The value's name in the help text; absent for a flag that takes no value. */
  readonly value?: string;
  readonly help: string;
}

type ScriptFlags = Readonly<Record<string, ScriptFlag>>;

export interface Usage<F extends ScriptFlags = ScriptFlags> {
  /** The command as it is typed: `npm run build`. */
  readonly command: string;
  /** The purpose of the script, in one or more sentences. */
  readonly summary: string;
  readonly flags: F;
  /** The name of arguments that are no flags; without it there are none. */
  readonly words?: string;
}

export interface Arguments<F extends ScriptFlags> {
  readonly flags: {
    readonly [K in keyof F]: F[K] extends { readonly value: string } ? string | undefined : boolean;
  };
  /** Arguments that are no flags. */
  readonly words: readonly string[];
  /** Prints what is wrong with the arguments, and how to use the script, and exits with 2. */
  readonly refuse: (message: string) => never;
}

/** The arguments of this process. Exits with 0 after printing the help text, with 2 after printing an error. */
export function readArguments<const F extends ScriptFlags>(usage: Usage<F>): Arguments<F> {
  const own = Object.entries(usage.flags).map(([name, { value }]) => ({
    name,
    takesValue: value !== undefined,
  }));
  const refuse = (message: string): never => {
    console.error(`${message}\nusage: ${usageLine(usage)}`);
    process.exit(2);
  };
  const { flags, words, errors } = readCommandLine(process.argv.slice(2), {
    flags: [...own, { name: 'help', short: 'h', takesValue: false }],
    takesWords: usage.words !== undefined,
  });
  if (flags.some(({ name }) => name === 'help')) {
    console.log(helpText(usage));
    process.exit(0);
  }
  const [error] = errors;
  if (error !== undefined) refuse(errorText(error, usage));
  const given = new Map(flags.map(({ name, value }) => [name, value ?? true]));
  const values = own.map(({ name, takesValue }) => {
    const value = given.get(name);
    if (!takesValue && typeof value === 'string') refuse(`--${name} takes no value`);
    return [name, value ?? (takesValue ? undefined : false)] as const;
  });
  return { flags: Object.fromEntries(values) as Arguments<F>['flags'], words, refuse };
}

/** Runs a script; an error is printed without its stack, and becomes exit code 1. */
export async function runScript(main: () => Promise<void> | void): Promise<void> {
  try {
    await main();
  } catch (error) {
    console.error(errorMessage(error));
    process.exitCode = 1;
  }
}

function errorText(error: CommandLineError, { flags }: Usage): string {
  switch (error.kind) {
    case 'unknown-flag': {
      const known = [...Object.keys(flags), 'help'].map((name) => `--${name}`);
      return `unknown flag ${error.flag}${didYouMean(error.flag, known)}`;
    }
    case 'missing-value':
      return `--${error.name} needs a value: ${flags[error.name]?.value}`;
    case 'unexpected-argument':
      return `unexpected argument ${error.argument}`;
  }
}

/** `npm run build [-- --outfile FILE]`: npm passes on only what follows the two dashes. */
function usageLine({ command, flags, words }: Usage): string {
  const shown = [
    ...Object.entries(flags).map(
      ([name, { value }]) => `[--${name}${value === undefined ? '' : ` ${value}`}]`,
    ),
    ...(words === undefined ? [] : [words]),
  ];
  return shown.length === 0 ? command : `${command} -- ${shown.join(' ')}`;
}

function helpText(usage: Usage): string {
  const rows = [...Object.entries(usage.flags), ['help', { help: 'print this text' }] as const].map(
    ([name, { value, help }]: readonly [string, ScriptFlag]) =>
      [`--${name}${value === undefined ? '' : ` ${value}`}`, help] as const,
  );
  const width = Math.max(...rows.map(([flag]) => flag.length));
  return [
    usage.summary,
    `Usage: ${usageLine(usage)}`,
    rows.map(([flag, help]) => `  ${flag.padEnd(width)}  ${help}`).join('\n'),
  ].join('\n\n');
}
