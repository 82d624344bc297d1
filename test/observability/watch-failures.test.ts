import assert from 'node:assert/strict';
import { ApiError } from '../../src/kube/errors.ts';
import { createWatchFailureLog } from '../../src/observability/watch-failures.ts';

const failed = (status: number, reason: string) =>
  new ApiError({ status, reason, method: 'WATCH', path: '/apis/x', message: '404 page not found' });

describe('log of failing watches of a capability', () => {
  it('warns of each watch and cause once, and again a minute after the last failure', () => {
    const lines: string[] = [];
    let now = 0;
    const line = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
      lines.push(`${level} ${String(fields?.['resource'])}: ${message}`);
    };
    const log = createWatchFailureLog({ debug: line('debug'), warn: line('warn') }, { monotonic: () => now });
    const fail = (resource: string, error: Error) => {
      lines.length = 0;
      log(resource, error);
      return lines[0];
    };
    const missing = failed(404, 'NotFound');
    const text = 'the API server does not serve the kind, waiting for its CRD';
    assert.equal(fail('tiers', missing), `warn tiers: ${text}`);
    assert.equal(fail('networksets', missing), `warn networksets: ${text}`);
    for (now = 5000; now < 120_000; now += 5000) {
      assert.equal(fail('tiers', missing), `debug tiers: ${text}`);
      assert.equal(fail('networksets', missing), `debug networksets: ${text}`);
    }
    assert.equal(
      fail('tiers', failed(403, 'Forbidden')),
      'warn tiers: a permission is missing, waiting for it',
    );
    now += 60_000;
    assert.equal(fail('networksets', missing), `warn networksets: ${text}`);
  });
});
