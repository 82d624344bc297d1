/** Failures of requests to the API server, as one type of error, and their classification. */

/** The fields of metav1.Status that are read here. */
export interface Status {
  readonly kind?: string;
  /** Success or Failure. */
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: {
    readonly name?: string;
    readonly kind?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly reason?: string; readonly message?: string }[];
  };
}

/** Reasons of failures that carry no metav1.Status; all others are the Status's own. */
export type LocalReason =
  /** The connection failed, or ended before the answer did. */
  | 'Transport'
  /** The deadline passed. */
  | 'Timeout'
  /** A watch was silent for longer than it may be. */
  | 'Stalled'
  /** The answer is not what the API server's protocol allows. */
  | 'Malformed'
  /** The caller's signal was aborted, or the transport closed. */
  | 'Aborted'
  /** The kubeconfig's credentials can't be obtained: an exec plugin failed, or a file is unreadable. */
  | 'Credentials';

export interface ApiErrorInit {
  /** HTTP status, or the code of a watch's ERROR event; 0 without an answer. */
  readonly status: number;
  readonly reason: string;
  /** Without method and path, which the constructor prepends. */
  readonly message: string;
  readonly method: string;
  readonly path: string;
  /** Delay that the server asked for, milliseconds. */
  readonly retryAfterMs?: number | undefined;
  readonly details?: Status['details'] | undefined;
  readonly cause?: unknown;
}

/** A failed request. Its message is one line, fit for a log or a condition. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly reason: string;
  readonly method: string;
  readonly path: string;
  readonly retryAfterMs: number | undefined;
  readonly details: Status['details'] | undefined;

  constructor(init: ApiErrorInit) {
    const label = init.status === 0 ? init.reason : `${init.status} ${init.reason}`;
    super(`${init.method} ${init.path}: ${label}: ${oneLine(init.message)}`, { cause: init.cause });
    this.status = init.status;
    this.reason = init.reason;
    this.method = init.method;
    this.path = init.path;
    this.retryAfterMs = init.retryAfterMs;
    this.details = init.details;
  }
}

/** Longest excerpt of a server's answer in a message, characters. */
const MAX_MESSAGE = 1000;

