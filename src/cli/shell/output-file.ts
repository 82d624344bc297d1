/** The flag --write: a document goes to a file in place of stdout. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { errorMessage } from '../../util/error-message.ts';
import { CliError, UsageError } from './failure.ts';
import type { Flag, Flags } from './flags.ts';
import type { Process, Terminal } from './terminal.ts';

export const WRITE_FLAG: Flag = {
  name: 'write',
  short: 'w',
  value: 'FILE',
  completes: 'files',
  help: 'write to this file instead of the output',
};

/** @throws UsageError if a page would go to a terminal. @param instead a format that a terminal can show */
export function refusePageOnTerminal(flags: Flags, { stdout }: Process, instead: string): void {
  if (flags.has('write') || stdout.isTTY !== true) return;
  throw new UsageError(`a page is nothing for a terminal: add --write segmentation.html, or ${instead}`);
}

/** Writes to the file of --write, with a note that ends in `counts`, or to stdout. @throws CliError */
export function writeDocument(
  text: string,
  counts: string,
  {
    flags,
    process,
    terminal,
  }: { readonly flags: Flags; readonly process: Process; readonly terminal: Terminal },
): void {
  const file = flags.get('write');
  if (file === undefined) return terminal.write(text);
  try {
    writeFileSync(resolve(process.cwd, file), text);
  } catch (error) {
    throw new CliError(`can't write ${file}: ${errorMessage(error)}`);
  }
  terminal.note(`wrote ${file}: ${counts}`);
}
