/** Notices that the configuration file is no longer as the operator read it at its start. */
import { readFile } from 'node:fs/promises';
import type { ConfigurationSource } from '../options/options.ts';
import type { Clock } from '../util/clock.ts';
import { pollFile } from '../util/poll-file.ts';

export type ConfigurationChange =
  /** The file is again as it was at the start. */
  | { readonly kind: 'same' }
  | { readonly kind: 'changed'; readonly text: string }
  | { readonly kind: 'unreadable'; readonly error: Error };

/**
 * Calls `onChange` each time that the file changes, with how it now compares with `source`.
 *
 * @returns stops following
 */
export function followConfiguration(
  { path, text }: ConfigurationSource,
  clock: Clock,
  onChange: (change: ConfigurationChange) => void,
): () => void {
  return pollFile({
    clock,
    read: () => readFile(path, 'utf8'),
    textOf: (now) => now,
    current: text,
    onChange: (now) => onChange(now === text ? { kind: 'same' } : { kind: 'changed', text: now }),
    onError: (error) => onChange({ kind: 'unreadable', error }),
  });
}
