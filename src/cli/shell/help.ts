/** Help texts, generated from the descriptions of commands and flags. */
import type { Command } from './command.ts';
import type { Flag } from './flags.ts';
import { CLUSTER_FLAGS, SOURCE_FLAGS } from '../snapshot/load.ts';
import type { Palette } from './terminal.ts';
import { COLOUR_CHOICES } from './terminal.ts';

/** The program as users call it: a plugin of kubectl. */
export const CALLED = 'kubectl segmentation';

/** Flags that every command has. */
export const COMMON_FLAGS: readonly Flag[] = [
  {
    name: 'colour',
    value: 'WHEN',
    choices: COLOUR_CHOICES,
    help: `${COLOUR_CHOICES.join(', ')}: auto colours terminals, unless NO_COLOR is set [auto]`,
  },
  { name: 'help', short: 'h', help: 'this text' },
];

const NAMESPACE_FLAGS: readonly Flag[] = [
  { name: 'namespace', short: 'n', value: 'NAME', completes: 'namespaces', help: 'only this namespace' },
  { name: 'all-namespaces', short: 'A', help: 'every namespace; the default' },
];

/** -n for commands whose arguments are names: the namespace of names without one. */
const SCOPE_FLAG: Flag = {
  name: 'namespace',
  short: 'n',
  value: 'NAME',
  completes: 'namespaces',
  help: 'where names without a namespace are [the namespace of the context]',
};

/** Flags of a command, grouped under the titles of the help text. */
export function flagGroups({ flags, formats, takes }: Command): [title: string, flags: readonly Flag[]][] {
  const output: Flag[] =
    formats.length === 0
      ? []
      : [
          {
            name: 'output',
            short: 'o',
            value: 'FORMAT',
            choices: formats,
            help: `${formats.join(', ')} [${formats[0]}]`,
          },
        ];
  const scope = takes.namespaces ? NAMESPACE_FLAGS : takes.cluster ? [SCOPE_FLAG] : [];
  return (
    [
      ['Flags', [...flags, ...scope, ...output]],
      ['Manifests instead of a cluster', takes.cluster ? SOURCE_FLAGS : []],
      ['Cluster', takes.cluster ? CLUSTER_FLAGS : []],
      ['In every command', COMMON_FLAGS],
    ] satisfies [string, readonly Flag[]][]
  ).filter(([, list]) => list.length > 0);
}

export function flagsOf(command: Command): Flag[] {
  return flagGroups(command).flatMap(([, flags]) => flags);
}

export function overview(commands: readonly Command[], { bold }: Palette): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    'See, explain and test what SegmentationProfiles and NetworkPolicies do: in a cluster, or in manifests.',
    `${bold('Usage:')} ${CALLED} COMMAND [FLAGS]`,
    `${bold('Commands:')}\n${commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}`,
    `${CALLED} COMMAND --help explains a command, with examples.\n` +
      'Exit code 0 means yes (allowed, no difference, passed), 1 means no, 2 that there is no answer, 3 a fault of the program.',
  ].join('\n\n');
}

export function commandHelp(command: Command, { bold }: Palette): string {
  const { name, usage, description, examples } = command;
  const groups = flagGroups(command);
  const rows = groups.map(([title, flags]) => ({ title, rows: flags.map(flagRow) }));
  const width = Math.max(...rows.flatMap((group) => group.rows.map(([flag]) => flag.length)));
  return [
    ...description,
    `${bold('Usage:')} ${[CALLED, name, usage, '[FLAGS]'].filter(Boolean).join(' ')}`,
    `${bold('Examples:')}\n${examples.map(({ what, line }) => `  # ${what}\n  ${exampleLine(line)}`).join('\n\n')}`,
    ...rows.map(
      (group) =>
        `${bold(`${group.title}:`)}\n${group.rows.map(([flag, help]) => `  ${flag.padEnd(width)}  ${help}`).join('\n')}`,
    ),
  ].join('\n\n');
}

/** The command line of an example as the user types it; a pipe already holds the program's name. */
export function exampleLine(line: string): string {
  return line.includes(CALLED) ? line : `${CALLED} ${line}`;
}

function flagRow({ name, short, value, help }: Flag): [flag: string, help: string] {
  const shown = `${short === undefined ? '    ' : `-${short}, `}--${name}`;
  return [value === undefined ? shown : `${shown} ${value}`, help];
}
