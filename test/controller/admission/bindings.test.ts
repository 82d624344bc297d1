/** The admission bindings of a profile, against the model of the API server. */
import assert from 'node:assert/strict';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { PROFILES, projectProfile } from '../../../src/cluster-state/items.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { ActiveGates } from '../../../src/controller/admission/active-gates.ts';
import { AdmissionBindings, ownBindings } from '../../../src/controller/admission/bindings.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import { Resource } from '../../../src/kube/resource.ts';
import type { AdmissionBinding } from '../../../src/policy/admission/binding.ts';
import { gateOf } from '../../../src/policy/admission/gate.ts';
import { profile } from '../../policy/fixture.ts';

const { metadata, spec } = profile({ namespaceSelector: { matchLabels: { team: 'a' } } });
const STORED: SegmentationProfile = { metadata: { ...metadata, resourceVersion: '1' }, spec };
const BINDINGS = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'validatingadmissionpolicybindings',
  namespaced: false,
};

/** The gate of the profile as somebody has left it. */
function stripped(): AdmissionBinding {
  const made = gateOf(STORED, [], [], undefined);
  assert.ok(made.kind === 'bound');
  const { binding } = made;
  return { ...binding, metadata: { ...binding.metadata, uid: 'u', resourceVersion: '7', labels: {} } };
}

describe('admission binding whose labels somebody has removed', () => {
  const sent: Request[] = [];
  const transport: Transport = {
    request: async <T>(request: Request) => {
      sent.push(request);
      return (request.method === 'PUT' ? request.body : STORED) as T;
    },
    watch: () => assert.fail('nothing is watched'),
    close: () => Promise.resolve(),
  };
  const clusterState = new ClusterState([]);
  clusterState.profiles.upsert(projectProfile(STORED));
  const bindings = new AdmissionBindings(
    {
      clusterState,
      bindings: new Resource<AdmissionBinding>(transport, BINDINGS),
      profiles: new Resource<SegmentationProfile>(transport, PROFILES),
    },
    { onWrite: () => {}, onDelete: () => {} },
  );
  const { signal } = new AbortController();
  const observed = () => new Map([[stripped().metadata.name, stripped()]]);

  beforeEach(() => void sent.splice(0));

  it('is given them back', async () => {
    const made = gateOf(STORED, [], [], undefined);
    assert.ok(made.kind === 'bound');
    assert.equal(await bindings.write(made.binding, observed(), signal), undefined);
    assert.deepEqual(
      sent.map(({ body }) => (body as AdmissionBinding).metadata.labels),
      [made.binding.metadata.labels],
    );
  });

  it('is deleted once the profile asks for none', async () => {
    assert.equal(await bindings.deleteOthers([], observed(), signal), true);
    assert.deepEqual(
      sent.map(({ method }) => method),
      ['GET', 'DELETE'],
    );
  });

  it('is a gate of the profile until then', () => {
    const gates = new ActiveGates(() => {});
    for (const each of ownBindings(observed())) gates.add(each);
    gates.markRead();
    const namespace = { key: 'a', name: 'a', uid: '1', resourceVersion: '1', labels: { team: 'a' } };
    assert.equal(gates.holds(metadata.name, { ...namespace, terminating: false }), true);
  });
});
