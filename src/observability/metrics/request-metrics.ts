/** Metrics of requests to the API server, under the names of client-go. */
import { Counter, type Registry } from 'prom-client';
import { DURATION_BUCKETS } from './buckets.ts';
import { type Observe, SeriesHistogram } from './series-histogram.ts';

export interface RequestMeasurement {
  /** The HTTP method, or WATCH for a GET that watches. */
  readonly verb: string;
  readonly host: string;
  /** The HTTP status, or '<error>' without an answer. */
  readonly status: number | string;
  readonly durationMs: number;
  /** Sizes of the bodies; undefined without a body, and for a stream. */
  readonly requestBytes?: number | undefined;
  readonly responseBytes?: number | undefined;
}

/** Buckets of client-go, in bytes, up to 16 MiB. */
const SIZES = [64, 256, 512, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];

export function createRequestMetrics(registry: Registry): (measurement: RequestMeasurement) => void {
  const registers = [registry];
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the API server, by HTTP status (or <error>), method and host.',
    labelNames: ['code', 'method', 'host'],
    registers,
  });
  const durations = new SeriesHistogram({
    name: 'rest_client_request_duration_seconds',
    help: 'How long requests to the API server took, by verb and host; for a WATCH until it was accepted.',
    labelNames: ['verb', 'host'],
    buckets: DURATION_BUCKETS,
    registers,
  });
  const sent = new SeriesHistogram({
    name: 'rest_client_request_size_bytes',
    help: 'Sizes of the bodies sent to the API server, by verb and host.',
    labelNames: ['verb', 'host'],
    buckets: SIZES,
    registers,
  });
  const received = new SeriesHistogram({
    name: 'rest_client_response_size_bytes',
    help: 'Sizes of the bodies that the API server answered, by verb and host; not of a WATCH.',
    labelNames: ['verb', 'host'],
    buckets: SIZES,
    registers,
  });
  const observers = new Map<string, Observers>();
  const observersOf = (verb: string, host: string): Observers => {
    const key = `${verb} ${host}`;
    let known = observers.get(key);
    if (known === undefined) {
      known = { duration: durations.series({ verb, host }), sent: undefined, received: undefined };
      observers.set(key, known);
    }
    return known;
  };
  return ({ verb, host, status, durationMs, requestBytes, responseBytes }) => {
    requests.inc({ code: String(status), method: verb === 'WATCH' ? 'GET' : verb, host });
    const observe = observersOf(verb, host);
    observe.duration(durationMs / 1000);
    // A verb without bodies has no series of their sizes.
    if (requestBytes !== undefined) (observe.sent ??= sent.series({ verb, host }))(requestBytes);
    if (responseBytes !== undefined) (observe.received ??= received.series({ verb, host }))(responseBytes);
  };
}

/** The series of one verb and host. */
interface Observers {
  readonly duration: Observe;
  sent: Observe | undefined;
  received: Observe | undefined;
}
