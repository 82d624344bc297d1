import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { CALICO_STAGING } from '../../../src/engines/calico/staged.ts';
import type { ObjectStep } from '../../../src/engines/object-step.ts';
import { planStaged } from '../../../src/engines/staging/plan.ts';

type Staged = KubeObject & { readonly spec: Readonly<Record<string, unknown>> };

const policy = (role: string, spec: NetworkPolicy['spec'] = {}): NetworkPolicy => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: {
    name: `p.${role}`,
    namespace: 'shop',
    labels: { 'app.kubernetes.io/managed-by': 'segmentation-operator', 'segmentation.dev/profile': 'p' },
  },
  spec: { podSelector: {}, policyTypes: ['Egress'], ...spec },
});
const DENY = policy('default-deny');
const ALLOW = policy('egress', { egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }] });

const planFrom = (
  observed: readonly KubeObject[],
  desired: readonly NetworkPolicy[],
  kept: readonly string[] = [],
): ObjectStep[] =>
  planStaged(observed, desired, {
    engine: CALICO_STAGING,
    ownerOf: ({ metadata }) => metadata.labels?.['segmentation.dev/profile'],
    kept: new Set(kept),
  });

/** The object that stages a policy, as the API server returns it. */
function observed(staged: NetworkPolicy, spec: object = {}): Staged {
  const object = CALICO_STAGING.stage(staged) as Staged;
  return {
    ...object,
    metadata: { ...object.metadata, uid: object.metadata.name, resourceVersion: '1' },
    spec: { ...object.spec, ...spec },
  };
}

const text = (steps: readonly ObjectStep[]) =>
  steps.map((step) => `${step.verb} ${(step.verb === 'create' ? step.object : step.before).metadata.name}`);

describe('plan of staged policies', () => {
  it('creates an object with the same spec and name for each policy', () => {
    const [first] = planFrom([], [ALLOW]);
    assert.deepEqual(first, {
      verb: 'create',
      object: {
        apiVersion: 'projectcalico.org/v3',
        kind: 'StagedKubernetesNetworkPolicy',
        metadata: ALLOW.metadata,
        spec: { stagedAction: 'Set', ...ALLOW.spec },
      },
    });
  });

  it('is empty for objects that stage the policies, in any spelling of the same meaning', () => {
    assert.deepEqual(
      planFrom([observed(DENY, { ingress: [], egress: [] }), observed(ALLOW)], [DENY, ALLOW]),
      [],
    );
  });

  it('updates an object whose spec or action somebody changed', () => {
    assert.deepEqual(text(planFrom([observed(ALLOW, { egress: [{}] })], [ALLOW])), ['update p.egress']);
    assert.deepEqual(text(planFrom([observed(ALLOW, { stagedAction: 'Delete' })], [ALLOW])), [
      'update p.egress',
    ]);
  });

  it('keeps labels of others in an update', () => {
    const before = observed(ALLOW, { egress: [{}] });
    const labels = { ...before.metadata.labels, team: 'shop' };
    const [step] = planFrom([{ ...before, metadata: { ...before.metadata, labels } }], [ALLOW]);
    assert.ok(step?.verb === 'update');
    assert.deepEqual(step.object.metadata.labels, labels);
  });

  it('deletes own objects that no profile asks for, and leaves those of kept profiles', () => {
    assert.deepEqual(text(planFrom([observed(DENY)], [])), ['delete p.default-deny']);
    assert.deepEqual(planFrom([observed(DENY)], [], ['p']), []);
  });

  it('leaves a foreign object, and takes an alternative name beside it', () => {
    const own = observed(ALLOW);
    const foreign = { ...own, metadata: { ...own.metadata, labels: {} } };
    const [step] = planFrom([foreign], [ALLOW]);
    assert.ok(step?.verb === 'create');
    assert.match(step.object.metadata.name, /^p\.alternative\./);
    assert.deepEqual(
      planFrom([foreign, observed({ ...ALLOW, metadata: step.object.metadata })], [ALLOW]),
      [],
    );
  });
});
