// Errors of the API server: their messages and classification.
import assert from 'node:assert/strict';
import {
  ApiError,
  classify,
  errorOfResponse,
  errorOfStatus,
  isAborted,
  isAlreadyExists,
  isCollectionMissing,
  isConflict,
  isForbidden,
  isGone,
  isNamespaceTerminating,
  isPermissionMissing,
  isNotFound,
  isTooLargeResourceVersion,
  mayHaveWritten,
  parseRetryAfter,
} from '../../src/kube/errors.ts';
import type { Status } from '../../src/kube/errors.ts';

const REQUEST = { method: 'PUT', path: '/api/v1/things/a' };
const NOW = Date.UTC(2026, 0, 1);

function answer(code: number, status?: Partial<Status>, retryAfter?: string): ApiError {
  const body =
    status === undefined ? '' : JSON.stringify({ kind: 'Status', status: 'Failure', code, ...status });
  return errorOfResponse(REQUEST, { status: code, body, retryAfter }, NOW);
}

const predicates = {
  isNotFound,
  isCollectionMissing,
  isConflict,
  isAlreadyExists,
  isGone,
  isForbidden,
  isNamespaceTerminating,
  isPermissionMissing,
  isAborted,
  isTooLargeResourceVersion,
};

const MISSING_PERMISSION = {
  reason: 'Forbidden',
  message: 'pods is forbidden: User "system:serviceaccount:a:b" cannot list resource "pods" in API group ""',
};

function local(reason: string): ApiError {
  return new ApiError({ ...REQUEST, status: 0, reason, message: 'x' });
}

describe('ApiError', () => {
  const cases = [
    ['an invalid object', answer(422, { reason: 'Invalid' }), 'stalled'],
    ['a bad request', answer(400, { reason: 'BadRequest' }), 'stalled'],
    ['an object that is too large', answer(413, { reason: 'RequestEntityTooLarge' }), 'stalled'],
    ['a method that is not allowed', answer(405), 'stalled'],
    ['missing authentication', answer(401, { reason: 'Unauthorized' }), 'waiting'],
    ['a missing permission', answer(403, { reason: 'Forbidden' }), 'waiting'],
    ['a kind that is not served', answer(404, { reason: 'NotFound', details: {} }), 'waiting'],
    [
      'a group that is not served',
      errorOfResponse(REQUEST, { status: 404, body: '404 page not found\n' }, NOW),
      'waiting',
    ],
    [
      'a missing object',
      answer(404, { reason: 'NotFound', details: { name: 'a', kind: 'things' } }),
      'retry',
    ],
    ['a lost race', answer(409, { reason: 'Conflict' }), 'retry'],
    ['an object that exists', answer(409, { reason: 'AlreadyExists' }), 'retry'],
    ['an expired revision', answer(410, { reason: 'Expired' }), 'retry'],
    ['too many requests', answer(429, { reason: 'TooManyRequests' }), 'retry'],
    ['an internal error', answer(500, { reason: 'InternalError' }), 'retry'],
    ['an unavailable server', answer(503), 'retry'],
    ['a gateway that gave up', answer(504), 'retry'],
    ['a broken connection', local('Transport'), 'retry'],
    ['a passed deadline', local('Timeout'), 'retry'],
    ['a silent watch', local('Stalled'), 'retry'],
    ['credentials that can not be obtained', local('Credentials'), 'waiting'],
    ['an error of another kind', new TypeError('x'), 'retry'],
  ] as const;
  for (const [name, error, expected] of cases) {
    it(`is classified as ${expected} for ${name}`, () => assert.equal(classify(error), expected));
  }

  it("has a message of one line with the request, the reason and the server's message", () => {
    const error = answer(409, { reason: 'Conflict', message: 'the object\nhas been   modified' });
    assert.equal(error.message, 'PUT /api/v1/things/a: 409 Conflict: the object has been modified');
  });

  it('quotes only the beginning of a long answer', () => {
    const error = errorOfResponse(REQUEST, { status: 502, body: `<html>${'x'.repeat(100_000)}` }, NOW);
    assert.ok(error.message.length < 1100);
    assert.match(error.message, /502 Unknown: <html>x+\.\.\.$/);
  });

  it('has a reason from the HTTP status if the answer is not a Status', () => {
    assert.equal(
      errorOfResponse(REQUEST, { status: 503, body: 'no upstream' }, NOW).reason,
      'ServiceUnavailable',
    );
  });

  it('has the HTTP status, not the code in the body', () => {
    const error = errorOfResponse(REQUEST, { status: 403, body: '{"kind":"Status","code":500}' }, NOW);
    assert.equal(error.status, 403);
  });

  it('has the code and reason of the Status in an ERROR event of a watch', () => {
    const error = errorOfStatus(REQUEST, {
      kind: 'Status',
      code: 410,
      reason: 'Expired',
      message: 'too old',
    });
    assert.deepEqual([error.status, error.reason, isGone(error)], [410, 'Expired', true]);
  });

  it('has the delay that Retry-After or the Status asks for', () => {
    assert.equal(answer(429, {}, '3').retryAfterMs, 3000);
    assert.equal(answer(429, { details: { retryAfterSeconds: 2 } }).retryAfterMs, 2000);
    assert.equal(answer(429, {}).retryAfterMs, undefined);
  });

  it('limits the delay of a Status as that of a header', () => {
    for (const retryAfterSeconds of [86_400, 1e300])
      assert.equal(answer(429, { details: { retryAfterSeconds } }).retryAfterMs, 120_000);
    assert.equal(answer(429, { details: { retryAfterSeconds: -5 } }).retryAfterMs, undefined);
  });

  it('can be made of a Status whose fields have wrong types', () => {
    const odd = [7, 'text', null, true, [null], { causes: 'text' }, { causes: [null, 7, { reason: 7 }] }];
    const codes = ['410', null, Number.NaN];
    for (const value of odd) {
      for (const code of [500, ...codes]) {
        const status = { kind: 'Status', code, message: value, reason: value, details: value };
        const error = errorOfStatus(REQUEST, status as unknown as Status);
        assert.equal(error.status, 500);
        assert.equal(typeof error.reason, 'string');
        for (const predicate of Object.values(predicates))
          assert.equal(predicate(error), false, JSON.stringify(status));
        assert.equal(classify(error), 'retry');
      }
    }
  });
});

