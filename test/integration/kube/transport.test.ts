// The transport against a real API server: every way in, deadlines, and broken connections.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import type { Transport } from '../../../src/kube/transport.ts';
import { sharedControlPlane } from '../../env/index.ts';
import type { ControlPlane } from '../../env/index.ts';
import { configMap, configMaps, Fixture, type Kubeconfig, namespaces, until } from './fixture.ts';

const NAMESPACE = 'kube-transport';

describe('transport', function () {
  this.timeout(20_000);
  let plane: ControlPlane;
  let fixture: Fixture;
  let token: string;

  before(async () => {
    plane = await sharedControlPlane();
    await plane.kubectlRun(['create', 'namespace', NAMESPACE]);
    await plane.kubectlRun(['--namespace', NAMESPACE, 'create', 'serviceaccount', 'reader']);
    const grant = ['create', 'clusterrolebinding', NAMESPACE, '--clusterrole=view'];
    await plane.kubectlRun([...grant, `--serviceaccount=${NAMESPACE}:reader`]);
    const kubeconfig = await plane.serviceAccountKubeconfig(NAMESPACE, 'reader');
    token = (JSON.parse(readFileSync(kubeconfig, 'utf8')) as { users: [{ user: { token: string } }] })
      .users[0].user.token;
  });
  after(async () => {
    await plane.kubectlRun(['delete', 'clusterrolebinding', NAMESPACE]);
    await plane.kubectlRun(['delete', 'namespace', NAMESPACE, '--wait=false']);
  });
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(() => fixture.clean());

  /** A kubeconfig of the shared plane with this user. */
  const withUser = (user: Record<string, unknown>) =>
    fixture.variant(plane.kubeconfig, (config) => {
      for (const entry of config.users) entry.user = user;
    });
  const read = (transport: Transport) => namespaces(transport).get('default');
  const reason = (error: unknown) => (error instanceof ApiError ? error.reason : String(error));
  const failure = async (pending: Promise<unknown>) =>
    pending.then(
      () => assert.fail('it succeeded'),
      (error: unknown) => {
        assert.ok(error instanceof ApiError, String(error));
        assert.doesNotMatch(error.message, /\n/);
        return error;
      },
    );

  describe('authenticates', () => {
    it('by a client certificate, embedded or in files', async () => {
      await read(fixture.transport(plane.kubeconfig));
      const files = fixture.variant(plane.kubeconfig, ({ users, clusters }) => {
        const move = (from: Record<string, unknown>, field: string) => {
          fixture.write(field, Buffer.from(String(from[`${field}-data`]), 'base64').toString());
          delete from[`${field}-data`];
          from[field] = field; // relative to the kubeconfig
        };
        for (const { user } of users)
          for (const field of ['client-certificate', 'client-key']) move(user, field);
        for (const { cluster } of clusters) move(cluster, 'certificate-authority');
      });
      await read(fixture.transport(files));
    });

    it('by a token', () => read(fixture.transport(withUser({ token }))));

    it('by a token file whose token rotated, repeating the refused request once', async () => {
      fixture.write('token', 'expired\n');
      const transport = fixture.transport(withUser({ tokenFile: 'token', token: 'ignored' }));
      assert.equal((await failure(read(transport))).status, 401);
      assert.deepEqual(fixture.statuses(), [401], 'there was nothing better to repeat it with');
      fixture.write('token', `${token}\n`);
      await read(transport);
      await read(transport);
      assert.deepEqual(fixture.statuses(), [401, 200, 200]);
    });

    it('a watch too, by a token file that rotated', async () => {
      fixture.write('token', 'expired');
      const transport = fixture.transport(withUser({ tokenFile: 'token' }));
      await failure(read(transport));
      fixture.write('token', token);
      const stop = new AbortController();
      const query = { watch: true };
      for await (const value of transport.watch({
        path: '/api/v1/namespaces',
        query,
        signal: stop.signal,
        stallMs: 5000,
      })) {
        assert.ok(value);
        break;
      }
      assert.deepEqual(fixture.statuses(), [401, 401, 200]);
    });

    it('by an exec plugin, which runs once, and again when its token is refused', async () => {
      const script = `
        const { appendFileSync, existsSync, readFileSync } = require('node:fs');
        const directory = process.argv[2];
        const first = !existsSync(directory + '/runs');
        appendFileSync(directory + '/runs', process.env.KUBERNETES_EXEC_INFO + '\\n');
        const token = first ? 'revoked' : readFileSync(directory + '/token', 'utf8');
        console.log(JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token } }));`;
      fixture.write('token', token);
      fixture.write('plugin', `#!${process.execPath}\n${script}`, 0o700);
      const exec = {
        apiVersion: 'client.authentication.k8s.io/v1',
        command: './plugin', // relative to the kubeconfig
        args: [fixture.directory],
        interactiveMode: 'Never',
      };
      const transport = fixture.transport(withUser({ exec }));
      await Promise.all([read(transport), read(transport), read(transport)]);
      const runs = () => readFileSync(fixture.path('runs'), 'utf8').trim().split('\n');
      assert.equal(runs().length, 2, 'once at first, once for all that were refused');
      const info = { kind: 'ExecCredential', apiVersion: exec.apiVersion, spec: { interactive: false } };
      assert.deepEqual(JSON.parse(runs()[0] ?? ''), info);
      await read(transport);
      assert.equal(runs().length, 2);
    });

    it('by an exec plugin that gives a client certificate', async () => {
      const { users } = JSON.parse(readFileSync(plane.kubeconfig, 'utf8')) as Kubeconfig;
      const { user } = users[0]!;
      const pem = (name: string) => Buffer.from(String(user[`${name}-data`]), 'base64').toString();
      const status = { clientCertificateData: pem('client-certificate'), clientKeyData: pem('client-key') };
      const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status };
      fixture.write('credential', JSON.stringify(credential));
      const exec = {
        apiVersion: credential.apiVersion,
        command: 'cat',
        args: [fixture.path('credential')],
        interactiveMode: 'Never',
      };
      await read(fixture.transport(withUser({ exec })));
    });

    it('by the token of an OIDC provider', async () => {
      // The API server's own tokens are JWTs with an expiry, as an OIDC provider's are.
      const provider = { name: 'oidc', config: { 'id-token': token, 'client-id': 'operator' } };
      await read(fixture.transport(withUser({ 'auth-provider': provider })));
    });

    it('and says which plugin is missing', async () => {
      const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'no-such-plugin' };
      const error = await failure(read(fixture.transport(withUser({ exec }))));
      assert.match(error.message, /GET .*default: Credentials: .*no-such-plugin.*ENOENT/);
    });

    it('as somebody else, with groups', async () => {
      const impersonating = fixture.variant(plane.kubeconfig, ({ users }) => {
        for (const { user } of users) Object.assign(user, { as: 'jane', 'as-groups': ['team-a', 'team-b'] });
      });
      const review = await fixture.transport(impersonating).request<{
        status: { userInfo: { username: string; groups: string[] } };
      }>({
        method: 'POST',
        path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      });
      const { username, groups } = review.status.userInfo;
      assert.deepEqual([username, groups], ['jane', ['team-a', 'team-b', 'system:authenticated']]);
    });
  });

  describe('connects', () => {
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
      // CONNECT, to an address of IPv4.
      assert.deepEqual(new Set(targets), new Set([`1 1 ${new URL(plane.server).port}`]));
    });

    it('under the name that tls-server-name gives', async () => {
      const named = (name: string) =>
        fixture.variant(plane.kubeconfig, ({ clusters }) => {
          for (const { cluster } of clusters) cluster['tls-server-name'] = name;
        });
      await read(fixture.transport(named('kubernetes.default.svc')));
      const error = await failure(read(fixture.transport(named('elsewhere.example'))));
      assert.match(error.message, /Transport: .*elsewhere\.example/);
    });

    it('only to a server whose certificate its authority signed, unless told not to look', async () => {
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

    it('through the proxy of its cluster entry', async () => {
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

    it('once for each request under way at a time, or little more', async () => {
      const proxy = await fixture.proxy(plane.server);
      const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url));
      for (let i = 0; i < 50; i++) await read(transport);
      // Up to twice as often as needed: the pool takes a connection as busy until just after its answer is there.
      assert.ok(proxy.accepted <= 2, `${proxy.accepted} connections`);
      for (let i = 0; i < 100; i++) await Promise.all(Array.from({ length: 8 }, () => read(transport)));
      assert.ok(proxy.accepted <= 16, `${proxy.accepted} connections`);
    });
  });

  describe('fails', () => {
    it('in one line where nobody listens', async () => {
      const proxy = await fixture.proxy(plane.server);
      const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url));
      await proxy.stop();
      const error = await failure(read(transport));
      assert.match(error.message, /^GET \/api\/v1\/namespaces\/default: Transport: connect ECONNREFUSED 127/);
      assert.deepEqual(fixture.statuses(), ['<error>']);
    });

    it('at the deadline, and does not use connections that may be as dead again', async () => {
      const proxy = await fixture.proxy(plane.server);
      const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url), { timeoutMs: 300 });
      await Promise.all(Array.from({ length: 4 }, () => read(transport)));
      await delay(350);
      proxy.silence();
      const started = performance.now();
      assert.equal(reason(await failure(read(transport))), 'Timeout');
      const took = performance.now() - started;
      assert.ok(took >= 299 && took < 10_000, `${took} ms`);
      await Promise.all(Array.from({ length: 4 }, () => read(transport)));
    });

    it('when its signal is aborted, before or meanwhile', async () => {
      const transport = fixture.transport(plane.kubeconfig);
      const signal = AbortSignal.abort();
      assert.equal(
        reason(await failure(namespaces(transport).get('default', undefined, { signal }))),
        'Aborted',
      );
      const stop = new AbortController();
      const pending = failure(namespaces(transport).get('default', undefined, { signal: stop.signal }));
      stop.abort();
      assert.equal(reason(await pending), 'Aborted');
    });

    it('when the connection breaks at any byte of the answer', async () => {
      const proxy = await fixture.proxy(plane.server);
      const kubeconfig = fixture.via(plane.kubeconfig, proxy.url);
      for (const bytes of [1, 700, 2500, 3500, 4200]) {
        proxy.cutAfter(bytes);
        const transport = fixture.transport(kubeconfig);
        const path = '/apis/apps/v1';
        assert.equal(
          reason(await failure(transport.request({ method: 'GET', path }))),
          'Transport',
          `${bytes} bytes`,
        );
      }
    });

    it('with what the server says of a bad object', async () => {
      const maps = configMaps(fixture.transport(plane.kubeconfig));
      const error = await failure(maps.create(configMap(NAMESPACE, 'Not_A_Name')));
      assert.deepEqual([error.status, error.reason], [422, 'Invalid']);
      assert.match(error.message, /RFC 1123/);
    });
  });

  describe('a watch', () => {
    const path = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
    const query = { watch: true, fieldSelector: 'metadata.name=long' };

    it('carries a line of 1 MB, and characters of several bytes', async () => {
      const transport = fixture.transport(plane.kubeconfig);
      const text = 'ж✓😀'.repeat(100_000);
      await configMaps(transport).create(configMap(NAMESPACE, 'long', { text }));
      const { signal } = new AbortController();
      for await (const value of transport.watch({ path, query, signal, stallMs: 5000 })) {
        assert.equal((value as { object: { data: { text: string } } }).object.data.text, text);
        break;
      }
    });

    it('fails as Stalled when nothing comes', async () => {
      const proxy = await fixture.proxy(plane.server);
      const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url));
      const started = performance.now();
      const error = await failure(
        drain(transport, { path, query: { ...query, resourceVersion: '1000000' } }, 300),
      );
      assert.equal(error.reason, 'Stalled', error.message);
      assert.ok(performance.now() - started < 10_000);
    });

    it('ends as Aborted by its signal and by closing, and leaves no connection behind', async () => {
      const proxy = await fixture.proxy(plane.server);
      const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url));
      const stop = new AbortController();
      const first = failure(drain(transport, { path, query }, 5000, stop.signal));
      const second = failure(drain(transport, { path, query }, 5000));
      await until(
        'both are open',
        () => fixture.requests.filter(({ verb }) => verb === 'WATCH').length === 2,
      );
      stop.abort();
      assert.equal((await first).reason, 'Aborted');
      await until('one is gone', () => proxy.open === 1);
      await transport.close();
      assert.equal((await second).reason, 'Aborted');
      await until('the other too', () => proxy.open === 0);
      assert.equal(reason(await failure(read(transport))), 'Aborted', 'nothing goes on after closing');
    });
  });

  it('runs its deadlines on the clock that it is given', async () => {
    let fire = () => {};
    const clock = {
      ...systemClock,
      schedule: (_delay: number, callback: () => void) => {
        fire = callback;
        return { cancel: () => {} };
      },
      monotonic: () => now,
    };
    let now = 0;
    const proxy = await fixture.proxy(plane.server);
    const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url), { clock });
    await read(transport);
    proxy.silence();
    const pending = failure(read(transport));
    now = 30_000;
    fire();
    assert.match((await pending).message, /Timeout: no complete answer came within 30000 ms/);
  });
});

async function drain(
  transport: Transport,
  request: { path: string; query: Record<string, string | boolean> },
  stallMs: number,
  signal = new AbortController().signal,
): Promise<void> {
  for await (const value of transport.watch({ ...request, signal, stallMs })) void value;
}
