/** The metrics endpoint by TLS, for clients that a real API server authorizes. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { privatePem } from '../../../src/operator/endpoints/x509.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { createAuthority, issueServing } from '../../env/plane/x509.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';
import { scrape, serviceAccountToken } from '../../support/monitoring/scrape.ts';
import { Fixture } from '../kube/fixture.ts';
import type { TcpProxy } from '../kube/tcp-proxy.ts';

const authority = createAuthority('metrics-access');
const CONFIGURATION = 'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\n';
/** The operator reads its certificate every ten seconds. Milliseconds. */
const PATIENCE_MS = 20_000;

describe('metrics endpoint with --metrics-secure', () => {
  const operators = new Operators();
  const fixture = new Fixture();
  let plane: ControlPlane;
  let box: Sandbox;
  let proxy: TcpProxy;
  let operator: Operator;
  let url: string;
  const tokens: Record<'reader' | 'unauthorized' | 'late', string> = {
    reader: '',
    unauthorized: '',
    late: '',
  };

  /** Mounts a new certificate, as the kubelet does, and returns its fingerprint. */
  function mountCertificate(version: string): string {
    const { certificate, key } = issueServing(authority, { commonName: 'metrics' }, ['127.0.0.1']);
    mkdirSync(fixture.path(version));
    writeFileSync(join(fixture.path(version), 'tls.crt'), certificate);
    writeFileSync(join(fixture.path(version), 'tls.key'), privatePem(key));
    symlinkSync(version, fixture.path('new'));
    renameSync(fixture.path('new'), fixture.path('mounted'));
    return new X509Certificate(certificate).fingerprint256;
  }

  before(async () => {
    plane = await sharedControlPlane();
    box = new Sandbox(plane, 'scrape');
    const kubeconfig = await installOperator(plane);
    for (const name of ['reader', 'unauthorized', 'late'] as const) {
      tokens[name] = await serviceAccountToken(box, `${box.id}-${name}`);
    }
    await box.create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: `${box.id}-reader` },
      roleRef: {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'ClusterRole',
        name: 'segmentation-operator-metrics-reader',
      },
      subjects: ['reader', 'late'].map((name) => ({
        kind: 'ServiceAccount',
        name: `${box.id}-${name}`,
        namespace: 'default',
      })),
    });
    const server = new URL(plane.server);
    proxy = await fixture.proxy(server.href);
    mountCertificate('v1');
    const config = fixture.write('operator.yaml', `${CONFIGURATION}concurrency: 4\n`);
    operator = await operators.start(
      fixture.via(kubeconfig, proxy.url),
      '--metrics-secure',
      `--metrics-cert-path=${fixture.path('mounted')}`,
      `--config=${config}`,
    );
    fixture.write('operator.yaml', `${CONFIGURATION}concurency: 8\n`);
    url = String((await operator.line('listening'))['metrics']);
  });
  after(async () => {
    await operators.end();
    await box.remove();
    await fixture.clean();
  });

  it('refuses a request without a token, or with a token that the API server does not accept', async () => {
    assert.match(url, /^https:/);
    const [none, unknown] = [await scrape(url), await scrape(url, { token: 'a.b.c' })];
    assert.deepEqual([none.status, none.headers['www-authenticate']], [401, 'Bearer']);
    assert.deepEqual(
      [unknown.status, unknown.text],
      [401, '401: the API server does not accept the token\n'],
    );
  });

  it('refuses an account that may not get /metrics, and names it', async () => {
    const { status, text } = await scrape(url, { token: tokens.unauthorized });
    assert.equal(status, 403);
    assert.ok(
      text.startsWith(
        `403: system:serviceaccount:default:${box.id}-unauthorized may not get /metrics: bind it to`,
      ),
    );
  });

  it('serves an account that may get /metrics, with a verifiable certificate', async () => {
    const { status, text } = await scrape(url, { token: tokens.reader, ca: authority.certificate });
    assert.equal(status, 200);
    assert.match(text, /^segmentation_build_info\{/m);
    assert.equal((await scrape(url, { token: tokens.reader, method: 'HEAD' })).status, 403);
  });

  it('does not serve plain HTTP, and leaves the probes open', async () => {
    await assert.rejects(fetch(url.replace('https', 'http')));
    assert.equal((await operator.get('health', '/healthz')).status, 200);
  });

  it('reloads a certificate that is replaced', async () => {
    const next = mountCertificate('v2');
    await eventually(async () => assert.equal((await scrape(url)).certificate, next), PATIENCE_MS);
    await operator.line('the certificate of the metrics endpoint was replaced');
  });

  it('reports a changed configuration file, and keeps the settings that it has', async () => {
    const { level, file, problems } = await operator.line(
      'the configuration file has changed, and would be refused',
      PATIENCE_MS,
    );
    assert.deepEqual([level, file], ['warn', fixture.path('operator.yaml')]);
    const problem = `${fixture.path('operator.yaml')}: concurency: unknown key (did you mean "concurrency"?)`;
    assert.deepEqual(problems, [problem]);
    const { text } = await scrape(url, { token: tokens.reader });
    assert.match(text, /^segmentation_configuration_stale 1$/m);
    assert.match(text, /^controller_runtime_max_concurrent_reconciles\{controller="namespace"\} 4$/m);
  });

  it('serves only recently authorized tokens while the API server is away, and logs that once', async () => {
    await scrape(url, { token: tokens.reader });
    await proxy.stop();
    const refused = await scrape(url, { token: tokens.late });
    assert.equal(refused.status, 500);
    assert.match(refused.text, /^500: the API server could not be asked who you are/);
    assert.equal((await scrape(url, { token: tokens.late })).status, 500);
    assert.equal((await scrape(url, { token: tokens.reader })).status, 200);
    const { error } = await operator.line(
      'a scrape was refused: the API server could not be asked who it is',
    );
    assert.match((error as { message: string }).message, /tokenreviews/);
    for (const token of Object.values(tokens)) assert.ok(!operator.log().includes(token));
  });

  it('does not start with an unusable certificate, and logs the reason', async () => {
    writeFileSync(join(fixture.path('v2'), 'tls.key'), readFileSync(join(fixture.path('v1'), 'tls.key')));
    for (const [path, reason] of [
      [fixture.path('mounted'), `${fixture.path('mounted')}/tls.key is not the key of the certificate in`],
      ['/nowhere', '/nowhere/tls.crt cannot be read: there is no such file'],
    ] as const) {
      const failing = operators.launch([
        `--kubeconfig=${await installOperator(plane)}`,
        '--metrics-secure',
        `--metrics-cert-path=${path}`,
      ]);
      assert.deepEqual(await failing.end(), { code: 1, signal: null });
      const [line] = failing.lines().filter(({ level }) => level === 'error');
      assert.ok(line?.msg.startsWith(`--metrics-cert-path: ${reason}`), line?.msg);
    }
    rmSync(fixture.path('mounted'));
  });
});
