import assert from 'node:assert/strict';
import { auditClean, type ConditionInput, type ProfileAudit } from '../../src/audit-runner/summary.ts';

const none: ProfileAudit = { namespaces: 12, affected: 0, counts: {}, worst: [] };
const some: ProfileAudit = {
  namespaces: 12,
  affected: 2,
  counts: { critical: 1, medium: 4 },
  worst: ['critical a (Pod x/y)', 'medium b (Pod x/y)', 'medium b (Pod x/z)'],
};
const stored = {
  type: 'AuditClean',
  status: 'False',
  reason: 'Findings',
  message: 'two of them',
  lastTransitionTime: '2026-01-01T00:00:00Z',
} as const;

const CASES: Readonly<Record<string, readonly [Partial<ConditionInput>, string]>> = {
  'is True without findings': [
    { audit: none },
    'True NoFindings: no finding of severity medium or worse in 12 namespaces',
  ],
  'is False with the worst findings': [
    { audit: some },
    'False Findings: 5 findings in 2 of 12 namespaces (1 critical, 4 medium): ' +
      'critical a (Pod x/y), medium b (Pod x/y), medium b (Pod x/z) and 2 more',
  ],
  'is Unknown if checks that could not run may have found something': [
    { audit: none, skipped: ['node-skew'] },
    "Unknown Incomplete: no finding, but not all checks could run, as objects can't be read: node-skew",
  ],
  'says that reports are not written': [
    { audit: none, problem: 'no reports' },
    'True NoFindings: no finding of severity medium or worse in 12 namespaces; no reports',
  ],
  'is Unknown before the first audit': [{}, 'Unknown Pending: the first audit has not ended yet'],
  'is as stored until the first audit after a restart': [{ stored }, 'False Findings: two of them'],
  'is Unknown if the first audit fails': [
    { stored, problem: 'the last audit failed: x' },
    'Unknown AuditFailed: the last audit failed: x',
  ],
};

describe('condition AuditClean', () => {
  for (const [title, [input, expected]] of Object.entries(CASES)) {
    it(title, () => {
      const empty = {
        audit: undefined,
        minSeverity: 'medium',
        skipped: [],
        problem: undefined,
        stored: undefined,
      } as const;
      const { type, status, reason, message } = auditClean({ ...empty, ...input });
      assert.equal(type, 'AuditClean');
      assert.equal(`${status} ${reason}: ${message}`, expected);
    });
  }
});
