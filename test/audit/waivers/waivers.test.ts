/** Waivers: which findings they cover, when they end, and what is reported of them. */
import assert from 'node:assert/strict';
import { type Finding, findingKey } from '../../../src/audit/finding.ts';
import { CHECKS } from '../../../src/audit/registry.ts';
import { applyWaivers } from '../../../src/audit/waivers/apply.ts';
import { annotatedWaivers } from '../../../src/audit/waivers/collect.ts';
import { judges } from '../../../src/audit/waivers/scope.ts';
import { ANNOTATION_WAIVERS, readWaiver, type Waiver } from '../../../src/audit/waivers/waiver.ts';
import { namespace, pod, world } from '../world.ts';

const TODAY = '2026-11-29';

const finding = (change: Partial<Finding> = {}): Finding => ({
  check: 'pod-host-path',
  category: 'Pods',
  severity: 'high',
  remedy: 'Use another volume.',
  object: { kind: 'DaemonSet', namespace: 'monitoring', name: 'agent' },
  field: 'spec.template.spec.volumes[run].hostPath',
  message: 'the volume is a path of the node',
  ...change,
});

const waiver = (change: Partial<Waiver> = {}): Waiver => ({
  check: 'pod-host-path',
  object: 'DaemonSet monitoring/agent',
  reason: 'It reads the logs of the node.',
  by: 'ada@example.com',
  until: '2027-03-31',
  place: 'waivers.yaml:3',
  ...change,
});

const apply = (waivers: readonly Waiver[], findings = [finding()], today = TODAY) =>
  applyWaivers(findings, { waivers, today, isJudged: () => true });
const keys = (findings: readonly Finding[]) => findings.map(findingKey);

describe('waiver', () => {
  const COVERING: Readonly<Record<string, Partial<Waiver>>> = {
    'of the check and the object': {},
    'of the category': { check: 'pods' },
    'of every object of a namespace': { object: 'DaemonSet monitoring/*' },
    'of the field': { field: 'spec.template.spec.volumes[run].*' },
    'on its last day': { until: TODAY },
  };
  for (const [name, change] of Object.entries(COVERING)) {
    it(`${name} covers a finding`, () => {
      const { findings, waived } = apply([waiver(change)]);
      assert.deepEqual(findings, []);
      assert.equal(waived.length, 1);
    });
  }

  const OTHERS: Readonly<Record<string, Partial<Waiver>>> = {
    'of another check': { check: 'pod-privileged' },
    'of another object': { object: 'DaemonSet monitoring/agent-2' },
    'of the beginning of a name': { object: 'DaemonSet monitoring/age' },
    'of another kind': { object: 'Deployment monitoring/agent' },
    'of another namespace': { object: 'DaemonSet */other' },
    'of another field': { field: 'spec.template.spec.volumes[log].hostPath' },
  };
  for (const [name, change] of Object.entries(OTHERS)) {
    it(`${name} covers no finding, and is reported as unused`, () => {
      const { findings } = apply([waiver(change)]);
      assert.deepEqual(
        findings.map(({ check }) => check),
        ['pod-host-path', 'waiver-unused'],
      );
    });
  }

  it('that has ended covers no finding, and is a finding itself', () => {
    const { findings, waived } = apply([waiver({ until: '2026-11-28' })]);
    assert.deepEqual(keys(findings), [
      findingKey(finding()),
      'waiver-expired Waiver pod-host-path for DaemonSet monitoring/agent',
    ]);
    assert.deepEqual(waived, []);
  });

  it('that is not used is not reported if some checks did not run', () => {
    const { findings } = applyWaivers([], { waivers: [waiver()], today: TODAY, isJudged: () => false });
    assert.deepEqual(findings, []);
  });

  const SCOPES: readonly (readonly [name: string, change: Partial<Waiver>, isJudged: boolean])[] = [
    ['of a check that ran', {}, true],
    ['of a check that did not run', { check: 'long-lived-token' }, false],
    ['of a category of which a check did not run', { check: 'service-accounts' }, false],
    ['of no check that is known', { check: 'pod-hostpath' }, true],
    ['of a namespace that was left out', { object: 'Deployment kube-system/dns' }, false],
    ['of a Namespace that was left out', { object: 'Namespace kube-system' }, false],
    ['of every namespace', { object: 'Deployment */dns' }, false],
  ];
  for (const [name, change, isJudged] of SCOPES) {
    it(`${name} ${isJudged ? 'can' : 'can not'} be known to be unused`, () => {
      const ran = CHECKS.filter(({ id }) => id !== 'long-lived-token');
      const scope = { ran, all: CHECKS, leftOut: new Set(['kube-system']) };
      assert.equal(judges(scope)(waiver(change)), isJudged);
    });
  }

  const WRONG: readonly (readonly [name: string, value: unknown, problem: RegExp])[] = [
    ['without a reason', { ...entry(), reason: ' ' }, /^w\.yaml:1: reason is missing; write why/],
    ['without an end', { ...entry(), until: undefined }, /^w\.yaml:1: until is missing/],
    ['that ends on no day', { ...entry(), until: '2027-02-30' }, /"2027-02-30" is no day/],
    ['with an unknown key', { ...entry(), untill: '2027-01-01' }, /unknown key untill/],
    ['that is a text', 'all', /^w\.yaml:1: a waiver has check, object, reason, by, until/],
  ];
  for (const [name, value, problem] of WRONG) {
    it(`${name} is refused`, () => {
      const problems: string[] = [];
      assert.equal(readWaiver(value, { place: 'w.yaml:1' }, problems), undefined);
      assert.match(problems.join('\n'), problem);
    });
  }

  it('in an annotation of a pod template covers findings of its workload', () => {
    const { object: _, ...own } = entry();
    const annotations = { [ANNOTATION_WAIVERS]: JSON.stringify([own]) };
    const agent = { kind: 'DaemonSet', namespace: 'monitoring', name: 'agent' };
    const pods = [1, 2].map(() => pod('monitoring/agent', {}, { workload: agent, annotations }));
    const { waivers, invalid } = annotatedWaivers(world({ pods }));
    assert.deepEqual(invalid, []);
    assert.equal(waivers.length, 1);
    assert.deepEqual(apply(waivers).findings, []);
  });

  it('in an annotation can not cover findings of another object', () => {
    const shop = namespace('shop');
    const annotations = { [ANNOTATION_WAIVERS]: JSON.stringify([entry()]) };
    const { waivers, invalid } = annotatedWaivers(world({ namespaces: [{ ...shop, annotations }] }));
    assert.deepEqual(waivers, []);
    assert.match(
      invalid.join('\n'),
      /of Namespace shop: an annotation waives findings of its own object only/,
    );
  });

  it('in an annotation that is no JSON is a finding', () => {
    const annotations = { [ANNOTATION_WAIVERS]: 'pod-host-path' };
    const { invalid } = annotatedWaivers(world({ namespaces: [{ ...namespace('shop'), annotations }] }));
    const { findings } = applyWaivers([], { waivers: [], invalid, today: TODAY, isJudged: () => true });
    assert.deepEqual(
      findings.map(({ check }) => check),
      ['waiver-invalid'],
    );
  });
});

function entry(): Record<string, unknown> {
  const { place: _, ...rest } = waiver();
  return rest;
}
