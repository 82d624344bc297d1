/** Builds the capability of SegmentationExceptions, which works only where they are installed, or a profile grants some. */
import { EXCEPTION_PLURAL } from '../../api/names.ts';
import { Exceptions } from '../../controller/exceptions/exceptions.ts';
import { ExceptionEvents } from '../../observability/exception-events.ts';
import { describeRequestFailure } from '../../observability/request-failure.ts';
import type { CapabilityParts } from './parts.ts';

/** Each cause of failing reads is logged once as a warning. */
export function createExceptions(parts: CapabilityParts): Exceptions {
  const { options, transport, clusterState, records, recorder, logger, metrics, clock } = parts;
  const events = new ExceptionEvents(recorder);
  let lastCause: string | undefined;
  const exceptions = new Exceptions({
    transport,
    clusterState,
    records,
    clock,
    random: Math.random,
    resyncMs: options.resyncPeriod,
    onStatus: (exception, status) => {
      const { namespace, name } = exception.metadata;
      const { reason, message } = status?.conditions?.find(({ type }) => type === 'InForce') ?? {};
      logger.info('exception judged', { namespace, exception: name, reason, message });
      if (status !== undefined) events.onStatus(exception, status);
    },
    onError: (error) => {
      const { message, cause } = describeRequestFailure(error, EXCEPTION_PLURAL);
      logger[cause === lastCause ? 'debug' : 'warn'](message, { resource: EXCEPTION_PLURAL, error });
      lastCause = cause;
    },
    onRetry: ({ key: exception, error, failures, delayMs }) => {
      // A single write conflict or dropped connection is ordinary; a failure that repeats is not.
      const level = failures > 1 ? 'warn' : 'debug';
      const inMs = Math.round(delayMs);
      logger[level]('status of an exception not written, will try again', {
        exception,
        failures,
        inMs,
        error,
      });
    },
  });
  clusterState.exceptions = exceptions;
  metrics.exceptions(() => exceptions.sample());
  return exceptions;
}
