/** When the report of a service mesh is complete, against the model of the API server in virtual time. */
import assert from 'node:assert/strict';
import { LABEL_MANAGED_BY, LABEL_PROFILE, LABEL_ROLE, MANAGER } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { projectNamespace, projectProfile } from '../../../src/cluster-state/items.ts';
import type { RevisionIn } from '../../../src/cluster-state/in-force.ts';
import { MeshDetection } from '../../../src/controller/mesh/index.ts';
import { injectorOfRevision, MESH_CONFIG } from '../../engines/istio/fixture.ts';
import { profile } from '../../policy/fixture.ts';
import { MINUTE, World } from './world.ts';

const ASKING = profile({ namespaceSelector: {}, mesh: { authorization: 'Enforce', mtls: 'Disabled' } });
const NOT_ASKING = profile({ namespaceSelector: {} });

describe('mesh detection that finds no mesh', () => {
  const kept = new Set([ASKING.metadata.name]);
  const desired = { policies: [], profiles: [], kept, excepting: new Set<string>() };

  async function leading(inForce: SegmentationProfile, work: (mesh: MeshDetection, world: World) => unknown) {
    const world = new World();
    const { clusterState, scheduler, options } = world;
    const metadata = { ...ASKING.metadata, resourceVersion: '1' };
    clusterState.profiles.upsert(projectProfile({ ...ASKING, metadata }));
    const revision: RevisionIn = { kind: 'revision', number: 1, profile: inForce };
    clusterState.revisions = { revisionIn: () => revision };
    const mesh = new MeshDetection({ ...options, onVerdict: () => {} });
    mesh.lead(
      () => {},
      () => {},
    );
    assert.equal(mesh.isJudged(ASKING), false);
    await scheduler.advance(MINUTE);
    await work(mesh, world);
    await world.during(mesh.stop());
  }

  it('has judged a profile while a rollout has a revision in force that asks for no overlay', () =>
    leading(NOT_ASKING, (mesh) => {
      assert.equal(mesh.isJudged(ASKING), true);
    }));

  it('has judged a profile whose policies stay as they are once the objects of its overlay are read', () =>
    leading(ASKING, async (mesh, { scheduler, shop }) => {
      assert.equal(mesh.isJudged(ASKING), false);
      mesh.plan(shop, () => desired);
      await scheduler.advance(MINUTE);
      assert.equal(mesh.isJudged(ASKING), true);
    }));
});

