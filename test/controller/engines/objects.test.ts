/** The watched objects of a network engine, against the model of the API server in virtual time. */
import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import {
  API_VERSION,
  EXCEPTION_KIND,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  MANAGER,
} from '../../../src/api/names.ts';
import { projectProfile } from '../../../src/cluster-state/items.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { EngineObjects, SchemaTooOldError } from '../../../src/controller/engines/objects.ts';
import { withDigests } from '../../../src/engines/digests.ts';
import { ApiError, isConflict } from '../../../src/kube/errors.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import type { ObjectStep } from '../../../src/engines/object-step.ts';
import { flush } from '../../support/clocks/virtual-clock.ts';
import { dice } from '../../faults/model.ts';
import { profile } from '../../policy/fixture.ts';
import { Link } from '../../simulation/faults/link.ts';
import { Network } from '../../simulation/faults/network.ts';
import { NO_FAULTS } from '../../simulation/faults/rates.ts';
import { ProcessClock, Scheduler } from '../../simulation/schedule/scheduler.ts';
import type { Schema } from '../../simulation/server/definitions.ts';
import { CILIUM_POLICY, NETWORK_POLICY } from '../../simulation/server/kinds.ts';
import { Server } from '../../simulation/server/server.ts';

const MINUTE = 60_000;
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const POLICIES_OF_CILIUM = '/apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies';
const POLICIES = '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies';

interface List {
  readonly items: readonly (KubeObject & { readonly spec?: object })[];
}

