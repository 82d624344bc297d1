/** What the dashboard of config/grafana shows: rows of panels with their queries. */

/** What every query selects by: the variables at the top of the dashboard. */
export const JOB = 'cluster=~"$cluster", job="$job"';
const PROFILE = `${JOB}, profile=~"$profile"`;
/** Long enough for two scrapes at least, whatever the interval. */
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
  /** Of the 24 columns. */
  readonly width: number;
  /** From which value on which colour; the first has none. */
  readonly colours?: readonly (readonly [from: number | null, colour: string])[];
  readonly stacked?: boolean;
  /** Of a table: the columns' titles by the name of the value or label; other columns are hidden. */
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
        'Alerts of this operator that fire.',
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
        'Of the namespaces that were created or relabelled, the share that was as its profiles want within 5 s.',
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
        'Time since all namespaces were found or made to be as they should.',
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
        'Namespaces that are as a profile wants them.',
        sumOf(`segmentation_namespaces{${PROFILE}, state="enforced"}`),
      ),
      stat(
        'Pending',
        'Namespaces that are not yet as a profile wants them.',
        sumOf(`segmentation_namespaces{${PROFILE}, state="pending"}`),
        { colours: ZERO_IS_GOOD },
      ),
      stat(
        'Failed',
        'Namespaces that cannot be made as a profile wants them.',
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
        "Names that somebody else's objects hold.",
        sumOf(`segmentation_conflicts{${PROFILE}}`),
        { colours: ZERO_IS_GOOD },
      ),
      stat(
        'Drift repaired',
        'Policies put right in the time shown, after somebody had changed them.',
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
        description: 'The state of each profile, now.',
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
      graph('Policies', 'Those that profiles want, and those of them that are there.', [
        {
          expr: `sum by (kind) (max by (cluster, profile, kind) (segmentation_policies{${PROFILE}}))`,
          legend: '{{kind}}',
        },
      ]),
      graph('Trouble by profile', 'Peers that cannot be resolved, and names that somebody else holds.', [
        {
          expr: `max by (profile) (segmentation_unresolved_peers{${PROFILE}})`,
          legend: '{{profile}}: unresolved peers',
        },
        { expr: `max by (profile) (segmentation_conflicts{${PROFILE}})`, legend: '{{profile}}: conflicts' },
      ]),
      graph(
        'Writes',
        'Policies written a second, by verb and reason.',
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
        'Policies put right after somebody had changed them, a second.',
        [{ expr: `sum(${rate(`segmentation_drift_repairs_total{${JOB}}`)})`, legend: 'repairs' }],
        { unit: 'ops', width: 12 },
      ),
    ],
  },
  {
    title: 'How fast',
    panels: [
      graph(
        'From new to enforced',
        'From the creation or relabelling of a namespace until it was as its profiles want.',
        quantiles('segmentation_enforcement_seconds'),
        { unit: 's' },
      ),
      {
        type: 'heatmap',
        title: 'From new to enforced: all',
        description: 'How many namespaces took how long.',
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
        'The share that took longer than 5 s; the objective is 1 %.',
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
        'How long a key was ready before its work began.',
        quantiles('workqueue_queue_duration_seconds'),
        { unit: 's' },
      ),
      graph(
        'Work',
        'How long the work on a key took, and the age of the oldest in progress.',
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
        'Reconciliations',
        'A second, by controller and result.',
        [
          {
            expr: `sum by (controller, result) (${rate(`controller_runtime_reconcile_total{${JOB}}`)})`,
            legend: '{{controller}} {{result}}',
          },
        ],
        { unit: 'ops' },
      ),
      graph(
        'Reconciliations that fail',
        'Their share, by controller.',
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
        'Since the API server was last heard of; a kind of which nothing changes is heard of every few minutes.',
        [{ expr: `max by (resource) (segmentation_watch_age_seconds{${JOB}})`, legend: '{{resource}}' }],
        { unit: 's' },
      ),
      graph(
        'Requests',
        'Requests to the API server a second.',
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
        'The share that got no answer, or 429 or 5xx.',
        [{ expr: `job:rest_client_requests_failed:ratio_rate5m{${JOB}}`, legend: 'failed' }],
        { unit: 'percentunit' },
      ),
      graph(
        'Requests: duration',
        'The 99th percentile by verb; of a WATCH until it was accepted.',
        [{ expr: quantile(0.99, 'rest_client_request_duration_seconds', ['verb']), legend: '{{verb}}' }],
        { unit: 's' },
      ),
      graph(
        'Workers',
        'Reconciliations under way, and the most that there may be at once.',
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
        'Events about profiles, a second: created, continued, or dropped.',
        [{ expr: `sum by (result) (${rate(`segmentation_events_total{${JOB}}`)})`, legend: '{{result}}' }],
        { unit: 'ops', width: 12 },
      ),
    ],
  },
  {
    title: 'Process',
    panels: [
      graph('CPU', 'Cores. One is the most that its event loop uses.', [
        { expr: rate(`process_cpu_seconds_total{${JOB}}`), legend: '{{instance}}' },
      ]),
      graph(
        'Memory',
        'Resident, and the part of the heap in use.',
        [
          { expr: `process_resident_memory_bytes{${JOB}}`, legend: '{{instance}} resident' },
          { expr: `nodejs_heap_size_used_bytes{${JOB}}`, legend: '{{instance}} heap' },
        ],
        { unit: 'bytes' },
      ),
      graph(
        'Event loop',
        'Its lag, 99th percentile: what everything waits for at least.',
        [{ expr: `nodejs_eventloop_lag_p99_seconds{${JOB}}`, legend: '{{instance}}' }],
        { unit: 's' },
      ),
      graph(
        'Garbage collection',
        'Seconds spent a second, by kind.',
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
        description: 'Which build runs where.',
        width: 8,
        queries: [{ expr: `segmentation_build_info{${JOB}}` }],
        columns: { instance: 'Instance', version: 'Version', node_version: 'Node.js' },
      },
    ],
  },
];
