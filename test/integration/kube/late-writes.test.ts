/**
 * A write that hangs in the API server after its client has given up. It hangs in a webhook that accepts connections
 * and never answers, and whose failure is ignored after two seconds.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { KubeObject } from '../../../src/api/meta.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import { Resource } from '../../../src/kube/resource.ts';
import type { Transport } from '../../../src/kube/http/transport.ts';
import { sharedControlPlane } from '../../env/index.ts';
import { eventually } from '../../support/cluster.ts';
import { configMap, configMaps, Fixture, namespaces } from './fixture.ts';

const NAMESPACE = 'kube-late-writes';
const WEBHOOK = 'late-writes.example.com';

describe('a write that hangs in the API server', function () {
  this.timeout(30_000);
  let fixture: Fixture;
  let admin: Transport;
  let webhooks: Resource<KubeObject>;
  let hole: Server;
  const sockets = new Set<Socket>();

  before(async () => {
    const plane = await sharedControlPlane();
    fixture = new Fixture();
    admin = fixture.transport(plane.kubeconfig);
    hole = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
    }).listen(0, '127.0.0.1');
    await once(hole, 'listening');
    const { port } = hole.address() as AddressInfo;
    await namespaces(admin).create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
    webhooks = new Resource(admin, {
      group: 'admissionregistration.k8s.io',
      version: 'v1',
      plural: 'validatingwebhookconfigurations',
      namespaced: false,
    });
    const configuration = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: WEBHOOK },
      webhooks: [
        {
          name: WEBHOOK,
          clientConfig: { url: `https://127.0.0.1:${port}/` },
          rules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] },
          ],
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': NAMESPACE } },
          failurePolicy: 'Ignore',
          timeoutSeconds: 2,
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
        },
      ],
    };
    await webhooks.create(configuration);
    let index = 0;
    await eventually(async () => {
      await configMaps(admin).create(configMap(NAMESPACE, `trial-${index++}`));
      assert.ok(sockets.size > 0, 'the webhook is not asked yet');
    }, 15_000);
  });
  after(async () => {
    hole.close();
    for (const socket of sockets) socket.destroy();
    await webhooks.delete(WEBHOOK);
    await namespaces(admin).delete(NAMESPACE);
    await fixture.clean();
  });

  /** True if the object exists once a later write has passed the same webhook. */
  const isThereAfterAll = async (name: string): Promise<boolean> => {
    await configMaps(admin).create(configMap(NAMESPACE, `after-${name}`));
    const { items } = await configMaps(admin).list({ namespace: NAMESPACE });
    assert.ok(items.some(({ metadata }) => metadata.name === `after-${name}`));
    return items.some(({ metadata }) => metadata.name === name);
  };

  it('is dropped when its client closes the connection', async () => {
    const abort = new AbortController();
    const asked = sockets.size;
    const sent = configMaps(admin).create(configMap(NAMESPACE, 'given-up'), { signal: abort.signal });
    const rejected = assert.rejects(sent, { reason: 'Aborted' });
    await eventually(() => assert.ok(sockets.size > asked), 10_000);
    abort.abort();
    await rejected;
    assert.equal(await isThereAfterAll('given-up'), false);
  });

  it('is dropped after its timeout parameter, although its client still waits', async () => {
    const sent = admin.request({
      method: 'POST',
      path: `/api/v1/namespaces/${NAMESPACE}/configmaps`,
      query: { timeout: '1s' },
      body: configMap(NAMESPACE, 'timed'),
    });
    // The server answers 504, or closes the connection if its handler does not return.
    await assert.rejects(
      sent,
      (error) => error instanceof ApiError && (error.status === 504 || error.reason === 'Transport'),
    );
    assert.equal(await isThereAfterAll('timed'), false);
  });
});
