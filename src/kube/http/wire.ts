/** Requests and answers as text: paths with queries, JSON, and what a broken connection says for itself. */
import { ApiError } from '../errors.ts';
import type { RequestName } from '../errors.ts';

/** Parameters of a request; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export function pathAndQuery(path: string, query: Query | undefined): string {
  if (query === undefined) return path;
  let text = written.get(query);
  if (text === undefined) {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) parameters.set(name, String(value));
    }
    written.set(query, (text = parameters.toString()));
  }
  return text === '' ? path : `${path}?${text}`;
}

/** Queries as text: all writes share theirs. */
const written = new WeakMap<Query, string>();

/** How much of an answer that makes no sense is quoted, in characters. */
const EXCERPT = 200;

/** @throws ApiError of reason Malformed, quoting the beginning of `text` */
export function parseJson(
  request: RequestName,
  text: string,
  parse: (text: string) => unknown = JSON.parse,
): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw malformed(request, `not JSON: ${text.slice(0, EXCERPT)}`, error);
  }
}

/** The error of a successful answer that can't be understood. */
export function malformed({ method, path }: RequestName, message: string, cause?: unknown): ApiError {
  return new ApiError({ method, path, status: 200, reason: 'Malformed', message, cause });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** The beginning of a value, as JSON, for a message. */
export function excerpt(value: unknown): string {
  return `${JSON.stringify(value)}`.slice(0, EXCERPT);
}

/** A connection's failure for a person: the messages of undici and Node, with what they keep in causes and codes. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const message = error.message || error.name;
  const text = code === '' || message.includes(code) ? message : `${message} (${code})`;
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error.cause;
  if (!(inner instanceof Error)) return text;
  // An AggregateError (one attempt per address) has no message of its own.
  return error.message === '' ? describeFailure(inner) : `${text}: ${describeFailure(inner)}`;
}
