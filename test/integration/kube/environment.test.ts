// Configurations that exist only in a cluster or a company: a Pod's ServiceAccount, proxies of the environment.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { loadKubeConfig } from '../../../src/kube/config/load.ts';
import { createTransport } from '../../../src/kube/http/transport.ts';
import { sharedControlPlane } from '../../env/index.ts';
import type { ControlPlane } from '../../env/index.ts';
import { Fixture, namespaces } from './fixture.ts';

interface Config {
  readonly clusters: readonly [{ readonly cluster: { readonly 'certificate-authority-data': string } }];
  readonly users: readonly [{ readonly user: { readonly token: string } }];
}

describe('transport reaches a real API server', () => {
  let plane: ControlPlane;
  let fixture: Fixture;

  before(async () => {
    plane = await sharedControlPlane();
  });
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(() => fixture.clean());

  it('with the ServiceAccount of a Pod', async () => {
    const file = await plane.serviceAccountKubeconfig('default', 'default');
    const { clusters, users } = JSON.parse(readFileSync(file, 'utf8')) as Config;
    fixture.write('token', users[0].user.token);
    const authority = clusters[0].cluster['certificate-authority-data'];
    fixture.write('ca.crt', Buffer.from(authority, 'base64').toString());
    fixture.write('namespace', 'default');
    const { hostname, port } = new URL(plane.server);
    const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
    const config = await loadKubeConfig({ serviceAccountRoot: fixture.directory, env });
    const transport = createTransport(config, { userAgent: 'environment', env });
    try {
      const review = await transport.request<{ status: { userInfo: { username: string } } }>({
        method: 'POST',
        path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      });
      assert.equal(review.status.userInfo.username, 'system:serviceaccount:default:default');
    } finally {
      await transport.close();
    }
  });

  it('through the proxy of HTTPS_PROXY, with a password', async () => {
    const tunnels: (readonly [string | undefined, string | undefined])[] = [];
    const proxy = createServer();
    proxy.on('connect', (request, client) => {
      tunnels.push([request.url, request.headers['proxy-authorization']]);
      const server = connect(Number(new URL(plane.server).port), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        client.pipe(server).pipe(client);
      });
      for (const socket of [client, server]) socket.on('error', () => server.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    // A name that only the proxy can resolve: local addresses are never reached through a proxy.
    const kubeconfig = fixture.via(plane.kubeconfig, 'https://kubernetes.default.svc:6443');
    const env = { HTTPS_PROXY: `http://jane:s%40cret@127.0.0.1:${port}` };
    try {
      await namespaces(fixture.transport(kubeconfig, { env })).get('default');
      const password = `Basic ${Buffer.from('jane:s@cret').toString('base64')}`;
      assert.deepEqual(tunnels[0], ['kubernetes.default.svc:6443', password]);
      const exempt = { ...env, NO_PROXY: '.svc' };
      await assert.rejects(
        namespaces(fixture.transport(kubeconfig, { env: exempt })).get('default'),
        /Transport/,
      );
      assert.equal(tunnels.length, 1);
    } finally {
      await fixture.clean();
      proxy.close();
    }
  });
});
