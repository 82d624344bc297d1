/** Notices that the configuration file is no longer what the operator was started with. */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../util/clock.ts';
import { pollFile } from '../util/poll-file.ts';

/** What an operator was started with. */
export interface StartedWith {
  readonly path: string;
  readonly text: string;
}

/**
 * Calls `onChange` when the text of the file has become another: with the new text, with an error if it can't be read,
 * or with undefined if it is again what it was at the start.
 *
 * @returns ends it
 */
export function followConfiguration(
  { path, text }: StartedWith,
  clock: Clock,
  onChange: (now: string | Error | undefined) => void,
): () => void {
  return pollFile({
    clock,
    read: () => readFile(path, 'utf8'),
    textOf: (read) => read,
    current: text,
    onChange: (read) => onChange(read === text ? undefined : read),
    onError: onChange,
  });
}
