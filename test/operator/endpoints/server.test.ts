import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { createMetrics } from '../../../src/observability/metrics/registry.ts';
import { healthRoutes, metricsRoutes } from '../../../src/operator/endpoints/routes.ts';
import { type Route, type RunningServer, startServer } from '../../../src/operator/endpoints/server.ts';
import { parseExposition } from '../../observability/metrics/exposition-parser.ts';

const hello: Route = () => ({ status: 200, contentType: 'text/plain; charset=utf-8', body: 'hello' });

describe('the server of metrics and probes', () => {
  let server: RunningServer | undefined;
  const errors: unknown[] = [];
  const start = async (
    routes: Readonly<Record<string, Route>>,
    { bindAddress = '127.0.0.1:0', ...rest }: { bindAddress?: string; requestTimeout?: number } = {},
  ) => {
    const onError = (error: unknown) => errors.push(error);
    server = await startServer({ bindAddress, flag: '--x-bind-address', routes, onError, ...rest });
    assert.ok(server);
    return server.url;
  };
  afterEach(async () => {
    await server?.close();
    server = undefined;
    errors.length = 0;
  });

  it('answers GET, and HEAD without the body', async () => {
    const url = await start({ '/hello': hello });
    const got = await fetch(`${url}/hello?x=1`);
    assert.equal(got.status, 200);
    assert.equal(await got.text(), 'hello');
    assert.equal(got.headers.get('cache-control'), 'no-store');
    const head = await fetch(`${url}/hello`, { method: 'HEAD' });
    assert.equal(head.headers.get('content-length'), '5');
    assert.equal(await head.text(), '');
  });

  it('lists its paths for an unknown one', async () => {
    const url = await start({ '/hello': hello, '/other': hello });
    for (const path of ['/', '/hell', '/hello/more', '/__proto__', '/constructor']) {
      const got = await fetch(`${url}${path}`);
      assert.equal(got.status, 404, path);
      assert.equal(await got.text(), '404: nothing at this path. There are:\n/hello\n/other\n');
    }
  });

  it('refuses other methods', async () => {
    const url = await start({ '/hello': hello });
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const got = await fetch(`${url}/hello`, { method });
      assert.equal(got.status, 405, method);
      assert.equal(got.headers.get('allow'), 'GET, HEAD');
    }
  });

  it('tells a client no details of an internal error', async () => {
    const url = await start({ '/boom': () => assert.fail('inner detail') });
    const got = await fetch(`${url}/boom`);
    assert.equal(got.status, 500);
    assert.equal(await got.text(), 'internal error\n');
    assert.match(String(errors[0]), /inner detail/);
  });

  it('listens on all interfaces, and on IPv6', async () => {
    for (const bindAddress of [':0', '[::1]:0', 'localhost:0']) {
      const url = await start({ '/hello': hello }, { bindAddress });
      assert.equal((await fetch(`${url}/hello`)).status, 200, bindAddress);
      await server?.close();
    }
  });

  it('does not start for the address 0', async () => {
    assert.equal(await startServer({ bindAddress: '0', flag: '--x', routes: {} }), undefined);
  });

  it('names the flag to change if the port is taken', async () => {
    await start({});
    const taken = `127.0.0.1:${server?.port}`;
    await assert.rejects(startServer({ bindAddress: taken, flag: '--x-bind-address', routes: {} }), {
      message: `cannot listen on ${taken}: the port is in use; choose another address with --x-bind-address, or --x-bind-address=0 for none`,
    });
    await assert.rejects(
      startServer({ bindAddress: '203.0.113.1:80', flag: '--x', routes: {} }),
      /no interface of this machine/,
    );
    await assert.rejects(
      startServer({ bindAddress: 'nonsense', flag: '--x', routes: {} }),
      /--x: "nonsense" is no address/,
    );
  });

  it('drops a client that does not complete its request in time', async () => {
    await start({ '/hello': hello }, { requestTimeout: 300 });
    const socket = connect(server!.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET /hello HTTP/1.1\r\nhost: x\r\nx-slow: ');
    const begun = performance.now();
    socket.resume();
    await once(socket, 'close');
    const took = performance.now() - begun;
    assert.ok(took >= 250 && took < 10_000, String(took));
  });

  it('drops idle connections when it closes, and completes a response under way', async () => {
    const gate = Promise.withResolvers<void>();
    const url = await start({
      '/hello': hello,
      '/slow': async () => {
        await gate.promise;
        return { status: 200, contentType: 'text/plain', body: 'late' };
      },
    });
    await (await fetch(`${url}/hello`)).text();
    const slow = fetch(`${url}/slow`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const closing = server?.close();
    server = undefined;
    gate.resolve();
    assert.equal(await (await slow).text(), 'late');
    await closing;
    await assert.rejects(fetch(`${url}/hello`));
  });

  it('serves metrics in both formats with their content type, compressed on request', async () => {
    const url = await start(metricsRoutes(createMetrics({ version: '1' })));
    const text = await fetch(`${url}/metrics`);
    assert.equal(text.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(text.headers.get('content-encoding'), 'gzip');
    parseExposition(await text.text());
    const open = await fetch(`${url}/metrics`, {
      headers: { accept: 'application/openmetrics-text;version=1.0.0' },
    });
    assert.equal(
      open.headers.get('content-type'),
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    );
    parseExposition(await open.text(), 'openmetrics');
    for (const encoding of ['identity', 'gzip;q=0, br']) {
      const { headers, body } = await raw(`${url}/metrics`, { 'accept-encoding': encoding });
      assert.equal(headers['content-encoding'], undefined);
      assert.equal(Number(headers['content-length']), Buffer.byteLength(body));
      parseExposition(body);
    }
  });

  it('answers probes like the components of Kubernetes', async () => {
    let synced: string | undefined = 'namespaces were not listed yet';
    const url = await start(
      healthRoutes({
        healthz: { ping: () => undefined },
        readyz: {
          caches: () => synced,
          leader: () => undefined,
          broken: () => (synced ? assert.fail('it threw') : undefined),
        },
      }),
    );
    const get = async (path: string) => {
      const got = await fetch(`${url}${path}`);
      return [got.status, await got.text()];
    };
    assert.deepEqual(await get('/healthz'), [200, 'ok']);
    assert.deepEqual(await get('/healthz?verbose'), [200, '[+]ping ok\nhealthz check passed\n']);
    assert.deepEqual(await get('/readyz'), [
      503,
      '[-]caches failed: namespaces were not listed yet\n[-]broken failed: it threw\nreadyz check failed\n',
    ]);
    assert.deepEqual(await get('/readyz?verbose&exclude=broken'), [
      503,
      '[-]caches failed: namespaces were not listed yet\n[+]leader ok\nreadyz check failed\n',
    ]);
    assert.deepEqual(await get('/readyz/leader'), [200, 'ok']);
    assert.equal((await get('/readyz/caches'))[0], 503);
    assert.deepEqual(await get('/readyz/nope'), [
      404,
      '404: no such check. There are: caches, leader, broken\n',
    ]);
    synced = undefined;
    assert.deepEqual(await get('/readyz'), [200, 'ok']);
  });
});

/** A request without the decoding that fetch does. */
async function raw(url: string, headers: Record<string, string>) {
  const sent = request(url, { headers }).end();
  const [response] = await once(sent, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return {
    headers: response.headers as Record<string, string | undefined>,
    body: Buffer.concat(chunks).toString(),
  };
}
