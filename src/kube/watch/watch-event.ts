/** Checks and reads the values of a watch: metav1.WatchEvent. */
import { errorOfStatus, isStatus } from '../errors.ts';
import type { ApiError, RequestName } from '../errors.ts';
import { isRecord } from '../../util/is-record.ts';
import { excerpt, malformed } from '../http/wire.ts';

export type WatchEvent =
  | {
      readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
      readonly object: object;
      readonly resourceVersion: string;
    }
  | {
      readonly type: 'BOOKMARK';
      readonly resourceVersion: string;
      /** True for the bookmark that completes a streamed list (KEP-3157). */
      readonly initialEventsEnd: boolean;
    };

/**
 * Reads `value` as an event.
 *
 * @throws ApiError with the Status of an ERROR event, or of reason Malformed for a value that is no event
 */
export function parseWatchEvent(request: RequestName, value: unknown): WatchEvent {
  if (!isRecord(value)) throw unexpected(request, value);
  const { type, object } = value;
  if (type === 'ERROR' && isStatus(object)) throw errorOfStatus(request, object);
  if (!isRecord(object) || !isRecord(object['metadata'])) throw unexpected(request, value);
  const { resourceVersion, annotations } = object['metadata'];
  if (typeof resourceVersion !== 'string' || resourceVersion === '') throw unexpected(request, value);
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      if (typeof object['metadata']['name'] !== 'string') throw unexpected(request, value);
      return { type, object, resourceVersion };
    case 'BOOKMARK': {
      const initialEventsEnd = isRecord(annotations) && annotations['k8s.io/initial-events-end'] === 'true';
      return { type, resourceVersion, initialEventsEnd };
    }
    default:
      throw unexpected(request, value);
  }
}

function unexpected(request: RequestName, value: unknown): ApiError {
  return malformed(request, `not a watch event: ${excerpt(value)}`);
}
