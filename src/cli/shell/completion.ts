/**
 * Shell completion. The output follows cobra's protocol, which kubectl uses with its plugins: one candidate per line,
 * with an optional description after a tab, then a colon and a directive that tells the shell what to add itself.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parseYaml } from '../../manifests/yaml.ts';
import type { Command } from './command.ts';
import { COMMANDS } from '../commands/registry.ts';
import { labelOf } from '../snapshot/flow-ends.ts';
import { type Flag, Flags } from './flags.ts';
import { flagsOf } from './help.ts';
import { loadCluster, loadManifests, type LoadInput } from '../snapshot/load.ts';
import { SHELLS } from './shells.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';
import { type Process, Terminal } from './terminal.ts';

/** Values of cobra's ShellCompDirective: candidates only, files as well, directories only. */
const DIRECTIVE = { none: 4, files: 0, directories: 16 } as const;

interface Completion {
  readonly candidates: readonly (readonly [value: string, description?: string])[];
  readonly directive: number;
}

/** @param words the command line after the plugin's name; the last word is the one to complete */
export async function completionText(words: readonly string[], process: Process): Promise<string> {
  const { candidates, directive } = await complete(words, process);
  const current = prefixOf(words.at(-1) ?? '');
  const lines = candidates
    .filter(([value]) => value.startsWith(current))
    .map(([value, description]) => (description === undefined ? value : `${value}\t${description}`));
  return [...lines, `:${directive}`, ''].join('\n');
}

/** The text that candidates must begin with: the value in `--flag=value`, otherwise the whole word. */
function prefixOf(word: string): string {
  return /^--[\w-]+=/.test(word) ? word.slice(word.indexOf('=') + 1) : word;
}

const nothing: Completion = { candidates: [], directive: DIRECTIVE.none };

async function complete(words: readonly string[], process: Process): Promise<Completion> {
  const [name = '', ...rest] = words;
  if (rest.length === 0) {
    return { candidates: COMMANDS.map(({ name, summary }) => [name, summary]), directive: DIRECTIVE.none };
  }
  if (name === 'help') {
    return { candidates: COMMANDS.map(({ name, summary }) => [name, summary]), directive: DIRECTIVE.none };
  }
  const command = COMMANDS.find((each) => each.name === name);
  if (command === undefined) return nothing;
  const flags = flagsOf(command);
  const current = rest.at(-1) ?? '';
  const given = givenFlags(rest.slice(0, -1), flags);
  const valued = flagAwaitingValue(rest, flags);
  if (valued !== undefined) return valuesOf(valued, given, process);
  if (current.startsWith('-')) {
    const open = flags.filter(({ name, repeated }) => repeated === true || !given.has(name));
    return { candidates: open.map(({ name, help }) => [`--${name}`, help]), directive: DIRECTIVE.none };
  }
  return argumentsOf(command, given, process);
}

/** The flag whose value is the last word; undefined if that word is no value. */
function flagAwaitingValue(words: readonly string[], flags: readonly Flag[]): Flag | undefined {
  const current = words.at(-1) ?? '';
  const inline = /^--([\w-]+)=/.exec(current)?.[1];
  if (inline !== undefined) return flags.find(({ name }) => name === inline);
  const previous = words.at(-2) ?? '';
  return flags.find(
    ({ name, short, value }) =>
      value !== undefined && (previous === `--${name}` || (short !== undefined && previous === `-${short}`)),
  );
}

/** Flags on the line so far. Unknown and incomplete ones are skipped, as the line is still being typed. */
function givenFlags(words: readonly string[], flags: readonly Flag[]): Flags {
  const given = new Map<string, string[]>();
  for (const [index, word] of words.entries()) {
    const [head = '', inline] = word.split('=', 2);
    const flag = flags.find(
      ({ name, short }) => head === `--${name}` || (short !== undefined && head === `-${short}`),
    );
    if (flag === undefined) continue;
    const value = flag.value === undefined ? 'true' : (inline ?? words[index + 1]);
    if (value !== undefined) given.set(flag.name, [...(given.get(flag.name) ?? []), value]);
  }
  return new Flags(given);
}

async function valuesOf({ choices, completes }: Flag, given: Flags, process: Process): Promise<Completion> {
  if (choices !== undefined) return { candidates: choices.map((each) => [each]), directive: DIRECTIVE.none };
  switch (completes) {
    case 'files':
      return { candidates: [], directive: DIRECTIVE.files };
    case 'directories':
      return { candidates: [], directive: DIRECTIVE.directories };
    case 'contexts':
      return { candidates: contexts(given, process).map((each) => [each]), directive: DIRECTIVE.none };
    case 'namespaces':
      return named(given, process, ['Namespace'], ({ namespaces }) => namespaces.map(({ name }) => name));
    default:
      return nothing;
  }
}

function argumentsOf({ completes }: Command, given: Flags, process: Process): Promise<Completion> {
  switch (completes) {
    case 'profiles':
      return named(given, process, ['SegmentationProfile'], ({ profiles }) =>
        profiles.map(({ metadata }) => metadata.name),
      );
    case 'endpoints':
      return named(given, process, ['Namespace', 'Pod', 'Service'], endpoints);
    case 'files':
      return Promise.resolve({ candidates: [], directive: DIRECTIVE.files });
    case 'shells':
      return Promise.resolve({ candidates: SHELLS.map((each) => [each]), directive: DIRECTIVE.none });
    default:
      return Promise.resolve(nothing);
  }
}

/** Ends of flows: workloads and Services with their namespaces, and the namespaces themselves. */
function endpoints({ namespaces, pods, services, namespace }: Snapshot): string[] {
  const local = pods.filter((pod) => pod.namespace === namespace).map(({ workload }) => workload.name);
  return [
    ...local,
    ...pods.map(labelOf),
    ...services.map((each) => `${each.namespace}/svc/${each.name}`),
    ...namespaces.map(({ name }) => `ns/${name}`),
  ];
}

/** Names from the cluster or manifests that the line chooses. Any error yields no candidates. */
async function named(
  flags: Flags,
  process: Process,
  kinds: readonly string[],
  names: (snapshot: Snapshot) => readonly string[],
): Promise<Completion> {
  const input: LoadInput = { flags, namespace: flags.get('namespace'), process, terminal: silent(process) };
  try {
    const snapshot =
      flags.has('filename') || flags.has('kustomize')
        ? await loadManifests(input, flags.all('filename'), flags.all('kustomize'))
        : await loadCluster(input, kinds);
    return {
      candidates: [...new Set(names(snapshot))].sort().map((each) => [each]),
      directive: DIRECTIVE.none,
    };
  } catch {
    return nothing;
  }
}

/** A terminal that discards everything: a note would appear in the middle of the typed line. */
function silent(process: Process): Terminal {
  const sink = { write: () => true, isTTY: false } as unknown as Process['stdout'];
  return new Terminal({ ...process, stdout: sink, stderr: sink });
}

function contexts(flags: Flags, { env }: Process): string[] {
  const files =
    flags.get('kubeconfig') ?? env['KUBECONFIG'] ?? join(env['HOME'] ?? homedir(), '.kube', 'config');
  return files.split(delimiter).flatMap((file) => {
    try {
      const { contexts = [] } = parseYaml(readFileSync(file, 'utf8')).value as {
        contexts?: { name: string }[];
      };
      return contexts.map(({ name }) => name);
    } catch {
      return [];
    }
  });
}
