// The transport's connections to a real API server: proxies, server names, authorities, and their number.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { failure, Fixture, readNamespace as read } from './fixture.ts';

describe('transport connects to the API server', () => {
  let plane: ControlPlane;
  let fixture: Fixture;

  before(async () => {
    plane = await sharedControlPlane();
  });
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(() => fixture.clean());

  it('through a SOCKS proxy', async () => {
    const targets: string[] = [];
    const proxy = createTcpServer((client) => {
      client.once('data', () => {
        client.write(Buffer.from([5, 0])); // version 5, no authentication (RFC 1928)
        client.once('data', (request: Buffer) => {
          const port = request.readUInt16BE(request.length - 2);
          const [, command, , type] = request;
          targets.push(`${command} ${type} ${port}`);
          const server = connect(port, '127.0.0.1', () => {
            client.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
            client.pipe(server).pipe(client);
          });
          for (const socket of [client, server]) socket.on('error', () => server.destroy());
        });
      });
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const kubeconfig = fixture.variant(plane.kubeconfig, ({ clusters }) => {
      for (const { cluster } of clusters) cluster['proxy-url'] = `socks5://127.0.0.1:${port}`;
    });
    const transport = fixture.transport(kubeconfig);
    await read(transport);
    await read(transport);
    proxy.close();
    assert.ok(targets.length === 1 || targets.length === 2, `${targets.length} tunnels`);
    // CONNECT to an IPv4 address.
    assert.deepEqual(new Set(targets), new Set([`1 1 ${new URL(plane.server).port}`]));
  });

  it('with the server name of tls-server-name', async () => {
    const named = (name: string) =>
      fixture.variant(plane.kubeconfig, ({ clusters }) => {
        for (const { cluster } of clusters) cluster['tls-server-name'] = name;
      });
    await read(fixture.transport(named('kubernetes.default.svc')));
    const error = await failure(read(fixture.transport(named('elsewhere.example'))));
    assert.match(error.message, /Transport: .*elsewhere\.example/);
  });

  it('only if the authority signed its certificate, or verification is off', async () => {
    const insecure = (skip: boolean) =>
      fixture.variant(plane.kubeconfig, ({ clusters }) => {
        for (const { cluster } of clusters) {
          delete cluster['certificate-authority-data'];
          cluster['insecure-skip-tls-verify'] = skip;
        }
      });
    const error = await failure(read(fixture.transport(insecure(false))));
    assert.match(error.message, /Transport: .*certificate/);
    await read(fixture.transport(insecure(true)));
  });

  it("through the proxy of the kubeconfig's cluster", async () => {
    const tunnels: string[] = [];
    const proxy = createServer();
    proxy.on('connect', (request, client) => {
      tunnels.push(String(request.url));
      const server = connect(Number(new URL(plane.server).port), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        client.pipe(server).pipe(client);
      });
      for (const socket of [client, server]) socket.on('error', () => server.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const address = proxy.address();
    assert.ok(address !== null && typeof address === 'object');
    const kubeconfig = fixture.variant(plane.kubeconfig, ({ clusters }) => {
      for (const { cluster } of clusters) cluster['proxy-url'] = `http://127.0.0.1:${address.port}`;
    });
    const transport = fixture.transport(kubeconfig);
    await read(transport);
    await read(transport);
    proxy.close();
    assert.ok(tunnels.length > 0, 'nothing went through the proxy');
    assert.deepEqual(new Set(tunnels), new Set([new URL(plane.server).host]));
    assert.ok(tunnels.length <= 2, `${tunnels.length} tunnels`);
  });

  it('with about one connection for each concurrent request', async () => {
    const proxy = await fixture.proxy(plane.server);
    const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url));
    for (let i = 0; i < 50; i++) await read(transport);
    // Up to twice that number: the pool regards a connection as busy until shortly after its answer.
    assert.ok(proxy.accepted <= 2, `${proxy.accepted} connections`);
    for (let i = 0; i < 100; i++) await Promise.all(Array.from({ length: 8 }, () => read(transport)));
    assert.ok(proxy.accepted <= 16, `${proxy.accepted} connections`);
  });
});
