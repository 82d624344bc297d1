/**
 * Watches files by reading and comparing them. That finds every way of replacing a file, a mounted ConfigMap or Secret
 * too, where the kubelet swaps a symbolic link in a directory above.
 */
import type { Clock } from './clock.ts';
import { asError } from './error-message.ts';

/** How often files are read, milliseconds; as controller-runtime's certwatcher. */
export const FILE_POLL_MS = 10_000;

export interface FilePoll<T> {
  readonly clock: Clock;
  /** Reads and checks the files. */
  readonly read: () => Promise<T>;
  /** The content, for comparing. */
  readonly textOf: (value: T) => string;
  /** The value that the files had at the start. */
  readonly current: T;
  /** Called after each read, before `onChange` or `onError`. */
  readonly onRead?: ((error: Error | undefined) => void) | undefined;
  /** Called when the content differs from the last one, or can be read again after an error. */
  readonly onChange: (value: T) => void;
  /** Called once for errors in a row with the same message. */
  readonly onError: (error: Error) => void;
}

/**
 * Reads the files every FILE_POLL_MS, the next time that long after the last read has ended.
 *
 * @returns stops the polling; nothing is called afterwards
 */
export function pollFile<T>(poll: FilePoll<T>): () => void {
  const { clock, read, textOf, onRead, onChange, onError } = poll;
  let known = `text ${textOf(poll.current)}`;
  let stopped = false;
  const isNews = (state: string): boolean => {
    if (state === known) return false;
    known = state;
    return true;
  };
  const look = async (): Promise<void> => {
    const result = await read().then(
      (value) => ({ value }),
      (thrown: unknown) => ({ error: asError(thrown) }),
    );
    if (stopped) return;
    if ('error' in result) {
      onRead?.(result.error);
      if (isNews(`error ${result.error.message}`)) onError(result.error);
    } else {
      onRead?.(undefined);
      if (isNews(`text ${textOf(result.value)}`)) onChange(result.value);
    }
  };
  const arm = () =>
    clock.schedule(FILE_POLL_MS, () => void look().finally(() => !stopped && (timer = arm())));
  let timer = arm();
  return () => {
    stopped = true;
    timer.cancel();
  };
}
