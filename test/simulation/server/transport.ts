/** A Transport to the model that answers at once, without faults. */
import { ApiError } from '../../../src/kube/errors.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import { answerOf } from './answer.ts';
import type { Server } from './server.ts';

/** @param onRequest called before each request */
export function transportTo(server: Server, onRequest: (request: Request) => void = () => {}): Transport {
  return {
    request: async <T>(request: Request) => {
      onRequest(request);
      return answerOf(request, server.handle(request, 'test'), 0) as T;
    },
    async *watch({ path, query = {}, signal }) {
      const events: unknown[] = [];
      let isEnded = false;
      const started = server.watch(
        path,
        query,
        (event) => events.push(event),
        () => (isEnded = true),
      );
      if (typeof started !== 'function')
        throw new ApiError({
          method: 'WATCH',
          path,
          status: started.code,
          reason: started.reason,
          message: '',
        });
      const end = performance.now() + 1000 * Number(query['timeoutSeconds'] ?? Number.POSITIVE_INFINITY);
      while (!signal.aborted && performance.now() < end) {
        if (events.length > 0) yield events.splice(0);
        if (isEnded) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      started();
    },
    close: () => Promise.resolve(),
  };
}
