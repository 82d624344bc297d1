/** How the process reacts to signals and to defects. */
import type { Logger } from '../observability/logs/logger.ts';

/** The longest orderly stop, in milliseconds; Kubernetes kills the Pod after 30 s. */
const STOP_TIMEOUT_MS = 20_000;

/**
 * A signal that is aborted by the first SIGTERM or SIGINT. The process exits with 130 on the second one, and with 1 if
 * it has not stopped in time.
 */
export function stopSignal(logger: Logger): AbortSignal {
  const stopping = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (stopping.signal.aborted) process.exit(130);
      logger.info('stopping', { signal: name });
      stopping.abort();
      setTimeout(() => {
        logger.error('did not stop in time', { afterMs: STOP_TIMEOUT_MS });
        void logger.close().finally(() => process.exit(1));
      }, STOP_TIMEOUT_MS).unref();
    });
  }
  return stopping.signal;
}

/**
 * Ends the process with 1 on an error that nobody handles. It is a defect: a new process that starts from the API
 * server's state is safer than one that goes on with half a state.
 */
export function exitOnDefect(logger: Logger): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      logger.error('unexpected error, ending', { error });
      void logger.close().finally(() => process.exit(1));
    });
  }
}
