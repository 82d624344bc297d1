/** The bindings of `spec.workloads`, and the judgement of existing objects. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { WorkloadAction } from '../../../src/api/generated/segmentation-profile.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import {
  groupsInUse,
  violationsOf,
  WORKLOAD_POLICIES,
  workloadBindings,
  workloadPoliciesOf,
} from '../../../src/policy/workloads/groups.ts';
import { profile } from '../fixture.ts';

const root = join(import.meta.dirname, '../../..');
const limited = (action: WorkloadAction, spec: object = {}): SegmentationProfile =>
  profile({ workloads: { images: { action, digest: 'Required' } }, ...spec });
const POLICY = 'workload-images.segmentation.dev';

describe('the bindings of workloads.images', () => {
  const summary = (of: SegmentationProfile) =>
    workloadBindings(of, ['kube-system']).map(({ metadata, spec }) => [
      metadata.name,
      spec.validationActions.join(),
      spec.matchResources.resourceRules?.flatMap(({ resources }) => resources).join(),
    ]);
  const PODS = 'pods,pods/ephemeralcontainers';
  const TEMPLATES = 'replicationcontrollers,deployments,statefulsets,daemonsets,replicasets,jobs,cronjobs';

  it('refuse pods and warn of templates under Enforce', () => {
    assert.deepEqual(summary(limited('Enforce')), [
      [`segmented.${POLICY}`, 'Deny', PODS],
      [`segmented.templates.${POLICY}`, 'Warn', TEMPLATES],
    ]);
  });

  it('warn of, or record, both under Warn and Audit', () => {
    assert.deepEqual(summary(limited('Warn')), [[`segmented.${POLICY}`, 'Warn', `${PODS},${TEMPLATES}`]]);
    assert.deepEqual(summary(limited('Audit')), [[`segmented.${POLICY}`, 'Audit', `${PODS},${TEMPLATES}`]]);
  });

  it('do not exist for a disabled group, under mode: Audit, and for a profile that is being deleted', () => {
    const deleted = limited('Enforce');
    const metadata = { ...deleted.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
    for (const each of [
      limited('Disabled'),
      limited('Enforce', { mode: 'Audit' }),
      { ...deleted, metadata },
    ]) {
      assert.deepEqual(workloadBindings(each, []), []);
      assert.deepEqual(workloadPoliciesOf(each), []);
    }
    assert.deepEqual(groupsInUse(limited('Enforce', { mode: 'Audit' })), ['images']);
  });

  it('select the namespaces of the profile, find the profile by name, and belong to it', () => {
    const [binding] = workloadBindings(limited('Enforce', { excludeNamespaces: ['out'] }), ['kube-system']);
    assert.deepEqual(binding?.spec.matchResources.namespaceSelector, {
      matchExpressions: [
        { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'out'] },
      ],
    });
    assert.deepEqual(binding?.spec.paramRef, { name: 'segmented', parameterNotFoundAction: 'Allow' });
    assert.deepEqual(
      binding?.metadata.ownerReferences?.map(({ uid }) => uid),
      ['uid-1'],
    );
  });
});

describe('config/workloads', () => {
  interface Kustomization {
    readonly resources: readonly string[];
  }
  const read = (file: string) => readFileSync(join(root, 'config/workloads', file), 'utf8');
  const { resources } = parse(read('kustomization.yaml')) as Kustomization;
  const policies = resources
    .filter((file) => file !== 'cluster_role.yaml')
    .map(
      (file) =>
        parse(read(file)) as {
          readonly metadata: { readonly name: string };
          readonly spec: {
            readonly matchConditions: readonly { readonly name: string; readonly expression: string }[];
            readonly matchConstraints: { readonly namespaceSelector?: object };
            readonly variables: readonly { readonly name: string; readonly expression: string }[];
            readonly validations: readonly {
              readonly messageExpression?: string;
              readonly message?: string;
            }[];
          };
        },
    );

  it('has the policy of each group, and the role may read exactly these', () => {
    assert.deepEqual(policies.map(({ metadata }) => metadata.name).sort(), [...WORKLOAD_POLICIES].sort());
    const named = [...read('cluster_role.yaml').matchAll(/^ +- (workload-\S+)$/gm)].map(
      ([, name = '']) => name,
    );
    assert.deepEqual(named.sort(), [...WORKLOAD_POLICIES].sort());
  });

  it('exempts the break-glass groups of workloads in every policy, and has two messages for every limit', () => {
    for (const { spec } of policies) {
      const [first] = spec.matchConditions;
      assert.deepEqual(first, {
        name: 'not-in-an-emergency',
        expression:
          '!params.spec.?workloads.?breakGlassGroups.orValue([]).exists(group, group in request.userInfo.groups)',
      });
      for (const { message, messageExpression } of spec.validations)
        assert.ok(message !== undefined && messageExpression !== undefined);
    }
  });

  it('matches nothing in the namespaces of the system, where an API server without the CRD would refuse pods', () => {
    for (const { metadata, spec } of policies)
      assert.deepEqual(
        spec.matchConstraints.namespaceSelector,
        {
          matchExpressions: [
            {
              key: 'kubernetes.io/metadata.name',
              operator: 'NotIn',
              values: ['kube-system', 'kube-public', 'kube-node-lease'],
            },
          ],
        },
        metadata.name,
      );
  });

  it('keeps no optional value in a variable, of which CEL would take every field for absent', () => {
    for (const { metadata, spec } of policies)
      for (const { name, expression } of spec.variables)
        assert.doesNotMatch(expression.trim(), /\.\?\w+$/, `${metadata.name}: ${name}`);
  });
});

describe('the judgement of existing objects', () => {
  it('names the limit of a group once, also under mode: Audit', () => {
    const pod = { metadata: { name: 'a' }, spec: { containers: [{ name: 'main', image: 'x' }] } };
    const found = violationsOf(limited('Enforce', { mode: 'Audit' }), 'Pod', pod);
    assert.deepEqual(
      found.map(({ group }) => group),
      ['images'],
    );
    assert.deepEqual(violationsOf(limited('Disabled'), 'Pod', pod), []);
  });
});
