/** The overlay of a tunnel whose objects become known while a namespace is reconciled, against the model of the API server. */
import assert from 'node:assert/strict';
import { API_VERSION, KIND, LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../../src/api/names.ts';
import { projectNamespace, projectProfile } from '../../../src/cluster-state/items.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { MeshOverlay } from '../../../src/controller/mesh/overlay.ts';
import { withDigests } from '../../../src/engines/digests.ts';
import { DENY_TUNNEL } from '../../../src/engines/istio/ambient/objects.ts';
import { detectIstio } from '../../../src/engines/istio/detect.ts';
import { evidenceOf } from '../../engines/istio/fixture.ts';
import { dice } from '../../faults/model.ts';
import { profile } from '../../policy/fixture.ts';
import { Link } from '../../simulation/faults/link.ts';
import { Network } from '../../simulation/faults/network.ts';
import { ProcessClock, Scheduler } from '../../simulation/schedule/scheduler.ts';
import { AUTHORIZATION_POLICY, PEER_AUTHENTICATION } from '../../simulation/server/kinds.ts';
import { Server } from '../../simulation/server/server.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const OBJECTS = '/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies';
const NAME = 'segmented.default-deny';

describe('overlay of a tunnel', () => {
  const scheduler = new Scheduler();
  const server = new Server(() => scheduler.time);
  const network = new Network(scheduler, server, dice(1), {
    onSend: () => {},
    onHandled: () => {},
    onNote: () => {},
  });
  const clusterState = new ClusterState([]);
  const { facts } = detectIstio(evidenceOf());
  const asking = profile({
    isolation: ['Ingress'],
    baseline: { mesh: 'Allow' },
    mesh: { authorization: 'Enforce', mtls: 'Disabled' },
  });
  const namespace = projectNamespace({
    metadata: {
      name: 'shop',
      uid: 'uid-shop',
      resourceVersion: '1',
      labels: { 'istio.io/dataplane-mode': 'ambient' },
    },
  });

  const create = (path: string, body: object) => server.handle({ method: 'POST', path, body }, 'user');
  const statusOf = () => server.handle({ method: 'GET', path: `${OBJECTS}/${NAME}` }, 'user').status;

  before(() => {
    create('/api/v1/namespaces', { metadata: { name: 'shop' } });
    for (const { group, version, plural } of [AUTHORIZATION_POLICY, PEER_AUTHENTICATION]) {
      const schema = { openAPIV3Schema: { properties: { spec: {} } } };
      const spec = { versions: [{ name: version, served: true, schema }] };
      create(DEFINITIONS, { metadata: { name: `${plural}.${group}` }, spec });
    }
    const { name, uid = '' } = asking.metadata;
    const owner = { apiVersion: API_VERSION, kind: KIND, name, uid, controller: true };
    const labels = { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: name };
    const deny = { metadata: { name: NAME, labels, ownerReferences: [owner] }, spec: DENY_TUNNEL };
    create(OBJECTS, withDigests(deny, []));
    clusterState.namespaces.upsert(namespace);
    clusterState.profiles.upsert(
      projectProfile({ ...asking, metadata: { ...asking.metadata, resourceVersion: '1' } }),
    );
  });

  it('stays if its objects become known after the policies of the namespace were planned', async () => {
    const intents: string[] = [];
    const overlay = new MeshOverlay(
      {
        transport: new Link('operator', network),
        clusterState,
        clock: new ProcessClock(scheduler, 0),
        random: () => 0.5,
        resyncMs: 0,
        facts: () => facts,
        onWrite: () => {},
        onWatchError: () => {},
      },
      { onIntent: (each) => intents.push(each), onDrift: () => {}, onReport: () => {} },
    );
    const compiled = { policies: [], extensions: [], unresolved: [], connections: [] };
    const found = overlay.tunnels(namespace, [{ profile: asking, compiled }], () => []);
    assert.equal(found.get('segmented')?.unresolved.length, 1);
    await scheduler.advance(5000);
    const writes = overlay.plan(namespace, () => ({
      policies: [],
      profiles: [asking],
      kept: new Set(),
      excepting: new Set(),
    }));
    const context = { send: (write: () => Promise<void>) => write(), signal: new AbortController().signal };
    const written = writes.narrow(context as unknown as Parameters<typeof writes.narrow>[0]);
    await scheduler.advance(1000);
    await written;
    assert.equal(statusOf(), 200);
    assert.ok(intents.includes('shop'), 'the namespace is not planned again');
    const stopped = overlay.stop();
    await scheduler.advance(1000);
    await stopped;
  });
});
