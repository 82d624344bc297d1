import assert from 'node:assert/strict';
import type { ProfileSpec, SegmentationProfile } from '../../src/api/profile.ts';
import { createGuards } from '../../src/operator/capabilities/guards.ts';
import { createMesh } from '../../src/operator/capabilities/mesh.ts';
import type { CapabilityParts } from '../../src/operator/capabilities/parts.ts';

describe('operator without a setting', () => {
  const parts = { options: { mesh: 'None', guard: undefined } } as unknown as CapabilityParts;
  const profile = (spec: object): SegmentationProfile => ({
    metadata: { name: 'p' },
    spec: { namespaceSelector: {}, baseline: {}, ...spec } as ProfileSpec,
  });

  for (const [setting, create, type, asking, others] of [
    ['guard', createGuards, 'GuardReady', { guard: { mode: 'Enforce' } }, { guard: { mode: 'Disabled' } }],
    [
      'mesh',
      createMesh,
      'MeshReady',
      { mesh: { authorization: 'Enforce', mtls: 'Disabled' } },
      { mesh: { authorization: 'Disabled', mtls: 'Disabled' } },
    ],
  ] as const) {
    it(`${setting} tells the profiles that ask for what it writes, and no others`, async () => {
      const [capability] = await create(parts);
      const report = capability?.report(profile(asking));
      assert.partialDeepStrictEqual(report, {
        condition: { type, status: 'False', reason: 'NotConfigured' },
        isStalled: true,
      });
      assert.match(report?.condition.message ?? '', new RegExp(`set ${setting} there`));
      assert.equal(capability?.report(profile(others)), undefined);
      assert.equal(capability?.report(profile({})), undefined);
    });
  }
});
