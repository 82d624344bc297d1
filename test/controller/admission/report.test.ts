/** The condition AdmissionReady, in the order in which its reasons come before each other. */
import assert from 'node:assert/strict';
import { PROBE_FAILURES, reportOf, type ReportInput } from '../../../src/controller/admission/report.ts';
import { gateOf } from '../../../src/policy/admission/gate.ts';
import { profile } from '../../policy/fixture.ts';

const ADMISSION = {
  gate: 'Enforce',
  protect: 'Warn',
  tenantPolicies: 'None',
  tenantPoliciesAction: 'Audit',
} as const;
const strict = profile({ admission: ADMISSION });
const gate = (...leftOut: string[]) =>
  gateOf(
    strict,
    leftOut.map((name) => ({ name, labels: {}, isDenied: false })),
    [],
    undefined,
  );
const input = (changes: Partial<ReportInput> = {}): ReportInput => ({
  profile: strict,
  failure: undefined,
  isSettled: true,
  gate: gate(),
  refused: [],
  ...changes,
});

describe('the report on the admission of a profile', () => {
  const { notYet } = PROBE_FAILURES;
  const audit = profile({ admission: ADMISSION, mode: 'Audit' });
  const tooMany = { kind: 'tooManyLeftOut' } as const;
  const cases: Readonly<Record<string, readonly [Partial<ReportInput>, reason: string, message: RegExp]>> = {
    'that everything is in force': [
      {},
      'InForce',
      /no pod before .*; changes .*; tenantPolicies None \(Audit\)/,
    ],
    'that nothing is refused under Audit': [{ profile: audit }, 'Audited', /mode is Audit/],
    'that bindings are not taken up yet': [{ isSettled: false }, 'Progressing', /has not taken up/],
    'the namespaces that the gate leaves out': [
      { gate: gate('d', 'b', 'a', 'c') },
      'AwaitingDefaultDeny',
      /leaves out 4 namespaces: a, b, c and 1 more, which had no default-deny/,
    ],
    'that too many namespaces lack their default-deny, whether or not bindings are taken up': [
      { gate: tooMany, isSettled: false },
      'AwaitingDefaultDeny',
      /once there are fewer/,
    ],
    'a failure before anything else but refused pods': [
      { failure: notYet, gate: tooMany, isSettled: false, profile: audit },
      'NotTakenUp',
      /enable its admission plugin/,
    ],
    'refused pods first, and the failure behind them': [
      { refused: ['shop'], failure: notYet },
      'PodsRefused',
      /refused in namespace shop until .*; the API server does not take up the bindings/,
    ],
  };
  for (const [name, [changes, reason, message]] of Object.entries(cases)) {
    it(`says ${name}`, () => {
      const report = reportOf(input(changes));
      assert.equal(report.reason, reason);
      assert.match(report.message, message);
      assert.equal(report.ready, ['InForce', 'Audited'].includes(reason));
      assert.equal(report.stalled, reason === 'NotTakenUp');
      assert.equal(report.refusing, changes.refused?.length ?? 0);
    });
  }
});