function oneLine(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE)}...` : line;
}

/** Reasons of answers without a metav1.Status (from a proxy or load balancer), after apimachinery's errors. */
const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** The request that failed; the method of a watch is WATCH. */
export interface RequestName {
  readonly method: string;
  readonly path: string;
}

/** A response with a status other than 2xx. */
export interface ErrorResponse {
  readonly status: number;
  /** A metav1.Status, or text: a Status as JSON, or anything else, which the error's message quotes. */
  readonly body: unknown;
  /** The Retry-After header: seconds, or an HTTP date. */
  readonly retryAfter?: string | undefined;
}

/** @param now wall clock, milliseconds since the epoch, for a Retry-After that is a date */
export function errorOfResponse(request: RequestName, response: ErrorResponse, now: number): ApiError {
  const { status, body, retryAfter } = response;
  const text = textOf(body);
  const parsed = isStatus(body) ? body : parseStatus(text);
  const headerMs = parseRetryAfter(retryAfter, now);
  if (parsed !== undefined) return errorOfStatus(request, { ...parsed, code: status }, headerMs);
  return new ApiError({
    ...request,
    status,
    reason: REASONS[status] ?? 'Unknown',
    message: text.trim() === '' ? 'no explanation was given' : text,
    retryAfterMs: headerMs,
  });
}

/** The error of a metav1.Status, such as the object of a watch's ERROR event. */
export function errorOfStatus(request: RequestName, status: Status, retryAfterMs?: number): ApiError {
  const code = Number.isFinite(status.code) ? Number(status.code) : 500;
  const details = detailsOf(status.details);
  return new ApiError({
    ...request,
    status: code,
    reason: textOf(status.reason) || REASONS[code] || 'Unknown',
    message: textOf(status.message) || 'no explanation was given',
    retryAfterMs: retryAfterMs ?? boundedWait((details?.retryAfterSeconds ?? 0) * 1000),
    details,
  });
}

/** Keeps only fields of the right type: a proxy or load balancer may answer with anything. */
function detailsOf(value: unknown): Status['details'] {
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, kind, retryAfterSeconds, causes }: Record<string, unknown> = { ...value };
  return {
    ...(typeof name === 'string' && { name }),
    ...(typeof kind === 'string' && { kind }),
    ...(typeof retryAfterSeconds === 'number' && { retryAfterSeconds }),
    ...(Array.isArray(causes) && { causes: causes.map(causeOf) }),
  };
}

function causeOf(value: unknown): { readonly reason?: string; readonly message?: string } {
  const { reason, message }: Record<string, unknown> = { ...(value as object | null) };
  return {
    ...(typeof reason === 'string' && { reason }),
    ...(typeof message === 'string' && { message }),
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function parseStatus(body: string): Status | undefined {
  if (!body.trimStart().startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(body);
    return isStatus(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** True for a metav1.Status. */
export function isStatus(value: unknown): value is Status {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Status';
}

/** Longest delay that a server can ask for, milliseconds: a broken proxy must not stop us. */
const MAX_RETRY_AFTER = 120_000;

/** The delay of a Retry-After header (RFC 9110, 10.2.3), milliseconds; undefined if it has none that is usable. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined || header.trim() === '') return undefined;
  const seconds = Number(header);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now;
  return boundedWait(wait);
}

function boundedWait(milliseconds: number): number | undefined {
  return milliseconds > 0 ? Math.min(milliseconds, MAX_RETRY_AFTER) : undefined;
}

/**
 * Kind of failure. *stalled*: a person must act, the same request would fail again. *waiting*: an input or a permission
 * is missing, and may come. *retry*: transient, or the state has changed; gather again after a backoff.
 */
export type FailureKind = 'stalled' | 'waiting' | 'retry';

/** Statuses that do not condemn the request itself, or that reading the state again resolves. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 409, 410, 425, 429]);

export function classify(error: unknown): FailureKind {
  if (!(error instanceof ApiError)) return 'retry';
  const { status } = error;
  if (error.reason === 'Credentials' || status === 401 || status === 403) return 'waiting';
  // Reading again resolves a missing object; a missing collection is an API that is not installed yet.
  if (status === 404) return isCollectionMissing(error) ? 'waiting' : 'retry';
  if (status >= 400 && status < 500 && !TRANSIENT.has(status)) return 'stalled';
  return 'retry';
}

export function isNotFound(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 404;
}

/** The API server does not serve the kind: its CRD is not installed, or not established yet. */
export function isCollectionMissing(error: unknown): error is ApiError {
  return isNotFound(error) && !error.details?.name;
}

/** A write conflict: another client wrote first, so a precondition on resourceVersion or uid failed. */
export function isConflict(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 409 && error.reason === 'Conflict';
}

export function isAlreadyExists(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 409 && error.reason === 'AlreadyExists';
}

/** A write without a definite answer: the server may have carried it out. */
export function mayHaveWritten(error: unknown): error is ApiError {
  return error instanceof ApiError && error.method !== 'GET' && (error.status === 0 || error.status >= 500);
}

/** The resourceVersion or continue token is too old (410 Gone or Expired). */
export function isGone(error: unknown): error is ApiError {
  return (
    error instanceof ApiError &&
    (error.status === 410 || error.reason === 'Expired' || error.reason === 'Gone')
  );
}

/**
 * True for a watch that was silent for too long. The API server sends no bookmarks for a kind that never changes, so its watch
 * is always silent: reconnecting is enough.
 */
export function isStalled(error: unknown): boolean {
  return error instanceof ApiError && error.reason === 'Stalled';
}

export function isForbidden(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 403;
}

/**
 * A permission is missing. Admission, quotas and a definition that is being deleted refuse requests with the same status, and only
 * the message of an authorizer names the user.
 */
export function isPermissionMissing(error: unknown): error is ApiError {
  return isForbidden(error) && /User "[^"]*" cannot /.test(error.message);
}

/** The namespace is terminating, and refuses new objects (admission plugin NamespaceLifecycle). */
export function isNamespaceTerminating(error: unknown): error is ApiError {
  return (
    isForbidden(error) &&
    (error.details?.causes ?? []).some((cause) => cause.reason === 'NamespaceTerminating')
  );
}

/** The caller aborted the request, or the replica does not lead: nothing is wrong with the server. */
export function isAborted(error: unknown): error is ApiError {
  return error instanceof ApiError && error.reason === 'Aborted';
}

/** The server has not reached the resourceVersion, for example because etcd was restored from a backup. */
export function isTooLargeResourceVersion(error: unknown): error is ApiError {
  return (
    error instanceof ApiError &&
    (error.details?.causes ?? []).some((cause) => cause.reason === 'ResourceVersionTooLarge')
  );
}
