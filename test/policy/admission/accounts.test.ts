/** The label of a pod's ServiceAccount: the namespaces that need it, its bindings, and their probe. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Peer } from '../../../src/api/profile.ts';
import {
  accountAnswer,
  accountBindingKey,
  accountProbeRequest,
  accountProbes,
  accountsOf,
  coveredBy,
  guardBinding,
  isAccountBinding,
  labelBinding,
  labelledFor,
  reliedOn,
} from '../../../src/policy/admission/accounts.ts';
import { isMarked } from '../../../src/policy/ownership.ts';
import { projectPolicy } from '../../../src/cluster-state/items.ts';
import { PolicyContentPool } from '../../../src/cluster-state/policies/content-pool.ts';
import { compile } from '../../../src/policy/compile.ts';
import { facts, profile, SHOP } from '../fixture.ts';

const peer = (namespace: string, name: string): Peer => ({ serviceAccount: { namespace, name } });
const naming = profile({
  ingress: [{ name: 'a', from: [peer('data', 'api'), { namespaces: ['x'] }, peer('data', 'web')] }],
  egress: [
    { name: 'b', podSelector: { matchLabels: { a: 'b' } }, to: [peer('data', 'api'), peer('edge', 'gw')] },
  ],
});

describe('a peer by ServiceAccount', () => {
  it('names its account, without duplicates over the rules of both directions', () => {
    assert.deepEqual(accountsOf(naming), [
      { namespace: 'data', name: 'api' },
      { namespace: 'data', name: 'web' },
      { namespace: 'edge', name: 'gw' },
    ]);
    assert.deepEqual(accountsOf(profile()), []);
  });

  it('names its account at either end of a connection', () => {
    const connections = [
      { name: 'a', from: [peer('data', 'api')], to: [peer('edge', 'gw'), { namespaces: ['x'] }] },
    ];
    assert.deepEqual(accountsOf(profile({ connections })), [
      { namespace: 'data', name: 'api' },
      { namespace: 'edge', name: 'gw' },
    ]);
  });

  it('makes the policy of its own end rely on the label in the namespace of the policy', () => {
    const connections = [{ name: 'a', from: [peer('shop', 'api')], to: [peer('edge', 'gw')] }];
    const raw = compile(profile({ connections }), SHOP, facts()).policies.find(({ metadata }) =>
      metadata.name.endsWith('egress.a'),
    );
    assert.deepEqual(raw && projectPolicy(raw, new PolicyContentPool()).reliesOn, ['edge', 'shop']);
  });

  it('has the pods of its namespace labelled for a profile that enforces and is not being deleted', () => {
    assert.deepEqual(labelledFor(naming), ['data', 'edge']);
    assert.deepEqual(labelledFor({ ...naming, spec: { ...naming.spec, mode: 'Audit' } }), []);
    const deletionTimestamp = '2026-01-01T00:00:00Z';
    assert.deepEqual(labelledFor({ ...naming, metadata: { ...naming.metadata, deletionTimestamp } }), []);
  });

  it('is found in the policies that are compiled from it, and in no others', () => {
    const { policies } = compile(naming, SHOP, facts());
    assert.deepEqual([...new Set(policies.flatMap(reliedOn))].sort(), ['data', 'edge']);
    const deny = policies.find(({ metadata }) => metadata.name.endsWith('default-deny'));
    assert.deepEqual(deny && reliedOn(deny), []);
  });
});

describe('the bindings that label pods with their ServiceAccount', () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z]([-a-z0-9]{0,5}[a-z0-9])?$/), { minLength: 1 });

  it('tell which namespaces they cover, and are equal whatever the order of these', () => {
    fc.assert(
      fc.property(names, (list) => {
        assert.deepEqual(coveredBy(guardBinding(list)), list.toSorted());
        assert.equal(
          accountBindingKey(guardBinding(list)),
          accountBindingKey(guardBinding(list.toReversed())),
        );
        assert.equal(
          accountBindingKey(labelBinding(list)),
          accountBindingKey(labelBinding([...list, ...list])),
        );
      }),
    );
  });

  it('cover no known namespace once somebody has changed their selector', () => {
    const binding = guardBinding(['a']);
    const changed = (namespaceSelector: object) => ({
      ...binding,
      spec: { ...binding.spec, matchResources: { ...binding.spec.matchResources, namespaceSelector } },
    });
    assert.deepEqual(coveredBy(undefined), []);
    assert.deepEqual(coveredBy(changed({})), []);
    assert.deepEqual(
      coveredBy(changed({ ...binding.spec.matchResources.namespaceSelector, matchLabels: { a: 'b' } })),
      [],
    );
    assert.deepEqual(
      coveredBy(changed({ matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] })),
      [],
    );
  });

  it('have another key once somebody has changed any field that the operator sets', () => {
    const binding = guardBinding(['a']);
    const { spec } = binding;
    const changes = [
      { ...binding, metadata: { name: binding.metadata.name } },
      { ...binding, spec: { ...spec, validationActions: ['Warn'] as const } },
      { ...binding, spec: { ...spec, policyName: 'other' } },
      { ...binding, spec: { ...spec, paramRef: { name: 'x', parameterNotFoundAction: 'Allow' } } },
      {
        ...binding,
        spec: {
          ...spec,
          matchResources: { ...spec.matchResources, objectSelector: { matchLabels: { a: 'b' } } },
        },
      },
      {
        ...binding,
        spec: {
          ...spec,
          matchResources: { ...spec.matchResources, excludeResourceRules: [{ resources: ['pods'] }] },
        },
      },
    ];
    for (const each of changes) assert.notEqual(accountBindingKey(each), accountBindingKey(binding));
  });

  it('do not carry the label by which an older version would delete them', () => {
    const probes = accountProbes('state', 'system');
    for (const each of [labelBinding(['a']), guardBinding(['a']), probes.label, probes.guard]) {
      assert.equal(isAccountBinding(each), true);
      assert.equal(isMarked(each), false);
    }
  });
});

describe('the probe of label and guard', () => {
  it('asks to create the only object that its bindings name', () => {
    const { name } = accountProbeRequest('state', 'system').metadata;
    const { label, guard } = accountProbes('state', 'system');
    for (const { spec } of [label, guard])
      assert.deepEqual(spec.matchResources.resourceRules?.[0]?.resourceNames, [name]);
    assert.notEqual(accountProbeRequest('another', 'system').metadata.name, name);
  });

  it('tells by the message of the refusal what is in force', () => {
    const by = (words: string) =>
      accountAnswer(`ValidatingAdmissionPolicy 'x' with binding 'y' denied request: ${words}`);
    assert.equal(by('the label and its guard are in force'), 'inForce');
    assert.equal(by('the guard is in force, the label is not'), 'unlabelled');
    assert.equal(by('something else'), 'notYet');
    assert.equal(accountAnswer(undefined), 'notYet');
  });
});
