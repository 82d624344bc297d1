/**
 * Reads flow logs from Loki by its HTTP API (GET /loki/api/v1/query_range), page by page and in order of time. The
 * environment variables for access are those of Loki's own logcli.
 */
import { Readable } from 'node:stream';
import { errorMessage } from '../../util/error-message.ts';
import { isRecord } from '../../util/is-record.ts';
import { CliError, UsageError } from '../shell/failure.ts';
import type { Flags } from '../shell/flags.ts';
import type { Process } from '../shell/terminal.ts';
import type { LogSource } from './lines.ts';

interface LokiQuery {
  readonly url: string;
  readonly query: string;
  /** In milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Lines of one answer: Loki's default bound (`max_entries_limit_per_query`). */
const PAGE = 5000;
const TIMEOUT_MS = 120_000;
/** Without --since. */
const DEFAULT_SINCE_MS = 86_400_000;

/** The source that --loki and --query name; none without them. @param sinceMs value of --since @throws UsageError */
export function lokiSources(
  flags: Flags,
  { env }: Process,
  { now, sinceMs = DEFAULT_SINCE_MS }: { readonly now: number; readonly sinceMs: number | undefined },
): LogSource[] {
  const url = flags.get('loki');
  const query = flags.get('query');
  if (url === undefined && query === undefined) return [];
  if (url === undefined) throw new UsageError('--query is for Loki: name its address with --loki');
  if (query === undefined)
    throw new UsageError(`--loki needs --query with a log query, such as '{app="hubble-exporter"}'`);
  if (!/^https?:\/\//.test(url))
    throw new UsageError(`--loki ${url}: write an address such as http://loki:3100`);
  const request = {
    url: url.replace(/\/+$/, ''),
    query,
    start: now - sinceMs,
    end: now,
    headers: headersOf(env),
  };
  return [{ name: `Loki ${url}`, size: undefined, open: () => Readable.from(lines(request)) }];
}

function headersOf(env: Process['env']): Record<string, string> {
  const {
    LOKI_USERNAME: user,
    LOKI_PASSWORD: password = '',
    LOKI_BEARER_TOKEN: token,
    LOKI_ORG_ID: tenant,
  } = env;
  const basic = user === undefined ? undefined : Buffer.from(`${user}:${password}`).toString('base64');
  return {
    ...(basic !== undefined && { authorization: `Basic ${basic}` }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(tenant !== undefined && { 'x-scope-orgid': tenant }),
  };
}

interface Entry {
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly line: string;
  /** Equal for equal entries of one stream. */
  readonly key: string;
}

async function* lines(query: LokiQuery): AsyncGenerator<Buffer> {
  let start = BigInt(Math.round(query.start)) * 1_000_000n;
  let seen = new Set<string>();
  for (;;) {
    const page = await readPage(query, start);
    const fresh = page.filter(({ time, key }) => time > start || !seen.has(key));
    if (fresh.length > 0)
      yield Buffer.from(fresh.map(({ line }) => `${line.replaceAll('\n', ' ')}\n`).join(''));
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    if (fresh.length === 0)
      throw new CliError(
        `${query.url}: more than ${PAGE} lines have the time ${last.time}; write a narrower --query`,
      );
    // The next page begins with the time at which this one ends, as more lines may have it.
    const sameTime = page.filter(({ time }) => time === last.time).map(({ key }) => key);
    seen = new Set(last.time === start ? [...seen, ...sameTime] : sameTime);
    start = last.time;
  }
}

/** A page of lines in order of time, from `start` on. @throws CliError */
async function readPage({ url, query, end, headers }: LokiQuery, start: bigint): Promise<Entry[]> {
  const search = new URLSearchParams({
    query,
    start: String(start),
    end: String(BigInt(Math.round(end)) * 1_000_000n),
    limit: String(PAGE),
    direction: 'forward',
  });
  const answer = await get(`${url}/loki/api/v1/query_range?${search.toString()}`, url, headers);
  const data = isRecord(answer) && isRecord(answer['data']) ? answer['data'] : {};
  if (data['resultType'] !== 'streams' || !Array.isArray(data['result']))
    throw new CliError(`${url}: --query returns no lines; write a log query, and no metric`);
  return (data['result'] as unknown[]).flatMap(entriesOf).toSorted((a, b) => Number(a.time - b.time));
}

async function get(address: string, url: string, headers: LokiQuery['headers']): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(address, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    throw new CliError(`${url}: can't be reached: ${errorMessage(cause ?? error)}`);
  }
  const text = await response.text();
  if (!response.ok)
    throw new CliError(
      `${url}: answered ${response.status}: ${text.trim().slice(0, 300) || response.statusText}`,
    );
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CliError(`${url}: did not answer as Loki does`);
  }
}

function entriesOf(stream: unknown): Entry[] {
  if (!isRecord(stream) || !Array.isArray(stream['values'])) return [];
  const labels = JSON.stringify(stream['stream']);
  return (stream['values'] as unknown[]).flatMap((value) => {
    const [time, line] = Array.isArray(value) ? (value as unknown[]) : [];
    return typeof time === 'string' && typeof line === 'string' && /^\d+$/.test(time)
      ? [{ time: BigInt(time), line, key: `${labels} ${time} ${line}` }]
      : [];
  });
}