describe('mesh detection whose mesh goes', () => {
  const INJECTORS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';

  function placeTraces(world: World): void {
    world.create('/api/v1/namespaces', { metadata: { name: 'istio-system' } });
    world.create(INJECTORS, injectorOfRevision());
    world.create('/api/v1/namespaces/istio-system/configmaps', {
      metadata: { name: 'istio' },
      data: { mesh: MESH_CONFIG },
    });
    world.create('/apis/discovery.k8s.io/v1/namespaces/istio-system/endpointslices', {
      metadata: { name: 'istiod', labels: { 'kubernetes.io/service-name': 'istiod' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['192.0.2.1'] }],
      ports: [],
    });
  }

  it('names before the rules with ports that have no effect in ambient mode without its tunnel', async () => {
    const world = new World();
    placeTraces(world);
    const rules = [
      { name: 'web', from: [{ podSelector: {} }], ports: [{ protocol: 'TCP' as const, port: 80 }] },
      { name: 'every-port', from: [{ podSelector: {} }] },
      { name: 'udp', from: [{ podSelector: {} }], ports: [{ protocol: 'UDP' as const, port: 53 }] },
      {
        name: 'office',
        from: [{ ipBlock: { cidr: '192.0.2.0/24' } }],
        ports: [{ protocol: 'TCP' as const, port: 80 }],
      },
    ];
    const plain = profile({ namespaceSelector: {}, isolation: ['Ingress'], ingress: rules });
    const metadata = { ...plain.metadata, resourceVersion: '1' };
    world.clusterState.profiles.upsert(projectProfile({ ...plain, metadata }));
    const mesh = new MeshDetection({ ...world.options, onVerdict: () => {} });
    mesh.lead(
      () => {},
      () => {},
    );
    await world.scheduler.advance(MINUTE);
    assert.equal(mesh.report(plain), undefined);
    const labels = { 'istio.io/dataplane-mode': 'ambient' };
    world.clusterState.namespaces.upsert(
      projectNamespace({ metadata: { name: 'shop', uid: 'uid-shop', resourceVersion: '2', labels } }),
    );
    const { condition, isInformation } = mesh.report(plain) ?? {};
    assert.deepEqual([condition?.status, condition?.reason, isInformation], ['False', 'AmbientMode', true]);
    assert.match(
      condition?.message ?? '',
      / port 15008, .*: web allow none of them in shop\. Write baseline\.mesh: Allow /,
    );
    const asking = { ...plain.spec, baseline: { ...plain.spec.baseline, mesh: 'Allow' as const } };
    const { reason } = mesh.report({ ...plain, spec: asking })?.condition ?? {};
    assert.equal(reason, 'AmbientMode');
    await world.during(mesh.stop());
  });

  it('names kinds that are missing to profiles that have an overlay, and not to one in Audit', async () => {
    const world = new World();
    placeTraces(world);
    world.delete(
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/authorizationpolicies.security.istio.io',
    );
    const mesh = new MeshDetection({ ...world.options, onVerdict: () => {} });
    const asking = { authorization: 'Enforce', mtls: 'Disabled' } as const;
    const enforced = profile({ namespaceSelector: {}, mesh: asking });
    const audited = {
      ...profile({ mode: 'Audit', mesh: asking }),
      metadata: { name: 'audited', uid: 'uid-2' },
    };
    for (const each of [enforced, audited])
      world.clusterState.profiles.upsert(
        projectProfile({ ...each, metadata: { ...each.metadata, resourceVersion: '1' } }),
      );
    mesh.lead(
      () => {},
      () => {},
    );
    await world.scheduler.advance(MINUTE);
    mesh.plan(world.shop, () => ({
      policies: [],
      profiles: [enforced],
      kept: new Set(),
      excepting: new Set(),
    }));
    await world.scheduler.advance(MINUTE);
    const reasonOf = (each: SegmentationProfile) => mesh.report(each)?.condition.reason;
    assert.deepEqual([reasonOf(enforced), reasonOf(audited)], ['Unsupported', 'Enforced']);
    await world.during(mesh.stop());
  });

  it('says so first, and then what would be if the mesh were there', async () => {
    const world = new World();
    placeTraces(world);
    const strict = profile({ namespaceSelector: {}, mesh: { authorization: 'Disabled', mtls: 'Strict' } });
    const metadata = { ...strict.metadata, resourceVersion: '1' };
    world.clusterState.profiles.upsert(projectProfile({ ...strict, metadata }));
    const mesh = new MeshDetection({ ...world.options, onVerdict: () => {} });
    mesh.lead(
      () => {},
      () => {},
    );
    await world.scheduler.advance(MINUTE);
    const { name } = strict.metadata;
    const owned = { namespace: 'shop', labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: name } };
    const deny: NetworkPolicy = {
      metadata: {
        ...owned,
        name: `${name}.default-deny`,
        labels: { ...owned.labels, [LABEL_ROLE]: 'default-deny' },
      },
      spec: { podSelector: {}, policyTypes: ['Ingress'] },
    };
    const office: NetworkPolicy = {
      metadata: { ...owned, name: `${name}.ingress` },
      spec: {
        podSelector: {},
        policyTypes: ['Ingress'],
        ingress: [{ from: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }],
      },
    };
    const desired = {
      policies: [deny, office],
      profiles: [strict],
      kept: new Set<string>(),
      excepting: new Set<string>(),
    };
    const labels = { 'istio-injection': 'enabled' };
    const metadataOfShop = { name: 'shop', uid: 'uid-shop', resourceVersion: '2', labels };
    const shop = projectNamespace({ metadata: metadataOfShop });
    world.clusterState.namespaces.upsert(shop);
    const plan = () => mesh.plan(shop, () => desired);
    plan();
    await world.scheduler.advance(MINUTE);
    plan();
    assert.equal(mesh.report(strict)?.condition.reason, 'PeersOutOfMesh');
    world.delete(`${INJECTORS}/${injectorOfRevision().metadata.name}`);
    await world.scheduler.advance(2 * MINUTE);
    plan();
    const { status, reason, message } = mesh.report(strict)?.condition ?? {};
    assert.deepEqual([status, reason], ['False', 'MeshNotFound']);
    assert.match(
      message ?? '',
      /^the operator's configuration says Istio, but there is no .* \(mtls: Strict would cut, .*\)$/,
    );
    await world.during(mesh.stop());
  });
});
