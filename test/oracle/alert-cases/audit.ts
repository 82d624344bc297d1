/** Alerts about the audit in the cluster. */
import { type AlertCase, auditAge, auditInterval, findings, JOB, reportsUnavailable } from './series.ts';

export const AUDIT_CASES: readonly AlertCase[] = [
  {
    alert: 'SegmentationAuditStale',
    when: 'audits fail for hours',
    series: { [auditAge]: '0+60x240', [auditInterval('a')]: '3600x240', [auditInterval('b')]: '3600x240' },
    quiet: ['120m', '134m'],
    fires: {
      at: '140m',
      labels: JOB,
      description:
        'The last complete audit ended 2h 20m 0s ago, which is more than two intervals. Reports and the condition ' +
        'AuditClean show an older state.',
    },
  },
  {
    alert: 'SegmentationAuditStale',
    when: 'an audit is late once',
    series: { [auditAge]: '0+60x125 0+60x60', [auditInterval('a')]: '3600x200' },
    quiet: ['122m', '150m', '180m'],
  },
  {
    alert: 'SegmentationAuditCritical',
    when: 'a namespace becomes open',
    series: {
      [findings('policies-not-enforced', 'critical')]: '0x10 2x100',
      [findings('pod-resources', 'low')]: '40x110',
    },
    quiet: ['10m', '60m'],
    fires: {
      at: '75m',
      labels: { ...JOB, check: 'policies-not-enforced' },
      description:
        '2 critical findings of the check policies-not-enforced have been there for an hour or more.',
    },
  },
  {
    alert: 'SegmentationAuditCritical',
    when: 'a finding is mended within the hour',
    series: { [findings('policies-not-enforced', 'critical')]: '0x10 1x50 0x60' },
    quiet: ['59m', '90m'],
  },
  {
    alert: 'SegmentationAuditReportsMissing',
    when: 'nobody installed the CRDs',
    series: { [reportsUnavailable('a')]: '1x120', [reportsUnavailable('b')]: '0x120' },
    quiet: ['55m'],
    fires: {
      at: '65m',
      labels: JOB,
      description:
        'For an hour the cluster has not taken the reports of the audit, as the CRDs of OpenReports are missing or ' +
        'too old. Metrics and the condition AuditClean are current.',
    },
  },
  {
    alert: 'SegmentationAuditReportsMissing',
    when: 'the CRDs are upgraded',
    series: { [reportsUnavailable('a')]: '0x10 1x20 0x60' },
    quiet: ['29m', '80m'],
  },
];
