/** The client of Prometheus, against a server of this process: TLS, tokens, paths and failures. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { selfSigned } from '../../src/operator/endpoints/x509.ts';
import { PrometheusClient, type PrometheusClientOptions } from '../../src/prometheus/client.ts';

const ONE = '{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}';

describe('client of Prometheus', () => {
  const pair = selfSigned(['localhost', '127.0.0.1'], Date.now());
  const clients: PrometheusClient[] = [];
  let directory: string;
  let server: Server;
  let url: string;
  let requests: IncomingMessage[];
  let answer: (response: ServerResponse) => void;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'prometheus-client-'));
    writeFileSync(join(directory, 'ca.crt'), pair.cert);
    writeFileSync(join(directory, 'token'), 'secret\n');
    server = createServer(pair, (request, response) => {
      requests.push(request);
      answer(response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    requests = [];
    answer = (response) => response.end(ONE);
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((each) => each.close()));
  });
  after(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  const clientOf = (options: Partial<PrometheusClientOptions> = {}): PrometheusClient => {
    const caFile = join(directory, 'ca.crt');
    const client = new PrometheusClient({
      url,
      caFile,
      tokenFile: undefined,
      userAgent: 'test',
      ...options,
    });
    clients.push(client);
    return client;
  };
  const ask = (client: PrometheusClient, query = 'up') => client.ask(query, new AbortController().signal);
  const reason = async (client: PrometheusClient): Promise<string> => {
    const result = await ask(client);
    assert.ok(result.kind === 'none', JSON.stringify(result));
    return result.reason;
  };

  it('sends the query, below the path of the URL, with the token of its file', async () => {
    const client = clientOf({ url: `${url}/select/0/prometheus/`, tokenFile: join(directory, 'token') });
    assert.deepEqual(await ask(client, 'sum(rate(a{b="c d"}[5m])) > 1'), { kind: 'value', value: 1 });
    const [{ url: path = '', headers } = {} as IncomingMessage] = requests;
    const sent = new URL(path, url);
    assert.equal(sent.pathname, '/select/0/prometheus/api/v1/query');
    assert.equal(sent.searchParams.get('query'), 'sum(rate(a{b="c d"}[5m])) > 1');
    assert.equal(sent.searchParams.get('partial_response'), 'false');
    assert.equal(headers.authorization, 'Bearer secret');
  });

  it('reads a renewed token and renewed authorities', async () => {
    const [caFile, tokenFile] = [join(directory, 'new.crt'), join(directory, 'new-token')];
    writeFileSync(caFile, selfSigned(['127.0.0.1'], Date.now()).cert);
    writeFileSync(tokenFile, 'first');
    const client = clientOf({ caFile, tokenFile });
    assert.match(await reason(client), /certificate/);
    writeFileSync(caFile, pair.cert);
    writeFileSync(tokenFile, 'second');
    assert.equal((await ask(client)).kind, 'value');
    assert.equal(requests[0]?.headers.authorization, 'Bearer second');
  });

  it('has no value from a server that it does not trust', async () => {
    assert.match(await reason(clientOf({ caFile: undefined })), /self-signed certificate/);
    assert.deepEqual(requests, []);
  });
  it('has no value without its files', async () =>
    assert.match(await reason(clientOf({ tokenFile: join(directory, 'missing') })), /ENOENT.*missing/));
  it('has no value from a server that refuses the connection', async () =>
    assert.match(await reason(clientOf({ url: 'http://127.0.0.1:9', caFile: undefined })), /ECONNREFUSED/));
  it('has no value from a redirect, as a token would follow it', async () => {
    answer = (response) => response.writeHead(302, { location: 'https://elsewhere' }).end();
    assert.match(await reason(clientOf()), /^the server answered 302/);
  });
  it('has no value from an error of the server', async () => {
    answer = (response) => response.writeHead(503).end('not ready');
    assert.equal(await reason(clientOf()), 'the server answered 503: not ready');
  });
  it('does not read an answer that is far too large', async () => {
    answer = (response) => response.end('x'.repeat(2_000_000));
    assert.match(await reason(clientOf()), /^the answer is larger than 1048576 bytes/);
  });
  it('has no value from an answer that breaks off', async () => {
    answer = (response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write(ONE, () => response.destroy());
    };
    assert.match(await reason(clientOf()), /other side closed|terminated|aborted/);
  });
  it('ends a query that is aborted', async () => {
    answer = () => stopping.abort();
    const stopping = new AbortController();
    const result = await clientOf().ask('up', stopping.signal);
    assert.equal(result.kind, 'none');
  });
});
