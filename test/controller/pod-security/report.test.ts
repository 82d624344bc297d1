/** The condition PodSecurityReady, and the namespaces that the status lists. */
import assert from 'node:assert/strict';
import { type SelectedNamespace, reportOf } from '../../../src/controller/pod-security/report.ts';
import { type Outcome, problemOfError } from '../../../src/controller/pod-security/standing.ts';
import { profileStatus } from '../../../src/controller/profile/status.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import type { Levels } from '../../../src/policy/pod-security/levels.ts';
import { profile } from '../../policy/fixture.ts';

const baseline = { level: 'baseline', version: 'latest' } as const;
const restricted = { level: 'restricted', version: 'latest' } as const;
const ASKED: Levels = { enforce: restricted, warn: restricted };
const judged = (levels: Levels, more: Partial<Extract<Outcome, { kind: 'judged' }>> = {}): Outcome => ({
  kind: 'judged',
  levels,
  obstacles: {},
  violations: [],
  ...more,
});
const reached = judged(ASKED);
const violated = judged(
  { enforce: baseline, warn: restricted },
  {
    obstacles: { enforce: { kind: 'ViolatingPods' } },
    violations: ['a: x', 'b: x', 'c: x', 'd: x', 'e: x', 'f: x'],
  },
);
const conflict = judged(
  { enforce: restricted, warn: baseline },
  { obstacles: { warn: { kind: 'Conflict', value: 'baseline', managers: ['argocd', 'kubectl-label'] } } },
);
const refused = (message: string): Outcome => {
  const error = new ApiError({ status: 403, reason: 'Forbidden', message, method: 'PATCH', path: '/a' });
  return { kind: 'failed', failure: problemOfError(error) };
};
const report = (
  outcomes: Readonly<Record<string, Outcome | undefined>>,
  spec: Parameters<typeof profile>[0] = {},
) =>
  reportOf(
    profile(spec),
    ASKED,
    Object.entries(outcomes).map(([name, outcome]): SelectedNamespace => ({ name, outcome })),
  );

describe('report on the Pod Security levels of a profile', () => {
  const CASES: Readonly<
    Record<
      string,
      readonly [outcomes: Parameters<typeof report>[0], reason: string, message: RegExp, stalled: boolean]
    >
  > = {
    'says that all levels are in force': [
      { a: reached, b: reached },
      'InForce',
      /^enforce restricted and warn restricted in 2 namespaces$/,
      false,
    ],
    'says that namespaces are to be labelled, whatever else is wrong': [
      { a: violated, b: undefined },
      'Progressing',
      /^1 namespace to be labelled$/,
      false,
    ],
    'names the first namespace with violating pods, and how to accept them': [
      { b: violated, a: violated, c: reached },
      'ViolatingPods',
      /^not in force in 2 of 3 namespaces: a: running pods violate restricted.*: a: x, b: x, c: x, d: x, e: x and 1 more; .* acknowledge: \{enforce: restricted, namespaces: \[a\]\}$/,
      true,
    ],
    'names the field managers of a lower label': [
      { a: conflict },
      'Conflict',
      /a: warn is "baseline", set by field manager argocd and kubectl-label, and restricted is asked for/,
      true,
    ],
    'says that a namespace is exempt': [
      { a: { kind: 'exempt' } },
      'NamespaceExempt',
      /exempts the namespace/,
      true,
    ],
    'says that the plugin is disabled': [
      { a: { kind: 'pluginDisabled' } },
      'PluginDisabled',
      /enable the plugin/,
      true,
    ],
    'says which permission is missing, and what to apply': [
      { a: refused('User "x" cannot patch resource "namespaces"') },
      'Forbidden',
      /cannot patch resource "namespaces"; kubectl apply -k config\/pod-security$/,
      false,
    ],
    'repeats a refusal by admission as it is': [
      { a: refused('denied by x') },
      'Forbidden',
      /denied by x$/,
      false,
    ],
  };
  for (const [title, [outcomes, reason, message, stalled]] of Object.entries(CASES)) {
    it(title, () => {
      const { condition, isStalled } = report(outcomes);
      assert.deepEqual([condition.reason, isStalled], [reason, stalled], condition.message);
      assert.match(condition.message, message);
      assert.equal(condition.status, reason === 'InForce' ? 'True' : 'False');
    });
  }

  it('is in force for a profile whose own level is reached, though another one asks for more', () => {
    const { condition } = reportOf(profile(), { enforce: baseline }, [{ name: 'a', outcome: violated }]);
    assert.equal(condition.reason, 'InForce');
  });

  it('lists at most 50 namespaces, sorted', () => {
    const names = Array.from({ length: 60 }, (_, index) => `n${String(index).padStart(2, '0')}`);
    const { status } = report(Object.fromEntries(names.toReversed().map((name) => [name, violated])));
    const { namespaces = [], ...counts } = status?.podSecurity ?? {};
    assert.deepEqual(counts, { inForce: 0, outstanding: 60 });
    assert.deepEqual(
      namespaces.map(({ namespace }) => namespace),
      names.slice(0, 50),
    );
  });

  it('says that nothing is labelled under Audit', () => {
    assert.equal(report({}, { mode: 'Audit' }).condition.reason, 'Audited');
  });

  it('keeps the profile from being Ready, and makes it Stalled if a person must act', () => {
    const status = profileStatus({
      profile: profile(),
      selected: [],
      results: new Map(),
      removing: 0,
      terminating: [],
      capabilities: [report({ a: violated })],
      now: new Date(0),
    });
    const reasonOf = (type: string) => status.conditions?.find((each) => each.type === type)?.reason;
    assert.deepEqual(['Ready', 'Stalled', 'Reconciling', 'PodSecurityReady'].map(reasonOf), [
      'PodSecurityNotReady',
      'ViolatingPods',
      'Settled',
      'ViolatingPods',
    ]);
    assert.equal(status.podSecurity?.outstanding, 1);
  });
});
