/** A transport that refuses to write unless it is allowed to at that very moment: for what only the leader may do. */
import { ApiError } from './errors.ts';
import type { Request, Transport } from './http/transport.ts';

/**
 * `transport`, whose writes fail with an ApiError of reason Aborted while `mayWrite` is false: when they are asked for, and
 * when a connection is there on which they are sent. Reads go on.
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