describe('parseRetryAfter', () => {
  const cases: [string | undefined, number | undefined][] = [
    ['1', 1000],
    [new Date(NOW + 5000).toUTCString(), 5000],
    [new Date(NOW - 5000).toUTCString(), undefined],
    ['86400', 120_000],
    ['0', undefined],
    ['-1', undefined],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ];
  for (const [header, expected] of cases) {
    it(`returns ${expected} ms for ${JSON.stringify(header)}`, () =>
      assert.equal(parseRetryAfter(header, NOW), expected));
  }
});

describe('predicates of errors', () => {
  const terminating = answer(403, {
    reason: 'Forbidden',
    details: { causes: [{ reason: 'NamespaceTerminating', message: 'namespace x is being terminated' }] },
  });
  const tooLarge = answer(504, {
    reason: 'Timeout',
    details: { causes: [{ reason: 'ResourceVersionTooLarge' }] },
  });
  const cases: [string, unknown, (keyof typeof predicates)[]][] = [
    ['a missing object', answer(404, { details: { name: 'a' } }), ['isNotFound']],
    ['a missing kind', answer(404, {}), ['isNotFound', 'isCollectionMissing']],
    ['a conflict', answer(409, { reason: 'Conflict' }), ['isConflict']],
    ['an object that exists', answer(409, { reason: 'AlreadyExists' }), ['isAlreadyExists']],
    ['an expired revision', answer(410, { reason: 'Expired' }), ['isGone']],
    ['a missing permission', answer(403, MISSING_PERMISSION), ['isForbidden', 'isPermissionMissing']],
    ['a write that admission refuses', answer(403, { reason: 'Forbidden' }), ['isForbidden']],
    ['a namespace that is being deleted', terminating, ['isForbidden', 'isNamespaceTerminating']],
    ['a revision of the future', tooLarge, ['isTooLargeResourceVersion']],
    ['an aborted request', local('Aborted'), ['isAborted']],
    ['an error of another kind', new Error('410 Gone'), []],
  ];
  for (const [name, error, expected] of cases) {
    it(`that hold for ${name}: ${expected.join(' and ') || 'none'}`, () => {
      const yes = Object.entries(predicates).filter(([, predicate]) => predicate(error));
      assert.deepEqual(
        yes.map(([key]) => key),
        expected,
      );
    });
  }
});

describe('mayHaveWritten', () => {
  const cases: [string, Partial<ApiError>, boolean][] = [
    ['a create whose connection ended', { method: 'POST', status: 0, reason: 'Transport' }, true],
    ['an update whose deadline passed', { method: 'PUT', status: 0, reason: 'Timeout' }, true],
    [
      'a deletion that etcd did not answer in time',
      { method: 'DELETE', status: 504, reason: 'Timeout' },
      true,
    ],
    ['a create that is invalid', { method: 'POST', status: 422, reason: 'Invalid' }, false],
    ['a create that was throttled', { method: 'POST', status: 429, reason: 'TooManyRequests' }, false],
    ['a read whose connection ended', { method: 'GET', status: 0, reason: 'Transport' }, false],
  ];
  for (const [name, init, expected] of cases)
    it(`is ${expected} for ${name}`, () => {
      const error = new ApiError({ ...REQUEST, status: 0, reason: '', message: 'x', ...init });
      assert.equal(mayHaveWritten(error), expected);
    });
});
