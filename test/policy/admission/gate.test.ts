/** The gate's binding: whom it covers, and whom it must not. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { LabelSelector, StringMap } from '../../../src/api/meta.ts';
import { bindingKey } from '../../../src/policy/admission/binding.ts';
import { type GatedNamespace, gateOf, wantsGate } from '../../../src/policy/admission/gate.ts';
import { probeAnswer, stateOf } from '../../../src/policy/admission/probe.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import { profile } from '../fixture.ts';

const ADMISSION = {
  gate: 'Enforce',
  protect: 'Disabled',
  tenantPolicies: 'Any',
  tenantPoliciesAction: 'Enforce',
} as const;
const gated = (spec: object = {}) => {
  const base = profile({ namespaceSelector: { matchLabels: { team: 'a' } }, ...spec });
  return { ...base, spec: { ...base.spec, admission: ADMISSION } };
};
const namespace = (name: string, denied: boolean, labels: StringMap = { team: 'a' }): GatedNamespace => ({
  name,
  labels: { ...labels, 'kubernetes.io/metadata.name': name },
  denied,
});
const selectorOf = (gate: ReturnType<typeof gateOf>): LabelSelector => {
  assert.ok(gate);
  return gate.binding.spec.matchResources.namespaceSelector;
};
const covers = (selector: LabelSelector, { labels }: GatedNamespace) => matches(selector, labels);

describe('the binding of the gate', () => {
  it('covers what the profile selects, but for protected and excluded namespaces', () => {
    const selector = selectorOf(
      gateOf(gated({ excludeNamespaces: ['out'] }), [], ['kube-system'], undefined),
    );
    const covered = ['shop', 'out', 'kube-system'].filter((name) => covers(selector, namespace(name, false)));
    assert.deepEqual(covered, ['shop']);
    assert.equal(covers(selector, namespace('shop', true, { team: 'b' })), false);
  });

  it('leaves out a namespace that has no default-deny when the gate is set up, until it has', () => {
    const before = gateOf(gated(), [namespace('a', true), namespace('b', false)], [], undefined);
    assert.deepEqual(before?.leftOut, ['b']);
    assert.equal(covers(selectorOf(before), namespace('b', false)), false);
    const after = gateOf(gated(), [namespace('a', true), namespace('b', true)], [], selectorOf(before));
    assert.deepEqual(after?.leftOut, []);
    assert.equal(covers(selectorOf(after), namespace('b', true)), true);
  });

  it('goes on to cover a namespace whose default-deny is lost', () => {
    const before = gateOf(gated(), [namespace('a', true)], [], undefined);
    const after = gateOf(gated(), [namespace('a', false)], [], selectorOf(before));
    assert.ok(before && after);
    assert.equal(bindingKey(after.binding), bindingKey(before.binding));
  });

  it('stays as it is where more namespaces than it can name are without default-deny', () => {
    const many = Array.from({ length: 501 }, (_, index) => namespace(`n${index}`, false));
    assert.equal(gateOf(gated(), many, [], undefined), undefined);
    assert.equal(gateOf(gated(), many.slice(1), [], undefined)?.leftOut.length, 500);
  });

  it('is never extended over a namespace without default-deny, whatever changes', () => {
    const labels = fc.record({ team: fc.constantFrom('a', 'b'), tier: fc.constantFrom('x', 'y') });
    const selector: fc.Arbitrary<LabelSelector> = fc.oneof(
      fc.constant({}),
      labels.map((matchLabels) => ({ matchLabels })),
      fc.constant({ matchExpressions: [{ key: 'tier', operator: 'In' as const, values: ['x'] }] }),
    );
    const step = fc.record({ selector, excluded: fc.subarray(['n0', 'n1', 'n2']), denied: fc.nat(15) });
    fc.assert(
      fc.property(fc.array(labels, { minLength: 4, maxLength: 4 }), fc.array(step), (all, steps) => {
        let standing: LabelSelector | undefined;
        for (const { selector: namespaceSelector, excluded, denied } of steps) {
          const spec = gated({ namespaceSelector, excludeNamespaces: excluded });
          const namespaces = all.map((each, index) =>
            namespace(`n${index}`, (denied & (1 << index)) > 0, each),
          );
          const selected = namespaces.filter(
            (each) => matches(namespaceSelector, each.labels) && !excluded.includes(each.name),
          );
          const next = selectorOf(gateOf(spec, selected, [], standing));
          for (const each of namespaces) {
            const before = standing !== undefined && covers(standing, each);
            const isSelected = selected.includes(each);
            if (covers(next, each)) assert.ok(isSelected && (each.denied || before), each.name);
            else assert.ok(!isSelected || (!each.denied && !before), each.name);
          }
          standing = next;
        }
      }),
    );
  });
});

describe('a gate is wanted', () => {
  it('by a profile that enforces and stays', () => {
    const spec = gated();
    assert.equal(wantsGate(spec), true);
    assert.equal(wantsGate(profile({})), false);
    assert.equal(wantsGate({ ...spec, spec: { ...spec.spec, mode: 'Audit' } }), false);
    const metadata = { ...spec.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
    assert.equal(wantsGate({ ...spec, metadata }), false);
  });
});

describe('the probe', () => {
  const binding = (name: string, resourceVersion: string) => {
    const gate = gateOf(gated(), [], [], undefined);
    assert.ok(gate);
    return { ...gate.binding, metadata: { name, uid: name, resourceVersion } };
  };

  it('has another state for every write, and the same for the same bindings in any order', () => {
    const [a, b] = [binding('a', '1'), binding('b', '2')];
    assert.equal(stateOf([a, b]), stateOf([b, a]));
    assert.notEqual(stateOf([a, b]), stateOf([a]));
    assert.notEqual(stateOf([a, b]), stateOf([a, binding('b', '3')]));
  });

  it('tells bindings that are in force from a cache that is behind', () => {
    assert.equal(probeAnswer(undefined), 'notYet');
    assert.equal(probeAnswer('denied request: no params found for policy binding'), 'parametersBehind');
    assert.equal(probeAnswer('denied request: the probe found its parameter'), 'inForce');
  });
});

describe('the key of a binding', () => {
  it('does not change by what an API server fills in', () => {
    const gate = gateOf(gated(), [], ['kube-system'], undefined);
    assert.ok(gate);
    const { binding } = gate;
    const stored = {
      ...binding,
      metadata: { ...binding.metadata, uid: 'u', resourceVersion: '7', annotations: { a: 'b' } },
      spec: { ...binding.spec, later: 'field' },
    };
    assert.equal(bindingKey(stored), bindingKey(binding));
    const changed = { ...binding, spec: { ...binding.spec, validationActions: ['Audit' as const] } };
    assert.notEqual(bindingKey(changed), bindingKey(binding));
  });
});
