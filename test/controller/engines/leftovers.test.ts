/** Staged policies that an earlier process has left of an engine which is gone, against the model of the API server. */
import assert from 'node:assert/strict';
import { API_VERSION, KIND, LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../../src/api/names.ts';
import { projectProfile } from '../../../src/cluster-state/items.ts';
import { EngineExtensions } from '../../../src/controller/engines/support.ts';
import { CALICO_STAGING } from '../../../src/engines/calico/staged.ts';
import { STAGING_ENGINES } from '../../../src/engines/staging/engines.ts';
import { profile } from '../../policy/fixture.ts';
import { CALICO_STAGED, CALICO_STAGED_POLICY } from '../../simulation/server/kinds.ts';
import { MINUTE, World } from '../mesh/world.ts';

const STAGED = '/apis/projectcalico.org/v3/namespaces/shop/stagedkubernetesnetworkpolicies';
const { spec, metadata: owner } = profile({});
const { name, uid = '' } = owner;

describe('staged policies of an earlier process', () => {
  for (const [what, metadata] of [
    ['with their labels', { labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: name } }],
    [
      'whose labels somebody has removed',
      { ownerReferences: [{ apiVersion: API_VERSION, kind: KIND, name, uid, controller: true }] },
    ],
  ] as const)
    it(`${what} are deleted once no engine that stages is found`, async () => {
      const world = new World();
      for (const kind of [CALICO_STAGED, CALICO_STAGED_POLICY]) world.define(kind, {});
      world.clusterState.profiles.upsert(
        projectProfile({ spec, metadata: { ...owner, resourceVersion: '1' } }),
      );
      const path = `${STAGED}/${name}.default-deny`;
      world.create(STAGED, { metadata: { name: `${name}.default-deny`, ...metadata }, spec: {} });
      const engine = new EngineExtensions({
        ...world.options,
        engines: [],
        staging: STAGING_ENGINES,
        onStagingRetry: () => {},
      });
      engine.inForce({ setting: 'Auto', engine: 'None', status: 'True', reason: 'NoEngine', message: '' });
      await world.scheduler.advance(MINUTE);
      assert.equal((world.get(path) as { readonly code?: number }).code, 404);
      await world.during(engine.stop());
    });

  it('tell the directions of their profile, also without their labels', async () => {
    const world = new World();
    for (const kind of [CALICO_STAGED, CALICO_STAGED_POLICY]) world.define(kind, {});
    world.clusterState.profiles.upsert(
      projectProfile({ spec, metadata: { ...owner, resourceVersion: '1' } }),
    );
    const ownerReferences = [{ apiVersion: API_VERSION, kind: KIND, name, uid, controller: true }];
    const policy = { metadata: { name: `${name}.default-deny`, ownerReferences }, spec: { podSelector: {} } };
    world.create(STAGED, CALICO_STAGING.stage(policy));
    const engine = new EngineExtensions({
      ...world.options,
      engines: [],
      staging: STAGING_ENGINES,
      onStagingRetry: () => {},
    });
    engine.inForce({ setting: 'Auto', engine: 'Calico', status: 'True', reason: 'Detected', message: '' });
    await world.scheduler.advance(MINUTE);
    const found = engine.staged('shop') ?? [];
    assert.deepEqual(
      found.map(({ metadata }) => metadata.labels?.[LABEL_PROFILE]),
      [name],
    );
    await world.during(engine.stop());
  });

  it('stay until their namespace is reconciled again, if it was before they were known', async () => {
    const world = new World();
    for (const kind of [CALICO_STAGED, CALICO_STAGED_POLICY]) world.define(kind, {});
    const audited = profile({ mode: 'Audit' });
    world.clusterState.profiles.upsert(
      projectProfile({ ...audited, metadata: { ...audited.metadata, resourceVersion: '1' } }),
    );
    const labels = { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: name };
    const denied = { metadata: { name: `${name}.default-deny`, labels }, spec: { podSelector: {} } };
    world.create(STAGED, CALICO_STAGING.stage(denied));
    const engine = new EngineExtensions({
      ...world.options,
      engines: [],
      staging: STAGING_ENGINES,
      onStagingRetry: () => {},
    });
    const needed: string[] = [];
    engine.subscribe({ onFacts: () => {}, onDrift: (namespace) => needed.push(namespace) });
    engine.inForce({ setting: 'Auto', engine: 'Calico', status: 'True', reason: 'Detected', message: '' });
    assert.equal(engine.staged('shop'), undefined);
    // A peer has no last known form as long as the staged policies are not known.
    const leftOut = [{ profile: name, direction: 'Ingress' as const, message: 'unresolved' }];
    engine.stage('shop', { policies: [], extensions: [], leftOut, kept: new Set() });
    await world.scheduler.advance(MINUTE);
    assert.deepEqual(new Set(needed), new Set(['shop']));
    assert.equal((engine.staged('shop') ?? []).length, 1);
    engine.stage('shop', { policies: [], extensions: [], leftOut, kept: new Set() });
    await world.scheduler.advance(MINUTE);
    assert.equal((engine.staged('shop') ?? []).length, 0);
    await world.during(engine.stop());
  });
});
