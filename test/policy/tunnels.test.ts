import assert from 'node:assert/strict';
import { alternativeName } from '../../src/api/names.ts';
import { projectNamespace } from '../../src/cluster-state/items.ts';
import { NO_MESH_SUPPORT } from '../../src/controller/mesh-support.ts';
import { permitPolicies } from '../../src/engines/istio/ambient/objects.ts';
import { compile } from '../../src/policy/compile.ts';
import { intersection } from '../../src/policy/semantics/selector.ts';
import { ENROLLED } from '../../src/policy/tunnel-rule.ts';
import { isTunnel } from '../../src/policy/tunnels.ts';
import { facts, profile, SHOP } from './fixture.ts';

const NAMESPACE = projectNamespace({ metadata: { name: 'shop', uid: 'n', resourceVersion: '1' } });
const ASKING = profile({ baseline: { mesh: 'Allow' }, mesh: { authorization: 'Enforce', mtls: 'Disabled' } });
const tunnel = {
  metadata: {
    name: 'segmented.ingress.baseline.mesh.tunnel',
    labels: {
      'segmentation.dev/profile': 'segmented',
      'segmentation.dev/rule': 'baseline.mesh.tunnel',
    },
  },
  spec: { podSelector: {} },
};

describe('policies of the tunnel of a mesh', () => {
  const kept = (made: typeof ASKING) =>
    NO_MESH_SUPPORT.tunnels(
      NAMESPACE,
      { enforced: [{ profile: made, compiled: compile(made, SHOP, facts()) }], held: [] },
      () => [tunnel],
    ).get('segmented');

  it('stay while the configuration names no mesh, and are reported', () => {
    const found = kept(ASKING);
    assert.deepEqual(found?.policies, [tunnel]);
    assert.deepEqual(
      found.unresolved.map(({ reason, hasLastKnown }) => [reason, hasLastKnown]),
      [['SourceUnavailable', true]],
    );
  });

  it('go with the profile that asked for them', () => {
    assert.equal(kept(profile({ baseline: { mesh: 'Allow' } })), undefined);
  });

  it('are told by their names once somebody has removed their labels', () => {
    const isToldBy = (name: string) => isTunnel({ metadata: { name } });
    assert.ok(isToldBy('segmented.ingress.baseline.mesh.tunnel'));
    assert.ok(isToldBy('segmented.ingress.baseline.mesh.tunnel.03590b3361'));
    assert.ok(isToldBy('segmented.exception.debug.ingress.baseline.mesh.tunnel'));
    assert.ok(!isToldBy('segmented.ingress.baseline.mesh'));
  });

  it('are told by the pods that they select without labels and notes, apart from rules for the same pods', () => {
    const name = 'segmented.exception-0123456789.debug.ing';
    const spec = { podSelector: intersection({ matchLabels: { app: 'web' } }, ENROLLED) };
    assert.ok(isTunnel({ metadata: { name }, spec }));
    assert.ok(!isTunnel({ metadata: { name }, spec: { podSelector: { matchLabels: { app: 'web' } } } }));
    for (const [key, value] of [
      ['role', 'transition'],
      ['rule', 'mine'],
    ] as const)
      assert.ok(!isTunnel({ metadata: { name, labels: { [`segmentation.dev/${key}`]: value } }, spec }));
  });

  it('are told by their notes if their names are too long besides, apart from transition policies', () => {
    const annotations = { 'segmentation.dev/rules': '[{"rule":"baseline.mesh.tunnel"}]' };
    const name = 'segmented.ingress-0123456789.base';
    assert.ok(isTunnel({ metadata: { name, annotations } }));
    assert.ok(
      !isTunnel({ metadata: { name, annotations, labels: { 'segmentation.dev/role': 'transition' } } }),
    );
  });

  it('are told by their notes also as permits under alternative names', () => {
    for (const pods of [{}, { matchLabels: { app: 'web' } }]) {
      const [permit] = permitPolicies(
        'segmented',
        [{ profile: 'segmented', pods, identity: { namespaces: ['front'] }, ports: new Set([8080]) }],
        { trustDomain: 'cluster.local', metadata: { namespace: 'shop' } },
      );
      assert.ok(permit);
      const { labels: _, ...metadata } = permit.metadata;
      const name = alternativeName('segmented', metadata.name);
      assert.ok(isTunnel({ ...permit, metadata: { ...metadata, name } }));
    }
  });
});
