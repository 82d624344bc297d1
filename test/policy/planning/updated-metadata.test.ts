import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ObjectMeta } from '../../../src/api/meta.ts';
import { ANNOTATION_RULES, LABEL_PROFILE } from '../../../src/api/names.ts';
import { updatedMetadata } from '../../../src/policy/planning/updated-metadata.ts';
import { runs } from '../fixture.ts';

const OWN = {
  apiVersion: 'segmentation.dev/v1alpha1',
  kind: 'SegmentationProfile',
  name: 'strict',
  uid: 'u1',
};
const FOREIGN = { apiVersion: 'v1', kind: 'ConfigMap', name: 'other', uid: 'u2' };

const desired = {
  name: 'strict.ingress',
  labels: { [LABEL_PROFILE]: 'strict' },
  annotations: { [ANNOTATION_RULES]: '[]' },
  ownerReferences: [OWN],
};
const observed = {
  ...desired,
  uid: 'p1',
  resourceVersion: '7',
  labels: { [LABEL_PROFILE]: 'old', team: 'shop' },
  annotations: { [ANNOTATION_RULES]: '[null]', note: 'by hand' },
  ownerReferences: [FOREIGN, OWN],
  finalizers: ['example.com/wait'],
};

describe('the metadata of an updated policy', () => {
  it('has the parts of others as they are observed, and the own parts as desired', () => {
    assert.deepEqual(updatedMetadata({ ...observed, namespace: 'shop' }, { ...desired, namespace: 'shop' }), {
      name: 'strict.ingress',
      namespace: 'shop',
      finalizers: ['example.com/wait'],
      labels: { team: 'shop', [LABEL_PROFILE]: 'strict' },
      annotations: { note: 'by hand', [ANNOTATION_RULES]: '[]' },
      ownerReferences: [FOREIGN, OWN],
    });
  });

  it('has the same labels, annotations and owners in all namespaces whose policies share theirs', () => {
    const [shop, pay] = ['shop', 'pay'].map((namespace) =>
      updatedMetadata({ ...observed, namespace }, { ...desired, namespace }),
    );
    assert.equal(shop?.labels, pay?.labels);
    assert.equal(shop?.annotations, pay?.annotations);
    assert.equal(shop?.ownerReferences, pay?.ownerReferences);
  });

  it('does not depend on the updates before it', () => {
    const part = fc.constantFrom(desired, observed);
    const metadata = fc.record<ObjectMeta>({
      name: fc.constant('strict.ingress'),
      labels: part.map(({ labels }) => labels),
      annotations: part.map(({ annotations }) => annotations),
      ownerReferences: part.map(({ ownerReferences }) => ownerReferences),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(metadata, metadata), { maxLength: 8 }), (updates) => {
        for (const [before, after] of updates)
          assert.deepEqual(
            updatedMetadata(before, after),
            updatedMetadata(structuredClone(before), structuredClone(after)),
          );
      }),
      { numRuns: runs(100) },
    );
  });
});
