/** A snapshot of a cluster in which a rollout is under way: the revision of each namespace, and the notes about it. */
import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { isUnderWay, rolloutNotes } from '../../../src/cli/snapshot/rollout-notes.ts';
import type { RolloutState } from '../../../src/rollout/assign.ts';
import { revisionObject } from '../../../src/rollout/recorded.ts';
import { ObjectSet } from '../../../src/snapshot/objects.ts';
import type { Snapshot } from '../../../src/snapshot/snapshot.ts';
import { admittedProfile, manifestsSnapshot } from './fixture.ts';

const WAVES = [{ name: 'canary', namespaceSelector: { matchLabels: { tier: 'test' } }, soak: '1h' }];
const spec = (cidr: string) => ({
  namespaceSelector: {},
  baseline: { dns: 'Deny', admissionWebhooks: 'Deny' },
  rollout: { waves: WAVES },
  egress: [{ name: 'out', to: [{ ipBlock: { cidr } }] }],
});

/** The namespaces a, of the canary, b and c, and a profile in this state. b has a policy of the profile. */
function snapshotIn(rollout: Partial<RolloutState>, recorded: readonly number[] = [1, 2]): Snapshot {
  const objects = new ObjectSet();
  for (const name of ['a', 'b', 'c'])
    objects.put('Namespace', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { tier: name === 'a' ? 'test' : 'live' } },
    });
  const formOf = (number: number): SegmentationProfile => {
    const form = admittedProfile(spec(`192.0.2.${number}/32`));
    return { ...form, metadata: { ...form.metadata, uid: 'u', generation: number } };
  };
  const state = { revision: 2, phase: 'Soaking', summary: '', since: '2026-11-30T00:00:00Z', ...rollout };
  objects.put('SegmentationProfile', {
    ...formOf(2),
    status: { observedGeneration: 2, rollout: state },
  } as SegmentationProfile);
  for (const number of recorded)
    objects.put('ControllerRevision', revisionObject(formOf(number), number, 'segmentation-system'));
  objects.put('NetworkPolicy', {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name: 'shop.default-deny',
      namespace: 'b',
      labels: {
        'app.kubernetes.io/managed-by': 'segmentation-operator',
        'segmentation.dev/profile': 'shop',
      },
    },
    spec: { podSelector: {} },
  } as NetworkPolicy);
  return manifestsSnapshot(objects, { knowsRevisions: true });
}

/** The address that each namespace may reach, by its policies. */
const addresses = (policies: readonly NetworkPolicy[]) =>
  Object.fromEntries(
    policies.flatMap(({ metadata: { namespace = '' }, spec: { egress = [] } }) =>
      egress.flatMap(({ to = [] }) => to.map(({ ipBlock }) => [namespace, ipBlock?.cidr])),
    ),
  );
const notes = (snapshot: Snapshot) => rolloutNotes(snapshot, () => true);

describe('snapshot of a cluster with a rollout', () => {
  it('has in each namespace the policies of the revision that it has, and notes those that are not the latest', () => {
    const snapshot = snapshotIn({ inForce: [{ revision: 2, wave: 1 }, { revision: 1 }] });
    assert.deepEqual(addresses(snapshot.intended()), {
      a: '192.0.2.2/32',
      b: '192.0.2.1/32',
      c: '192.0.2.1/32',
    });
    assert.deepEqual(notes(snapshot), ['profile shop: revision 1 is in force in b, c; the latest is 2']);
    assert.deepEqual(
      rolloutNotes(snapshot, (namespace) => namespace === 'a'),
      [],
    );
    assert.equal(isUnderWay(snapshot.profiles[0]!, snapshot), true);
  });

  it('has no policies where no revision has come', () => {
    const snapshot = snapshotIn({ base: 'Nothing', inForce: [{ revision: 2, wave: 1 }] });
    assert.deepEqual(addresses(snapshot.intended()), { a: '192.0.2.2/32' });
    assert.deepEqual(notes(snapshot), [
      'profile shop: its rollout has not reached b, c, which it selects: it has no policies there',
    ]);
  });

  it('keeps the policies that were there before the first rollout', () => {
    const snapshot = snapshotIn({ base: 'Unrecorded', inForce: [{ revision: 2, wave: 1 }] });
    const kept = snapshot.intended().filter(({ metadata }) => metadata.namespace === 'b');
    assert.deepEqual(kept, snapshot.policies);
    assert.deepEqual(notes(snapshot), [
      'profile shop: the policies in b, c stay as they are, as their revision is not recorded',
    ]);
  });

  it('keeps the policies of a revision that is not recorded any more', () => {
    const snapshot = snapshotIn({ inForce: [{ revision: 2, wave: 1 }, { revision: 1 }] }, [2]);
    assert.deepEqual(addresses(snapshot.intended()), { a: '192.0.2.2/32' });
    assert.equal(snapshot.intended().filter(({ metadata }) => metadata.namespace === 'b').length, 1);
  });

  it('has the profile as it is everywhere once the rollout is complete', () => {
    const snapshot = snapshotIn({ phase: 'Complete', inForce: [{ revision: 2 }] }, []);
    assert.equal(Object.values(addresses(snapshot.intended())).join(), Array(3).fill('192.0.2.2/32').join());
    assert.deepEqual(notes(snapshot), []);
    assert.equal(isUnderWay(snapshot.profiles[0]!, snapshot), false);
  });
});
