/** The failures of a capability's watches as lines of the log. */
import type { Clock } from '../util/clock.ts';
import type { Logger } from './logs/logger.ts';
import { describeRequestFailure } from './request-failure.ts';

/** A watch that fails is tried again within seconds: a failure that comes later than this is a new one. Milliseconds. */
const REPEATED_WITHIN_MS = 60_000;

/** Logs the first failure of each watch for one cause as a warning, and repetitions as debug. */
export function createWatchFailureLog(
  logger: Pick<Logger, 'debug' | 'warn'>,
  clock: Pick<Clock, 'monotonic'>,
): (resource: string, error: unknown) => void {
  const last = new Map<string, { readonly cause: string; readonly at: number }>();
  return (resource, error) => {
    const { message, cause } = describeRequestFailure(error, resource);
    const [before, at] = [last.get(resource), clock.monotonic()];
    last.set(resource, { cause, at });
    const isRepeated = before?.cause === cause && at - before.at < REPEATED_WITHIN_MS;
    logger[isRepeated ? 'debug' : 'warn'](message, { resource, error });
  };
}
