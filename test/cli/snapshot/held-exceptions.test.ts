/** Exceptions of manifests in a cluster where a rollout has the policies of a namespace stay as they are. */
import assert from 'node:assert/strict';
import type { SegmentationException } from '../../../src/api/exception.ts';
import { API_VERSION, EXCEPTION_KIND, LABEL_MANAGED_BY, LABEL_PROFILE } from '../../../src/api/names.ts';
import type { NetworkPolicy, PolicyType } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { compareSnapshots } from '../../../src/cli/commands/diff/compare.ts';
import { compileException } from '../../../src/policy/exceptions/compile.ts';
import { ObjectSet } from '../../../src/snapshot/objects.ts';
import type { Snapshot } from '../../../src/snapshot/snapshot.ts';
import { at, CREATED, exception, HOUR } from '../../policy/exceptions/fixture.ts';
import { facts, SHOP } from '../../policy/fixture.ts';
import { admittedProfile, manifestsSnapshot } from './fixture.ts';

/** A profile with a rollout that can't begin. By its spec, it isolates ingress alone. */
function heldProfile(): SegmentationProfile {
  const made = admittedProfile({
    namespaceSelector: {},
    isolation: ['Ingress'],
    baseline: { dns: 'Deny', admissionWebhooks: 'Deny' },
    rollout: { waves: [{ name: 'all', percent: 100 }] },
    exceptions: { mode: 'Allowed', maxDuration: '8h', peers: ['Pods'], maxPerNamespace: 5 },
  });
  const rollout = {
    revision: 0,
    phase: 'Recording',
    summary: 'Recording',
    since: at(0),
    base: 'Unrecorded',
    inForce: [],
  } as const;
  return { ...made, metadata: { ...made.metadata, uid: 'u', generation: 2 }, status: { rollout } };
}

const PROFILE = heldProfile();

/** The default-deny of the profile, as it was written before the rollout. */
function deny(...policyTypes: PolicyType[]): NetworkPolicy {
  const labels = {
    'app.kubernetes.io/managed-by': 'segmentation-operator',
    'segmentation.dev/profile': 'shop',
    'segmentation.dev/role': 'default-deny',
  };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'shop.default-deny', namespace: 'shop', labels },
    spec: { podSelector: {}, policyTypes },
  };
}

/** The policies of an exception that is in force until then. @param hours after its creation */
const opened = (name: string, hours: number) =>
  compileException(
    exception(name),
    {
      profile: { ...PROFILE, spec: { ...PROFILE.spec, isolation: ['Egress'] } },
      end: CREATED + hours * HOUR,
    },
    { namespace: SHOP, cluster: facts() },
  ).policies;

/** A policy of the network engine beside the profile's own. */
const EXTENSION = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNetworkPolicy',
  metadata: { ...deny().metadata, name: 'shop.egress' },
};

/** @param exceptions those of manifests; undefined: the cluster as it is */
function snapshotOf(
  policies: readonly NetworkPolicy[],
  exceptions: readonly SegmentationException[] | undefined,
): Snapshot {
  const objects = new ObjectSet();
  objects.put('Namespace', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  objects.put('SegmentationProfile', PROFILE);
  for (const each of policies) objects.put('NetworkPolicy', each);
  objects.put('CiliumNetworkPolicy', EXTENSION);
  for (const each of exceptions ?? []) objects.put(EXCEPTION_KIND, each);
  const more = exceptions && { exceptions: { exceptions, now: CREATED } };
  return manifestsSnapshot(objects, {
    knowsRevisions: true,
    isObserved: exceptions === undefined,
    engine: 'Cilium',
    readsExtensions: true,
    ...more,
  });
}

function changesBy(policies: readonly NetworkPolicy[], exceptions: readonly SegmentationException[]) {
  const [before, after] = [snapshotOf(policies, undefined), snapshotOf(policies, exceptions)];
  const changes = compareSnapshots({
    before,
    after,
    policiesBefore: before.effective(),
    policiesAfter: after.effective(),
  });
  return {
    exceptions: changes.exceptions,
    extensions: changes.extensions,
    policies: changes.policies.map((each) => [each.change, (each.after ?? each.before)?.metadata.name]),
  };
}

describe('exception of a manifest in a namespace whose policies a rollout has stay', () => {
  const name = 'shop.exception.debug.egress';

  it('opens flows in the directions that these policies isolate', () => {
    assert.deepEqual(changesBy([deny('Egress')], [exception('debug')]), {
      exceptions: [{ change: 'opened', namespace: 'shop', name: 'debug', after: at(4) }],
      extensions: [],
      policies: [['added', name]],
    });
  });

  it('opens nothing in a direction that the profile would isolate by its spec alone', () => {
    const ingress = [{ name: 'in', from: [{ podSelector: {} }] }];
    const asked = exception('debug', { egress: [], ingress });
    assert.deepEqual(changesBy([deny('Egress')], [asked]), { exceptions: [], extensions: [], policies: [] });
  });

  it('replaces the policies that it has, and leaves those of other exceptions', () => {
    const policies = [deny('Egress'), ...opened('debug', 2), ...opened('other', 3)];
    const { exceptions } = changesBy(policies, [exception('debug')]);
    assert.deepEqual(exceptions, [
      { change: 'moved', namespace: 'shop', name: 'debug', before: at(2), after: at(4) },
    ]);
  });

  it('replaces its policies also if somebody has removed the label that names it, or all labels', () => {
    const of = (uid: string) => ({
      apiVersion: API_VERSION,
      kind: EXCEPTION_KIND,
      name: 'debug',
      uid,
      controller: true,
    });
    const labelled = opened('debug', 2).map(({ metadata, ...policy }) => ({
      ...policy,
      metadata: { ...metadata, ownerReferences: [of('uid-debug')] },
    }));
    const withLabels = (kept: readonly string[]) =>
      labelled.map(({ metadata: { labels = {}, ...metadata }, ...policy }): NetworkPolicy => {
        const left = Object.entries(labels).filter(([key]) => kept.includes(key));
        return { ...policy, metadata: { ...metadata, labels: Object.fromEntries(left) } };
      });
    for (const kept of [[LABEL_MANAGED_BY, LABEL_PROFILE], []]) {
      const asked = exception('debug');
      const status = { phase: 'Active', profile: 'shop' } as SegmentationException['status'];
      const known = {
        ...asked,
        metadata: { ...asked.metadata, uid: 'uid-debug' },
        ...(status && { status }),
      };
      const policies = [deny('Egress'), ...withLabels(kept)];
      assert.deepEqual(changesBy(policies, [known]).exceptions, [
        { change: 'moved', namespace: 'shop', name: 'debug', before: at(2), after: at(4) },
      ]);
      const intended = snapshotOf(policies, [known]).intended();
      assert.deepEqual(
        intended.map(({ metadata }) => metadata.name),
        ['shop.default-deny', name],
      );
    }
  });
});
