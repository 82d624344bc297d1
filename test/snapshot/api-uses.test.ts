/** API versions that are found in objects of a cluster and in manifests. */
import assert from 'node:assert/strict';
import type { KubeObject } from '../../src/api/meta.ts';
import { apiUsesOf, unreadDefinitionsOf } from '../../src/snapshot/api-uses.ts';
import { AUDIT_KINDS, type KnownKind, KNOWN_KINDS, ObjectSet } from '../../src/snapshot/objects.ts';
import { Projection } from '../../src/snapshot/projection.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

function projected(kind: string, metadata: KubeObject['metadata'], forAudit = true): ObjectSet {
  const known: KnownKind | undefined = [...KNOWN_KINDS, ...AUDIT_KINDS].find((each) => each.kind === kind);
  assert.ok(known);
  const objects = new ObjectSet();
  objects.put(kind, new Projection(forAudit).of({ metadata }, known));
  return objects;
}

describe('unreadDefinitionsOf', () => {
  const definition = (group: string, plural: string, kind: string) => ({
    metadata: { name: `${plural}.${group}` },
    spec: { group, names: { kind, plural } },
  });

  it('names definitions of policies that no command reads', () => {
    const objects = new ObjectSet();
    const definitions = [
      definition('cilium.io', 'ciliumnetworkpolicies', 'CiliumNetworkPolicy'),
      definition('crd.antrea.io', 'networkpolicies', 'NetworkPolicy'),
      definition('example.com', 'edgenetworkpolicies', 'EdgeNetworkPolicy'),
      definition('example.com', 'policies', 'Policy'),
      definition('projectcalico.org', 'stagednetworkpolicies', 'StagedNetworkPolicy'),
    ];
    for (const each of definitions) objects.put('CustomResourceDefinition', each);
    assert.deepEqual(unreadDefinitionsOf(objects), ['edgenetworkpolicies.example.com']);
  });
});

describe('apiUsesOf', () => {
  const managedFields = [
    { manager: 'old-tool', apiVersion: 'networking.k8s.io/v1beta1', operation: 'Update', time: 'then' },
    { manager: 'kubectl', apiVersion: 'networking.k8s.io/v1', operation: 'Apply' },
  ];

  it('finds a field manager that uses a version which is removed, and keeps no other', () => {
    const objects = projected('Ingress', { namespace: 'shop', name: 'web', managedFields });
    assert.deepEqual(apiUsesOf(objects), [
      {
        object: { kind: 'Ingress', namespace: 'shop', name: 'web' },
        apiVersion: 'networking.k8s.io/v1beta1',
        way: 'manager',
        manager: 'old-tool',
      },
    ]);
    assert.deepEqual(objects.get('Ingress', 'web', 'shop')?.metadata.managedFields, [
      { manager: 'old-tool', apiVersion: 'networking.k8s.io/v1beta1' },
    ]);
  });

  it('finds nothing in objects that were read for another command', () => {
    const objects = projected('ServiceCIDR', { name: 'kubernetes', managedFields }, false);
    assert.deepEqual(apiUsesOf(objects), []);
  });

  for (const [title, text, found] of [
    [
      'reads the version of the manifest that kubectl applied',
      '{"apiVersion":"rbac.authorization.k8s.io/v1beta1"}',
      1,
    ],
    [
      'reads it wherever it is in the annotation',
      '{"kind":"Role","apiVersion":"rbac.authorization.k8s.io/v1beta1"}',
      1,
    ],
    ['ignores a version that stays', '{"apiVersion":"rbac.authorization.k8s.io/v1"}', 0],
    ['ignores an annotation that is not JSON', '{"apiVersion', 0],
  ] as const) {
    it(title, () => {
      const annotations = { [LAST_APPLIED]: text };
      assert.equal(
        apiUsesOf(projected('Role', { namespace: 'shop', name: 'web', annotations })).length,
        found,
      );
    });
  }

  it('has the manifests of versions that are not read', () => {
    const objects = new ObjectSet();
    const budget = { apiVersion: 'policy/v1beta1', kind: 'PodDisruptionBudget', metadata: { name: 'web' } };
    objects.noteUnreadable(budget, { file: 'a.yaml', line: 3 });
    assert.deepEqual(apiUsesOf(new ObjectSet().with(objects)), [
      {
        object: { kind: 'PodDisruptionBudget', name: 'web' },
        apiVersion: 'policy/v1beta1',
        way: 'manifest',
      },
    ]);
    assert.equal(objects.placeOf('PodDisruptionBudget', 'web')?.line, 3);
  });
});
