/** Flow logs from Loki, over HTTP, from a server that answers as Loki's API documents `query_range`. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { cli } from '../cli.ts';

const root = join(import.meta.dirname, '../../..');

interface Entry {
  readonly time: bigint;
  readonly stream: Readonly<Record<string, string>>;
  readonly line: string;
}

const flow = (port: number) =>
  JSON.stringify({
    source_namespace: 'shop-checkout',
    source_workload: 'checkout',
    destination_namespace: 'shop-payments',
    destination_workload: 'payments',
    port,
  });

describe('flow logs from Loki', () => {
  const entries: Entry[] = [];
  const requests: IncomingMessage[] = [];
  let server: Server;
  let url: string;
  /** Above this limit, the connection is closed without an answer. */
  let largest = Infinity;

  before(async () => {
    server = createServer((request, response) => {
      requests.push(request);
      answer(new URL(request.url ?? '', 'http://loki'), response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());
  beforeEach(() => {
    entries.length = 0;
    requests.length = 0;
    largest = Infinity;
  });

  /** `start` is included and `end` is not; at most `limit` entries, grouped by stream. */
  function answer({ pathname, searchParams }: URL, response: ServerResponse): void {
    if (pathname !== '/loki/api/v1/query_range' || searchParams.get('direction') !== 'forward') {
      response.writeHead(404).end('404 page not found');
      return;
    }
    if (Number(searchParams.get('limit')) > largest) {
      response.destroy();
      return;
    }
    if (searchParams.get('query') === '{') {
      response.writeHead(400).end('parse error at line 1, col 2: syntax error: unexpected $end\n');
      return;
    }
    const [start, end] = [BigInt(searchParams.get('start') ?? 0), BigInt(searchParams.get('end') ?? 0)];
    const found = entries
      .filter(({ time }) => time >= start && time < end)
      .toSorted((a, b) => Number(a.time - b.time))
      .slice(0, Number(searchParams.get('limit')));
    const streams = Map.groupBy(found, ({ stream }) => JSON.stringify(stream));
    const result = [...streams].map(([stream, values]) => ({
      stream: JSON.parse(stream) as object,
      values: values.map(({ time, line }) => [String(time), line]),
    }));
    const resultType = searchParams.get('query')?.startsWith('rate') === true ? 'matrix' : 'streams';
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ status: 'success', data: { resultType, result } }));
  }

  const read = (flags: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
    cli(
      [
        'preflight',
        '-f',
        'config/samples/shop',
        '--loki',
        `${url}/`,
        '--query',
        '{app="hubble"}',
        '-o',
        'json',
        ...flags,
      ],
      { cwd: root, env },
    );
  const now = () => BigInt(Date.now()) * 1_000_000n;
  const countOf = (stdout: string) =>
    (JSON.parse(stdout) as { passes: { count: number }[] }).passes.map(({ count }) => count);

  it('are read page by page, each line once, also if lines of one time are on two pages', async () => {
    const first = now() - 60_000_000_000n;
    // 10 lines to a nanosecond, in two streams: the bound of a page falls between equal times.
    for (let index = 0; index < 12_345; index++)
      entries.push({
        time: first + BigInt(Math.floor((index + 3) / 10)),
        stream: { pod: String(index % 2) },
        line: `${flow(8443)}${' '.repeat(index % 10)}`,
      });
    const { stdout } = await read();
    assert.deepEqual(countOf(stdout), [12_345]);
    assert.equal(requests.length, 13);
  });

  it('are read by smaller pages if Loki gives up on an answer', async () => {
    const first = now() - 60_000_000_000n;
    for (let index = 0; index < 300; index++)
      entries.push({ time: first + BigInt(index), stream: {}, line: flow(8443) });
    largest = 130;
    assert.deepEqual(countOf((await read()).stdout), [300]);
    assert.deepEqual(
      requests.map((each) => new URL(each.url ?? '', url).searchParams.get('limit')),
      ['1000', '500', '250', '125', '125', '125'],
    );
    largest = 10;
    const { code, stderr } = await read();
    assert.equal(code, 2);
    assert.match(stderr, /did not answer: .*; write a narrower --query or a shorter --since/);
  });

  it('are read where many lines have one time, up to the largest answer', async () => {
    const time = now() - 60_000_000_000n;
    for (let index = 0; index < 4000; index++)
      entries.push({ time, stream: { pod: String(index) }, line: flow(8443) });
    assert.deepEqual(countOf((await read()).stdout), [4000]);
    for (let index = 4000; index < 6000; index++)
      entries.push({ time, stream: { pod: String(index) }, line: flow(8443) });
    const { code, stderr } = await read();
    assert.equal(code, 2);
    assert.match(stderr, /more than 5000 lines have the time \d+; write a narrower --query/);
  });

  it('are those of the last day, or of --since', async () => {
    for (const hours of [1n, 23n, 25n])
      entries.push({ time: now() - hours * 3_600_000_000_000n, stream: {}, line: flow(8443) });
    assert.deepEqual(countOf((await read()).stdout), [2]);
    assert.deepEqual(countOf((await read(['--since', '2h'])).stdout), [1]);
    assert.deepEqual(countOf((await read(['--since', '7d'])).stdout), [3]);
  });

  it('are read with the credentials that logcli takes', async () => {
    entries.push({ time: now() - 1_000_000_000n, stream: {}, line: flow(8443) });
    await read([], { LOKI_USERNAME: 'ann', LOKI_PASSWORD: 'secret', LOKI_ORG_ID: 'shop' });
    await read([], { LOKI_BEARER_TOKEN: 'token' });
    assert.deepEqual(
      requests.map(({ headers }) => [headers.authorization, headers['x-scope-orgid']]),
      [
        [`Basic ${Buffer.from('ann:secret').toString('base64')}`, 'shop'],
        ['Bearer token', undefined],
      ],
    );
  });

  it('are refused with the reason if Loki, the query or the flags are wrong', async () => {
    const run = async (...flags: readonly string[]) => {
      const { code, stderr } = await cli(['preflight', '-f', 'config/samples/shop', ...flags], { cwd: root });
      assert.equal(code, 2);
      return stderr;
    };
    assert.match(await run('--loki', url, '--query', '{'), /answered 400: parse error at line 1/);
    assert.match(
      await run('--loki', url, '--query', 'rate({a="b"}[1m])'),
      /returns no lines; write a log query/,
    );
    assert.match(await run('--loki', url, '--query', '{a="b"}'), /no flows/);
    assert.match(
      await run('--loki', 'http://127.0.0.1:9', '--query', '{a="b"}'),
      /127.0.0.1:9: can't be reached: /,
    );
    assert.match(await run('--loki', url), /--loki needs --query/);
    assert.match(await run('--query', '{a="b"}'), /name its address with --loki/);
    assert.match(await run('--loki', 'loki:3100', '--query', '{a="b"}'), /write an address such as/);
  });
});
