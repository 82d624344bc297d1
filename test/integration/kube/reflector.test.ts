// A reflector on a real API server, and failures of servers, networks and permissions.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject } from '../../../src/api/meta.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import { Reflector } from '../../../src/kube/watch/reflector.ts';
import type { ListInfo, ReflectorOptions } from '../../../src/kube/watch/reflector.ts';
import { Resource } from '../../../src/kube/resource.ts';
import { Store } from '../../../src/kube/watch/store.ts';
import type { Item } from '../../../src/kube/watch/store.ts';
import type { Transport } from '../../../src/kube/http/transport.ts';
import { sharedControlPlane, startControlPlane } from '../../env/index.ts';
import type { ControlPlane } from '../../env/index.ts';
import { isKubernetesSince, itSince, STREAMED_LISTS } from '../../support/kubernetes.ts';
import { configMap, configMaps, Fixture, namespaces, until } from './fixture.ts';

const NAMESPACE = 'kube-reflector';

interface Raw {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
  };
}

function project(raw: object): Item {
  const { name, namespace, uid, resourceVersion } = (raw as Raw).metadata;
  return { key: namespace === undefined ? name : `${namespace}/${name}`, uid, resourceVersion };
}

/** A reflector with its store, lists and errors. */
class Follower {
  readonly store = new Store<Item>();
  readonly errors: unknown[] = [];
  readonly lists: ListInfo[] = [];
  readonly reflector: Reflector<Item>;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(transport: Transport, path: string, options: Partial<ReflectorOptions<Item>> = {}) {
    this.reflector = new Reflector<Item>({
      transport,
      path,
      project,
      sink: this.store,
      clock: systemClock,
      random: Math.random,
      onError: (error) => this.errors.push(error),
      onList: (list) => this.lists.push(list),
      ...options,
    });
    this.#running = this.reflector.run(this.#stop.signal);
  }

  /** The contents as name@resourceVersion, sorted. */
  get contents(): string[] {
    return [...this.store.values()].map(({ key, resourceVersion }) => `${key}@${resourceVersion}`).sort();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

const DEFINITIONS = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  namespaced: false,
};

interface Widget extends KubeObject {
  readonly spec?: { readonly size?: string };
}

interface WidgetItem extends Item {
  readonly size: string | undefined;
}

function widgetsOf(group: string, openAPIV3Schema: object) {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: 'Cluster',
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  };
}

