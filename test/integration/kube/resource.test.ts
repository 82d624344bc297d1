// Requests for objects of one kind on a real API server.
import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { NETWORK_POLICIES, PODS } from '../../../src/cluster-state/items.ts';
import { PolicyStore } from '../../../src/cluster-state/policies/store.ts';
import {
  ApiError,
  classify,
  isAlreadyExists,
  isCollectionMissing,
  isConflict,
  isNamespaceTerminating,
  isNotFound,
} from '../../../src/kube/errors.ts';
import type { ReadObject } from '../../../src/kube/http/binary-format.ts';
import { Resource } from '../../../src/kube/resource.ts';
import type { Transport } from '../../../src/kube/http/transport.ts';
import { sharedControlPlane } from '../../env/index.ts';
import { eventually } from '../../support/cluster.ts';
import { itSince, STREAMED_LISTS } from '../../support/kubernetes.ts';
import { configMap, configMaps, Fixture, namespaces } from './fixture.ts';
import type { ConfigMap } from './fixture.ts';

const NAMESPACE = 'kube-resource';

describe('Resource on a real API server', () => {
  let fixture: Fixture;
  let admin: Transport;
  let maps: Resource<ConfigMap>;

  before(async () => {
    const plane = await sharedControlPlane();
    fixture = new Fixture();
    admin = fixture.transport(plane.kubeconfig);
    maps = configMaps(admin);
    await namespaces(admin).create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  });
  after(async () => {
    await namespaces(admin).delete(NAMESPACE);
    await fixture.clean();
  });

  const rejected = async (pending: Promise<unknown>) =>
    pending.then(
      () => assert.fail('it succeeded'),
      (error: unknown) => error,
    );

  it('creates, reads, replaces, patches and deletes', async () => {
    const created = await maps.create(configMap(NAMESPACE, 'life', { a: '1' }));
    assert.deepEqual(await maps.get('life', NAMESPACE), created);
    const replaced = await maps.replace({ ...created, data: { a: '2', b: '1' } });
    assert.deepEqual(replaced.data, { a: '2', b: '1' });
    const patched = await maps.patch('life', NAMESPACE, { data: { a: null } });
    assert.deepEqual(patched.data, { b: '1' });
    assert.equal(await maps.delete('life', NAMESPACE), undefined);
    assert.ok(isNotFound(await rejected(maps.get('life', NAMESPACE))));
  });

  itSince(STREAMED_LISTS, 'does not decode the known content of a policy again', async () => {
    const policies = new Resource<NetworkPolicy>(admin, NETWORK_POLICIES);
    const { readObject } = new PolicyStore();
    let decoded = 0;
    const counting: ReadObject = (bytes, decode) =>
      readObject(bytes, () => {
        decoded += 1;
        return decode();
      });
    const write = async (name: string) => {
      const metadata = { name, namespace: NAMESPACE, labels: { app: 'a' } };
      const policy = {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata,
        spec: { podSelector: {} },
      };
      return policies.create(policy, { readObject: counting });
    };
    await write('first');
    await write('second');
    const compared = await write('third');
    assert.equal(decoded, 2);
    const { metadata, spec } = await policies.get('third', NAMESPACE);
    assert.deepEqual(compared.spec, spec);
    const { name, namespace, uid, resourceVersion, labels } = metadata;
    const managedFields = [{ manager: 'segmentation-operator' }];
    assert.deepEqual(compared.metadata, { name, namespace, uid, resourceVersion, labels, managedFields });

    const end = new AbortController();
    const query = { watch: true, sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' };
    const path = policies.collection(NAMESPACE);
    const names: string[] = [];
    for await (const together of admin.watch({
      path,
      query,
      signal: end.signal,
      stallMs: 60_000,
      readObject: counting,
    })) {
      for (const value of together)
        names.push((value as { readonly object: NetworkPolicy }).object.metadata.name);
      if (names.length >= 3) break;
    }
    end.abort();
    assert.deepEqual(names.slice(0, 3).sort(), ['first', 'second', 'third']);
    assert.equal(decoded, 2);
  });

  it('records its field manager with each write', async () => {
    const { metadata } = await maps.create(configMap(NAMESPACE, 'signed', { a: '1' }));
    assert.deepEqual(
      metadata.managedFields?.map(({ manager }) => manager),
      ['segmentation-operator'],
    );
  });

  it('fails if an object has unknown fields', async () => {
    const unknown = { ...configMap(NAMESPACE, 'unknown'), dta: {} };
    const error = await rejected(maps.create(unknown));
    assert.match(String(error), /strict decoding error: unknown field "dta"/);
    assert.equal(classify(error), 'stalled');
  });

  it('fails with a write conflict if another client wrote first', async () => {
    const created = await maps.create(configMap(NAMESPACE, 'race'));
    await maps.replace({ ...created, data: { winner: 'yes' } });
    assert.ok(isConflict(await rejected(maps.replace({ ...created, data: {} }))));
    const { resourceVersion } = created.metadata;
    const stale = { metadata: { resourceVersion }, data: { winner: 'no' } };
    assert.ok(isConflict(await rejected(maps.patch('race', NAMESPACE, stale))));
    assert.ok(
      isConflict(await rejected(maps.delete('race', NAMESPACE, { preconditions: { resourceVersion } }))),
    );
    assert.ok(
      isConflict(await rejected(maps.delete('race', NAMESPACE, { preconditions: { uid: 'another' } }))),
    );
    assert.ok(isAlreadyExists(await rejected(maps.create(configMap(NAMESPACE, 'race')))));
    assert.deepEqual((await maps.get('race', NAMESPACE)).data, { winner: 'yes' });
  });

  it('never replaces an object without a resourceVersion', async () => {
    assert.match(
      String(await rejected(maps.replace(configMap(NAMESPACE, 'race')))),
      /without a resourceVersion/,
    );
  });

  it('applies fields under another field manager, and removes what is applied no longer', async () => {
    const { metadata } = await maps.create(configMap(NAMESPACE, 'applied', { a: '1' }));
    const { name, namespace = '', resourceVersion = '' } = metadata;
    const applied = (version: string, data: Record<string, string>) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace, resourceVersion: version },
      data,
    });
    const fieldManager = 'another';
    const foreign = await rejected(maps.apply(applied(resourceVersion, { a: '2' }), { fieldManager }));
    assert.match(String(foreign), /conflict with "segmentation-operator"/);
    assert.ok(isConflict(foreign));
    const after = await maps.apply(applied(resourceVersion, { b: '1' }), { fieldManager });
    assert.deepEqual(after.data, { a: '1', b: '1' });
    assert.ok(isConflict(await rejected(maps.apply(applied(resourceVersion, {}), { fieldManager }))));
    const version = after.metadata.resourceVersion ?? '';
    assert.deepEqual((await maps.apply(applied(version, {}), { fieldManager })).data, { a: '1' });
    assert.match(String(await rejected(maps.apply(applied('', {}), { fieldManager }))), /without a resource/);
  });

  it('tells the warnings of a dry run, which stores nothing', async () => {
    const warned: string[] = [];
    const onWarnings = (texts: readonly string[]) => warned.push(...texts);
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'loose', namespace: NAMESPACE } };
    const spec = { containers: [{ name: 'main', image: 'main' }] };
    const pods = new Resource<KubeObject>(admin, PODS);
    await eventually(() => pods.create({ ...pod, spec } as KubeObject));
    const patch = { metadata: { labels } };
    await namespaces(admin).patch(NAMESPACE, undefined, patch, { isDryRun: true, onWarnings });
    assert.match(
      warned.join('\n'),
      /^existing pods in namespace "kube-resource" violate .*\nloose: allowPriv/,
    );
    const { metadata } = await namespaces(admin).get(NAMESPACE);
    assert.equal(metadata.labels?.['pod-security.kubernetes.io/enforce'], undefined);
  });

  it('returns an object that a finalizer keeps from a delete', async () => {
    const object = configMap(NAMESPACE, 'held');
    await maps.create({ ...object, metadata: { ...object.metadata, finalizers: ['example.com/hold'] } });
    const left = await maps.delete('held', NAMESPACE);
    assert.ok(left?.metadata.deletionTimestamp);
    await maps.patch('held', NAMESPACE, { metadata: { finalizers: null } });
    assert.ok(isNotFound(await rejected(maps.get('held', NAMESPACE))));
  });

  it('distinguishes a missing kind from a missing object', async () => {
    const gadgets = new Resource(admin, {
      group: 'no.such.group',
      version: 'v1',
      plural: 'gadgets',
      namespaced: false,
    });
    const missing = await rejected(gadgets.list());
    assert.deepEqual([isCollectionMissing(missing), classify(missing)], [true, 'waiting']);
    const kinds = new Resource(admin, { group: 'apps', version: 'v1', plural: 'gadgets', namespaced: true });
    assert.ok(isCollectionMissing(await rejected(kinds.list())));
    assert.equal(isCollectionMissing(await rejected(maps.get('absent', NAMESPACE))), false);
    assert.equal(
      isCollectionMissing(await rejected(maps.create(configMap('no-such-namespace', 'x')))),
      false,
    );
  });

  it('recognises the refusal of a terminating namespace', async () => {
    const name = `${NAMESPACE}-ending`;
    await namespaces(admin).create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    const held = configMap(name, 'held');
    await maps.create({ ...held, metadata: { ...held.metadata, finalizers: ['example.com/hold'] } });
    await namespaces(admin).delete(name);
    const error = await rejected(maps.create(configMap(name, 'late')));
    assert.ok(isNamespaceTerminating(error), String(error));
    await maps.patch('held', name, { metadata: { finalizers: null } });
  });

  it('encodes every name as one segment of the path', async () => {
    for (const name of ['', '.', '..']) {
      assert.match(String(await rejected(maps.get(name, NAMESPACE))), /not the name of an object/);
    }
    const error = await rejected(maps.get('../secrets/x', NAMESPACE));
    assert.ok(error instanceof ApiError && error.path.endsWith('/configmaps/..%2Fsecrets%2Fx'));
    assert.match(String(await rejected(maps.get('x'))), /a namespace is needed/);
  });

  it('lists objects by label selector', async () => {
    const object = configMap(NAMESPACE, 'labelled');
    await maps.create({ ...object, metadata: { ...object.metadata, labels: { 'a.b/c': 'd' } } });
    const { items } = await maps.list({ namespace: NAMESPACE, labelSelector: 'a.b/c in (d,e)' });
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ['labelled'],
    );
  });
});
