import assert from 'node:assert/strict';
import { exceptionStatus, type PolicyState } from '../../../src/controller/exceptions/status.ts';
import type { Verdict } from '../../../src/policy/exceptions/judge.ts';
import { at, CREATED, exception, granting, HOUR } from '../../policy/exceptions/fixture.ts';

const END = CREATED + 4 * HOUR;
const inForce: Verdict = { kind: 'in-force', profile: granting('p'), end: END };
const IN_PLACE: PolicyState = { desired: 1, isInPlace: true, unresolved: [] };
const unresolved = {
  direction: 'Egress',
  rule: 'to-db',
  peer: 'service data/db',
  reason: 'ServiceNotFound',
  message: 'there is no such Service',
  hasLastKnown: false,
} as const;

/** The conditions as `TYPE=STATUS REASON`. */
function conditions(verdict: Verdict, policies: PolicyState = IN_PLACE): string[] {
  const object = exception('e');
  const status = exceptionStatus({
    exception: object,
    verdict,
    policies,
    obstacle: undefined,
    notice: undefined,
    now: new Date(CREATED),
  });
  return (status.conditions ?? []).map((each) => `${each.type}=${each.status} ${each.reason}`);
}

describe('status of an exception', () => {
  const CASES: readonly (readonly [title: string, actual: () => string[], expected: string[]])[] = [
    [
      'is Ready once its policies are in place',
      () => conditions(inForce),
      ['InForce=True InForce', 'Ready=True InForce', 'Reconciling=False Settled', 'Stalled=False Settled'],
    ],
    [
      'is Reconciling until then',
      () => conditions(inForce, { ...IN_PLACE, isInPlace: false }),
      [
        'InForce=False Progressing',
        'Ready=False Progressing',
        'Reconciling=True Progressing',
        'Stalled=False Settled',
      ],
    ],
    [
      'is in force, and not Ready, while a peer is unresolved',
      () => conditions(inForce, { ...IN_PLACE, unresolved: [unresolved] }),
      [
        'InForce=True InForce',
        'Ready=False PeersUnresolved',
        'Reconciling=True PeersUnresolved',
        'Stalled=False Settled',
      ],
    ],
    [
      'is Ready once an expired exception has no policies',
      () => conditions({ kind: 'expired', end: END }),
      ['InForce=False Expired', 'Ready=True Expired', 'Reconciling=False Settled', 'Stalled=False Settled'],
    ],
    [
      'is Reconciling while an expired exception has policies',
      () => conditions({ kind: 'expired', end: END }, { ...IN_PLACE, isInPlace: false }),
      [
        'InForce=False Expired',
        'Ready=False Progressing',
        'Reconciling=True Progressing',
        'Stalled=False Settled',
      ],
    ],
    [
      'is Reconciling while an approval is awaited',
      () => conditions({ kind: 'awaiting-approval', profile: granting('p'), message: 'waits' }),
      [
        'InForce=False ApprovalRequired',
        'Ready=False ApprovalRequired',
        'Reconciling=True ApprovalRequired',
        'Stalled=False Settled',
      ],
    ],
    [
      'is Stalled if it is refused',
      () => conditions({ kind: 'refused', reason: 'TooMany', message: 'too many' }),
      ['InForce=False TooMany', 'Ready=False TooMany', 'Reconciling=False Settled', 'Stalled=True TooMany'],
    ],
    [
      'is Stalled if a policy would be too large',
      () => conditions(inForce, { ...IN_PLACE, desired: 0, excess: 'too large' }),
      [
        'InForce=False TooLarge',
        'Ready=False TooLarge',
        'Reconciling=False Settled',
        'Stalled=True TooLarge',
      ],
    ],
  ];
  for (const [title, actual, expected] of CASES) it(title, () => assert.deepEqual(actual(), expected));

  it('names the profile, the end and the people', () => {
    const object = exception('e', { extendedBy: 'joe', approval: { by: 'mary', until: at(4) } });
    const status = exceptionStatus({
      exception: object,
      verdict: inForce,
      policies: IN_PLACE,
      obstacle: undefined,
      notice: undefined,
      now: new Date(CREATED),
    });
    assert.deepEqual([status.profile, status.until, status.policies], ['p', at(4), 1]);
    const message =
      '1 policy of SegmentationProfile p until 2026-11-30T12:00:00Z, asked for by joe, approved by mary';
    assert.equal(status.conditions?.[0]?.message, message);
  });

  it('says if the profile isolates no direction of the rules', () => {
    const status = exceptionStatus({
      exception: exception('e'),
      verdict: inForce,
      policies: { ...IN_PLACE, desired: 0 },
      obstacle: undefined,
      notice: undefined,
      now: new Date(CREATED),
    });
    assert.match(
      status.conditions?.[0]?.message ?? '',
      /^nothing to open until .*: SegmentationProfile p isolates no direction/,
    );
  });
});
