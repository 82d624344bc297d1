/** Profiles and snapshots of manifests, for tests over generated objects. */
import assert from 'node:assert/strict';
import { API_VERSION, KIND } from '../../../src/api/names.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { admitProfile } from '../../../src/cli/snapshot/profile.ts';
import { parseOptions } from '../../../src/options/parse.ts';
import type { ObjectSet } from '../../../src/snapshot/objects.ts';
import { MANIFESTS, type SnapshotInput } from '../../../src/snapshot/input.ts';
import { Snapshot } from '../../../src/snapshot/snapshot.ts';

/** The profile `shop` with this spec, with the defaults of the schema. */
export function admittedProfile(spec: object): SegmentationProfile {
  const { value, violations } = admitProfile({
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name: 'shop' },
    spec,
  });
  assert.deepEqual(violations, []);
  return value as SegmentationProfile;
}

/** A snapshot of manifests, by an operator with the default configuration and without protected namespaces. */
export function manifestsSnapshot(
  objects: ObjectSet,
  more: Partial<
    Pick<SnapshotInput, 'knowsRevisions' | 'exceptions' | 'isObserved' | 'engine' | 'readsExtensions'>
  > = {},
): Snapshot {
  const parsed = parseOptions({ argv: [], env: {}, readFile: () => '', version: '0' });
  assert.equal(parsed.kind, 'options');
  return new Snapshot({
    objects,
    assumed: [],
    unread: new Map(),
    configuration: parsed.options.cluster,
    protectedNamespaces: [],
    origin: MANIFESTS,
    isObserved: false,
    namespace: 'default',
    ...more,
  });
}
