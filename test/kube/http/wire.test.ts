// The transport against servers that misbehave as the real one does only by chance.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { systemClock } from '../../../src/util/clock.ts';
import { loadKubeConfig } from '../../../src/kube/config/load.ts';
import { ApiError, isAborted } from '../../../src/kube/errors.ts';
import { fenced } from '../../../src/kube/fence.ts';
import { createTransport, type Method, type Transport } from '../../../src/kube/http/transport.ts';
import { type Authority, createAuthority, issueServing, privatePem } from '../../env/plane/x509.ts';
import { Fixture } from '../../integration/kube/fixture.ts';

const PATH = '/api/v1/namespaces/shop/configmaps/a';
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';

describe('transport', () => {
  let fixture: Fixture;
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(async () => {
    await fixture.clean();
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  });

  async function listen(server: Server): Promise<number> {
    servers.push(server);
    server.on('connection', (socket: Socket) => sockets.add(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  /** Starts a server that answers each request with `answer`. */
  async function serve(
    answer: (request: IncomingMessage, response: ServerResponse) => void,
  ): Promise<Transport> {
    return toward(await listen(createHttpServer(answer)));
  }

  const kubeconfig = (port: number, user: object) =>
    fixture.write(
      `kubeconfig-${port}`,
      JSON.stringify({
        'current-context': 'c',
        clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}` } }],
        users: [{ name: 'u', user }],
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      }),
    );
  const toward = (port: number, user: object = { token: 'secret' }) =>
    fixture.transport(kubeconfig(port, user), { userAgent: 'segmentation-operator/1.2.3 (linux/x64)' });

  it('sends headers for user agent, content type and accepted type', async () => {
    const seen: (readonly [string | undefined, IncomingMessage['headers'], string])[] = [];
    const transport = await serve((request, response) => {
      void text(request).then((body) => {
        seen.push([`${request.method} ${request.url}`, request.headers, body]);
        response.end('{"done":true}');
      });
    });
    const query = { dryRun: 'All', limit: undefined };
    const answer = await transport.request({
      method: 'PATCH',
      path: PATH,
      query,
      body: { a: 'é' },
      contentType: 'application/merge-patch+json',
    });
    assert.deepEqual(answer, { done: true });
    const [what, headers, body] = seen[0] ?? assert.fail('nothing was asked');
    assert.equal(what, `PATCH ${PATH}?dryRun=All`);
    assert.equal(body, '{"a":"é"}');
    assert.equal(headers['user-agent'], 'segmentation-operator/1.2.3 (linux/x64)');
    assert.equal(headers['authorization'], 'Bearer secret');
    assert.equal(headers['content-type'], 'application/merge-patch+json');
    assert.equal(headers['accept'], 'application/json');
  });

  it('authenticates with name and password', async () => {
    const port = await listen(
      createHttpServer((request, response) => response.end(JSON.stringify(request.headers.authorization))),
    );
    const answer = await toward(port, { username: 'jane', password: 'pa:ss' }).request({
      method: 'GET',
      path: PATH,
    });
    assert.equal(answer, `Basic ${Buffer.from('jane:pa:ss').toString('base64')}`);
  });

  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const satisfies Method[]) {
    it(`sends a ${method} once even if the server closes the keep-alive connection`, async () => {
      let sent = 0;
      const port = await listen(
        createTcpServer((socket) => {
          let answered = false;
          socket.on('error', () => {});
          socket.on('data', () => {
            sent += 1;
            // The second request on a connection crosses the close.
            if (answered) socket.destroy();
            else socket.write(`${HEAD}content-length: 2\r\n\r\n{}`);
            answered = true;
          });
        }),
      );
      const transport = toward(port);
      let asked = 0;
      const ask = () => {
        asked += 1;
        return transport.request({ method, path: PATH });
      };
      // Some requests get new connections: the pool regards one as busy until shortly after its answer.
      const all = async () => {
        for (let calls = 0; calls < 50; calls++) await ask();
      };
      await assert.rejects(
        all(),
        (error: unknown) => error instanceof ApiError && error.reason === 'Transport' && error.status === 0,
      );
      await ask();
      assert.equal(sent, asked);
    });
  }

  it('returns no part of an answer that breaks at any byte', async () => {
    const body = JSON.stringify({ kind: 'ConfigMap', data: { key: 'ж✓😀' } });
    const chunks = [body.slice(0, 20), body.slice(20)]
      .map((chunk) => `${Buffer.byteLength(chunk).toString(16)}\r\n${chunk}\r\n`)
      .join('');
    for (const [how, answer] of [
      ['end', `${HEAD}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`],
      ['resetAndDestroy', `${HEAD}transfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`],
    ] as const) {
      const bytes = Buffer.from(answer);
      let cut = 0;
      const port = await listen(
        createTcpServer((socket) => {
          socket.on('error', () => {});
          socket.once('data', () => socket.write(bytes.subarray(0, cut), () => socket[how]()));
        }),
      );
      const transport = toward(port);
      for (cut = 0; cut < bytes.length; cut++) {
        await assert.rejects(
          transport.request({ method: 'GET', path: PATH }),
          (error: unknown) => error instanceof ApiError && error.reason === 'Transport',
          `${cut} bytes, ${how}`,
        );
      }
    }
  });

  it('yields the complete lines of a watch that breaks at any byte, and then fails', async () => {
    const values = [1, 2, 3].map((n) => ({ type: 'ADDED', object: { metadata: { name: `ж✓😀${n}` } } }));
    const chunks = values
      .map((value) => `${JSON.stringify(value)}\n`)
      .map((line) => `${Buffer.byteLength(line).toString(16)}\r\n${line}\r\n`);
    const bytes = Buffer.from(`${HEAD}transfer-encoding: chunked\r\n\r\n${chunks.join('')}0\r\n\r\n`);
    let cut = 0;
    const port = await listen(
      createTcpServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.write(bytes.subarray(0, cut), () => socket.end()));
      }),
    );
    const transport = toward(port);
    const counts = new Set<number>();
    for (cut = 0; cut <= bytes.length; cut++) {
      const seen: unknown[] = [];
      const watched = (async () => {
        const { signal } = new AbortController();
        for await (const events of transport.watch({ path: PATH, signal, stallMs: 10_000 }))
          seen.push(...events);
      })();
      if (cut === bytes.length) await watched;
      else {
        await assert.rejects(
          watched,
          (error: unknown) => error instanceof ApiError && ['Transport', 'Malformed'].includes(error.reason),
          `${cut} bytes`,
        );
      }
      assert.deepEqual(seen, values.slice(0, seen.length), `${cut} bytes`);
      counts.add(seen.length);
    }
    assert.deepEqual(counts, new Set([0, 1, 2, 3]));
  });

  it('uses the authority and token of a Pod as they rotate', async () => {
    const [old, next] = [createAuthority('old'), createAuthority('next')];
    let accepted = 'Bearer first';
    const identity = (authority: Authority) => {
      const { certificate, key } = issueServing(authority, { commonName: 'api' }, ['127.0.0.1']);
      return { cert: certificate, key: privatePem(key) };
    };
    const server = createHttpsServer(identity(old), (request, response) => {
      response.writeHead(request.headers.authorization === accepted ? 200 : 401).end('{}');
    });
    const port = await listen(server);
    fixture.write('token', 'first\n');
    fixture.write('ca.crt', old.certificate);
    let later = 0;
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + later };
    const transport = createTransport(
      await loadKubeConfig({
        serviceAccountRoot: fixture.directory,
        env: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) },
      }),
      { userAgent: 'test', env: {}, clock },
    );
    try {
      // One request may use a connection that is being closed.
      const ask = async () => {
        const once = () => transport.request({ method: 'GET', path: PATH });
        await once().catch(once);
      };
      await ask();
      fixture.write('ca.crt', old.certificate + next.certificate);
      later += 60_000;
      await ask();
      server.setSecureContext(identity(next));
      server.closeAllConnections();
      await ask();
      fixture.write('ca.crt', next.certificate);
      later += 60_000;
      await ask();
      fixture.write('token', 'second\n');
      accepted = 'Bearer second';
      await ask();
      server.setSecureContext(identity(old));
      server.closeAllConnections();
      await assert.rejects(ask(), /Transport: .*certificate/, 'the old authority counts no more');
    } finally {
      await transport.close();
    }
  });

  it('unquotes the texts of warnings, in one header or several', async () => {
    const warnings = [
      '299 - "first \\"quoted\\" \\\\ text", 299 - "second, with a comma"',
      '299 - "third"',
      'none',
    ];
    const open = await serve((_request, response) => {
      response.setHeader('warning', warnings);
      response.end('{}');
    });
    let told: readonly string[] | undefined;
    await open.request({ method: 'GET', path: PATH, onWarnings: (texts) => (told = texts) });
    assert.deepEqual(told, ['first "quoted" \\ text', 'second, with a comma', 'third']);
  });

  it('does not write if leadership ends while it connects', async () => {
    const methods: (string | undefined)[] = [];
    const open = await serve((request, response) => {
      methods.push(request.method);
      response.end('{}');
    });
    let leads = true;
    const transport = fenced(open, () => leads);
    const writing = transport.request({ method: 'POST', path: PATH, body: {} });
    leads = false;
    await assert.rejects(writing, isAborted);
    await transport.request({ method: 'GET', path: PATH });
    leads = true;
    await transport.request({ method: 'DELETE', path: PATH });
    assert.deepEqual(methods, ['GET', 'DELETE']);
  });
});
