/** Runs the plugin: from a command line to an exit code. All I/O goes through `process`. */
import { didYouMean } from '../../util/text/suggest.ts';
import type { Command } from './command.ts';
import { COMMANDS } from '../commands/registry.ts';
import { CliError, EXIT, UsageError } from './failure.ts';
import { type CommandLine, readFlags } from './flags.ts';
import { CALLED, commandHelp, flagsOf, overview } from './help.ts';
import { load } from '../snapshot/load.ts';
import { type Process, Terminal } from './terminal.ts';
import { version } from '../../util/version.ts';

/** @param argv arguments without the executable and the script. Resolves to the exit code. */
export async function run(argv: readonly string[], process: Process): Promise<number> {
  let terminal = new Terminal(process);
  let command: Command | undefined;
  try {
    const [name, ...rest] = argv;
    if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
      const about = name === 'help' ? rest[0] : undefined;
      terminal.print(
        about === undefined
          ? overview(COMMANDS, terminal.paint)
          : commandHelp(commandOf(about), terminal.paint),
      );
      return EXIT.yes;
    }
    if (name === '--version' || name === 'version') {
      terminal.print(`kubectl-segmentation ${version}`);
      return EXIT.yes;
    }
    if (name === '__complete') {
      const { completionText } = await import('./completion.ts');
      terminal.write(await completionText(rest, process));
      return EXIT.yes;
    }
    command = commandOf(name);
    const { flags, words } = readFlags(rest, flagsOf(command));
    terminal = new Terminal(process, flags.get('colour'));
    if (flags.has('help')) {
      terminal.print(commandHelp(command, terminal.paint));
      return EXIT.yes;
    }
    return await runCommand(command, { flags, words }, process, terminal);
  } catch (error) {
    if (!(error instanceof CliError)) return reportFault(error, terminal);
    terminal.error(error.message);
    if (error instanceof UsageError) {
      const help = command === undefined ? '--help' : `${command.name} --help`;
      terminal.say(`See '${CALLED} ${help}'.`);
    }
    return EXIT.failure;
  }
}

/** Exit code 1 is an answer, so that a fault of the program has a code of its own. */
export function reportFault(error: unknown, terminal: Terminal): number {
  terminal.error(`unexpected: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  terminal.say(
    `This is a fault of kubectl-segmentation ${version}, and no answer. Please report it as an issue of the project: ` +
      'with this text, the command, and the manifests if you can share them.',
  );
  return EXIT.fault;
}

function commandOf(name: string): Command {
  const found = COMMANDS.find((each) => each.name === name);
  if (found !== undefined) return found;
  if (name.startsWith('-')) throw new UsageError(`write the command first: ${CALLED} COMMAND ${name}`);
  throw new UsageError(
    `unknown command ${name}${didYouMean(
      name,
      COMMANDS.map((each) => each.name),
    )}`,
  );
}

function runCommand(
  command: Command,
  { flags, words }: CommandLine,
  process: Process,
  terminal: Terminal,
): Promise<number> {
  const [min, max] = command.words;
  if (words.length < min) {
    throw new UsageError(
      `${command.name} needs ${command.usage}${words.length > 0 ? `, and was given only ${words.join(' ')}` : ''}`,
    );
  }
  if (words.length > max) {
    throw new UsageError(
      `${command.name} takes ${command.usage || 'no argument'}: ${words.slice(max).join(' ')} is too much`,
    );
  }
  if (flags.has('namespace') && flags.has('all-namespaces'))
    throw new UsageError('-n and -A contradict each other');
  const namespace = flags.get('namespace');
  return command.run({
    words,
    flags,
    format: flags.get('output') ?? command.formats[0] ?? '',
    process,
    terminal,
    namespace,
    load: (options) => load({ flags, namespace, process, terminal, ...options }),
  });
}
