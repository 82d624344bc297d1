/**
 * The series in which alerts of config/prometheus should fire, and those in which they should not. Series and times
 * have the notation of promtool's unit tests: one sample a minute, `0x5 1x10` is six times 0, then eleven times 1.
 */
type SeriesLabels = Readonly<Record<string, string>>;

export interface AlertCase {
  readonly alert: string;
  /** The situation, for the test's name. */
  readonly when: string;
  /** Samples by series. */
  readonly series: SeriesLabels;
  /** The times at which the alert must not fire. */
  readonly quiet?: readonly string[];
  /** The time at which the alert must fire, its labels besides those of the rule, and its description. */
  readonly fires?: { readonly at: string; readonly labels: SeriesLabels; readonly description: string };
  /** The time of the first sample, for rules that compare with the current time. */
  readonly start?: string;
}

export const NAMESPACE = { namespace: 'segmentation-system' };
export const JOB = { job: 'segmentation-operator', ...NAMESPACE };

export function series(name: string, labels: SeriesLabels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  return `${name}{${pairs.join(',')}}`;
}
/** A series of the replica in a pod. */
const of = (pod: string, name: string, labels: SeriesLabels = {}) =>
  series(name, { ...JOB, pod, instance: `${pod}:8080`, ...labels });
/** A series of the leader. */
const ofLeader = (name: string, labels: SeriesLabels = {}) => of('a', name, labels);

/** A series of the canary's probe that measures latency. */
export const latency = (name: string, labels: SeriesLabels = {}) =>
  series(`segmentation_canary_latency_${name}`, {
    job: 'segmentation-canary-metrics',
    namespace: 'segmentation-canary-outside',
    pod: 'probe',
    change: 'deny',
    ...labels,
  });
export const up = (pod: string) => of(pod, 'up');
export const start = (pod: string) => of(pod, 'process_start_time_seconds');
export const memory = (pod: string) => of(pod, 'process_resident_memory_bytes');
export const memoryLimit = (pod: string) =>
  series('kube_pod_container_resource_limits', {
    job: 'kube-state-metrics',
    ...NAMESPACE,
    pod,
    container: 'operator',
    resource: 'memory',
  });
export const LEASE = { name: 'segmentation-operator' };
export const leads = (pod: string, labels: SeriesLabels = {}) =>
  of(pod, 'leader_election_master_status', { ...LEASE, ...labels });
export const PROFILE = { ...NAMESPACE, profile: 'strict' };
export const namespaces = (state: string, pod = 'a', profile = 'strict') =>
  of(pod, 'segmentation_namespaces', { profile, state });
export const hasCondition = (condition: string, profile = 'strict') =>
  ofLeader('segmentation_profile_condition', { profile, condition });
export const isReady = (profile?: string) => hasCondition('Ready', profile);
export const unresolved = ofLeader('segmentation_unresolved_peers', { profile: 'strict' });
export const conflicts = ofLeader('segmentation_conflicts', { profile: 'strict' });
export const repairs = (pod: string) => of(pod, 'segmentation_drift_repairs_total');
export const watchAge = (resource: string) => ofLeader('segmentation_watch_age_seconds', { resource });
export const fullSync = (pod: string) => of(pod, 'segmentation_last_full_sync_timestamp_seconds');
export const reconciles = (controller: string, result: string) =>
  ofLeader('controller_runtime_reconcile_total', { controller, result });
export const reconcileErrors = (controller: string) =>
  ofLeader('controller_runtime_reconcile_errors_total', { controller });
export const panics = (controller: string) =>
  ofLeader('controller_runtime_reconcile_panics_total', { controller });
export const certificateErrors = (pod: string) => of(pod, 'certwatcher_read_certificate_errors_total');
export const stale = (pod: string) => of(pod, 'segmentation_configuration_stale');
export const refusing = (profile = 'strict') => ofLeader('segmentation_refusing_namespaces', { profile });
export const verified = (status: string, pod = 'a') =>
  of(pod, 'segmentation_enforcement_verified', { status });
export const requests = (method: string, code: string) =>
  ofLeader('rest_client_requests_total', { method, code });
export const QUEUE = { name: 'segmentation' };
export const waiting = (priority: string) => ofLeader('workqueue_depth', { ...QUEUE, priority });
export const longest = ofLeader('workqueue_longest_running_processor_seconds', QUEUE);
export const enforced = (within5s: string, all: string, bound = '5.0') => ({
  [ofLeader('segmentation_enforcement_seconds_bucket', { le: bound })]: within5s,
  [ofLeader('segmentation_enforcement_seconds_bucket', { le: '+Inf' })]: all,
  [ofLeader('segmentation_enforcement_seconds_count')]: all,
});
export const auditAge = ofLeader('segmentation_audit_age_seconds');
export const auditInterval = (pod: string) => of(pod, 'segmentation_audit_interval_seconds');
export const findings = (check: string, severity: string) =>
  ofLeader('segmentation_audit_findings', { check, severity });
export const reportsUnavailable = (pod: string) => of(pod, 'segmentation_audit_reports_unavailable');
export const overdueExceptions = ofLeader('segmentation_exceptions_overdue', {});
export const IN_2026 = '2026-01-01T00:00:00Z'; // 1767225600
