/**
 * Who may scrape: the API server says who a bearer token is (TokenReview) and whether that one may get the path
 * (SubjectAccessReview), as in controller-runtime's WithAuthenticationAndAuthorization. Whatever goes wrong, the answer
 * is no. Decisions are kept for a while, so that a scrape costs no request most of the time; their number is bounded,
 * and so is how many are asked for at once: those who send rubbish must not use up the operator's share of the API server.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../util/clock.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { Route, RouteReply } from './server.ts';

export interface AccessOptions {
  readonly transport: Pick<Transport, 'request'>;
  readonly clock: Clock;
  /** The API server was asked: undefined, or why it did not say yes or no. */
  readonly onResult?: (failure: { readonly error: unknown } | undefined) => void;
}

/** Undefined: yes. */
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

/** For how long a decision stands, milliseconds: what is revoked ends within the first. */
const ALLOWED_MS = 60_000;
const REFUSED_MS = 10_000;
const MAX_DECISIONS = 1000;
const MAX_ASKED = 8;
const TIMEOUT_MS = 5000;

/** `routes`, each only for those who may. */
export function guarded(routes: Readonly<Record<string, Route>>, access: Access): Record<string, Route> {
  const guard =
    (route: Route): Route =>
    async (request) =>
      (await access(request.authorization, request.method.toLowerCase(), request.path)) ?? route(request);
  return Object.fromEntries(Object.entries(routes).map(([path, route]) => [path, guard(route)]));
}

export function createAccess({ transport, clock, onResult }: AccessOptions): Access {
  const decisions = new Map<string, { readonly refusal: Refusal; readonly until: number }>();
  const asked = new Map<string, Promise<Refusal>>();

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
    // A digest, so that no token is kept.
    const key = createHash('sha256')
      .update(JSON.stringify([token, verb, path]))
      .digest('base64');
    const known = decisions.get(key);
    if (known !== undefined && clock.monotonic() < known.until) return known.refusal;
    decisions.delete(key);
    let asking = asked.get(key);
    if (asking === undefined) {
      if (asked.size >= MAX_ASKED)
        return reply(503, 'too many unknown tokens at once', { 'retry-after': '1' });
      asking = ask(key, token, verb, path).finally(() => asked.delete(key));
      asked.set(key, asking);
    }
    return asking;
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
