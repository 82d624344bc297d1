/**
 * When each alert of config/prometheus is to fire, and when not. Series and times are written as promtool's unit tests
 * have them: one sample a minute, `0x5 1x10` is six times 0, then eleven times 1.
 */
type SeriesLabels = Readonly<Record<string, string>>;

export interface AlertCase {
  readonly alert: string;
  /** What happens. */
  readonly when: string;
  /** Samples by series. */
  readonly series: SeriesLabels;
  /** When it does not fire. */
  readonly quiet?: readonly string[];
  /** When it fires, for which labels besides its severity, and what it then tells. */
  readonly fires?: { readonly at: string; readonly labels: SeriesLabels; readonly description: string };
  /** The time of the first sample, where the rule looks at the clock. */
  readonly start?: string;
}

const NAMESPACE = { namespace: 'segmentation-system' };
const JOB = { job: 'segmentation-operator', ...NAMESPACE };

function series(name: string, labels: SeriesLabels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  return `${name}{${pairs.join(',')}}`;
}
/** A series of the replica in a pod. */
const of = (pod: string, name: string, labels: SeriesLabels = {}) =>
  series(name, { ...JOB, pod, instance: `${pod}:8080`, ...labels });
/** A series of the leader. */
const ofLeader = (name: string, labels: SeriesLabels = {}) => of('a', name, labels);

const up = (pod: string) => of(pod, 'up');
const start = (pod: string) => of(pod, 'process_start_time_seconds');
const memory = (pod: string) => of(pod, 'process_resident_memory_bytes');
const memoryLimit = (pod: string) =>
  series('kube_pod_container_resource_limits', {
    job: 'kube-state-metrics',
    ...NAMESPACE,
    pod,
    container: 'operator',
    resource: 'memory',
  });
const LEASE = { name: 'segmentation-operator' };
const leads = (pod: string, labels: SeriesLabels = {}) =>
  of(pod, 'leader_election_master_status', { ...LEASE, ...labels });
const PROFILE = { ...NAMESPACE, profile: 'strict' };
const namespaces = (state: string, pod = 'a', profile = 'strict') =>
  of(pod, 'segmentation_namespaces', { profile, state });
const isReady = (profile = 'strict') =>
  ofLeader('segmentation_profile_condition', { profile, condition: 'Ready' });
const unresolved = ofLeader('segmentation_unresolved_peers', { profile: 'strict' });
const conflicts = ofLeader('segmentation_conflicts', { profile: 'strict' });
const repairs = (pod: string) => of(pod, 'segmentation_drift_repairs_total');
const watchAge = (resource: string) => ofLeader('segmentation_watch_age_seconds', { resource });
const fullSync = (pod: string) => of(pod, 'segmentation_last_full_sync_timestamp_seconds');
const reconciles = (controller: string, result: string) =>
  ofLeader('controller_runtime_reconcile_total', { controller, result });
const reconcileErrors = (controller: string) =>
  ofLeader('controller_runtime_reconcile_errors_total', { controller });
const requests = (method: string, code: string) => ofLeader('rest_client_requests_total', { method, code });
const QUEUE = { name: 'segmentation' };
const waiting = (priority: string) => ofLeader('workqueue_depth', { ...QUEUE, priority });
const longest = ofLeader('workqueue_longest_running_processor_seconds', QUEUE);
const enforced = (within5s: string, all: string, bound = '5.0') => ({
  [ofLeader('segmentation_enforcement_seconds_bucket', { le: bound })]: within5s,
  [ofLeader('segmentation_enforcement_seconds_bucket', { le: '+Inf' })]: all,
  [ofLeader('segmentation_enforcement_seconds_count')]: all,
});
const IN_2026 = '2026-01-01T00:00:00Z'; // 1767225600

