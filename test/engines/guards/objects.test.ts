import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import {
  guardObject,
  isSameGuard,
  reclaimedGuard,
  writtenForm,
} from '../../../src/engines/guards/objects.ts';
import { profile } from '../../policy/fixture.ts';

describe('guard that stays as somebody has left it', () => {
  const shop = profile();
  const form = { subject: {}, rules: { Egress: [{ action: 'Pass' }, { action: 'Deny' }] } };
  const spec = { egress: form.rules.Egress };
  const identity = { name: 'shop.guard', apiVersion: 'policy.networking.k8s.io/v1alpha2', form };
  const written = guardObject({ metadata: { name: 'made' }, spec } as KubeObject, shop, identity);
  const left = { ...written, spec: {} } as KubeObject & { readonly spec: object };
  const { annotations = {} } = written.metadata;

  it('gets its labels and its owner back, and nothing else', () => {
    const stripped = { ...left, metadata: { name: 'shop.guard', annotations } };
    const object = reclaimedGuard(stripped, shop) as typeof left;
    assert.deepEqual(object.metadata.labels, written.metadata.labels);
    assert.deepEqual(object.metadata.ownerReferences, written.metadata.ownerReferences);
    assert.deepEqual(object.metadata.annotations, annotations);
    assert.deepEqual(object.spec, {});
    assert.equal(writtenForm(object, form).isWhole, false);
  });

  it('is not written again if it has them', () => {
    assert.ok(isSameGuard(left, reclaimedGuard(left, shop)));
  });
});
