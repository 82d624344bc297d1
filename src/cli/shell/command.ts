/** The interface of a command. Each command has a folder under commands/, and an entry in commands/registry.ts. */
import type { Flag, Flags } from './flags.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';
import type { Process, Terminal } from './terminal.ts';

export interface Example {
  /** Comment above the example in the help text. */
  readonly what: string;
  /** Follows `kubectl segmentation`; a line that already has it, such as a pipe, is shown unchanged. */
  readonly line: string;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands, without a full stop. */
  readonly summary: string;
  /** Arguments for the help text, such as `FROM TO`; empty if the command takes none. */
  readonly usage: string;
  /** Least and largest number of arguments. */
  readonly words: readonly [min: number, max: number];
  /** Paragraphs of the help text. */
  readonly description: readonly string[];
  readonly examples: readonly Example[];
  /** Flags of this command alone. */
  readonly flags: readonly Flag[];
  /** Values of `-o`, the default first; empty for a command without `-o`. */
  readonly formats: readonly string[];
  /** Shared groups of flags: those that choose cluster or manifests, and -n with -A to narrow the output. */
  readonly takes: { readonly cluster: boolean; readonly namespaces: boolean };
  /** Candidates that completion offers for the arguments. */
  readonly completes?: 'profiles' | 'endpoints' | 'shells' | 'files';
  /** Resolves to an exit code of EXIT. */
  run(call: Call): Promise<number>;
}

export interface LoadOptions {
  /** True to read what `audit` needs too. */
  readonly forAudit?: boolean;
  /** True to read the policies of network engines and of the mesh too. */
  readonly forLayers?: boolean;
}

/** One run of a command. */
export interface Call {
  readonly words: readonly string[];
  readonly flags: Flags;
  /** One of the command's formats. */
  readonly format: string;
  readonly process: Process;
  readonly terminal: Terminal;
  /** Value of -n; undefined without it, and with -A. */
  readonly namespace: string | undefined;
  /** Reads the snapshot that the flags choose: cluster, manifests, or manifests over the cluster. @throws CliError */
  readonly load: (options?: LoadOptions) => Promise<Snapshot>;
}
