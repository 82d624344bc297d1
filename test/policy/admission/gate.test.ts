/** The gate's binding: the namespaces that it covers, and those that it must leave out; its probe, and its key. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { LabelSelector, StringMap } from '../../../src/api/meta.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { bindingKey } from '../../../src/policy/admission/binding.ts';
import { type Gate, type GatedNamespace, gateOf, wantsGate } from '../../../src/policy/admission/gate.ts';
import { probeAnswer, stateOf } from '../../../src/policy/admission/probe.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import { profile } from '../fixture.ts';

const ADMISSION = {
  gate: 'Enforce',
  protect: 'Disabled',
  tenantPolicies: 'Any',
  tenantPoliciesAction: 'Enforce',
} as const;

/** A profile with a gate. */
const gated = (spec: object = {}): SegmentationProfile => {
  const base = profile({ namespaceSelector: { matchLabels: { team: 'a' } }, ...spec });
  return { ...base, spec: { ...base.spec, admission: ADMISSION } };
};
const namespace = (name: string, isDenied: boolean, labels: StringMap = { team: 'a' }): GatedNamespace => ({
  name,
  labels: { ...labels, 'kubernetes.io/metadata.name': name },
  isDenied,
});
const bound = (...args: Parameters<typeof gateOf>): Extract<Gate, { kind: 'bound' }> => {
  const gate = gateOf(...args);
  assert.ok(gate.kind === 'bound');
  return gate;
};
const selectorOf = ({ binding }: ReturnType<typeof bound>): LabelSelector =>
  binding.spec.matchResources.namespaceSelector;
const covers = (selector: LabelSelector, { labels }: GatedNamespace) => matches(selector, labels);

describe('the binding of a gate', () => {
  it('covers the namespaces that the profile selects, without protected and excluded ones', () => {
    const selector = selectorOf(bound(gated({ excludeNamespaces: ['out'] }), [], ['kube-system'], undefined));
    const covered = ['shop', 'out', 'kube-system'].filter((name) => covers(selector, namespace(name, false)));
    assert.deepEqual(covered, ['shop']);
    assert.equal(covers(selector, namespace('shop', true, { team: 'b' })), false);
  });

  it('leaves out a namespace without default-deny when the gate is set up, until its default-deny exists', () => {
    const before = bound(gated(), [namespace('a', true), namespace('b', false)], [], undefined);
    assert.deepEqual(before.leftOut, ['b']);
    assert.equal(covers(selectorOf(before), namespace('b', false)), false);
    const after = bound(gated(), [namespace('a', true), namespace('b', true)], [], selectorOf(before));
    assert.deepEqual(after.leftOut, []);
    assert.equal(covers(selectorOf(after), namespace('b', true)), true);
  });

  it('goes on to cover a namespace that loses its default-deny', () => {
    const before = bound(gated(), [namespace('a', true)], [], undefined);
    const after = bound(gated(), [namespace('a', false)], [], selectorOf(before));
    assert.equal(bindingKey(after.binding), bindingKey(before.binding));
  });

  it('is not changed while more than 500 namespaces lack their default-deny', () => {
    const many = Array.from({ length: 501 }, (_, index) => namespace(`n${index}`, false));
    assert.equal(gateOf(gated(), many, [], undefined).kind, 'tooManyLeftOut');
    assert.equal(bound(gated(), many.slice(1), [], undefined).leftOut.length, 500);
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
        let current: LabelSelector | undefined;
        for (const { selector: namespaceSelector, excluded, denied } of steps) {
          const spec = gated({ namespaceSelector, excludeNamespaces: excluded });
          const namespaces = all.map((each, index) =>
            namespace(`n${index}`, (denied & (1 << index)) > 0, each),
          );
          const selected = namespaces.filter(
            (each) => matches(namespaceSelector, each.labels) && !excluded.includes(each.name),
          );
          const next = selectorOf(bound(spec, selected, [], current));
          for (const each of namespaces) {
            const before = current !== undefined && covers(current, each);
            const isSelected = selected.includes(each);
            if (covers(next, each)) assert.ok(isSelected && (each.isDenied || before), each.name);
            else assert.ok(!isSelected || (!each.isDenied && !before), each.name);
          }
          current = next;
        }
      }),
    );
  });
});

describe('a profile with admission.gate', () => {
  it('wants its gate only under Enforce, and until it is deleted', () => {
    const spec = gated();
    assert.equal(wantsGate(spec), true);
    assert.equal(wantsGate(profile({})), false);
    assert.equal(wantsGate({ ...spec, spec: { ...spec.spec, mode: 'Audit' } }), false);
    const metadata = { ...spec.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
    assert.equal(wantsGate({ ...spec, metadata }), false);
  });
});

describe('the state of admission bindings', () => {
  const binding = (name: string, resourceVersion: string) => ({
    ...bound(gated(), [], [], undefined).binding,
    metadata: { name, uid: name, resourceVersion },
  });

  it('changes with every write, and does not depend on the order of the bindings', () => {
    const [a, b] = [binding('a', '1'), binding('b', '2')];
    assert.equal(stateOf([a, b]), stateOf([b, a]));
    assert.notEqual(stateOf([a, b]), stateOf([a]));
    assert.notEqual(stateOf([a, b]), stateOf([a, binding('b', '3')]));
  });
});

describe('the answer of the admission probe', () => {
  it('tells bindings that are in force from a cache of parameters that is behind', () => {
    assert.equal(probeAnswer(undefined), 'notYet');
    assert.equal(probeAnswer('denied request: no params found for policy binding'), 'parametersBehind');
    assert.equal(probeAnswer('denied request: the probe found its parameter'), 'inForce');
  });
});

describe('the key of an admission binding', () => {
  const { binding } = bound(gated(), [], ['kube-system'], undefined);

  it('ignores fields that an API server fills in', () => {
    const stored = {
      ...binding,
      metadata: { ...binding.metadata, uid: 'u', resourceVersion: '7', annotations: { a: 'b' } },
      spec: { ...binding.spec, later: 'field' },
    };
    assert.equal(bindingKey(stored), bindingKey(binding));
  });

  it('changes with the actions of the binding', () => {
    const changed = { ...binding, spec: { ...binding.spec, validationActions: ['Audit' as const] } };
    assert.notEqual(bindingKey(changed), bindingKey(binding));
  });
});
