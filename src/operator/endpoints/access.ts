/**
 * Authentication and authorization of scrapes, as in controller-runtime's WithAuthenticationAndAuthorization: the API
 * server identifies the bearer token (TokenReview) and decides about the path (SubjectAccessReview). Access is refused on
 * any failure. Decisions are cached, so that most scrapes cost no request. The cache and the number of reviews at once
 * are bounded, so that invalid tokens can't use up the operator's share of the API server.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../util/clock.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { Route, RouteReply } from './server.ts';

export interface AccessOptions {
  readonly transport: Pick<Transport, 'request'>;
  readonly clock: Clock;
  /** Called after each review, with the error if the API server gave no decision. */
  readonly onResult?: (failure: { readonly error: unknown } | undefined) => void;
}

/** Undefined if access is allowed. */
type Refusal = RouteReply | undefined;
export type Access = (authorization: string | undefined, verb: string, path: string) => Promise<Refusal>;

interface TokenReview {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: {
      readonly username?: string;
      readonly uid?: string;
      readonly groups?: readonly string[];
      readonly extra?: Readonly<Record<string, readonly string[]>>;
    };
  };
}

interface SubjectAccessReview {
  readonly status?: { readonly allowed?: boolean; readonly denied?: boolean };
}

/** How long a decision is cached, in milliseconds: a revoked permission ends within the first. */
const ALLOWED_MS = 60_000;
const REFUSED_MS = 10_000;
const MAX_DECISIONS = 1000;
const MAX_REVIEWS = 8;
const TIMEOUT_MS = 5000;

/** The routes, each guarded by `access`. */
export function guarded(routes: Readonly<Record<string, Route>>, access: Access): Record<string, Route> {
  const guard =
    (route: Route): Route =>
    async (request) =>
      (await access(request.authorization, request.method.toLowerCase(), request.path)) ?? route(request);
  return Object.fromEntries(Object.entries(routes).map(([path, route]) => [path, guard(route)]));
}

export function createAccess({ transport, clock, onResult }: AccessOptions): Access {
  const decisions = new Map<string, { readonly refusal: Refusal; readonly until: number }>();
  const pending = new Map<string, Promise<Refusal>>();

  const remember = (key: string, refusal: Refusal): void => {
    const [oldest] = decisions.keys();
    if (decisions.size >= MAX_DECISIONS && oldest !== undefined) decisions.delete(oldest);
    const until = clock.monotonic() + (refusal === undefined ? ALLOWED_MS : REFUSED_MS);
    decisions.set(key, { refusal, until });
  };

  const ask = async (key: string, token: string, verb: string, path: string): Promise<Refusal> => {
    try {
      const refusal = await decide(transport, token, verb, path);
      remember(key, refusal);
      onResult?.(undefined);
      return refusal;
    } catch (error) {
      onResult?.({ error });
      return reply(500, 'the API server could not be asked who you are and what you may do; see the log');
    }
  };

  return async (authorization, verb, path) => {
    const token = /^Bearer +([^\s]+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) {
      return reply(401, 'a bearer token is needed: Authorization: Bearer TOKEN', CHALLENGE);
    }
    // A digest as key, so that no token stays in memory.
    const key = createHash('sha256')
      .update(JSON.stringify([token, verb, path]))
      .digest('base64');
    const known = decisions.get(key);
    if (known !== undefined && clock.monotonic() < known.until) return known.refusal;
    decisions.delete(key);
    let review = pending.get(key);
    if (review === undefined) {
      if (pending.size >= MAX_REVIEWS)
        return reply(503, 'too many unknown tokens at once', { 'retry-after': '1' });
      review = ask(key, token, verb, path).finally(() => pending.delete(key));
      pending.set(key, review);
    }
    return review;
  };
}

const CHALLENGE = { 'www-authenticate': 'Bearer' };

async function decide(
  transport: Pick<Transport, 'request'>,
  token: string,
  verb: string,
  path: string,
): Promise<Refusal> {
  const review = await transport.request<TokenReview>({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } },
    timeoutMs: TIMEOUT_MS,
  });
  const user = review.status?.user;
  if (review.status?.authenticated !== true || !user?.username) {
    return reply(401, 'the API server does not accept the token', CHALLENGE);
  }
  const { username, uid, groups, extra } = user;
  const access = await transport.request<SubjectAccessReview>({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: username, uid, groups, extra, nonResourceAttributes: { path, verb } },
    },
    timeoutMs: TIMEOUT_MS,
  });
  if (access.status?.allowed === true && access.status.denied !== true) return undefined;
  return reply(
    403,
    `${username} may not ${verb} ${path}: bind it to the ClusterRole segmentation-operator-metrics-reader, or to another that allows this nonResourceURL`,
  );
}

function reply(status: number, text: string, headers: Readonly<Record<string, string>> = {}): RouteReply {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${status}: ${text}\n`, headers };
}
