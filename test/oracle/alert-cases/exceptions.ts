/** Alerts about SegmentationExceptions. */
import { type AlertCase, JOB, overdueExceptions } from './series.ts';

export const EXCEPTION_CASES: readonly AlertCase[] = [
  {
    alert: 'SegmentationExceptionOverdue',
    when: 'policies of exceptions stay after their end',
    series: { [overdueExceptions]: '0x10 2x30' },
    quiet: ['10m', '14m'],
    fires: {
      at: '20m',
      labels: JOB,
      description:
        '2 SegmentationExceptions have not been in force for 5 minutes, and still have NetworkPolicies: flows are open ' +
        'that nobody grants any more.',
    },
  },
  {
    alert: 'SegmentationExceptionOverdue',
    when: 'an end takes two minutes',
    series: { [overdueExceptions]: '0x10 1x2 0x20' },
    quiet: ['12m', '20m', '30m'],
  },
];
