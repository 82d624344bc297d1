/** Requests and answers as text: paths with queries, JSON, and messages of broken connections. */
import { ApiError } from '../errors.ts';
import type { RequestName } from '../errors.ts';

/** Query parameters; undefined ones are omitted. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export function pathAndQuery(path: string, query: Query | undefined): string {
  if (query === undefined) return path;
  let text = queryTexts.get(query);
  if (text === undefined) {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) parameters.set(name, String(value));
    }
    queryTexts.set(query, (text = parameters.toString()));
  }
  return text === '' ? path : `${path}?${text}`;
}

/** Cached texts of queries: all writes share one query. */
const queryTexts = new WeakMap<Query, string>();

/** A warning-value of RFC 7234, 5.5: code, agent, and a quoted text. */
const WARNING_VALUE = /\d{3} \S+ "((?:[^"\\]|\\.)*)"/g;

/** The texts of Warning headers, as the API server writes them. Values without a text are left out. */
export function warningTexts(headers: string | readonly string[] | undefined): string[] {
  if (headers === undefined) return [];
  const text = typeof headers === 'string' ? headers : headers.join(', ');
  return Array.from(text.matchAll(WARNING_VALUE), ([, quoted = '']) => quoted.replaceAll(/\\(.)/g, '$1'));
}

/** Longest quotation of a malformed answer, characters. */
const EXCERPT = 200;

/** @throws ApiError of reason Malformed that quotes the beginning of `text` */
export function parseJson(request: RequestName, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw malformed(request, `not JSON: ${text.slice(0, EXCERPT)}`, error);
  }
}

/** The error of an answer with status 2xx that can't be understood. */
export function malformed({ method, path }: RequestName, message: string, cause?: unknown): ApiError {
  return new ApiError({ method, path, status: 200, reason: 'Malformed', message, cause });
}

/** The beginning of a value as JSON, for a message. */
export function excerpt(value: unknown): string {
  return `${JSON.stringify(value)}`.slice(0, EXCERPT);
}

/** Describes a connection's failure to a person: messages of undici and Node, with their causes and codes. */
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