describe('objects of a network engine', () => {
  const scheduler = new Scheduler();
  const clusterState = new ClusterState([]);
  const server = new Server(() => scheduler.time);
  const network = new Network(scheduler, server, dice(1), {
    onSend: () => {},
    onHandled: () => {},
    onNote: () => {},
  });
  const handle = (method: 'POST' | 'PATCH' | 'DELETE', path: string, body: object) =>
    server.handle({ method, path, body }, 'user').status;
  const watched = (
    kind: typeof NETWORK_POLICY,
    onDrift: (namespace: string) => void,
    transport: Transport = new Link('operator', network),
    onState: () => void = () => {},
  ) =>
    new EngineObjects(
      { kind, component: 'config/x', since: '' },
      {
        transport,
        clusterState,
        clock: new ProcessClock(scheduler, 0),
        random: () => 0.5,
        resyncMs: MINUTE,
        onWrite: () => {},
        onWatchError: () => {},
      },
      { onState, onDrift },
    );

  before(() => {
    const { metadata, ...rest } = profile({});
    clusterState.profiles.upsert(
      projectProfile({ ...rest, metadata: { ...metadata, resourceVersion: '1' } }),
    );
    handle('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } });
  });

  it('are listed again after the resync period, which shows an object whose event was lost', async () => {
    const drifted: string[] = [];
    const objects = watched(NETWORK_POLICY, (namespace) => drifted.push(namespace));
    await scheduler.advance(MINUTE);
    assert.equal(objects.state.kind, 'available');
    network.rates = { ...NO_FAULTS, lost: 100 };
    assert.equal(handle('POST', POLICIES, { metadata: { name: 'web' }, spec: { podSelector: {} } }), 201);
    await scheduler.advance(MINUTE);
    network.rates = NO_FAULTS;
    assert.deepEqual(drifted, []);
    // A watch ends after ten minutes at the latest.
    await scheduler.advance(15 * MINUTE);
    assert.deepEqual(drifted, ['shop']);
    await objects.stop();
  });

  it('are read live if the event of a change is lost, and writes of the object are refused twice', async () => {
    const objects = watched(NETWORK_POLICY, () => {});
    await scheduler.advance(MINUTE);
    const { signal } = new AbortController();
    const type = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' };
    const labels = { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: 'segmented' };
    const object = (name: string) => ({
      ...type,
      metadata: { name, namespace: 'shop', labels },
      spec: { podSelector: {}, policyTypes: ['Ingress'] },
    });
    const outcome = async (step: ObjectStep) => {
      const written = objects.write(step, signal).then(
        () => 'written',
        (error: unknown) => (error instanceof ApiError ? error.reason : error),
      );
      await scheduler.advance(1000);
      return written;
    };
    const found = (name: string) => objects.in('shop').find(({ metadata }) => metadata.name === name);
    assert.equal(await outcome({ verb: 'create', object: object('changed') }), 'written');
    network.rates = { ...NO_FAULTS, lost: 100 };
    const metadata = { annotations: { changed: 'by somebody' } };
    assert.equal(handle('PATCH', `${POLICIES}/changed`, { metadata }), 200);
    assert.equal(handle('POST', POLICIES, object('created')), 201);
    await scheduler.advance(1000);
    network.rates = NO_FAULTS;
    for (const expected of ['Conflict', 'Conflict', 'written']) {
      const before = found('changed');
      assert.ok(before !== undefined);
      assert.equal(await outcome({ verb: 'delete', before }), expected);
    }
    for (let attempt = 0; attempt < 2; attempt++) {
      assert.equal(found('created'), undefined);
      assert.equal(await outcome({ verb: 'create', object: object('created') }), 'AlreadyExists');
    }
    assert.equal(await outcome({ verb: 'delete', before: found('created') ?? object('') }), 'written');
    await objects.stop();
  });

  it('are missing for want of the verb watch as long as they can be listed and not watched', async () => {
    const link = new Link('operator', network);
    const forbidden = (method: string, path: string) =>
      new ApiError({ method, path, status: 403, reason: 'Forbidden', message: 'no' });
    const refused = new Set<string>();
    const limited: Transport = {
      request: (request) =>
        refused.has('list') ? Promise.reject(forbidden('GET', request.path)) : link.request(request),
      async *watch(request) {
        if (refused.has('watch')) throw forbidden('WATCH', request.path);
        yield* link.watch(request);
      },
      close: () => link.close(),
    };
    const states: string[] = [];
    const objects: EngineObjects = watched(
      NETWORK_POLICY,
      () => {},
      limited,
      () => {
        const { state } = objects;
        states.push(state.kind === 'missing' ? state.message : state.kind);
      },
    );
    await scheduler.advance(MINUTE);
    refused.add('watch').add('list');
    link.cut(/networkpolicies/);
    await scheduler.advance(5 * MINUTE);
    refused.delete('list');
    await scheduler.advance(5 * MINUTE);
    refused.clear();
    await scheduler.advance(MINUTE);
    const lack = (verb: string) => `the operator may not ${verb} networkpolicies: kubectl apply -k config/x`;
    assert.deepEqual(states, ['available', lack('watch'), lack('write'), lack('watch'), 'available']);
    await objects.stop();
  });

  it('are missing, and none is known, while the API server serves the kind with another scope', async () => {
    const link = new Link('operator', network);
    const ofCluster = '/apis/networking.k8s.io/v1/networkpolicies';
    const labels = { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: 'segmented' };
    const type = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' };
    const uid = 'uid-of-cluster';
    const misplaced = { metadata: { name: 'misplaced', labels, uid, resourceVersion: '7' } };
    let isOfCluster = true;
    const { promise: replaced, resolve: replace } = Promise.withResolvers<void>();
    const other: Transport = {
      request: <T>(request: Request) => {
        if (!isOfCluster) return link.request<T>(request);
        const { method, path } = request;
        if (path === ofCluster)
          return Promise.resolve({ metadata: { resourceVersion: '7' }, items: [misplaced] } as T);
        return Promise.reject(
          new ApiError({ method, path, status: 404, reason: 'NotFound', message: 'page not found' }),
        );
      },
      async *watch(request) {
        if (!isOfCluster) return yield* link.watch(request);
        const { path, query = {} } = request;
        if (query['sendInitialEvents'] === true)
          throw new ApiError({ method: 'WATCH', path, status: 400, reason: 'BadRequest', message: 'no' });
        request.onOpen?.();
        await replaced;
      },
      close: () => link.close(),
    };
    const drifted: string[] = [];
    const objects = watched(NETWORK_POLICY, (namespace) => drifted.push(namespace), other);
    await flush();
    assert.equal(objects.state.kind, 'available');
    assert.deepEqual([...objects.all()], []);
    const metadata = { name: 'scoped', namespace: 'shop', labels };
    const object = { ...type, metadata, spec: { podSelector: {}, policyTypes: ['Ingress'] } };
    const outcome = async () => {
      const written = objects.write({ verb: 'create', object }, new AbortController().signal).then(
        () => 'written',
        (error: unknown) => (error instanceof ApiError ? error.reason : error),
      );
      await scheduler.advance(1000);
      return written;
    };
    for (let attempt = 0; attempt < 2; attempt++) assert.equal(await outcome(), 'NotFound');
    assert.deepEqual(objects.state, {
      kind: 'missing',
      reason: 'Unsupported',
      message:
        'the API server lists networkpolicies.networking.k8s.io/v1, and serves no writes of it in a namespace: its CRD is ' +
        'being deleted, or has the scope Cluster instead of Namespaced',
    });
    assert.deepEqual(drifted, []);
    isOfCluster = false;
    replace();
    await scheduler.advance(MINUTE);
    assert.equal(objects.state.kind, 'available');
    assert.equal(await outcome(), 'written');
    await objects.stop();
    assert.equal(handle('DELETE', `${POLICIES}/scoped`, {}), 200);
  });

  it('stay foreign once the owner of an object that is not written yet was asked for', async () => {
    const metadata = { name: 'theirs' };
    assert.equal(handle('POST', POLICIES, { metadata, spec: { podSelector: {} } }), 201);
    const objects = watched(NETWORK_POLICY, () => {});
    await scheduler.advance(MINUTE);
    const labels = { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: 'segmented' };
    assert.equal(objects.ownerOf({ metadata: { name: 'own', namespace: 'shop', labels } }), 'segmented');
    const theirs = objects.in('shop').find((each) => each.metadata.name === 'theirs');
    assert.ok(theirs !== undefined);
    assert.equal(objects.ownerOf(theirs), undefined);
    await objects.stop();
  });

  it('are own ones also if somebody removes the labels of one before its owner is asked for', async () => {
    const objects = watched(NETWORK_POLICY, () => {});
    await scheduler.advance(MINUTE);
    const labels = { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: 'segmented' };
    const type = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' };
    const metadata = { name: 'written', namespace: 'shop', labels };
    const object = { ...type, metadata, spec: { podSelector: {}, policyTypes: ['Ingress'] } };
    const written = objects.write({ verb: 'create', object }, new AbortController().signal);
    await scheduler.advance(1000);
    await written;
    assert.equal(handle('POST', POLICIES, { ...object, metadata: { ...metadata, name: 'seen' } }), 201);
    await scheduler.advance(1000);
    for (const name of ['written', 'seen'])
      assert.equal(handle('PATCH', `${POLICIES}/${name}`, { metadata: { labels: null } }), 200);
    await scheduler.advance(1000);
    const own = objects.in('shop').filter((each) => objects.ownerOf(each) === 'segmented');
    assert.deepEqual(own.map(({ metadata }) => metadata.name).sort(), ['seen', 'written']);
    assert.ok(own.every(({ metadata }) => metadata.labels === undefined));
    await objects.stop();
  });

  it('are own ones by the exception that owns them, if somebody has removed their labels', async () => {
    const ownerReferences = [
      { apiVersion: API_VERSION, kind: EXCEPTION_KIND, name: 'debug', uid: 'uid-debug' },
    ];
    const metadata = { name: 'segmented.exception.debug.egress', ownerReferences };
    assert.equal(handle('POST', POLICIES, { metadata, spec: { podSelector: {} } }), 201);
    clusterState.exceptions = { grantedBy: (uid) => (uid === 'uid-debug' ? 'segmented' : undefined) };
    const objects = watched(NETWORK_POLICY, () => {});
    await scheduler.advance(MINUTE);
    const found = objects.in('shop').find(({ metadata: { name } }) => name === metadata.name);
    assert.ok(found !== undefined);
    assert.equal(objects.ownerOf(found), 'segmented');
    await objects.stop();
  });

  it('stay known while the finalizer of somebody else keeps them from being deleted', async () => {
    let writes = 0;
    const link = new Link('operator', network);
    const counting: Transport = {
      request: (request) => {
        writes += Number(request.method === 'DELETE');
        return link.request(request);
      },
      watch: (request) => link.watch(request),
      close: () => link.close(),
    };
    const metadata = {
      name: 'held',
      labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: 'segmented' },
      finalizers: ['example.com/hold'],
    };
    assert.equal(handle('POST', POLICIES, { metadata, spec: { podSelector: {} } }), 201);
    const objects = watched(NETWORK_POLICY, () => {}, counting);
    await scheduler.advance(MINUTE);
    const found = () => objects.in('shop').find((each) => each.metadata.name === 'held');
    const remove = async () => {
      const before = found();
      assert.ok(before !== undefined);
      const removed = objects.write({ verb: 'delete', before }, new AbortController().signal);
      await scheduler.advance(1000);
      await removed;
    };
    await remove();
    assert.notEqual(found()?.metadata.deletionTimestamp, undefined);
    await remove();
    assert.equal(writes, 1);
    assert.equal(handle('PATCH', `${POLICIES}/held`, { metadata: { finalizers: null } }), 200);
    await scheduler.advance(1000);
    assert.equal(found(), undefined);
    await objects.stop();
  });

  it('can be written again once a list follows the upgrade of a definition that lacked a field', async () => {
    const versions = (spec: Schema) => [
      { name: 'v2', served: true, schema: { openAPIV3Schema: { properties: { spec } } } },
    ];
    const metadata = { name: 'ciliumnetworkpolicies.cilium.io' };
    handle('POST', DEFINITIONS, { metadata, spec: { versions: versions({ properties: {} }) } });
    const objects = watched(CILIUM_POLICY, () => {});
    await scheduler.advance(MINUTE);
    const object = { metadata: { name: 'p.egress', namespace: 'shop' }, spec: { egress: [] } };
    const written = assert.rejects(
      objects.write({ verb: 'create', object }, new AbortController().signal),
      SchemaTooOldError,
    );
    await scheduler.advance(1000);
    await written;
    assert.equal(objects.state.kind, 'missing');
    server.storage.compact();
    const upgraded = versions({ properties: { egress: {} } });
    assert.equal(handle('PATCH', `${DEFINITIONS}/${metadata.name}`, { spec: { versions: upgraded } }), 200);
    await scheduler.advance(MINUTE);
    assert.equal(objects.state.kind, 'available');
    await objects.stop();
  });

  it('stay writable if a list comes before the late answer to a write that the earlier definition refused', async () => {
    const path = `${DEFINITIONS}/ciliumnetworkpolicies.cilium.io`;
    const define = (spec: Schema) => {
      const versions = [{ name: 'v2', served: true, schema: { openAPIV3Schema: { properties: { spec } } } }];
      assert.equal(handle('PATCH', path, { spec: { versions } }), 200);
    };
    define({ properties: {} });
    const link = new Link('operator', network);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const late: Transport = {
      request: async <T>(request: Request) => {
        const answer = link.request<T>(request);
        if (request.method === 'POST') await Promise.allSettled([answer, released]);
        return answer;
      },
      watch: (request) => link.watch(request),
      close: () => link.close(),
    };
    const objects = watched(CILIUM_POLICY, () => {}, late);
    await scheduler.advance(MINUTE);
    const object = { metadata: { name: 'r.egress', namespace: 'shop' }, spec: { egress: [] } };
    const refused = objects.write({ verb: 'create', object }, new AbortController().signal);
    const written = assert.rejects(refused, isConflict);
    await scheduler.advance(1000);
    define({ properties: { egress: {} } });
    link.cut(/ciliumnetworkpolicies/);
    await scheduler.advance(MINUTE);
    release();
    await scheduler.advance(1000);
    await written;
    assert.equal(objects.state.kind, 'available');
    await objects.stop();
  });

  it('are not written by a plan that was made of a form which a definition since replaced', async () => {
    const path = `${DEFINITIONS}/ciliumnetworkpolicies.cilium.io`;
    const redefine = async (spec: Schema) => {
      server.storage.compact();
      const versions = [{ name: 'v2', served: true, schema: { openAPIV3Schema: { properties: { spec } } } }];
      assert.equal(handle('PATCH', path, { spec: { versions } }), 200);
      await scheduler.advance(MINUTE);
    };
    const objects = watched(CILIUM_POLICY, () => {});
    await redefine({ properties: { egress: {} } });
    const { signal } = new AbortController();
    const labels = { [LABEL_MANAGED_BY]: MANAGER };
    const object = { metadata: { name: 'q.egress', namespace: 'shop', labels }, spec: { egress: ['rule'] } };
    const created = objects.write({ verb: 'create', object }, signal);
    await scheduler.advance(1000);
    await created;
    await redefine({ properties: {} });
    const [before] = objects.in('shop');
    assert.ok(before);
    await redefine({ properties: { egress: {} } });
    const updated = assert.rejects(objects.write({ verb: 'update', object, before }, signal), isConflict);
    await scheduler.advance(1000);
    await updated;
    await objects.stop();
  });

  it('are not brought back to a form of which an earlier definition hides fields', async () => {
    const path = `${DEFINITIONS}/ciliumnetworkpolicies.cilium.io`;
    const define = (spec: Schema) => {
      const versions = [{ name: 'v2', served: true, schema: { openAPIV3Schema: { properties: { spec } } } }];
      assert.equal(handle('PATCH', path, { spec: { versions } }), 200);
    };
    const link = new Link('operator', network);
    const objects = watched(CILIUM_POLICY, () => {}, link);
    const redefine = async (spec: Schema) => {
      define(spec);
      link.cut(/ciliumnetworkpolicies/);
      server.storage.compact();
      await scheduler.advance(MINUTE);
    };
    await redefine({ properties: { egress: {} } });
    const { signal } = new AbortController();
    const labels = { [LABEL_MANAGED_BY]: MANAGER };
    const metadata = { name: 's.egress', namespace: 'shop', labels };
    const object = withDigests({ metadata, spec: { egress: ['rule'] } }, []);
    const created = objects.write({ verb: 'create', object }, signal);
    await scheduler.advance(1000);
    await created;
    await redefine({ properties: {} });
    const before = objects.in('shop').find(({ metadata: { name } }) => name === 's.egress');
    assert.ok(before);
    define({ properties: { egress: {}, added: { default: 'by the definition' } } });
    const refused = assert.rejects(
      objects.write({ verb: 'update', object, before }, signal),
      SchemaTooOldError,
    );
    await scheduler.advance(1000);
    await refused;
    const { items } = server.handle({ method: 'GET', path: POLICIES_OF_CILIUM }, 'user').body as List;
    const stored = items.find(({ metadata: { name } }) => name === 's.egress');
    assert.deepEqual(stored?.spec, { egress: ['rule'], added: 'by the definition' });
    await objects.stop();
  });
});