export const ALERT_CASES: readonly AlertCase[] = [
  {
    alert: 'SegmentationOperatorDown',
    when: 'one replica stops to answer, the other is deleted',
    series: { [up('a')]: '1x5 0x30', [up('b')]: '1x5 stale' },
    quiet: ['14m'],
    fires: {
      at: '17m',
      labels: {},
      description:
        'Prometheus has reached no replica of the segmentation operator for 10 minutes. What is enforced stays ' +
        'enforced, but new namespaces stay open and drift is not repaired.',
    },
  },
  {
    alert: 'SegmentationOperatorDown',
    when: 'it was never there',
    series: { [series('up', { job: 'kubelet' })]: '1x30' },
    quiet: ['9m'],
    fires: {
      at: '11m',
      labels: {},
      description:
        'Prometheus has reached no replica of the segmentation operator for 10 minutes. What is enforced stays ' +
        'enforced, but new namespaces stay open and drift is not repaired.',
    },
  },
  {
    alert: 'SegmentationOperatorDown',
    when: 'one of two replicas answers',
    series: { [up('a')]: '1x60', [up('b')]: '0x60' },
    quiet: ['60m'],
  },
  {
    alert: 'SegmentationOperatorReplicaDown',
    when: 'one of two replicas does not answer for a while',
    series: { [up('a')]: '1x60', [up('b')]: '1x5 0x30 1x20' },
    quiet: ['20m', '45m'],
    fires: {
      at: '22m',
      labels: { ...JOB, pod: 'b', instance: 'b:8080' },
      description:
        'Prometheus could not scrape b:8080 of the segmentation operator for 15 minutes. With two replicas, nothing ' +
        'takes over when the other one fails.',
    },
  },
  {
    alert: 'SegmentationOperatorRestarting',
    when: 'a container crashes again and again',
    series: { [start('a')]: '100x20 1900x10 2800x10 3500x10 3500x100', [start('b')]: '100x150' },
    quiet: ['47m', '130m'],
    fires: {
      at: '50m',
      labels: { ...JOB, pod: 'a', instance: 'a:8080' },
      description: 'a has restarted 3 times within an hour.',
    },
  },
  {
    alert: 'SegmentationOperatorRestarting',
    when: 'a rollout replaces pods, and one container restarts twice',
    series: { [start('a')]: '100x30 stale', [start('b')]: '1900x10 2500x10 3100x60' },
    quiet: ['30m', '60m'],
  },
  {
    alert: 'SegmentationOperatorMemoryHigh',
    when: 'one replica is close to its limit for a while',
    series: {
      [memory('a')]: '300x10 500x30 300x20',
      [memory('b')]: '300x60',
      [memoryLimit('a')]: '512x60',
      [memoryLimit('b')]: '512x60',
    },
    quiet: ['20m', '50m'],
    fires: {
      at: '27m',
      labels: { ...NAMESPACE, pod: 'a' },
      description:
        'a uses 97.66% of its memory limit. Beyond it, the kernel kills it, and it starts with the same load again.',
    },
  },
  {
    alert: 'SegmentationOperatorMemoryHigh',
    when: 'no limit is known',
    series: { [memory('a')]: '500x60' },
    quiet: ['60m'],
  },
  {
    alert: 'SegmentationOperatorNoLeader',
    when: 'both replicas wait',
    series: { [leads('a')]: '1x5 0x20 1x5', [leads('b')]: '0x30' },
    quiet: ['10m', '28m'],
    fires: {
      at: '12m',
      labels: { ...JOB, ...LEASE },
      description:
        'Replicas run, but none has held the Lease segmentation-operator for 5 minutes: nothing is written. What is ' +
        'enforced stays enforced, but new namespaces stay open and drift is not repaired.',
    },
  },
  {
    alert: 'SegmentationOperatorNoLeader',
    when: 'another replica takes over within two minutes',
    series: { [leads('a')]: '1x5 0x20', [leads('b')]: '0x7 1x20' },
    quiet: ['7m', '12m', '20m'],
  },
  {
    alert: 'SegmentationOperatorNoLeader',
    when: 'there is one replica and no election',
    series: { [up('a')]: '1x30' },
    quiet: ['30m'],
  },
  {
    alert: 'SegmentationOperatorSeveralLeaders',
    when: 'two replicas lead for a while',
    series: { [leads('a')]: '1x20', [leads('b')]: '0x4 1x10 0x6' },
    quiet: ['7m', '17m'],
    fires: {
      at: '9m',
      labels: { ...JOB, ...LEASE },
      description:
        '2 replicas say that they hold the Lease segmentation-operator. They write the same policies, and during an ' +
        'upgrade not the same versions of them.',
    },
  },
  {
    alert: 'SegmentationOperatorSeveralLeaders',
    when: 'one is scraped before a handover and the other after it',
    series: { [leads('a')]: '1x5 0x20', [leads('b')]: '0x4 1x20' },
    quiet: ['5m', '10m'],
  },
  {
    alert: 'SegmentationOperatorSeveralLeaders',
    when: 'each of two clusters has its leader',
    series: { [leads('a', { cluster: 'x' })]: '1x20', [leads('a', { cluster: 'y' })]: '1x20' },
    quiet: ['10m'],
  },
  {
    alert: 'SegmentationNamespacesFailed',
    when: 'two namespaces of one profile fail for a while',
    series: {
      [namespaces('failed')]: '0x5 2x15 0x10',
      [namespaces('enforced')]: '5x30',
      [namespaces('failed', 'a', 'other')]: '0x30',
    },
    quiet: ['14m', '25m'],
    fires: {
      at: '16m',
      labels: PROFILE,
      description: 'The profile strict has had failed namespaces for 10 minutes, 2 now. They may be open.',
    },
  },
  {
    alert: 'SegmentationNamespacesFailed',
    when: 'they fail on, though another replica leads now',
    series: { [namespaces('failed')]: '1x5 stale', [namespaces('failed', 'b')]: '_x6 1x20' },
    quiet: ['9m'],
    fires: {
      at: '12m',
      labels: PROFILE,
      description: 'The profile strict has had failed namespaces for 10 minutes, 1 now. They may be open.',
    },
  },
  {
    alert: 'SegmentationNamespacesPending',
    when: 'a namespace is on its way for long',
    series: { [namespaces('pending')]: '0x5 1x20 0x10', [namespaces('enforced')]: '5x35' },
    quiet: ['19m', '30m'],
    fires: {
      at: '21m',
      labels: PROFILE,
      description:
        'The profile strict has had namespaces that are not yet as it wants them for 15 minutes, 1 now. They may be ' +
        'open.',
    },
  },
  {
    alert: 'SegmentationNamespacesPending',
    when: 'namespaces come and go',
    series: { [namespaces('pending')]: '0 1x10 0 3x10 0 1x10 0' },
    quiet: ['12m', '23m', '33m'],
  },
  {
    alert: 'SegmentationProfileNotReady',
    when: 'one of two profiles is not Ready for long',
    series: { [isReady()]: '1x5 0x40 1x5', [isReady('other')]: '1x50' },
    quiet: ['34m', '48m'],
    fires: {
      at: '36m',
      labels: PROFILE,
      description: 'The profile strict has not been Ready for 30 minutes.',
    },
  },
  {
    alert: 'SegmentationProfileNotReady',
    when: 'a profile that was not Ready is deleted',
    series: { [isReady()]: '0x20 stale' },
    quiet: ['29m', '60m'],
  },
  {
    alert: 'SegmentationPeersUnresolved',
    when: 'a Service stays away for long',
    series: { [unresolved]: '0x5 3x20 0x5' },
    quiet: ['19m', '28m'],
    fires: {
      at: '21m',
      labels: PROFILE,
      description:
        'The profile strict has named peers that cannot be resolved for 15 minutes, 3 now (counted in each ' +
        'namespace). Where they were known once, the last known form stays in force.',
    },
  },
  {
    alert: 'SegmentationPeersUnresolved',
    when: 'a Service is replaced',
    series: { [unresolved]: '0x5 3x10 0x30' },
    quiet: ['15m', '30m'],
  },
  {
    alert: 'SegmentationConflict',
    when: 'a name stays taken for long',
    series: { [conflicts]: '0x5 1x40 0x5' },
    quiet: ['34m', '48m'],
    fires: {
      at: '36m',
      labels: PROFILE,
      description:
        'The profile strict needs names that objects of somebody else hold, 1 now. The namespaces are protected all ' +
        'the same, under alternative names.',
    },
  },
  {
    alert: 'SegmentationDriftRepeated',
    when: 'another tool puts its own form back every ten minutes, and then no more',
    series: {
      [repairs('a')]: '0x9 1x9 2x9 3x9 4x9 5x9 6x9 7x9 8x9 9x9 9x60',
      [repairs('b')]: '0x160',
    },
    quiet: ['70m', '150m'],
    fires: {
      at: '95m',
      labels: JOB,
      description:
        'The segmentation operator has repaired policies again and again for an hour, 3 times in the last 30 ' +
        'minutes. Between a change and its repair a namespace is more open, or more closed, than it should be.',
    },
  },
  {
    alert: 'SegmentationDriftRepeated',
    when: 'somebody deletes a hundred policies once',
    series: { [repairs('a')]: '0x5 100x120' },
    quiet: ['20m', '60m', '90m'],
  },
  {
    alert: 'SegmentationWatchStale',
    when: 'nothing is heard of one kind for a while',
    series: { [watchAge('namespaces')]: '0x5 0+60x30 0x10', [watchAge('networkpolicies')]: '20x50' },
    quiet: ['25m', '40m'],
    fires: {
      at: '28m',
      labels: { ...JOB, pod: 'a', instance: 'a:8080', resource: 'namespaces' },
      description: 'a has heard nothing of namespaces for 22m 0s. It does not see changes of them.',
    },
  },
  {
    alert: 'SegmentationWatchStale',
    when: 'a kind of which nothing changes is heard of every ten minutes',
    series: { [watchAge('segmentationprofiles')]: '0+60x10 0+60x10 0+60x10 0+60x10' },
    quiet: ['20m', '31m', '42m'],
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
        'The leader has not found or made all namespaces as they should be, either since it began 30 minutes ago or ' +
        'more, or for more than a day.',
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
        'The leader has not found or made all namespaces as they should be, either since it began 30 minutes ago or ' +
        'more, or for more than a day.',
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
      description: '20% of the reconciliations of the controller namespace fail.',
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
        'A reconciliation in the queue segmentation has run for 9m 0s. Its namespace is not worked on until it ends.',
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
        '10% of the namespaces that were created or relabelled took longer than 5 seconds until they were as their ' +
        'profiles want them; the objective is 1%.',
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
        '10% of the namespaces that were created or relabelled took longer than 5 seconds until they were as their ' +
        'profiles want them; the objective is 1%.',
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
    when: 'nothing happens',
    series: enforced('100x60', '100x60'),
    quiet: ['30m'],
  },
];
