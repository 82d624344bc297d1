// The shared control plane: its answers and permissions, its controllers and its node agent.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { kubernetesVersion } from '../../env/tooling/target.ts';
import { Leftovers } from '../../env/plane/leftovers.ts';
import { eventually } from '../../support/process-table.ts';

const NAMESPACE = 'env-control-plane';

describe('local control plane', () => {
  let plane: ControlPlane;

  before(async () => {
    plane = await sharedControlPlane();
    await plane.kubectlRun(['create', 'namespace', NAMESPACE]);
  });

  after(() => plane.kubectlRun(['delete', 'namespace', NAMESPACE, '--wait=false']));

  const kubectl = (...args: string[]) => plane.kubectlRun(['--namespace', NAMESPACE, ...args]);

  const read = async (...args: string[]) =>
    JSON.parse(await kubectl('get', ...args, '--output=json')) as {
      readonly items: readonly Record<string, Record<string, unknown>>[];
    };

  it('runs the version of Kubernetes that go.mod requires, on loopback', async () => {
    const { gitVersion } = (await plane.admin.send('GET', '/version')) as { readonly gitVersion: string };
    if (!process.env['KUBEBUILDER_ASSETS']) assert.equal(gitVersion, `v${kubernetesVersion()}`);
    assert.match(plane.server, /^https:\/\/127\.0\.0\.1:\d+$/);
  });

  it('accepts objects from standard input, and explains a refusal', async () => {
    const configMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'given' },
      data: { key: 'value' },
    };
    const output = await plane.kubectlRun(['--namespace', NAMESPACE, 'apply', '-f', '-'], {
      stdin: JSON.stringify(configMap),
    });
    assert.equal(output, 'configmap/given created\n');
    await assert.rejects(kubectl('get', 'configmap', 'absent'), /configmaps "absent" not found/);
  });

  it('grants a ServiceAccount only the permissions of its RBAC', async () => {
    await kubectl('create', 'serviceaccount', 'reader');
    const kubeconfig = await plane.serviceAccountKubeconfig(NAMESPACE, 'reader');
    const list = () =>
      plane.kubectlRun(['--namespace', NAMESPACE, 'get', 'configmaps', '-o', 'name'], { kubeconfig });

    const user = `system:serviceaccount:${NAMESPACE}:reader`;
    await assert.rejects(list(), new RegExp(`User "${user}" cannot list resource "configmaps"`));

    await kubectl('create', 'role', 'reader', '--verb=get,list', '--resource=configmaps');
    await kubectl('create', 'rolebinding', 'reader', '--role=reader', `--serviceaccount=${NAMESPACE}:reader`);
    assert.match(await list(), /configmap\/kube-root-ca\.crt/);
    await assert.rejects(
      plane.kubectlRun(['--namespace', NAMESPACE, 'delete', 'configmap', '--all'], { kubeconfig }),
      /cannot delete resource/,
    );
  });

  it('writes each request to its audit log before the answer', async () => {
    await kubectl('create', 'serviceaccount', 'audited');
    const kubeconfig = await plane.serviceAccountKubeconfig(NAMESPACE, 'audited');
    await assert.rejects(plane.kubectlRun(['get', 'nodes'], { kubeconfig }), /forbidden/);
    const lines = readFileSync(plane.auditLog ?? '', 'utf8')
      .trim()
      .split('\n');
    const entries = lines.map((line) => JSON.parse(line) as Record<string, Record<string, unknown>>);
    const own = entries.filter(
      ({ user }) => user?.['username'] === `system:serviceaccount:${NAMESPACE}:audited`,
    );
    const nodes = own.filter(({ objectRef }) => objectRef?.['resource'] === 'nodes');
    assert.deepEqual(
      nodes.map(({ verb, responseStatus, stage }) => ({ verb, code: responseStatus?.['code'], stage })),
      [{ verb: 'list', code: 403, stage: 'ResponseComplete' }],
    );
  });

  it('runs the Pods of a Deployment with IPs of their own, behind its Service', async () => {
    await kubectl('create', 'deployment', 'web', '--image=web', '--replicas=20', '--port=8080');
    await kubectl('expose', 'deployment', 'web', '--port=80', '--target-port=8080');
    await kubectl('wait', '--for=condition=Available', 'deployment/web', '--timeout=20s');

    const { items: pods } = await read('pods', '--selector=app=web');
    assert.equal(pods.length, 20);
    assert.deepEqual([...new Set(pods.map(({ status }) => status?.['phase']))], ['Running']);
    const addresses = pods.map(({ status }) => String(status?.['podIP']));
    assert.equal(new Set(addresses).size, 20);

    await eventually('all Pods are ready endpoints', async () => {
      const { items: slices } = await read('endpointslices', '--selector=kubernetes.io/service-name=web');
      const endpoints = slices.flatMap(
        (slice) =>
          (slice['endpoints'] ?? []) as unknown as { addresses: string[]; conditions: { ready: boolean } }[],
      );
      const ready = endpoints
        .filter(({ conditions }) => conditions.ready)
        .flatMap(({ addresses }) => addresses);
      return ready.sort().join() === addresses.sort().join();
    });
  });

  it('runs a Pod with init containers, and finishes the deletion of a bound Pod at once', async () => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'bound' },
      spec: {
        nodeName: 'node',
        initContainers: [
          { name: 'first', image: 'first' },
          { name: 'sidecar', image: 'sidecar', restartPolicy: 'Always' },
        ],
        containers: [{ name: 'main', image: 'main' }],
      },
    };
    await plane.kubectlRun(['--namespace', NAMESPACE, 'create', '-f', '-'], { stdin: JSON.stringify(pod) });
    await kubectl('wait', '--for=condition=Ready', 'pod/bound', '--timeout=10s');
    assert.match(await kubectl('get', 'pod', 'bound', '--no-headers'), /^bound +2\/2 +Running/);
    const started = performance.now();
    await kubectl('delete', 'pod', 'bound');
    assert.ok(performance.now() - started < 10_000, 'well before its grace period of 30 s is over');
  });

  it('removes the objects of a deleted namespace', async () => {
    await plane.kubectlRun(['create', 'namespace', `${NAMESPACE}-gone`]);
    await plane.kubectlRun([
      '--namespace',
      `${NAMESPACE}-gone`,
      'create',
      'deployment',
      'web',
      '--image=web',
    ]);
    await plane.kubectlRun(['delete', 'namespace', `${NAMESPACE}-gone`, '--timeout=28s']);
    assert.equal(await plane.kubectlRun(['get', 'namespace', `${NAMESPACE}-gone`, '--ignore-not-found']), '');
  });

  it('lists what a suite leaves on it, and what a suite deletes from it', async () => {
    const leftovers = await Leftovers.since(plane);
    const [role, namespace] = [`${NAMESPACE}-left`, `${NAMESPACE}-ended`];
    await plane.kubectlRun(['create', 'clusterrole', role, '--verb=get', '--resource=pods']);
    await plane.kubectlRun(['create', 'namespace', namespace]);
    const account = ['serviceaccount', 'left', '-n', namespace];
    await plane.kubectlRun(['create', ...account]);
    assert.deepEqual(await leftovers.take(0), [`clusterroles/${role}`, `namespaces/${namespace}`]);
    assert.deepEqual(await leftovers.take(0), [], 'objects are reported twice');

    const known = await Leftovers.since(plane);
    await plane.kubectlRun(['delete', ...account]);
    await plane.kubectlRun(['delete', 'clusterrole', role]);
    await plane.kubectlRun(['delete', 'namespace', namespace, '--wait=false']);
    const deleted = await known.take(0);
    for (const key of [`clusterroles/${role}`, `serviceaccounts/${namespace}/left`])
      assert.ok(deleted.includes(`deleted: ${key}`), `${key} is not among ${deleted.join()}`);
    assert.deepEqual(await leftovers.take(0), []);
  });
});
