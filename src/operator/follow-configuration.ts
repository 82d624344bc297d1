/** Notices that the configuration file is no longer what the operator was started with. */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../util/clock.ts';

/** What an operator was started with. */
export interface StartedWith {
  readonly path: string;
  readonly text: string;
}

/** How often the file is looked at, milliseconds. */
export const CONFIGURATION_POLL = 10_000;

/**
 * Calls `onChange` when the text of the file has become another: with the new text, with an error if it can't be read,
 * or with undefined if it is again what it was at the start. The file is read and compared, which finds every way of
 * replacing it; a ConfigMap is replaced by swapping a symbolic link higher up.
 *
 * @returns ends it
 */
export function followConfiguration(
  { path, text }: StartedWith,
  clock: Clock,
  onChange: (now: string | Error | undefined) => void,
): () => void {
  let known: string | undefined;
  let ended = false;
  const look = async (): Promise<void> => {
    const read = await readFile(path, 'utf8').catch((error: unknown) =>
      error instanceof Error ? error : new Error(String(error)),
    );
    const now = read === text ? undefined : read;
    const said =
      now instanceof Error ? `error ${now.message}` : now === undefined ? undefined : `text ${now}`;
    if (ended || said === known) return;
    known = said;
    onChange(now);
  };
  const arm = () => clock.schedule(CONFIGURATION_POLL, () => void look().finally(() => (timer = arm())));
  let timer = arm();
  return () => {
    ended = true;
    timer.cancel();
  };
}
