/** Values of log fields as plain JSON: errors with their causes, nothing circular, no secrets. */

export type Fields = Readonly<Record<string, unknown>>;
export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain };

/** Keys whose values are never logged. */
const SECRET =
  /(?:token|authorization|password|passphrase|secret|cookie|api-?key|private-?key|client-?key(?:-?data)?)$/i;
const REDACTED = '[redacted]';
/** A credential within a text, as in a dump of a request's headers. */
const CREDENTIAL = /\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi;
/** Length of the shortest credential: `Basic`, a space, and eight characters. */
const MIN_CREDENTIAL = 14;

const MAX_DEPTH = 6;
const MAX_CAUSES = 8;
/** Fields of an error that are logged beside its message: the project's own, Node's and undici's. */
const ERROR_KEYS = ['code', 'status', 'statusCode', 'reason', 'method', 'path', 'retryAfterMs'] as const;

/** @param stacks true if errors keep their stack. Undefined values are left out. */
export function plainFields(fields: Fields, stacks: boolean): Readonly<Record<string, Plain>> {
  const result: Record<string, Plain> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) result[key] = isSecret(key) ? REDACTED : plain(value, stacks, 0);
  }
  return result;
}

/** `text` without credentials. */
export function withoutCredentials(text: string): string {
  return text.length < MIN_CREDENTIAL ? text : text.replace(CREDENTIAL, `$1 ${REDACTED}`);
}

/** True if values of this key are never logged. Cached: nearly all lines have the keys of earlier ones. */
function isSecret(key: string): boolean {
  let known = secretKeys.get(key);
  if (known === undefined) {
    if (secretKeys.size >= MAX_KEYS) secretKeys.clear();
    secretKeys.set(key, (known = SECRET.test(key)));
  }
  return known;
}

const secretKeys = new Map<string, boolean>();
const MAX_KEYS = 512;

/** The messages of an error and its causes in one line; a message that the one before it contains is left out. */
export function messageWithCauses(error: unknown): string {
  const messages: string[] = [];
  let next = error;
  for (let count = 0; next !== undefined && next !== null && count < MAX_CAUSES; count += 1) {
    const message = next instanceof Error ? ownMessage(next) : textOf(next);
    if (!messages.at(-1)?.includes(message)) messages.push(message);
    next = next instanceof Error ? next.cause : undefined;
  }
  return withoutCredentials(messages.join(': '));
}

/** Node's AggregateError of failed connections to several addresses has no message: theirs are joined. */
function ownMessage(error: Error): string {
  if (error.message !== '') return error.message;
  const inner =
    error instanceof AggregateError ? error.errors.map((each) => messageWithCauses(each)).join('; ') : '';
  return inner || error.name;
}

function plain(value: unknown, stacks: boolean, depth: number): Plain {
  if (typeof value === 'string') return withoutCredentials(value);
  if (typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof Error) return plainError(value, stacks, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (typeof value !== 'object') return textOf(value);
  if (depth >= MAX_DEPTH) return '[...]';
  if (value instanceof Map) return plainObject(Object.fromEntries(value), stacks, depth);
  if (Array.isArray(value) || value instanceof Set)
    return [...value].map((each) => plain(each, stacks, depth + 1));
  return plainObject(value, stacks, depth);
}

function plainObject(value: object, stacks: boolean, depth: number): Plain {
  const result: Record<string, Plain> = {};
  for (const [key, each] of Object.entries(value)) {
    if (each !== undefined) result[key] = isSecret(key) ? REDACTED : plain(each, stacks, depth + 1);
  }
  return result;
}

function plainError(error: Error, stacks: boolean, depth: number): Plain {
  const result: Record<string, Plain> = { message: messageWithCauses(error) };
  if (error.name !== 'Error') result.name = error.name;
  for (const key of ERROR_KEYS) {
    const value = (error as Error & Readonly<Record<string, unknown>>)[key];
    if (typeof value === 'string' || typeof value === 'number') result[key] = plain(value, stacks, depth);
  }
  if (error instanceof AggregateError && depth < MAX_DEPTH) {
    result.errors = error.errors.map((each) => plain(each, stacks, depth + 1));
  }
  if (stacks && error.stack !== undefined) result.stack = withoutCredentials(error.stack);
  return result;
}

function textOf(value: unknown): string {
  return typeof value === 'function' ? `[function ${value.name}]` : String(value);
}
