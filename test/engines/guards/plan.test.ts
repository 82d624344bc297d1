import assert from 'node:assert/strict';
import type { LabelSelector } from '../../../src/api/meta.ts';
import type { PolicyType } from '../../../src/api/network-policy.ts';
import { CLUSTER_NETWORK_POLICY as carrier } from '../../../src/engines/cluster-network-policy/carrier.ts';
import type { Guard } from '../../../src/policy/guard/guard.ts';
import type { GuardForm } from '../../../src/engines/guards/carrier.ts';
import { isSameForm, planGuard } from '../../../src/engines/guards/plan.ts';
import { choosePriority, type PlacedGuard } from '../../../src/engines/guards/priority.ts';

/** A guard of egress that passes these networks. */
function form(...networks: string[]): GuardForm {
  const passes: Guard['directions'][0]['passes'] = networks.map((cidr) => ({
    peer: { kind: 'addresses', cidr, except: [] },
    rules: [cidr],
  }));
  const directions = [{ direction: 'Egress' as const, passes, unresolved: [], podRanges: [] }];
  const made = carrier.compile({ profile: 'p', subject: {}, directions });
  assert.equal(made.kind, 'compiled');
  return (made as { form: GuardForm }).form;
}

const planned = (observed: GuardForm | undefined, desired: GuardForm, ...unresolved: PolicyType[]) =>
  planGuard(observed, desired, { unresolved: new Set(unresolved), carrier });
const passed = ({ rules }: GuardForm) =>
  (rules.Egress as { to: { networks?: string[] }[] }[])
    .slice(0, -1)
    .flatMap(({ to }) => to.flatMap(({ networks = [] }) => networks));

describe('the plan of a guard', () => {
  const [a, b] = ['203.0.113.1/32', '203.0.113.2/32'];

  it('creates a guard after NetworkPolicies are in place', () => {
    assert.deepEqual(planned(undefined, form(a)), { widened: undefined, final: form(a) });
  });

  it('passes the old and the new peers until NetworkPolicies are in place', () => {
    const { widened, final } = planned(form(a), form(b));
    assert.deepEqual(passed(widened ?? form()), [b, a]);
    assert.deepEqual(final, form(b));
    // From there on, only the last step is left.
    assert.deepEqual(planned(widened, form(b)), { widened: undefined, final: form(b) });
  });

  it('denies nothing of a direction that is guarded no longer, or not yet', () => {
    const nothing = { subject: {}, rules: {} };
    assert.deepEqual(planned(form(a), nothing), { widened: nothing, final: undefined });
    assert.deepEqual(planned(nothing, form(a)), { widened: undefined, final: form(a) });
  });

  it('keeps what it passes while a peer is unresolved', () => {
    const { widened, final } = planned(form(a), form(b), 'Egress');
    assert.ok(widened && final && isSameForm(widened, final));
    assert.deepEqual(passed(final), [b, a]);
  });

  it('is not written again while a peer is unresolved whose passes it has', () => {
    const onPorts = (...ports: number[]) => {
      const passes = ports.map((port): Guard['directions'][0]['passes'][0] => ({
        peer: { kind: 'everyone' },
        ports: [{ protocol: 'TCP', from: port, to: port }],
        rules: [`port-${port}`],
      }));
      const directions = [{ direction: 'Egress' as const, passes, unresolved: [], podRanges: [] }];
      return (carrier.compile({ profile: 'p', subject: {}, directions }) as { form: GuardForm }).form;
    };
    const observed = onPorts(443, 8443, 9443);
    assert.deepEqual(planned(observed, onPorts(8443), 'Egress'), { widened: undefined, final: observed });
  });

  it('guards no direction with an unresolved peer that was not guarded before', () => {
    assert.deepEqual(planned(undefined, form(a), 'Egress'), { widened: undefined, final: undefined });
  });

  it('takes its final form at once if the kind has no room for the old and the new rules', () => {
    const many = (first: number): GuardForm => {
      const passes = Array.from({ length: 20 }, (_, index) => ({
        peer: { kind: 'everyone' as const },
        ports: [{ protocol: 'TCP' as const, from: first + index, to: first + index }],
        rules: ['r'],
      }));
      const directions = [{ direction: 'Egress' as const, passes, unresolved: [], podRanges: [] }];
      return (carrier.compile({ profile: 'p', subject: {}, directions }) as { form: GuardForm }).form;
    };
    const { widened, final } = planned(many(1000), many(2000));
    assert.deepEqual(widened, final);
  });

  it('ignores the order and the names of passes', () => {
    const { rules } = form(a);
    const renamed = {
      subject: {},
      rules: { Egress: (rules.Egress ?? []).map((rule) => ({ ...rule, name: 'other' })) },
    };
    assert.equal(planned(renamed, form(a)).widened, undefined);
  });
});

describe('the priority of a guard', () => {
  const range = { first: 500, last: 530 };
  const team = (value: string): LabelSelector => ({ matchLabels: { team: value } });
  const chosen = (
    observed: number | undefined,
    {
      subject = team('red'),
      guards = [{ priority: 500, subject: team('blue') }],
    }: { subject?: LabelSelector; guards?: PlacedGuard[] } = {},
    within = range,
  ) => choosePriority({ observed, subject }, { guards, foreign: new Set([510]) }, within);

  it('is the first one that no guard and no foreign policy has', () => {
    assert.equal(chosen(undefined), 520);
  });

  it('stays, also if a foreign policy takes it later', () => {
    assert.equal(chosen(510), 510);
    assert.equal(chosen(505), 505);
  });

  it('changes if another guard has it, or if the range excludes it', () => {
    assert.equal(chosen(500), 520);
    assert.equal(chosen(700), 520);
  });

  it('is none if all are taken', () => {
    assert.equal(chosen(undefined, {}, { first: 500, last: 515 }), undefined);
  });

  it('is before those of guards for more namespaces, and after those for fewer of its own', () => {
    const guards = [{ priority: 520, subject: team('red') }];
    assert.equal(chosen(undefined, { subject: {}, guards }), 530);
    assert.equal(chosen(500, { subject: {}, guards }), 530);
    assert.equal(chosen(530, { subject: {}, guards }), 530);
    assert.equal(chosen(undefined, { guards: [{ priority: 520, subject: {} }] }), 500);
    // The wider one moves then.
    assert.equal(chosen(undefined, { guards: [{ priority: 500, subject: {} }] }), 520);
  });

  it('is before that of a guard for more namespaces also if that one excludes some by name', () => {
    const without = (...values: string[]): LabelSelector => ({
      matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values }],
    });
    const red = { ...team('red'), ...without('kube-system') };
    const wide = without('kube-system', 'tools');
    assert.equal(chosen(500, { subject: wide, guards: [{ priority: 520, subject: red }] }), 530);
    assert.equal(chosen(undefined, { subject: red, guards: [{ priority: 520, subject: wide }] }), 500);
    assert.equal(chosen(500, { subject: without('x'), guards: [{ priority: 520, subject: wide }] }), 500);
  });

  it('stays beside a guard for the same namespaces, and beside one that can not be read', () => {
    assert.equal(chosen(500, { guards: [{ priority: 520, subject: team('red') }] }), 500);
    assert.equal(chosen(500, { subject: {}, guards: [{ priority: 520, subject: undefined }] }), 500);
  });

  it('stays if none is left after those of narrower guards', () => {
    const guards = [{ priority: 530, subject: team('red') }];
    assert.equal(chosen(500, { subject: {}, guards }), 500);
    assert.equal(chosen(undefined, { subject: {}, guards }), 500);
  });
});
