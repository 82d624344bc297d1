/** What a command is. Each stands in a file of its own under commands/, and is registered in commands.ts. */
import type { Flag, Flags } from './flags.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { Process, Terminal } from './terminal.ts';

export interface Example {
  readonly what: string;
  /** After `kubectl segmentation`; further lines of a script stand as they are. */
  readonly line: string;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands, without a full stop. */
  readonly summary: string;
  /** The arguments as the help text shows them, such as `FROM TO`; empty for none. */
  readonly usage: string;
  /** Fewest and most arguments. */
  readonly words: readonly [min: number, max: number];
  /** Paragraphs of the help text. */
  readonly description: readonly string[];
  readonly examples: readonly Example[];
  /** Its own flags, after those that all commands have. */
  readonly flags: readonly Flag[];
  /** What `-o` takes, the default first; empty for a command without `-o`. */
  readonly formats: readonly string[];
  /** Which of the shared groups of flags it takes. `namespaces`: -n and -A narrow what is shown. */
  readonly takes: { readonly cluster: boolean; readonly namespaces: boolean };
  /** What completion offers for its arguments. */
  readonly completes?: 'profiles' | 'endpoints' | 'shells' | 'files';
  /** Resolves the exit code: one of EXIT. */
  run(call: Call): Promise<number>;
}

/** One run of a command. */
export interface Call {
  readonly words: readonly string[];
  readonly flags: Flags;
  /** One of the command's formats. */
  readonly format: string;
  readonly process: Process;
  readonly terminal: Terminal;
  /** The namespace of -n; undefined without it, and with -A. */
  readonly namespace: string | undefined;
  /** Reads what the flags name: the cluster, manifests, or manifests laid over the cluster. @throws CliError */
  readonly load: () => Promise<Snapshot>;
}
