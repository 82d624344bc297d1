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

/**
 * Lines of one answer, as logcli asks for them. Loki's default bound is 5,000 (`max_entries_limit_per_query`), but its parts
 * send each other 4 MiB at most (`grpc_server_max_send_msg_size`), which some 3,000 records of Hubble exceed: such an answer
 * ends after a minute without a word.
 */
const PAGE = 1000;
const SMALLEST_PAGE = 50;
const LARGEST_PAGE = 5000;
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
  let limit = PAGE;
  for (;;) {
    const page = await readPage(query, start, limit);
    if (page === 'too-large') {
      limit = Math.max(SMALLEST_PAGE, Math.floor(limit / 2));
      continue;
    }
    const fresh = page.filter(({ time, key }) => time > start || !seen.has(key));
    if (fresh.length > 0)
      yield Buffer.from(fresh.map(({ line }) => `${line.replaceAll('\n', ' ')}\n`).join(''));
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return;
    if (fresh.length === 0) {
      if (limit === LARGEST_PAGE)
        throw new CliError(
          `${query.url}: more than ${limit} lines have the time ${last.time}; write a narrower --query`,
        );
      limit = LARGEST_PAGE;
      continue;
    }
    // The next page begins with the time at which this one ends, as more lines may have it.
    const sameTime = page.filter(({ time }) => time === last.time).map(({ key }) => key);
    seen = new Set(last.time === start ? [...seen, ...sameTime] : sameTime);
    start = last.time;
  }
}

/**
 * A page of at most `limit` lines in order of time, from `start` on; `too-large` if Loki could not answer with so many.
 *
 * @throws CliError
 */
async function readPage(
  { url, query, end, headers }: LokiQuery,
  start: bigint,
  limit: number,
): Promise<Entry[] | 'too-large'> {
  const search = new URLSearchParams({
    query,
    start: String(start),
    end: String(BigInt(Math.round(end)) * 1_000_000n),
    limit: String(limit),
    direction: 'forward',
  });
  const { failure, answer } = await get(`${url}/loki/api/v1/query_range?${search.toString()}`, headers);
  if (failure?.isOfSize === true && limit > SMALLEST_PAGE) return 'too-large';
  if (failure !== undefined) throw new CliError(`${url}: ${failure.text}`);
  const data = isRecord(answer) && isRecord(answer['data']) ? answer['data'] : {};
  if (data['resultType'] !== 'streams' || !Array.isArray(data['result']))
    throw new CliError(`${url}: --query returns no lines; write a log query, and no metric`);
  return (data['result'] as unknown[]).flatMap(entriesOf).toSorted((a, b) => Number(a.time - b.time));
}

interface LokiFailure {
  readonly text: string;
  /** True if Loki had the request and gave up, as it does with an answer that is too large. */
  readonly isOfSize: boolean;
}

interface LokiResult {
  readonly failure?: LokiFailure;
  readonly answer?: unknown;
}

async function get(address: string, headers: LokiQuery['headers']): Promise<LokiResult> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(address, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    text = await response.text();
  } catch (error) {
    const { cause = error, name } = error as { cause?: unknown; name?: string };
    const { code } = cause as { code?: unknown };
    const isOfSize = name === 'TimeoutError' || code === 'UND_ERR_SOCKET';
    return {
      failure: {
        text: isOfSize
          ? `did not answer: ${errorMessage(cause)}; ${NARROWER}`
          : `can't be reached: ${errorMessage(cause)}`,
        isOfSize,
      },
    };
  }
  if (!response.ok) {
    const reason = text.trim().slice(0, 300) || response.statusText;
    const isOfSize = response.status >= 500;
    return {
      failure: { text: `answered ${response.status}: ${reason}${isOfSize ? `; ${NARROWER}` : ''}`, isOfSize },
    };
  }
  try {
    return { answer: JSON.parse(text) as unknown };
  } catch {
    return { failure: { text: 'did not answer as Loki does', isOfSize: false } };
  }
}

const NARROWER = 'write a narrower --query or a shorter --since';

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
