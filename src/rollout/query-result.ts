/** Reads the answers of Prometheus to instant queries. Pure. */
import { isRecord } from '../util/is-record.ts';

/** A number, which may be infinite but is not NaN; or the reason why there is none. */
export type QueryResult =
  | { readonly kind: 'value'; readonly value: number }
  | { readonly kind: 'none'; readonly reason: string };

/** Longest text of a server's error in a reason. */
const MAX_ERROR = 200;

/** The result of a query, by the body of its answer. Exactly one sample is a value. */
export function resultOf(body: string): QueryResult {
  const answer = parsed(body);
  if (!isRecord(answer) || (answer['status'] !== 'success' && typeof answer['error'] !== 'string'))
    return none('the server did not answer as Prometheus does');
  if (answer['status'] !== 'success') return none(shortened(String(answer['error'])));
  const { resultType, result } = isRecord(answer['data']) ? answer['data'] : {};
  if (resultType === 'scalar') return valueOf(result);
  if (resultType !== 'vector' || !Array.isArray(result))
    return none(`the query gives a ${String(resultType)}: write one that gives one number now`);
  const [sample] = result as unknown[];
  if (sample === undefined) return none('no sample; where that means 0, add `or vector(0)` to the query');
  if (result.length > 1) return none(`${result.length} samples: aggregate them, such as by sum() or max()`);
  return valueOf(isRecord(sample) ? sample['value'] : undefined);
}

/** The reason in the body of an answer with an error status. */
export function errorIn(status: number, body: string): QueryResult {
  const answer = parsed(body);
  const text = isRecord(answer) && typeof answer['error'] === 'string' ? answer['error'] : body;
  return none(`the server answered ${status}: ${shortened(text.trim()) || 'without a text'}`);
}

export function none(reason: string): QueryResult {
  return { kind: 'none', reason };
}

/** @param point a time and a number as a text */
function valueOf(point: unknown): QueryResult {
  const text: unknown = Array.isArray(point) ? point[1] : undefined;
  if (typeof text !== 'string' || text.trim() === '')
    return none('the server did not answer as Prometheus does');
  const value = text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text);
  if (text === 'NaN') return none('the value is NaN, such as of 0/0');
  return Number.isNaN(value)
    ? none('the server did not answer as Prometheus does')
    : { kind: 'value', value };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

function shortened(text: string): string {
  return text.length > MAX_ERROR ? `${text.slice(0, MAX_ERROR)}...` : text;
}
