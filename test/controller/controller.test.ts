import assert from 'node:assert/strict';
import { FINALIZER } from '../../src/api/names.ts';
import { type Controller, createController } from '../../src/controller/controller.ts';
import type { ControllerObserver, ReconcileEnd } from '../../src/controller/observer.ts';
import { ClusterState } from '../../src/cluster-state/state.ts';
import { Records } from '../../src/controller/records.ts';
import { encodeKey, type Key } from '../../src/controller/queue/key.ts';
import { ApiError } from '../../src/kube/errors.ts';
import type { Request, Transport } from '../../src/kube/http/transport.ts';
import { CONFIGURATION, NOTHING_ALLOWED } from '../policy/fixture.ts';
import { eventually } from '../support/cluster.ts';
import { VirtualClock } from '../support/clocks/virtual-clock.ts';

/** An API server that lists what it is given by the last segment of the path, and of which nothing changes. */
function standing(lists: Readonly<Record<string, readonly object[]>>): Transport {
  const failure = (status: number, reason: string, path: string) =>
    new ApiError({ status, reason, message: 'no', method: 'GET', path });
  return {
    request: async <T>({ path }: Request): Promise<T> => {
      const items = lists[path.split('/').at(-1) ?? ''] ?? [];
      return { metadata: { resourceVersion: '5' }, items } as T;
    },
    watch: async function* ({ path, query = {}, signal }) {
      if ('sendInitialEvents' in query) throw failure(400, 'BadRequest', path);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      yield* [];
      throw failure(0, 'Aborted', path);
    },
    close: async () => {},
  };
}

