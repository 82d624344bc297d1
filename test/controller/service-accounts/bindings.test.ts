import assert from 'node:assert/strict';
import { AccountBindings } from '../../../src/controller/service-accounts/bindings.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';

/** Refuses every list; those of `last` are answered after the others. */
function refusing(last: string): Transport {
  return {
    request: async ({ method, path }: Request) => {
      if (path.endsWith(last)) await new Promise((resolve) => setImmediate(resolve));
      throw new ApiError({ status: 403, reason: 'Forbidden', message: 'refused', method, path });
    },
    // oxlint-disable-next-line require-yield
    async *watch() {
      throw new Error('nothing is watched');
    },
    close: () => Promise.resolve(),
  };
}

describe('bindings of service accounts', () => {
  it('are refused with the same error whichever list the API server answers first', async () => {
    const errors: unknown[] = [];
    for (const last of ['mutatingadmissionpolicybindings', 'validatingadmissionpolicybindings'])
      await new AccountBindings(refusing(last))
        .read(new AbortController().signal)
        .catch((error: unknown) => errors.push((error as ApiError).path));
    assert.equal(errors.length, 2);
    assert.equal(errors[0], errors[1]);
  });
});
