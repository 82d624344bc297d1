import assert from 'node:assert/strict';
import { ApiError } from '../../../src/kube/errors.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import { type Access, createAccess, guarded } from '../../../src/operator/endpoints/access.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

/** A transport that answers reviews like an API server with a few accounts, and records the requests. */
class Reviews {
  readonly clock = new VirtualClock();
  readonly asked: string[] = [];
  readonly failures: unknown[] = [];
  users: Record<string, { authenticated?: boolean; user?: { username?: string; groups?: string[] } }> = {
    good: { authenticated: true, user: { username: 'prometheus', groups: ['g'] } },
    other: { authenticated: true, user: { username: 'other' } },
  };
  answer: unknown;
  wait: Promise<void> | undefined;
  readonly access: Access;

  constructor() {
    const request = async ({ method, path, body }: Request): Promise<unknown> => {
      const { kind, spec } = body as { kind: string; spec: Record<string, never> };
      this.asked.push(`${method} ${path} ${JSON.stringify(spec)}`);
      await this.wait;
      if (this.answer !== undefined) {
        if (this.answer instanceof Error) throw this.answer;
        return this.answer;
      }
      if (kind === 'TokenReview') return { status: this.users[spec['token'] ?? ''] ?? {} };
      return { status: { allowed: spec['user'] === 'prometheus' } };
    };
    this.access = createAccess({
      transport: { request: request as Transport['request'] },
      clock: this.clock,
      onResult: (failure) => failure && this.failures.push(failure.error),
    });
  }

  async status(token: string | undefined, verb = 'get', path = '/metrics'): Promise<number> {
    const refusal = await this.access(token && `Bearer ${token}`, verb, path);
    return refusal?.status ?? 200;
  }
}