describe('Reflector on a real API server', () => {
  let plane: ControlPlane;
  let fixture: Fixture;
  let admin: Transport;
  const followers: Follower[] = [];

  const follow = (...args: ConstructorParameters<typeof Follower>) => {
    const follower = new Follower(...args);
    followers.push(follower);
    return follower;
  };
  const path = `/api/v1/namespaces/${NAMESPACE}/configmaps`;

  before(async () => {
    plane = await sharedControlPlane();
    await plane.kubectlRun(['create', 'namespace', NAMESPACE]);
  });
  after(() => plane.kubectlRun(['delete', 'namespace', NAMESPACE, '--wait=false']));
  beforeEach(() => {
    fixture = new Fixture();
    admin = fixture.transport(plane.kubeconfig);
  });
  afterEach(async () => {
    await Promise.all(followers.splice(0).map((follower) => follower.stop()));
    await fixture.clean();
  });

  it('delivers created, changed and deleted namespaces', async () => {
    const { store, reflector, lists } = follow(admin, '/api/v1/namespaces');
    await reflector.synced;
    assert.equal(lists[0]?.how, isKubernetesSince(STREAMED_LISTS) ? 'streamed' : 'paged');
    assert.ok(store.get('kube-system'));
    const name = `${NAMESPACE}-passing`;
    const created = await namespaces(admin).create({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    });
    await until('it is seen', () => store.get(name)?.uid === created.metadata.uid);
    const labelled = await namespaces(admin).patch(name, undefined, {
      metadata: { labels: { tier: 'gold' } },
    });
    const revision = labelled.metadata.resourceVersion;
    await until('its change is seen', () => store.get(name)?.resourceVersion === revision);
    assert.ok(
      (await namespaces(admin).delete(name))?.metadata.deletionTimestamp,
      'the namespace stays for a while',
    );
    await until('its end is seen', () => store.get(name) === undefined);
  });

  itSince(STREAMED_LISTS, 'reads the same contents streamed and in several pages', async () => {
    const maps = configMaps(admin);
    const created = 1100;
    let next = 0;
    const worker = async () => {
      while (next < created) await maps.create(configMap(NAMESPACE, `many-${next++}`));
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    const streamed = follow(admin, path);
    const paged = follow(withoutStreams(admin), path);
    await Promise.all([streamed.reflector.synced, paged.reflector.synced]);
    assert.deepEqual([streamed.lists[0]?.how, paged.lists[0]?.how], ['streamed', 'paged']);
    assert.ok(streamed.store.size >= created);
    assert.deepEqual(streamed.contents, paged.contents);
    const { items, metadata } = await maps.listAll({ namespace: NAMESPACE });
    assert.deepEqual(
      items.map((item) => `${NAMESPACE}/${item.metadata.name}@${item.metadata.resourceVersion}`).sort(),
      paged.contents,
    );
    assert.equal(metadata.resourceVersion.length > 0, true);
    await admin.request({ method: 'DELETE', path });
    await until(
      'all are gone',
      () => streamed.store.get(`${NAMESPACE}/many-0`) === undefined && streamed.store.size < 10,
    );
    await until('here too', () => paged.store.size < 10);
  });

  it('waits for a CRD, and then delivers its objects', async () => {
    const group = 'kube-reflector.example.com';
    const widgets = { group, version: 'v1', plural: 'widgets', namespaced: false };
    const { store, reflector, errors } = follow(admin, `/apis/${group}/v1/widgets`);
    await until('it failed', () => errors.length > 0);
    assert.match(String(errors[0]), /404 NotFound/);
    assert.equal(reflector.hasSynced, false);
    const definitions = new Resource(admin, DEFINITIONS);
    await definitions.create(
      widgetsOf(group, { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }),
    );
    await reflector.synced;
    await new Resource(admin, widgets).create({
      apiVersion: `${group}/v1`,
      kind: 'Widget',
      metadata: { name: 'w' },
    });
    await until('the object is seen', () => store.get('w') !== undefined);
    await definitions.delete(`widgets.${group}`);
    await until('its end is seen', () => store.get('w') === undefined);
  });

  it('delivers the form of objects under a changed CRD, also if the watch outlives the change', async () => {
    const group = 'kube-reflector-form.example.com';
    const widgets = new Resource<Widget>(admin, {
      group,
      version: 'v1',
      plural: 'widgets',
      namespaced: false,
    });
    const definitions = new Resource(admin, DEFINITIONS);
    const definition = (size: object) =>
      widgetsOf(group, { type: 'object', properties: { spec: { type: 'object', properties: { size } } } });
    const widget = (name: string) => ({
      apiVersion: `${group}/v1`,
      kind: 'Widget',
      metadata: { name },
      spec: {},
    });
    const store = new Store<WidgetItem>((a, b) => a.size === b.size);
    const projectWidget = (raw: object) => ({ ...project(raw), size: (raw as Widget).spec?.size });
    const { reflector } = follow(admin, `/apis/${group}/v1/widgets`, {
      sink: store,
      project: projectWidget,
      schemaMayChange: true,
    });
    try {
      await definitions.create(definition({ type: 'string' }));
      await reflector.synced;
      for (const name of ['changed', 'same']) await widgets.create(widget(name));
      await until(
        'both are seen',
        () => store.get('changed') !== undefined && store.get('same') !== undefined,
      );
      await definitions.patch(
        `widgets.${group}`,
        undefined,
        definition({ type: 'string', default: 'small' }),
      );
      while ((await widgets.get('same')).spec?.size === undefined) await delay(10);
      // The API server keeps the watches of the earlier definition for a second, and they deliver events of the later one.
      await delay(300);
      await widgets.patch('changed', undefined, { metadata: { labels: { changed: 'true' } } });
      await until('the default is seen', () => store.get('same')?.size === 'small');
    } finally {
      await definitions.delete(`widgets.${group}`);
    }
  });

  it('waits for a permission', async () => {
    await plane.kubectlRun(['--namespace', NAMESPACE, 'create', 'serviceaccount', 'follower']);
    const transport = fixture.transport(await plane.serviceAccountKubeconfig(NAMESPACE, 'follower'));
    const { reflector, errors } = follow(transport, path);
    await until('it is refused', () => errors.length > 0);
    assert.match(String(errors[0]), /403 Forbidden: configmaps is forbidden: User "system:serviceaccount:/);
    const role = ['--namespace', NAMESPACE, 'create', 'role', 'follower', '--verb=list,watch'];
    await plane.kubectlRun([...role, '--resource=configmaps']);
    const binding = ['--namespace', NAMESPACE, 'create', 'rolebinding', 'follower', '--role=follower'];
    await plane.kubectlRun([...binding, `--serviceaccount=${NAMESPACE}:follower`]);
    await reflector.synced;
  });

  it('resumes without a list after its connection was reset', async () => {
    const proxy = await fixture.proxy(plane.server);
    const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url));
    const { store, reflector, errors, lists } = follow(transport, path);
    await reflector.synced;
    proxy.reset();
    await configMaps(admin).create(configMap(NAMESPACE, 'while-away'));
    await until('it is seen', () => store.get(`${NAMESPACE}/while-away`) !== undefined);
    assert.match(String(errors[0]), /Transport/);
    assert.equal(lists.length, 1);
    await configMaps(admin).delete('while-away', NAMESPACE);
    await until('it is gone', () => store.get(`${NAMESPACE}/while-away`) === undefined);
  });

  it('recovers within stallMs from a connection that died silently', async () => {
    const proxy = await fixture.proxy(plane.server);
    const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url));
    const { store, reflector, errors } = follow(transport, path, { stallMs: 1000 });
    await reflector.synced;
    proxy.silence();
    await configMaps(admin).create(configMap(NAMESPACE, 'unseen'));
    const since = performance.now();
    await until('it is seen', () => store.get(`${NAMESPACE}/unseen`) !== undefined);
    assert.ok(performance.now() - since < 10_000);
    assert.ok(errors[0] instanceof ApiError && errors[0].reason === 'Stalled', String(errors[0]));
    await configMaps(admin).delete('unseen', NAMESPACE);
  });

  it('catches up after a time in which every connection broke after a few bytes', async () => {
    const proxy = await fixture.proxy(plane.server);
    const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url));
    await configMaps(admin).create(configMap(NAMESPACE, 'cut', { text: 'é'.repeat(3000) }));
    proxy.cutAfter(4000);
    const { store, reflector, errors } = follow(transport, path);
    await until('two attempts failed', () => errors.length >= 2);
    assert.equal(reflector.hasSynced, false, 'half a list is no list');
    proxy.cutAfter(undefined);
    await reflector.synced;
    assert.ok(store.get(`${NAMESPACE}/cut`));
    await configMaps(admin).delete('cut', NAMESPACE);
  });

  it("has the server's contents after restarts of the API server and etcd", async function () {
    this.timeout(40_000);
    const own = await startControlPlane();
    try {
      const transport = fixture.transport(own.kubeconfig);
      const { store, reflector, errors } = follow(transport, '/api/v1/namespaces');
      await reflector.synced;
      const create = async (name: string) => {
        await namespaces(transport).create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
        await until(`${name} is seen`, () => store.get(name) !== undefined, 15_000);
      };
      await create('before');
      const held = store.size;
      await own.stopComponent('kube-apiserver');
      await until('that is noticed', () => errors.length > 0);
      assert.equal(store.size, held, 'what it holds stays');
      await own.startComponent('kube-apiserver');
      await create('after-api-server');
      await own.stopComponent('etcd');
      await own.startComponent('etcd');
      await create('after-etcd');
      const { items } = await namespaces(transport).listAll();
      assert.deepEqual(
        [...store.values()].map(({ key }) => key).sort(),
        items.map((item) => item.metadata.name).sort(),
      );
    } finally {
      await own.stop();
    }
  });
});

/** A transport that refuses to stream lists. */
function withoutStreams(transport: Transport): Transport {
  return {
    request: (request) => transport.request(request),
    watch: (request) => {
      // The answer of a server without the feature gate.
      const query = {
        ...request.query,
        ...(request.query?.['sendInitialEvents'] ? { resourceVersionMatch: 'Exact' } : {}),
      };
      return transport.watch({ ...request, query });
    },
    close: () => transport.close(),
  };
}
