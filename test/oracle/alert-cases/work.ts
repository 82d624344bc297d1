/** Alerts about the operator's work: its watches are fresh, and its queue advances. */
import {
  type AlertCase,
  IN_2026,
  JOB,
  QUEUE,
  enforced,
  fullSync,
  longest,
  panics,
  reconcileErrors,
  reconciles,
  requests,
  series,
  waiting,
  watchAge,
} from './series.ts';

export const WORK_CASES: readonly AlertCase[] = [
  {
    alert: 'SegmentationWatchStale',
    when: 'nothing is heard of one kind for a while',
    series: { [watchAge('namespaces')]: '0x5 0+60x30 0x10', [watchAge('networkpolicies')]: '20x50' },
    quiet: ['20m', '40m'],
    fires: {
      at: '23m',
      labels: { ...JOB, pod: 'a', instance: 'a:8080', resource: 'namespaces' },
      description:
        'a has received nothing on the watch of namespaces for 17m 0s. It does not see their changes.',
    },
  },
  {
    alert: 'SegmentationWatchStale',
    when: 'nothing changes, or the API server is away for ten minutes',
    series: {
      [watchAge('segmentationprofiles')]: '0 60 20 80 40 0 60 20 80 40 0 60 20 80 40 0 60 20 80 40',
      [watchAge('namespaces')]: '0x5 0+60x10 0x10',
    },
    quiet: ['14m', '16m', '19m'],
  },
  {
    alert: 'SegmentationFullSyncMissing',
    when: 'the last one becomes older than a day',
    start: IN_2026,
    series: { [fullSync('a')]: `${1_767_225_600 - 86_400 + 300}x60`, [fullSync('b')]: '0x60' },
    quiet: ['34m'],
    fires: {
      at: '37m',
      labels: JOB,
      description:
        'The leader has not reconciled all namespaces: not once since it started 30 minutes ago or more, or ' +
        'not for more than a day.',
    },
  },
  {
    alert: 'SegmentationFullSyncMissing',
    when: 'there was never one',
    start: IN_2026,
    series: { [fullSync('a')]: '0x60', [fullSync('b')]: '0x60' },
    quiet: ['29m'],
    fires: {
      at: '31m',
      labels: JOB,
      description:
        'The leader has not reconciled all namespaces: not once since it started 30 minutes ago or more, or ' +
        'not for more than a day.',
    },
  },
  {
    alert: 'SegmentationFullSyncMissing',
    when: 'the last one is as old as the resync period lets it become',
    start: IN_2026,
    series: { [fullSync('a')]: `${1_767_225_600 - 36_000}x60`, [fullSync('b')]: '0x60' },
    quiet: ['60m'],
  },
  {
    alert: 'SegmentationReconcileErrors',
    when: 'a fifth fails for a while',
    series: {
      [reconciles('namespace', 'success')]: '0+8x60',
      [reconciles('namespace', 'error')]: '0+2x30 60x30',
      [reconcileErrors('namespace')]: '0+2x30 60x30',
      [reconciles('profile', 'success')]: '0+8x60',
      [reconcileErrors('profile')]: '0x60',
    },
    quiet: ['14m', '45m'],
    fires: {
      at: '17m',
      labels: { ...JOB, controller: 'namespace' },
      description: '20% of the reconciles of the controller namespace fail.',
    },
  },
  {
    alert: 'SegmentationReconcileErrors',
    when: 'little fails, or nothing is reconciled',
    series: {
      [reconciles('namespace', 'success')]: '0+95x60',
      [reconciles('namespace', 'error')]: '0+5x60',
      [reconcileErrors('namespace')]: '0+5x60',
      [reconciles('profile', 'success')]: '0x60',
      [reconcileErrors('profile')]: '0x60',
    },
    quiet: ['30m'],
  },
  {
    alert: 'SegmentationReconcilePanics',
    when: 'one key meets a defect each time that it is tried, until it is deleted',
    series: { [panics('namespace')]: '0x5 0+1x20 20x60', [panics('profile')]: '0x85' },
    quiet: ['10m', '60m'],
    fires: {
      at: '12m',
      labels: { ...JOB, controller: 'namespace' },
      description:
        '6 reconciles of the controller namespace have failed in the last 30 minutes by a defect of the ' +
        'operator. They are retried.',
    },
  },
  {
    alert: 'SegmentationAPIErrors',
    when: 'the API server is busy, then broken, then away, and then well',
    series: {
      [requests('GET', '200')]: '0+80x60',
      [requests('POST', '429')]: '0+20x10 200x50',
      [requests('POST', '503')]: '0x10 0+20x10 200x40',
      [requests('POST', '<error>')]: '0x20 0+20x10 200x30',
    },
    quiet: ['14m', '50m'],
    fires: {
      at: '20m',
      labels: JOB,
      description:
        '20% of the requests of the segmentation operator get no answer, or the answer that the server is busy or ' +
        'broken.',
    },
  },
  {
    alert: 'SegmentationAPIErrors',
    when: 'what was asked for is not there, or has changed, and little fails',
    series: {
      [requests('GET', '200')]: '0+10x60',
      [requests('GET', '503')]: '0+5x60',
      [requests('GET', '404')]: '0+50x60',
      [requests('PUT', '409')]: '0+40x60',
    },
    quiet: ['30m'],
  },
  {
    alert: 'SegmentationRequestsRefused',
    when: 'a permission is missing for a while',
    series: { [requests('GET', '200')]: '0+30x60', [requests('POST', '403')]: '0x5 0+1x30 30x25' },
    quiet: ['20m', '55m'],
    fires: {
      at: '24m',
      labels: { ...JOB, method: 'POST', code: '403' },
      description:
        'POST requests are answered 403: a permission is missing, admission or a quota denies a policy, or the ' +
        'credentials are no longer accepted.',
    },
  },
  {
    alert: 'SegmentationRequestsRefused',
    when: 'a token is refused once, before it is renewed',
    series: { [requests('GET', '200')]: '0+30x60', [requests('GET', '401')]: '0x5 1x55' },
    quiet: ['17m', '30m'],
  },
  {
    alert: 'SegmentationQueueBacklog',
    when: 'more is added than is done for a while',
    series: { [waiting('live')]: '0x5 80x25 0x10', [waiting('backfill')]: '0x5 70x25 0x10' },
    quiet: ['19m', '35m'],
    fires: {
      at: '21m',
      labels: { ...JOB, ...QUEUE },
      description:
        '150 keys wait in the queue segmentation, and for 15 minutes there were never fewer than 100.',
    },
  },
  {
    alert: 'SegmentationQueueBacklog',
    when: 'a profile with ten thousand namespaces is edited',
    series: { [waiting('live')]: '0x40', [waiting('backfill')]: '0x5 10000-1000x10 0x25' },
    quiet: ['10m', '20m'],
  },
  {
    alert: 'SegmentationQueueBacklog',
    when: 'some always wait, and the queue of another program is long',
    series: {
      [waiting('live')]: '90x40',
      [series('workqueue_depth', { job: 'other', ...QUEUE })]: '1000x40',
    },
    quiet: ['30m'],
  },
  {
    alert: 'SegmentationWorkerStuck',
    when: 'a reconciliation takes 20 minutes',
    series: { [longest]: '0x5 0+60x20 0x5' },
    quiet: ['12m', '29m'],
    fires: {
      at: '15m',
      labels: { ...JOB, ...QUEUE },
      description:
        'A reconcile of the queue segmentation has run for 9m 0s. Its namespace is not reconciled again until ' +
        'it ends.',
    },
  },
  {
    alert: 'SegmentationWorkerStuck',
    when: 'each takes a minute',
    series: { [longest]: '0 30 60 0 30 60 0 30 60 0 30 60' },
    quiet: ['8m', '11m'],
  },
  {
    alert: 'SegmentationEnforcementSlow',
    when: 'a tenth takes longer than 5 s for a while',
    series: enforced('0+9x30 270+10x30', '0+10x60'),
    quiet: ['14m', '45m'],
    fires: {
      at: '18m',
      labels: JOB,
      description:
        '10% of the namespaces that were created or relabelled were enforced after more than 5 seconds; the ' +
        'objective is 1%.',
    },
  },
  {
    alert: 'SegmentationEnforcementSlow',
    when: 'Prometheus 2 has read the bounds from the older text format',
    series: enforced('0+9x30', '0+10x30', '5'),
    fires: {
      at: '18m',
      labels: JOB,
      description:
        '10% of the namespaces that were created or relabelled were enforced after more than 5 seconds; the ' +
        'objective is 1%.',
    },
  },
  {
    alert: 'SegmentationEnforcementSlow',
    when: 'ten thousand namespaces are created at once, and take a minute',
    series: enforced('0+1x10 500+1x60', '0+1x10 10000+1x60'),
    quiet: ['13m', '20m', '40m'],
  },
  {
    alert: 'SegmentationEnforcementSlow',
    when: 'seven in a thousand take longer than 5 s',
    series: enforced('0+993x60', '0+1000x60'),
    quiet: ['30m'],
  },
  {
    alert: 'SegmentationEnforcementSlow',
    when: 'a tenth took longer than 5 s half an hour ago, and few do now',
    series: enforced('0+900x10 9993+993x50', '0+1000x60'),
    quiet: ['45m'],
  },
  {
    alert: 'SegmentationEnforcementSlow',
    when: 'a little too many take longer than 5 s, at the end of an hour in which none did',
    series: enforced('0+1000x40 40985+985x30', '0+1000x70'),
    quiet: ['66m'],
  },
  {
    alert: 'SegmentationEnforcementSlow',
    when: 'nothing happens',
    series: enforced('100x60', '100x60'),
    quiet: ['30m'],
  },
];