describe('access to /metrics', () => {
  it('is decided by a TokenReview and a SubjectAccessReview of the API server', async () => {
    const reviews = new Reviews();
    assert.equal(await reviews.status('good'), 200);
    assert.deepEqual(reviews.asked, [
      'POST /apis/authentication.k8s.io/v1/tokenreviews {"token":"good"}',
      'POST /apis/authorization.k8s.io/v1/subjectaccessreviews {"user":"prometheus","groups":["g"],' +
        '"nonResourceAttributes":{"path":"/metrics","verb":"get"}}',
    ]);
  });

  for (const header of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Basic YTpi',
    'Bearer a b',
    'good',
    'xBearer good',
  ]) {
    it(`is refused without a review for the header ${JSON.stringify(header)}`, async () => {
      const reviews = new Reviews();
      const refusal = await reviews.access(header, 'get', '/metrics');
      assert.equal(refusal?.status, 401);
      assert.deepEqual(refusal?.headers, { 'www-authenticate': 'Bearer' });
      assert.equal(refusal?.body, '401: a bearer token is needed: Authorization: Bearer TOKEN\n');
      assert.deepEqual(reviews.asked, []);
    });
  }

  it('is refused for a token that the API server does not accept', async () => {
    const reviews = new Reviews();
    const refusal = await reviews.access('Bearer nonsense', 'get', '/metrics');
    assert.deepEqual(
      [refusal?.status, refusal?.body],
      [401, '401: the API server does not accept the token\n'],
    );
    assert.equal(reviews.asked.length, 1);
  });

  it('is refused for a user without the permission, with what to do', async () => {
    const reviews = new Reviews();
    const refusal = await reviews.access('bearer other', 'get', '/metrics');
    assert.equal(refusal?.status, 403);
    assert.match(
      refusal?.body ?? '',
      /^403: other may not get \/metrics: bind it to the ClusterRole segmentation-/,
    );
  });

  it('is cached for a minute if allowed, for ten seconds if refused', async () => {
    const reviews = new Reviews();
    const both = async () => [await reviews.status('good'), await reviews.status('other')];
    await both();
    await reviews.clock.advance(9999);
    assert.deepEqual(await both(), [200, 403]);
    assert.equal(reviews.asked.length, 4);
    reviews.users['other'] = { authenticated: true, user: { username: 'prometheus' } };
    await reviews.clock.advance(1);
    assert.deepEqual(await both(), [200, 200]);
    assert.equal(reviews.asked.length, 6);
    reviews.users['good'] = {};
    await reviews.clock.advance(49_999);
    assert.equal(await reviews.status('good'), 200);
    await reviews.clock.advance(1);
    assert.equal(await reviews.status('good'), 401);
  });

  it('is cached by verb and path', async () => {
    const reviews = new Reviews();
    for (const [verb, path] of [
      ['get', '/metrics'],
      ['head', '/metrics'],
      ['get', '/other'],
    ] as const)
      await reviews.status('good', verb, path);
    assert.equal(reviews.asked.length, 6);
  });

  const FAILURES: readonly (readonly [string, unknown])[] = [
    ['is away', new ApiError({ status: 0, reason: 'Transport', message: 'no', method: 'POST', path: '/' })],
    [
      'refuses the review',
      new ApiError({ status: 403, reason: 'Forbidden', message: 'no', method: 'POST', path: '/' }),
    ],
    ['fails', new Error('boom')],
  ];
  for (const [what, error] of FAILURES) {
    it(`is refused while the API server ${what}, and not cached`, async () => {
      const reviews = new Reviews();
      reviews.answer = error;
      const refusal = await reviews.access('Bearer good', 'get', '/metrics');
      assert.equal(refusal?.status, 500);
      assert.doesNotMatch(refusal?.body ?? '', /boom|Forbidden|no$/);
      assert.deepEqual(reviews.failures, [error]);
      reviews.answer = undefined;
      assert.equal(await reviews.status('good'), 200);
    });
  }

  for (const status of [
    undefined,
    null,
    {},
    { authenticated: 'true' },
    { authenticated: true },
    { authenticated: true, user: {} },
  ]) {
    it(`is refused for a review with the status ${JSON.stringify(status)}`, async () => {
      const reviews = new Reviews();
      reviews.answer = { status };
      assert.equal(await reviews.status('good'), 401);
    });
  }

  it('is refused for a user whom the review both allows and denies', async () => {
    const reviews = new Reviews();
    reviews.answer = {
      status: { authenticated: true, user: { username: 'prometheus' }, allowed: true, denied: true },
    };
    assert.equal(await reviews.status('good'), 403);
  });

  it('is reviewed once for requests with the same token at the same time', async () => {
    const reviews = new Reviews();
    const all = await Promise.all(Array.from({ length: 20 }, () => reviews.status('good')));
    assert.deepEqual(new Set(all), new Set([200]));
    assert.equal(reviews.asked.length, 2);
  });

  it('is reviewed for at most eight unknown tokens at once', async () => {
    const reviews = new Reviews();
    const gate = Promise.withResolvers<void>();
    reviews.wait = gate.promise;
    const waiting = Array.from({ length: 8 }, (_, index) => reviews.status(`unknown-${index}`));
    assert.equal(await reviews.status('good'), 503);
    assert.equal(reviews.asked.length, 8);
    gate.resolve();
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set([401]));
    assert.equal(await reviews.status('good'), 200);
  });

  it('is cached for at most a thousand tokens', async () => {
    const reviews = new Reviews();
    await reviews.status('first');
    for (let index = 0; index < 999; index += 1) await reviews.status(`token-${index}`);
    await reviews.status('first');
    assert.equal(reviews.asked.length, 1000);
    await reviews.status('one-more');
    await reviews.status('first');
    assert.equal(reviews.asked.length, 1002);
  });

  it('is decided before the route runs', async () => {
    const reviews = new Reviews();
    let served = 0;
    const routes = guarded(
      {
        '/metrics': () => {
          served += 1;
          return { status: 200, contentType: 'text/plain', body: 'all' };
        },
      },
      reviews.access,
    );
    const get = async (authorization: string | undefined) =>
      routes['/metrics']?.({
        path: '/metrics',
        query: new URLSearchParams(),
        accept: undefined,
        method: 'GET',
        authorization,
      });
    assert.equal((await get(undefined))?.status, 401);
    assert.equal((await get('Bearer other'))?.status, 403);
    assert.equal(served, 0);
    assert.equal((await get('Bearer good'))?.body, 'all');
  });
});
