/**
 * Compares the simulation's model of the API server with the real one: both get the same requests, chosen at random by
 * seed. SEED=N sets another seed.
 *
 * The test compares status codes, reasons, causes, whole objects, uids and resourceVersions (by their order of
 * appearance), and finally the events of a watch that was open all the time.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Request } from '../../../src/kube/http/transport.ts';
import { crdEstablished } from '../../env/plane/crd.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { Scheduler } from '../../simulation/schedule/scheduler.ts';
import { startControllers } from '../../simulation/server/controllers.ts';
import { Server } from '../../simulation/server/server.ts';
import { transportTo } from '../../simulation/server/transport.ts';
import { POLICY_CRD } from '../../support/calico.ts';
import { eventually } from '../../support/cluster.ts';
import { itSince, STREAMED_LISTS } from '../../support/kubernetes.ts';
import { installOperator } from '../../support/operator.ts';
import { Fixture } from '../kube/fixture.ts';
import { dice } from '../../faults/model.ts';
import { RandomRequests } from './requests.ts';
import { ObservedServer } from './observed-server.ts';

const SEED = Number(process.env['SEED'] ?? 1);
const REQUESTS = 450;
const CRD = join(import.meta.dirname, '../../../crds/exceptions');
const GROUP = '/apis/segmentation.dev/v1alpha1';

describe('model of the API server', () => {
  const id = `model-${randomBytes(3).toString('hex')}`;
  let fixture: Fixture;
  let real: ObservedServer;
  let model: ObservedServer;
  /** Drives the controllers of the model. */
  const scheduler = new Scheduler();

  before(async () => {
    const plane = await sharedControlPlane();
    await installOperator(plane); // for its CRD; no operator runs
    await plane.kubectlRun(['apply', '-k', CRD]);
    await crdEstablished((args) => plane.kubectlRun(args), 'segmentationexceptions.segmentation.dev');
    fixture = new Fixture();
    for (const plural of ['segmentationprofiles', 'segmentationexceptions'])
      await eventually(() => plane.admin.send('GET', `${GROUP}/${plural}`), 15_000);
    real = new ObservedServer(id, fixture.transport(plane.kubeconfig, { binaryFormat: undefined }));
    const server = new Server(() => scheduler.time);
    startControllers(server, scheduler, dice(SEED));
    model = new ObservedServer(id, transportTo(server));
  });
  after(async () => {
    for (const side of [real, model]) side.close();
    // Finalizers would keep the objects, their namespaces, and the CRD. A profile that stays would change later suites' guards.
    for (const path of RandomRequests.objects(id)) {
      const body = { metadata: { finalizers: null } };
      await real.send({ method: 'DELETE', path });
      await real.send({ method: 'PATCH', path, contentType: 'application/merge-patch+json', body });
      assert.partialDeepStrictEqual(await real.send({ method: 'GET', path }), { status: 404 }, path);
    }
    for (const name of [id, `${id}-streamed`])
      await real.send({ method: 'DELETE', path: `/api/v1/namespaces/${name}` });
    await (await sharedControlPlane()).kubectlRun(['delete', '-k', CRD, '--ignore-not-found']);
    await fixture.clean();
  });

  const both = async (request: Request): Promise<unknown> => {
    const [expected, actual] = [await real.send(request), await model.send(request)];
    assert.deepEqual(actual, expected, `${request.method} ${request.path} ${JSON.stringify(request.body)}`);
    return expected;
  };

  before(async () => {
    for (const request of RandomRequests.setUp(id)) await both(request);
  });

  // Before 1.34, a PUT with a uid for an object that is gone is answered with Conflict instead of NotFound.
  itSince('1.34', 'answers random requests, and sends watch events, as the real server does', async () => {
    try {
      const watches = RandomRequests.collections(id);
      for (const side of [real, model]) for (const path of watches) await side.watch(path);
      const requests = new RandomRequests(id, SEED);
      for (let index = 0; index < REQUESTS; index++) {
        const make = requests.next();
        const [expected, actual] = [await real.send(make(real)), await model.send(make(model))];
        const { method, path, query, body } = make(model);
        const description = `request ${index}: ${method} ${path} ${JSON.stringify(query)} ${JSON.stringify(body)}`;
        assert.deepEqual(actual, expected, description);
      }
      await eventually(() => {
        for (const path of watches) assert.deepEqual(model.events(path), real.events(path), path);
      });
      assert.ok(watches.some((path) => real.events(path).length > 15));
      assert.ok(
        real.refused > REQUESTS / 20 && real.refused < REQUESTS * 0.9,
        `${real.refused} requests were refused`,
      );
    } catch (error) {
      console.error(`SEED=${SEED}`);
      throw error;
    }
  });

  const firstOfBoth = async (path: string, query: Request['query'], count: number): Promise<unknown[]> => {
    const [expected, actual] = [await real.first(path, query, count), await model.first(path, query, count)];
    assert.deepEqual(actual, expected);
    return expected;
  };

  it('accepts a status that names another uid, as the real server does', async () => {
    const profiles = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';
    const path = `${profiles}/${id}-status`;
    const metadata = { name: `${id}-status` };
    const type = { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationProfile' };
    await both(post(profiles, { ...type, metadata, spec: { namespaceSelector: {} } }));
    const body = { metadata: { uid: 'another' }, status: { observedGeneration: 1 } };
    const contentType = 'application/merge-patch+json';
    await both({ method: 'PATCH', path: `${path}/status`, contentType, body });
    await both({ method: 'PATCH', path, contentType, body });
    await both({ method: 'DELETE', path });
  });

  itSince(STREAMED_LISTS, 'streams a list as the real server does', async () => {
    const namespace = `${id}-streamed`;
    const path = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
    await both(post('/api/v1/namespaces', { metadata: { name: namespace } }));
    for (const name of ['b', 'a']) await both(post(path, { metadata: { name }, spec: { podSelector: {} } }));
    const query = {
      sendInitialEvents: true,
      resourceVersionMatch: 'NotOlderThan',
      allowWatchBookmarks: true,
    };
    const events = await firstOfBoth(path, query, 3);
    assert.deepEqual(events[2], { type: 'BOOKMARK', annotations: { 'k8s.io/initial-events-end': 'true' } });
    const refused = await firstOfBoth(path, { sendInitialEvents: true }, 1);
    assert.deepEqual(refused, [{ status: 422, reason: 'Invalid' }]);
    await firstOfBoth(path, {}, 2);
  });

  it('answers for a future revision as the real server does', async () => {
    const path = '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies';
    const silence = await firstOfBoth(path, { resourceVersion: '999999999', timeoutSeconds: 1 }, 1);
    assert.deepEqual(silence, []);
    const query = { limit: 1, resourceVersion: '999999999', resourceVersionMatch: 'NotOlderThan' };
    const refused = await both({ method: 'GET', path, query });
    assert.deepEqual(refused, { status: 504, reason: 'Timeout', name: undefined });
  });

  it('answers for a compacted revision as the real server does for one from before the CRD', async () => {
    const path = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';
    const events = await firstOfBoth(path, { resourceVersion: '1', allowWatchBookmarks: true }, 1);
    assert.deepEqual(events, [{ type: 'ERROR', code: 410, reason: 'Expired' }]);
  });

  it('deletes the objects of a terminating namespace, and those without an owner, as the real server does', async () => {
    for (const side of [real, model]) await disown(side);
    const namespace = `${id}-ending`;
    const path = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
    const spec = { podSelector: {} };
    await both(post('/api/v1/namespaces', { metadata: { name: namespace } }));
    await both(post(path, { metadata: { name: 'goes' }, spec }));
    await both(post(path, { metadata: { name: 'stays', finalizers: ['example.com/hold'] }, spec }));
    await real.send({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` });
    await model.send({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` });
    const refused = await both(post(path, { metadata: { name: 'late' }, spec }));
    assert.deepEqual(refused, {
      status: 403,
      reason: 'Forbidden',
      name: 'late',
      causes: ['NamespaceTerminating'],
    });
    const gone = { status: 404, reason: 'NotFound' };
    const eachUntil = async (name: string, expected: object) => {
      for (const side of [real, model])
        await eventually(async () => {
          await scheduler.advance(1000);
          const answer = await side.send({ method: 'GET', path: name });
          assert.partialDeepStrictEqual(answer, expected);
        }, 60_000);
    };
    await eachUntil(`${path}/goes`, gone);
    await eachUntil(`${path}/stays`, { metadata: { deleted: true } });
    await both({
      method: 'PATCH',
      path: `${path}/stays`,
      contentType: 'application/merge-patch+json',
      body: { metadata: { finalizers: null } },
    });
    await eachUntil(`/api/v1/namespaces/${namespace}`, gone);
    await both(post(path, { metadata: { name: 'late' }, spec }));
    for (const name of ['of-profile', 'of-exception'])
      await eachUntil(`/apis/networking.k8s.io/v1/namespaces/${id}/networkpolicies/${name}`, gone);
  });

  it('serves, prunes, refuses and drops custom resources by their definition as the real server does', async () => {
    const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const definition = `${definitions}/${POLICY_CRD.metadata.name}`;
    const path = `/apis/projectcalico.org/v3/namespaces/${id}/networkpolicies`;
    const strict = { fieldManager: 'comparison', fieldValidation: 'Strict' };
    const object = (name: string, spec: object) => ({
      apiVersion: 'projectcalico.org/v3',
      kind: 'NetworkPolicy',
      metadata: { name },
      spec,
    });
    const create = (name: string, spec: object, query: Request['query'] = strict) =>
      both({ ...post(path, object(name, spec)), query });
    const statusOf = (side: ObservedServer, request: Request) =>
      side.send(request).then((answer) => (answer as { status?: unknown }).status);
    /** Replaces the definition by one whose schema of `spec` has other properties, and waits until it is in force. */
    const change = async (properties: object, inForce: (side: ObservedServer) => Promise<void>) => {
      const changed = structuredClone(POLICY_CRD) as unknown as {
        spec: {
          versions: { schema: { openAPIV3Schema: { properties: { spec: { properties: object } } } } }[];
        };
      };
      const schema = changed.spec.versions[0]?.schema.openAPIV3Schema.properties.spec;
      assert.ok(schema);
      schema.properties = properties;
      for (const side of [real, model]) {
        await side.send({ method: 'GET', path: definition });
        const metadata = { name: POLICY_CRD.metadata.name, ...side.versions(definition).at(-1) };
        await side.send({ method: 'PUT', path: definition, body: { ...changed, metadata } });
        await eventually(() => inForce(side), 60_000);
      }
    };
    const spec = { tier: 'default', order: 1000, types: ['Ingress'], ingress: [{ action: 'Allow' }] };

    await both({ ...post(path, object('early', spec)), query: strict });
    for (const side of [real, model]) {
      await side.send(post(definitions, POLICY_CRD));
      await eventually(async () => assert.equal(await statusOf(side, { method: 'GET', path }), undefined));
    }
    await create('one', spec);
    await create('one', spec);
    await create('two', { ...spec, unknown: 'field' });
    await create('two', { ...spec, ingress: [{ action: 'Allow', unknown: {} }] });
    await create('two', { ...spec, ingress: [{ action: 'Allow', unknown: {} }] }, {});
    await both({ method: 'PUT', path: `${path}/two`, query: strict, body: object('two', spec) });
    await both({ method: 'GET', path });

    const [version] = POLICY_CRD.spec.versions;
    const properties = version?.schema.openAPIV3Schema.properties?.['spec']?.properties;
    assert.ok(properties);
    const { tier: _, ...others } = properties;
    const { tier: __, ...withoutTier } = spec;
    const ended = Promise.all([real, model].map((side) => side.first(path, {}, 1000)));
    await change(others, async (side) =>
      assert.equal(await statusOf(side, { ...post(path, object('one', spec)), query: strict }), 400),
    );
    assert.deepEqual(
      (await ended).map((events) => events.length),
      [2, 2],
    );
    await both({ method: 'GET', path: `${path}/one` });
    await create('three', spec);
    await create('three', withoutTier);
    const merged = {
      method: 'PATCH',
      path: `${path}/one`,
      contentType: 'application/merge-patch+json',
    } as const;
    await both({ ...merged, body: { metadata: { labels: { a: 'b' } } } });

    await change({ ...others, selector: { type: 'string', default: 'all()' } }, async (side) => {
      const answer = await side.send({ method: 'GET', path: `${path}/three` });
      assert.match(JSON.stringify(answer), /all/);
    });
    await create('four', withoutTier);
    await both({ method: 'GET', path });

    for (const side of [real, model]) {
      await side.send({ method: 'DELETE', path: definition });
      await eventually(async () => assert.equal(await statusOf(side, { method: 'GET', path }), 404), 60_000);
    }
    await both({ method: 'GET', path: `${path}/one` });
    await both({ ...post(path, object('late', spec)), query: strict });
  });

  /** Creates policies, each with its owner, and deletes the owners. */
  const disown = async (side: ObservedServer): Promise<void> => {
    const path = `/apis/networking.k8s.io/v1/namespaces/${id}/networkpolicies`;
    const owners = {
      profile: { kind: 'SegmentationProfile', spec: { namespaceSelector: { matchLabels: { app: 'a' } } } },
      exception: {
        kind: 'SegmentationException',
        spec: {
          reason: 'INC-1',
          expires: '2026-12-01T06:00:00Z',
          requestedBy: 'jane',
          egress: [{ name: 'out', to: [{ podSelector: {} }] }],
        },
      },
    };
    const collections = {
      profile: `${GROUP}/segmentationprofiles`,
      exception: `${GROUP}/namespaces/${id}/segmentationexceptions`,
    };
    for (const owner of ['profile', 'exception'] as const) {
      const [name, collection, { kind, spec }] = [`${id}-owner`, collections[owner], owners[owner]];
      const type = { apiVersion: 'segmentation.dev/v1alpha1', kind };
      await side.send(post(collection, { ...type, metadata: { name }, spec }));
      const uid = side.versions(`${collection}/${name}`).at(-1)?.uid ?? '';
      const metadata = { name: `of-${owner}`, ownerReferences: [{ ...type, name, uid }] };
      await side.send(post(path, { metadata, spec: { podSelector: {} } }));
      assert.ok(side.versions(`${path}/of-${owner}`).length > 0);
      await side.send({ method: 'DELETE', path: `${collection}/${name}` });
    }
  };
});

function post(path: string, body: object): Request {
  return { method: 'POST', path, body };
}
