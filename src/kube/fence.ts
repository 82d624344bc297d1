/** A transport that refuses to write unless it is allowed to at that very moment: for what only the leader may do. */
import { ApiError } from './errors.ts';
import type { Transport } from './transport.ts';

/** `transport`, whose writes fail with an ApiError of reason Aborted while `mayWrite` is false. Reads go on. */
export function fenced(transport: Transport, mayWrite: () => boolean): Transport {
  return {
    request: async <T>(request: Parameters<Transport['request']>[0]): Promise<T> => {
      if (request.method !== 'GET' && !mayWrite()) {
        const { method, path } = request;
        throw new ApiError({
          status: 0,
          reason: 'Aborted',
          message: 'this replica does not lead',
          method,
          path,
        });
      }
      return transport.request<T>(request);
    },
    watch: (request) => transport.watch(request),
    close: () => transport.close(),
  };
}
