/** The rows of the dashboard in config/grafana, with panels and queries. */

/** The selector of every query, by the variables at the top of the dashboard. */
export const JOB = 'cluster=~"$cluster", job="$job"';
const PROFILE = `${JOB}, profile=~"$profile"`;
/** Grafana's range that always covers at least two scrapes. */
const RATE = '$__rate_interval';

interface Query {
  readonly expr: string;
  readonly legend?: string;
}

export interface Panel {
  readonly type: 'stat' | 'timeseries' | 'heatmap' | 'table';
  readonly title: string;
  readonly description: string;
  readonly queries: readonly Query[];
  readonly unit?: string;
  /** In columns, of 24. */
  readonly width: number;
  /** Colours, each from a value on; the first has no lower bound. */
  readonly colours?: readonly (readonly [from: number | null, colour: string])[];
  readonly stacked?: boolean;
  /** The titles of a table's columns, by value or label; other columns are hidden. */
  readonly columns?: Readonly<Record<string, string>>;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const ZERO_IS_GOOD = [
  [null, 'green'],
  [1, 'orange'],
] as const;

const sumOf = (gauge: string) => `sum(max by (cluster, profile) (${gauge}))`;
const rate = (counter: string) => `rate(${counter}[${RATE}])`;
const quantile = (q: number, histogram: string, labels: readonly string[] = [], selector = JOB) =>
  `histogram_quantile(${q}, sum by (${['le', ...labels].join(', ')}) (${rate(`${histogram}_bucket{${selector}}`)}))`;
const quantiles = (histogram: string): Query[] =>
  [0.5, 0.9, 0.99].map((q) => ({ expr: quantile(q, histogram), legend: `p${q * 100}` }));

const stat = (title: string, description: string, expr: string, more: Partial<Panel> = {}): Panel => ({
  type: 'stat',
  title,
  description,
  queries: [{ expr }],
  width: 4,
  ...more,
});
const graph = (
  title: string,
  description: string,
  queries: readonly Query[],
  more: Partial<Panel> = {},
): Panel => ({ type: 'timeseries', title, description, queries, width: 8, ...more });

export const ROWS: readonly Row[] = [
  {
    title: 'At a glance',
    panels: [
      stat(
        'Alerts',
        'Alerts of this operator that fire now.',
        'count(ALERTS{alertname=~"Segmentation.*", alertstate="firing"}) or vector(0)',
        { colours: ZERO_IS_GOOD },
      ),
      stat('Replicas', 'Replicas that answer Prometheus.', `sum(up{${JOB}})`, {
        colours: [
          [null, 'red'],
          [1, 'green'],
        ],
      }),
      stat(
        'Leaders',
        'Replicas that hold the Lease: one, where there is an election.',
        `sum(leader_election_master_status{${JOB}})`,
        {
          colours: [
            [null, 'red'],
            [1, 'green'],
            [2, 'red'],
          ],
        },
      ),
      stat(
        'Profiles not Ready',
        'Profiles whose condition Ready is not True.',
        `count(segmentation_profile_condition{${PROFILE}, condition="Ready"} == 0) or vector(0)`,
        { colours: ZERO_IS_GOOD },
      ),
      stat(
        'Within the objective',
        'Share of created or relabelled namespaces that were enforced within 5 s.',
        `sum(increase(segmentation_enforcement_seconds_bucket{${JOB}, le=~"5(\\\\.0)?"}[$__range])) / sum(increase(segmentation_enforcement_seconds_count{${JOB}}[$__range]))`,
        {
          unit: 'percentunit',
          colours: [
            [null, 'red'],
            [0.99, 'green'],
          ],
        },
      ),
      stat(
        'Last full sync',
        'Time since all namespaces had converged.',
        `time() - max(segmentation_last_full_sync_timestamp_seconds{${JOB}} > 0)`,
        {
          unit: 's',
          colours: [
            [null, 'green'],
            [86_400, 'orange'],
          ],
        },
      ),
      stat(
        'Enforced',
        'Namespaces in which a profile is enforced.',
        sumOf(`segmentation_namespaces{${PROFILE}, state="enforced"}`),
      ),
      stat(
        'Pending',
        'Namespaces in which a profile is not yet enforced.',
        sumOf(`segmentation_namespaces{${PROFILE}, state="pending"}`),
        { colours: ZERO_IS_GOOD },
      ),
      stat(
        'Failed',
        'Namespaces in which a profile cannot be enforced.',
        sumOf(`segmentation_namespaces{${PROFILE}, state="failed"}`),
        {
          colours: [
            [null, 'green'],
            [1, 'red'],
          ],
        },
      ),
      stat(
        'Unresolved peers',
        'Peers that cannot be resolved now, counted in each namespace.',
        sumOf(`segmentation_unresolved_peers{${PROFILE}}`),
        { colours: ZERO_IS_GOOD },
      ),
      stat(
        'Conflicts',
        'Names that foreign objects have taken.',
        sumOf(`segmentation_conflicts{${PROFILE}}`),
        { colours: ZERO_IS_GOOD },
      ),
      stat(
        'Drift repaired',
        'Policies repaired in the time shown, after changes by others.',
        `sum(increase(segmentation_drift_repairs_total{${JOB}}[$__range]))`,
        { colours: ZERO_IS_GOOD },
      ),
      stat(
        'Refusing pods',
        'Namespaces in which a gate refuses new pods.',
        sumOf(`segmentation_refusing_namespaces{${PROFILE}}`),
        {
          colours: [
            [null, 'green'],
            [1, 'red'],
          ],
        },
      ),
      stat(
        'Stale configuration',
        'Replicas whose configuration file has changed since they started.',
        `sum(segmentation_configuration_stale{${JOB}})`,
        { colours: ZERO_IS_GOOD },
      ),
    ],
  },
  {
    title: 'Segmentation',
    panels: [
      {
        type: 'table',
        title: 'Profiles',
        description: 'The current state of each profile.',
        width: 24,
        queries: [
          `max by (profile) (segmentation_profile_condition{${PROFILE}, condition="Ready"})`,
          ...['enforced', 'pending', 'failed'].map(
            (state) => `max by (profile) (segmentation_namespaces{${PROFILE}, state="${state}"})`,
          ),
          ...['desired', 'applied'].map(
            (kind) => `max by (profile) (segmentation_policies{${PROFILE}, kind="${kind}"})`,
          ),
          `max by (profile) (segmentation_unresolved_peers{${PROFILE}})`,
          `max by (profile) (segmentation_conflicts{${PROFILE}})`,
        ].map((expr) => ({ expr })),
        columns: {
          profile: 'Profile',
          'Value #A': 'Ready',
          'Value #B': 'Namespaces enforced',
          'Value #C': 'pending',
          'Value #D': 'failed',
          'Value #E': 'Policies desired',
          'Value #F': 'applied',
          'Value #G': 'Unresolved peers',
          'Value #H': 'Conflicts',
        },
      },
      graph(
        'Namespaces by state',
        'A namespace counts once for each profile that selects it.',
        [
          {
            expr: `sum by (state) (max by (cluster, profile, state) (segmentation_namespaces{${PROFILE}}))`,
            legend: '{{state}}',
          },
        ],
        { stacked: true },
      ),
      graph('Policies', 'Policies that profiles need, and those of them that exist.', [
        {
          expr: `sum by (kind) (max by (cluster, profile, kind) (segmentation_policies{${PROFILE}}))`,
          legend: '{{kind}}',
        },
      ]),
      graph(
        'Unresolved peers and conflicts',
        'Peers that cannot be resolved, and names that foreign objects have taken.',
        [
          {
            expr: `max by (profile) (segmentation_unresolved_peers{${PROFILE}})`,
            legend: '{{profile}}: unresolved peers',
          },
          { expr: `max by (profile) (segmentation_conflicts{${PROFILE}})`, legend: '{{profile}}: conflicts' },
        ],
      ),
      graph(
        'Writes',
        'Policies written per second, by verb and reason.',
        [
          {
            expr: `sum by (verb, reason) (${rate(`segmentation_policy_writes_total{${JOB}}`)})`,
            legend: '{{verb}} {{reason}}',
          },
        ],
        { unit: 'wps', width: 12, stacked: true },
      ),
      graph(
        'Drift repaired',
        'Policies repaired after changes by others, per second.',
        [{ expr: `sum(${rate(`segmentation_drift_repairs_total{${JOB}}`)})`, legend: 'repairs' }],
        { unit: 'ops', width: 12 },
      ),
      graph(
        'Rollouts',
        'Namespaces that have the latest revision of a profile with a rollout, and those that still lack it.',
        [
          {
            expr: `max by (profile, state) (segmentation_rollout_namespaces{${PROFILE}})`,
            legend: '{{profile}}: {{state}}',
          },
        ],
        { width: 12 },
      ),
      graph(
        'Phases of rollouts',
        'The phase in which the rollout of each profile is. Complete is left out.',
        [
          {
            expr: `max by (profile, phase) (segmentation_rollout_phase{${PROFILE}, phase!="Complete"}) == 1`,
            legend: '{{profile}}: {{phase}}',
          },
        ],
        { width: 12 },
      ),
    ],
  },
  {
    title: 'Enforcement by packets',
    panels: [
      graph(
        'Verified',
        'The status of the condition EnforcementVerified: 1 for the one that holds. Empty without a canary.',
        [
          {
            expr: `max by (status) (segmentation_enforcement_verified{${JOB}})`,
            legend: '{{status}}',
          },
        ],
      ),
      graph(
        'Flows of the canary',
        'Flows of all probes by verdict. Leaked and cut ones are not as the policies say. Empty without a canary.',
        [{ expr: `max by (verdict) (segmentation_canary_flows{${JOB}})`, legend: '{{verdict}}' }],
      ),
      graph('Nodes of the canary', 'Nodes whose probes report. Empty without a canary.', [
        { expr: `max(segmentation_canary_nodes{${JOB}})`, legend: 'nodes' },
      ]),
    ],
  },
  {
    title: 'Latency',
    panels: [
      graph(
        'From new to enforced',
        'From the creation or relabelling of a namespace until its policies were as desired.',
        quantiles('segmentation_enforcement_seconds'),
        { unit: 's' },
      ),
      {
        type: 'heatmap',
        title: 'From new to enforced: all',
        description: 'The distribution of the times to enforcement.',
        width: 8,
        unit: 's',
        queries: [
          {
            expr: `sum by (le) (increase(segmentation_enforcement_seconds_bucket{${JOB}}[${RATE}]))`,
            legend: '{{le}}',
          },
        ],
      },
      graph(
        'Beyond the objective',
        'Share of namespaces that were enforced after more than 5 s; the objective is 1 %.',
        [
          { expr: `job:segmentation_enforcement_slow:ratio_rate5m{${JOB}}`, legend: '5 minutes' },
          { expr: `job:segmentation_enforcement_slow:ratio_rate1h{${JOB}}`, legend: '1 hour' },
        ],
        {
          unit: 'percentunit',
          colours: [
            [null, 'green'],
            [0.01, 'red'],
          ],
        },
      ),
      graph(
        'Queue',
        'Keys that wait for a free worker, by priority.',
        [{ expr: `sum by (priority) (workqueue_depth{${JOB}})`, legend: '{{priority}}' }],
        { stacked: true },
      ),
      graph(
        'Wait in the queue',
        'How long a key was ready before its reconcile began.',
        quantiles('workqueue_queue_duration_seconds'),
        { unit: 's' },
      ),
      graph(
        'Work',
        'How long a reconcile took, and the age of the oldest one that runs.',
        [
          ...quantiles('workqueue_work_duration_seconds'),
          { expr: `max(workqueue_longest_running_processor_seconds{${JOB}})`, legend: 'in progress' },
        ],
        { unit: 's' },
      ),
    ],
  },
  {
    title: 'Controller and API server',
    panels: [
      graph(
        'Reconciles',
        'Per second, by controller and result.',
        [
          {
            expr: `sum by (controller, result) (${rate(`controller_runtime_reconcile_total{${JOB}}`)})`,
            legend: '{{controller}} {{result}}',
          },
        ],
        { unit: 'ops' },
      ),
      graph(
        'Reconciles that fail',
        'Share, by controller.',
        [
          {
            expr: `controller:controller_runtime_reconcile_errors:ratio_rate5m{${JOB}}`,
            legend: '{{controller}}',
          },
        ],
        { unit: 'percentunit' },
      ),
      graph(
        'Age of watches',
        'Since the last event or bookmark; a kind without changes gets one every few minutes.',
        [{ expr: `max by (resource) (segmentation_watch_age_seconds{${JOB}})`, legend: '{{resource}}' }],
        { unit: 's' },
      ),
      graph(
        'Requests',
        'Requests to the API server per second.',
        [
          {
            expr: `sum by (method, code) (${rate(`rest_client_requests_total{${JOB}}`)})`,
            legend: '{{method}} {{code}}',
          },
        ],
        { unit: 'reqps', stacked: true },
      ),
      graph(
        'Requests that fail',
        'Share of requests without an answer, or with 429 or 5xx.',
        [{ expr: `job:rest_client_requests_failed:ratio_rate5m{${JOB}}`, legend: 'failed' }],
        { unit: 'percentunit' },
      ),
      graph(
        'Requests: duration',
        'The 99th percentile, by verb; of a WATCH until it was accepted.',
        [{ expr: quantile(0.99, 'rest_client_request_duration_seconds', ['verb']), legend: '{{verb}}' }],
        { unit: 's' },
      ),
      graph(
        'Workers',
        'Reconciles that run, and the most that can run at once.',
        [
          {
            expr: `sum by (controller) (controller_runtime_active_workers{${JOB}})`,
            legend: '{{controller}}',
          },
          { expr: `max(controller_runtime_max_concurrent_reconciles{${JOB}})`, legend: 'most' },
        ],
        { width: 12 },
      ),
      graph(
        'Events',
        'Events about profiles per second: created, continued, or dropped.',
        [{ expr: `sum by (result) (${rate(`segmentation_events_total{${JOB}}`)})`, legend: '{{result}}' }],
        { unit: 'ops', width: 12 },
      ),
    ],
  },
  {
    title: 'Audit, where it is switched on',
    panels: [
      graph(
        'Findings',
        'Findings of the last audit that no waiver covers, by severity.',
        [
          {
            expr: `sum by (severity) (segmentation_audit_findings{${JOB}})`,
            legend: '{{severity}}',
          },
        ],
        { stacked: true },
      ),
      {
        type: 'table',
        title: 'Findings by check',
        description: 'The checks with the most findings.',
        width: 8,
        queries: [
          {
            expr: `topk(20, sum by (cluster, check, severity) (segmentation_audit_findings{${JOB}}))`,
          },
        ],
        columns: { check: 'Check', severity: 'Severity', Value: 'Findings' },
      },
      stat('Waived', 'Findings that a waiver covers.', `sum(segmentation_audit_waived_findings{${JOB}})`),
      stat(
        'Last audit',
        'Time since the last complete audit.',
        `max(segmentation_audit_age_seconds{${JOB}})`,
        { unit: 's' },
      ),
      graph(
        'Duration of audits',
        'The mean since the start of the process.',
        [
          {
            expr: `segmentation_audit_duration_seconds_sum{${JOB}} / segmentation_audit_duration_seconds_count{${JOB}}`,
            legend: '{{instance}}',
          },
        ],
        { unit: 's' },
      ),
      graph('Reports', 'Reports in the cluster, and those whose name a foreign object has.', [
        { expr: `sum(segmentation_audit_reports{${JOB}})`, legend: 'reports' },
        { expr: `sum(segmentation_audit_report_conflicts{${JOB}})`, legend: 'conflicts' },
      ]),
      graph(
        'Report writes',
        'Reports written per second: none while nothing changes.',
        [{ expr: `sum(${rate(`segmentation_audit_report_writes_total{${JOB}}`)})`, legend: 'writes' }],
        { unit: 'ops' },
      ),
    ],
  },
  {
    title: 'Process',
    panels: [
      graph('CPU', 'Cores. The event loop uses at most one.', [
        { expr: rate(`process_cpu_seconds_total{${JOB}}`), legend: '{{instance}}' },
      ]),
      graph(
        'Memory',
        'Resident memory, and the used part of the heap.',
        [
          { expr: `process_resident_memory_bytes{${JOB}}`, legend: '{{instance}} resident' },
          { expr: `nodejs_heap_size_used_bytes{${JOB}}`, legend: '{{instance}} heap' },
        ],
        { unit: 'bytes' },
      ),
      graph(
        'Event loop',
        'The 99th percentile of its lag, by which everything else is delayed.',
        [{ expr: `nodejs_eventloop_lag_p99_seconds{${JOB}}`, legend: '{{instance}}' }],
        { unit: 's' },
      ),
      graph(
        'Garbage collection',
        'Seconds per second, by kind.',
        [{ expr: `sum by (kind) (${rate(`nodejs_gc_duration_seconds_sum{${JOB}}`)})`, legend: '{{kind}}' }],
        { unit: 'percentunit', stacked: true },
      ),
      graph(
        'Uptime',
        'Since the process started.',
        [{ expr: `time() - process_start_time_seconds{${JOB}}`, legend: '{{instance}}' }],
        { unit: 's' },
      ),
      {
        type: 'table',
        title: 'Versions',
        description: 'The version of each instance.',
        width: 8,
        queries: [{ expr: `segmentation_build_info{${JOB}}` }],
        columns: { instance: 'Instance', version: 'Version', node_version: 'Node.js' },
      },
    ],
  },
];
