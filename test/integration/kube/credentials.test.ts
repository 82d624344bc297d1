// The transport's authentication at a real API server, by every method of a kubeconfig.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { Sandbox } from '../../support/cluster.ts';
import { failure, Fixture, type Kubeconfig, readNamespace as read } from './fixture.ts';

describe('transport authenticates', () => {
  let plane: ControlPlane;
  let box: Sandbox;
  let fixture: Fixture;
  let token: string;

  before(async () => {
    plane = await sharedControlPlane();
    box = new Sandbox(plane, 'credentials');
    const namespace = await box.namespace('reader', null);
    await plane.kubectlRun(['--namespace', namespace, 'create', 'serviceaccount', 'reader']);
    await box.create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: box.id },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace }],
    });
    const kubeconfig = await plane.serviceAccountKubeconfig(namespace, 'reader');
    token = (JSON.parse(readFileSync(kubeconfig, 'utf8')) as { users: [{ user: { token: string } }] })
      .users[0].user.token;
  });
  after(() => box.remove());
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(() => fixture.clean());

  /** Writes a kubeconfig of the shared control plane with this user. */
  const withUser = (user: Record<string, unknown>) =>
    fixture.variant(plane.kubeconfig, (config) => {
      for (const entry of config.users) entry.user = user;
    });

  it('with a client certificate, embedded or in files', async () => {
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

  it('with a token', () => read(fixture.transport(withUser({ token }))));

  it('with a token file that rotated, repeating the rejected request once', async () => {
    fixture.write('token', 'expired\n');
    const transport = fixture.transport(withUser({ tokenFile: 'token', token: 'ignored' }));
    assert.equal((await failure(read(transport))).status, 401);
    assert.deepEqual(fixture.statuses(), [401], 'there was nothing better to repeat it with');
    fixture.write('token', `${token}\n`);
    await read(transport);
    await read(transport);
    assert.deepEqual(fixture.statuses(), [401, 200, 200]);
  });

  it('a watch with a token file that rotated', async () => {
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

  it('with an exec plugin, which runs once, and again when its token is rejected', async () => {
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

  it('with a client certificate from an exec plugin', async () => {
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

  it('with the token of an OIDC provider', async () => {
    // The API server's own tokens are JWTs with an expiry, as an OIDC provider's are.
    const provider = { name: 'oidc', config: { 'id-token': token, 'client-id': 'operator' } };
    await read(fixture.transport(withUser({ 'auth-provider': provider })));
  });

  it('or names the exec plugin that is missing', async () => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'no-such-plugin' };
    const error = await failure(read(fixture.transport(withUser({ exec }))));
    assert.match(error.message, /GET .*default: Credentials: .*no-such-plugin.*ENOENT/);
  });

  it('with impersonation of a user and groups', async () => {
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
