/** A transport that refuses writes unless the replica leads. */
import { ApiError } from './errors.ts';
import type { Request, Transport } from './http/transport.ts';

/**
 * Wraps a transport so that a write fails with an ApiError of reason Aborted if `mayWrite` returns false: at the call,
 * or later, just before the request is written to a connection. Reads are not restricted.
 */
export function fenced(transport: Transport, mayWrite: () => boolean): Transport {
  return {
    request: async <T>(request: Request): Promise<T> => {
      const { method, path } = request;
      if (method === 'GET') return transport.request<T>(request);
      const guard = () => {
        if (mayWrite()) return;
        const message = 'this replica does not lead';
        throw new ApiError({ status: 0, reason: 'Aborted', message, method, path });
      };
      guard();
      return transport.request<T>({ ...request, guard });
    },
    watch: (request) => transport.watch(request),
    close: () => transport.close(),
  };
}
