/** The overlay of a profile that is deleted under Retain, against the model of the API server in virtual time. */
import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import { API_VERSION, KIND, LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../../src/api/names.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { projectNamespace, projectProfile } from '../../../src/cluster-state/items.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { MeshOverlay } from '../../../src/controller/mesh/overlay.ts';
import { withDigests } from '../../../src/engines/digests.ts';
import { detectIstio } from '../../../src/engines/istio/detect.ts';
import { evidenceOf } from '../../engines/istio/fixture.ts';
import { dice } from '../../faults/model.ts';
import { profile } from '../../policy/fixture.ts';
import { Link } from '../../simulation/faults/link.ts';
import { Network } from '../../simulation/faults/network.ts';
import { ProcessClock, Scheduler } from '../../simulation/schedule/scheduler.ts';
import type { Schema } from '../../simulation/server/definitions.ts';
import { AUTHORIZATION_POLICY, type Kind, PEER_AUTHENTICATION } from '../../simulation/server/kinds.ts';
import { Server } from '../../simulation/server/server.ts';

const MINUTE = 60_000;
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const SPEC = { action: 'ALLOW', rules: [{ from: [{ source: { namespaces: ['front'] } }] }] };

describe('overlay of a profile that is deleted under Retain', () => {
  const scheduler = new Scheduler();
  const server = new Server(() => scheduler.time);
  const network = new Network(scheduler, server, dice(1), {
    onSend: () => {},
    onHandled: () => {},
    onNote: () => {},
  });
  const link = new Link('operator', network);
  const clusterState = new ClusterState([]);
  const { facts } = detectIstio(evidenceOf());
  const PROFILES = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';
  const made = server.handle(
    { method: 'POST', path: PROFILES, body: profile({ deletionPolicy: 'Retain' }) },
    'user',
  );
  const { metadata, spec } = made.body as SegmentationProfile;
  const deleted = { metadata: { ...metadata, deletionTimestamp: '2026-01-01T00:00:00Z' }, spec };
  const shop = { metadata: { name: 'shop', uid: 'uid-shop', resourceVersion: '1', labels: {} } };

  const define = ({ group, version, plural }: Kind, properties: Schema) => {
    const body = {
      metadata: { name: `${plural}.${group}` },
      spec: {
        versions: [
          { name: version, served: true, schema: { openAPIV3Schema: { properties: { spec: properties } } } },
        ],
      },
    };
    server.handle({ method: 'PATCH', path: `${DEFINITIONS}/${plural}.${group}`, body }, 'user');
    server.handle({ method: 'POST', path: DEFINITIONS, body }, 'user');
  };
  const path = '/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies';
  const stored = () =>
    server.handle({ method: 'GET', path: `${path}/p.ingress` }, 'user').body as KubeObject & {
      spec: unknown;
    };

  it('keeps its owner while a definition hides fields of it, and loses it once it is whole', async () => {
    server.handle(
      { method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'shop' } } },
      'user',
    );
    for (const kind of [AUTHORIZATION_POLICY, PEER_AUTHENTICATION]) define(kind, {});
    const owner = {
      apiVersion: API_VERSION,
      kind: KIND,
      name: metadata.name,
      uid: metadata.uid ?? '',
      controller: true,
    };
    const labels = { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: metadata.name };
    const objects = { 'p.default-deny': {}, 'p.ingress': SPEC };
    for (const [name, form] of Object.entries(objects)) {
      const object = { metadata: { name, labels, ownerReferences: [owner] }, spec: form };
      const created = server.handle({ method: 'POST', path, body: withDigests(object, []) }, 'user');
      assert.equal(created.status, 201);
    }
    define(AUTHORIZATION_POLICY, { properties: { action: {} } });
    clusterState.namespaces.upsert(projectNamespace(shop));
    clusterState.profiles.upsert(
      projectProfile({ ...deleted, metadata: { ...deleted.metadata, resourceVersion: '1' } }),
    );
    const overlay = new MeshOverlay(
      {
        transport: link,
        clusterState,
        clock: new ProcessClock(scheduler, 0),
        random: () => 0.5,
        resyncMs: MINUTE,
        facts: () => facts,
        onWrite: () => {},
        onWatchError: () => {},
      },
      { onIntent: () => {}, onDrift: () => {}, onReport: () => {} },
    );
    const namespace = projectNamespace(shop);
    const kept = new Set([metadata.name]);
    const desired = { policies: [], profiles: [], kept, excepting: new Set<string>() };
    const carryOut = async () => {
      const { signal } = new AbortController();
      const context = { send: (write: () => Promise<void>) => write(), signal };
      const writes = overlay.plan(namespace, () => desired);
      const written = writes.narrow(context as unknown as Parameters<typeof writes.narrow>[0]);
      await scheduler.advance(1000);
      await written;
    };
    overlay.plan(namespace, () => ({ ...desired, profiles: [deleted] }));
    await scheduler.advance(MINUTE);
    await carryOut();
    assert.equal(stored().metadata.ownerReferences?.length, 1);
    define(AUTHORIZATION_POLICY, {});
    link.cut(/authorizationpolicies/);
    await scheduler.advance(MINUTE);
    await carryOut();
    assert.deepEqual([stored().spec, stored().metadata.ownerReferences ?? []], [SPEC, []]);
    const stopped = overlay.stop();
    await scheduler.advance(1000);
    await stopped;
  });
});