describe('the controller', () => {
  it('reports a reconcile that throws as a defect, and retries it', async () => {
    const metadata = { name: 'shop', uid: 'u1', resourceVersion: '2' };
    // No API server stores such a profile.
    const broken = { metadata: { ...metadata, name: 'broken', uid: 'u2' }, spec: null };
    const panics = new Set<string>();
    const retried = new Map<string, unknown>();
    const observer = new Proxy({} as ControllerObserver, {
      get: (_, hook) => {
        if (hook === 'onReconciled') {
          return (key: Key, { panicked }: ReconcileEnd) => panicked && panics.add(encodeKey(key));
        }
        if (hook === 'onRetry') {
          return ({ key, error }: { key: Key; error: unknown }) => retried.set(encodeKey(key), error);
        }
        return () => {};
      },
    });
    const controller = controllerOf(
      standing({ namespaces: [{ metadata }], segmentationprofiles: [broken] }),
      observer,
      2,
    );
    try {
      await controller.watch();
      controller.lead();
      await eventually(() => assert.ok(panics.has('namespace/shop') && retried.has('namespace/shop')));
      assert.ok(retried.get('namespace/shop') instanceof TypeError);
    } finally {
      await controller.stop();
    }
  });

  it('retries requests that were refused because it did not lead for a moment', async () => {
    const named = (name: string) => ({
      metadata: { name, uid: `uid-${name}`, resourceVersion: '2', generation: 1, finalizers: [FINALIZER] },
    });
    const baseline = { dns: 'Deny', admissionWebhooks: 'Deny', sameNamespace: 'Deny' };
    const spec = { mode: 'Enforce', namespaceSelector: {}, isolation: ['Ingress'], baseline };
    const lists = { namespaces: [named('shop')], segmentationprofiles: [{ ...named('p'), spec }] };
    const server = standing(lists);
    const transport: Transport = {
      ...server,
      request: async <T>(request: Request): Promise<T> => {
        const { method, path } = request;
        const [plural = '', name = ''] = path.split('/').slice(-2);
        if (method !== 'GET')
          throw new ApiError({ status: 0, reason: 'Aborted', message: 'not leading', method, path });
        const object = lists[plural as keyof typeof lists]?.find(({ metadata }) => metadata.name === name);
        return object === undefined ? server.request<T>(request) : (object as T);
      },
    };
    const retried = new Set<string>();
    const observer = new Proxy({} as ControllerObserver, {
      get: (_, hook) =>
        hook === 'onRetry' ? ({ key }: { key: Key }) => retried.add(encodeKey(key)) : () => {},
    });
    const clock = new VirtualClock();
    const controller = controllerOf(transport, observer, 2, clock);
    try {
      await controller.watch();
      controller.lead();
      await clock.advance(1000);
      await eventually(() => assert.deepEqual([...retried].sort(), ['namespace/shop', 'profile/p']));
    } finally {
      await controller.stop();
    }
  });

  it('does not repeat its own write before the watch has reported it', async () => {
    const named = (name: string, resourceVersion = '2') => ({
      metadata: { name, uid: `uid-${name}`, resourceVersion, generation: 1, finalizers: [FINALIZER] },
    });
    const spec = {
      mode: 'Enforce',
      namespaceSelector: {},
      isolation: ['Ingress'],
      baseline: NOTHING_ALLOWED,
    };
    const lists = { namespaces: [named('shop')], segmentationprofiles: [{ ...named('p'), spec }] };
    const server = standing(lists);
    const touched = Promise.withResolvers<void>();
    const written: string[] = [];
    const transport: Transport = {
      ...server,
      request: async <T>(request: Request): Promise<T> => {
        const { method, path, body } = request;
        const [plural = '', name = ''] = path.split('/').slice(-2);
        if (method === 'POST' && name === 'networkpolicies') {
          const { metadata, ...rest } = body as ReturnType<typeof named>;
          written.push(metadata.name);
          return { ...rest, metadata: { ...metadata, uid: 'u', resourceVersion: '20' } } as T;
        }
        if (method !== 'GET') return { ...named('p', '21'), spec } as T;
        const object = lists[plural as keyof typeof lists]?.find(({ metadata }) => metadata.name === name);
        return object === undefined ? server.request<T>(request) : (object as T);
      },
      watch: async function* (request) {
        if (request.path === '/api/v1/namespaces' && !('sendInitialEvents' in (request.query ?? {}))) {
          await touched.promise;
          const { metadata } = named('shop', '30');
          yield [{ type: 'MODIFIED', object: { metadata: { ...metadata, labels: { a: 'b' } } } }];
        }
        yield* server.watch(request);
      },
    };
    let reconciled = 0;
    const observer = new Proxy({} as ControllerObserver, {
      get: (_, hook) => (hook === 'onEnforced' ? () => (reconciled += 1) : () => {}),
    });
    const controller = controllerOf(transport, observer, 1);
    try {
      await controller.watch();
      controller.lead();
      await eventually(() => assert.deepEqual(written, ['p.default-deny']));
      touched.resolve();
      await eventually(() => assert.ok(reconciled > 0));
      assert.deepEqual(written, ['p.default-deny']);
    } finally {
      await controller.stop();
    }
  });

  for (const [what, answers] of [
    ['awaits the answer to a write when it stops', true],
    ['aborts a write that takes longer than it has time to stop', false],
  ] as const) {
    it(what, async () => {
      const metadata = { name: 'p', uid: 'u1', resourceVersion: '2', generation: 1 };
      const spec = { namespaceSelector: {}, isolation: ['Ingress'], baseline: {} };
      const server = standing({ segmentationprofiles: [{ metadata, spec }] });
      const answer = Promise.withResolvers<object>();
      const wrote: Request[] = [];
      let aborted = false;
      const transport: Transport = {
        ...server,
        request: async <T>(request: Request): Promise<T> => {
          if (request.method === 'GET') return server.request<T>(request);
          wrote.push(request);
          const giveUp = () => {
            aborted = true;
            answer.reject(new Error('aborted'));
          };
          request.signal?.addEventListener('abort', giveUp);
          const object = await answer.promise;
          request.signal?.removeEventListener('abort', giveUp);
          return object as T;
        },
      };
      const clock = new VirtualClock();
      const controller = controllerOf(transport, silent, 2, clock);
      await controller.watch();
      controller.lead();
      await eventually(() => assert.equal(wrote.length, 1));
      let stopped = false;
      const stopping = controller.stop(5000).then(() => (stopped = true));
      await clock.advance(4999);
      assert.deepEqual([aborted, stopped, wrote.length], [false, false, 1]);
      if (answers) answer.resolve({ metadata: { ...metadata, finalizers: [FINALIZER] }, spec });
      else await clock.advance(1);
      await stopping;
      assert.equal(aborted, !answers);
    });
  }

  it('reconciles a new namespace before a backfill once the peer sources of both have been read', async () => {
    const named = (name: string, resourceVersion = '2') => ({
      metadata: { name, uid: `uid-${name}`, resourceVersion, labels: {} },
    });
    const baseline = {
      dns: 'Deny',
      admissionWebhooks: 'Allow',
      sameNamespace: 'Deny',
      kubeAPIServer: 'Deny',
      ingressControllers: 'Deny',
      monitoring: 'Deny',
      mesh: 'Deny',
    };
    const spec = { mode: 'Enforce', namespaceSelector: {}, isolation: ['Ingress'], baseline };
    const profile = { metadata: { ...named('p').metadata, generation: 1, finalizers: [FINALIZER] }, spec };
    const old = Array.from({ length: 30 }, (_, index) => named(`old-${index}`));
    const server = standing({ namespaces: old, segmentationprofiles: [profile] });
    const inputs = Promise.withResolvers<void>();
    const news = Promise.withResolvers<void>();
    const transport: Transport = {
      ...server,
      request: async <T>(request: Request): Promise<T> => {
        // The sources of webhook Services are read late.
        if (/webhookconfigurations|apiservices|customresourcedefinitions/.test(request.path))
          await inputs.promise;
        return server.request<T>(request);
      },
      watch: async function* (request) {
        if (request.path === '/api/v1/namespaces' && !('sendInitialEvents' in (request.query ?? {}))) {
          await news.promise;
          yield [{ type: 'ADDED', object: named('new', '9') }];
        }
        yield* server.watch(request);
      },
    };
    const reconciled: string[] = [];
    const observer = new Proxy({} as ControllerObserver, {
      get: (_, hook) =>
        hook === 'onReconciling'
          ? (key: Key) => key.kind === 'namespace' && reconciled.push(key.name)
          : () => {},
    });
    const controller = controllerOf(transport, observer, 1);
    try {
      await controller.watch();
      controller.lead();
      await eventually(() => assert.equal(new Set(reconciled).size, old.length));
      news.resolve();
      await eventually(() => assert.ok(reconciled.includes('new')));
      reconciled.length = 0;
      inputs.resolve();
      await eventually(() => assert.ok(reconciled.length > 1));
      assert.equal(reconciled[0], 'new');
    } finally {
      await controller.stop();
    }
  });
});

/** Told everything, and makes nothing of it. */
const silent = new Proxy({} as ControllerObserver, { get: () => () => {} });

function controllerOf(
  transport: Transport,
  observer: ControllerObserver,
  concurrency: number,
  clock = new VirtualClock(),
): Controller {
  return createController({
    capabilities: [],
    transport,
    configuration: CONFIGURATION,
    clusterState: new ClusterState([]),
    records: new Records(),
    namespace: 'system',
    concurrency,
    resyncMs: 0,
    clock,
    random: () => 0.5,
    observer,
  });
}
