/** The configuration file: YAML, `kind: OperatorConfiguration`. */
import { SEVERITIES } from '../audit/finding.ts';
import { ENGINE_SETTINGS, GUARD_KINDS } from '../engines/engine.ts';
import { MESH_SETTINGS } from '../engines/mesh.ts';
import { isRecord } from '../util/is-record.ts';
import { readDocuments } from '../manifests/documents.ts';
import { YamlError } from '../manifests/yaml.ts';
import type { WorkloadSelector } from '../policy/facts.ts';
import {
  anyText,
  anyValue,
  bindAddress,
  boolean,
  cidr,
  described,
  duration,
  integer,
  ipAddress,
  labelSelector,
  list,
  namespaceName,
  object,
  oneOf,
  serverURL,
  serviceName,
  type Shape,
  shaped,
  type Shaped,
} from './shape.ts';

export const CONFIG_API_VERSION = 'config.segmentation.dev/v1alpha1';
export const CONFIG_KIND = 'OperatorConfiguration';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export const LOG_FORMATS = ['json', 'text'] as const;

export const concurrency = integer(1, 256);
export const engine = oneOf(...ENGINE_SETTINGS);
export const mesh = oneOf(...MESH_SETTINGS);
export const logLevel = oneOf(...LOG_LEVELS);
export const logFormat = oneOf(...LOG_FORMATS);

const MINUTE = 60_000;
const leaseTime = duration(1000, 60 * MINUTE, 'from 1s to 1h');

const workloadKeys = object({ namespaceSelector: labelSelector, podSelector: labelSelector }, [
  'namespaceSelector',
]);

/** In a NetworkPolicy, a peer without namespaceSelector means pods of the policy's own namespace: so it is required. */
const workloadSelector: Shape<WorkloadSelector> = shaped(workloadKeys.schema, (value, at, problems) => {
  const read = workloadKeys(value, at, problems);
  if (isRecord(value) && (value.namespaceSelector ?? undefined) === undefined) {
    problems.push(`${at}: namespaceSelector is required ({} for every namespace)`);
  }
  return read;
});

const guardKeys = object(
  {
    kind: described('The kind of these policies.', oneOf(...GUARD_KINDS)),
    firstPriority: described(
      'The priority of the first guard; each further one has 10 more. Default: 500.',
      integer(0, 1000),
    ),
    lastPriority: described('No guard has a higher priority. Default: 890.', integer(0, 1000)),
  },
  ['kind'],
);

const guard = described(
  'The policies that carry the guards of profiles (spec.guard). Name a kind only if the network engine enforces it: that it ' +
    'is served proves nothing. Absent: no guard is written. It needs config/engines/cluster-network-policy or, for Calico, config/engines/calico-guard.',
  shaped(guardKeys.schema, (value, at, problems) => {
    const read = guardKeys(value, at, problems);
    if (isRecord(value) && (value.kind ?? undefined) === undefined)
      problems.push(`${at}: kind is required (${GUARD_KINDS.join(', ')})`);
    return read;
  }),
);

const DAY = 24 * 60 * MINUTE;

const audit = described(
  'Checks the cluster, and writes reports of what is wrong. Absent: no audit. It needs config/audit.',
  object({
    enabled: described('False: removes the reports, and checks nothing. Default: true.', boolean),
    interval: described(
      'An audit follows the one before after this time; from 5m to 168h. Default: 1h.',
      duration(5 * MINUTE, 7 * DAY, 'from 5m to 168h'),
    ),
    changeDelay: described(
      'An audit follows a change of a profile, a namespace or a NetworkPolicy after this time; from 1s to 1h. Default: 1m.',
      duration(1000, 60 * MINUTE, 'from 1s to 1h'),
    ),
    minSeverity: described('Less severe findings are left out. Default: medium.', oneOf(...SEVERITIES)),
    skip: described('Ids or categories of checks that do not run.', list(anyText)),
    registries: described(
      'Registries that images may come from: HOST, or HOST/PATH. Default: any.',
      list(anyText),
    ),
    waivers: described(
      'Findings that somebody accepts: check, object, field, reason, by and until of each, as in a file for the plugin. One that can not be read is a finding.',
      list(anyValue),
    ),
    maxResults: described('The most results of one report. Default: 200.', integer(10, 500)),
    maxMemoryMiB: described(
      'The most memory of an audit, beside that of the operator; a larger cluster is not audited. Default: 256.',
      integer(32, 8192),
    ),
  }),
);

const prometheusKeys = object(
  {
    url: described('http or https, host and port, and the path before /api/v1 if there is one.', serverURL),
    caFile: described(
      "The file of the authorities that verify the server's certificate, in PEM. Default: those of Node.js. Read at each query.",
      anyText,
    ),
    tokenFile: described('The file of a bearer token, which needs https. Read at each query.', anyText),
  },
  ['url'],
);

const prometheus = described(
  'The Prometheus, or a server with its HTTP API, that answers the queries of rollouts (gates.prometheus). Absent: none.',
  shaped(prometheusKeys.schema, (value, at, problems) => {
    const read = prometheusKeys(value, at, problems);
    if (isRecord(value) && (value.url ?? undefined) === undefined)
      problems.push(`${at}: url is required, such as "https://prometheus.monitoring:9090"`);
    return read;
  }),
);

const shape = object(
  {
    apiVersion: oneOf(CONFIG_API_VERSION),
    kind: oneOf(CONFIG_KIND),
    metrics: object({
      bindAddress: described('The address of /metrics; "0" turns it off.', bindAddress),
      secure: described(
        'Serve /metrics by TLS, to clients that have the permission to get it. Default: true, but for a loopback address.',
        boolean,
      ),
      certPath: described(
        'The directory of the certificate, read again when it changes. Default: a self-signed certificate, in memory.',
        anyText,
      ),
      certName: described('The file of the certificate in certPath.', anyText),
      certKey: described('The file of its private key in certPath.', anyText),
    }),
    health: object({
      bindAddress: described('The address of /healthz and /readyz; "0" turns them off.', bindAddress),
    }),
    log: object({ level: logLevel, format: logFormat }),
    concurrency: described('How many namespaces are reconciled at once.', concurrency),
    resyncPeriod: described(
      'The interval at which everything is listed and every namespace reconciled without an event; from 1m to 168h.',
      duration(MINUTE, 7 * 24 * 60 * MINUTE, 'from 1m to 168h'),
    ),
    leaderElection: object({
      enabled: described('Write only while holding the Lease.', boolean),
      namespace: described("The namespace of the Lease. Default: the operator's own.", namespaceName),
      leaseDuration: described('Whole seconds, longer than renewDeadline; at most 1h.', leaseTime),
      renewDeadline: described('Longer than 1.2 times retryPeriod; at least 1s.', leaseTime),
      retryPeriod: described('From 100ms.', duration(100, 60 * MINUTE, 'from 100ms to 1h')),
    }),
    protectedNamespaces: described(
      "Namespaces that no profile ever selects. The operator's own namespace is always protected.",
      list(namespaceName),
    ),
    canary: described(
      'Read the reports of the canary of config/canary, which tries by packets if policies are enforced.',
      boolean,
    ),
    engine: described(
      'The network engine, which is looked for by evidence: Auto finds it, a name is compared with the evidence, None looks ' +
        'for nothing. Default: None. It needs config/engines/detect.',
      engine,
    ),
    mesh: described(
      'The service mesh, whose own configuration is read for what its sidecars need. Default: None. It needs ' +
        'config/engines/istio.',
      mesh,
    ),
    guard,
    audit,
    prometheus,
    clusterDNS: described(
      "The cluster's DNS.",
      object({
        namespace: namespaceName,
        service: serviceName,
        podSelector: described('The pods of DNS while the Service does not exist.', labelSelector),
        nodeLocalAddresses: described('The addresses of the DNS cache on each node.', list(ipAddress)),
      }),
    ),
    ingressControllers: described(
      'Ingress controllers and gateways, for the peer IngressControllers.',
      list(workloadSelector),
    ),
    engineIngress: described(
      "True: the network engine's own ingress and gateways, which run in no pod, belong to the peer IngressControllers too. For Cilium. Default: false.",
      boolean,
    ),
    monitoring: described('Monitoring, for the peer Monitoring.', list(workloadSelector)),
    nodeCIDRs: described(
      "The peer Nodes, instead of the nodes' own addresses. Excluded from World.",
      list(cidr),
    ),
    podCIDRs: described('Excluded from World, together with the pod CIDRs that Nodes report.', list(cidr)),
    webhookSourceCIDRs: described(
      "The source addresses of the API server's calls to webhooks. Empty: any address.",
      list(cidr),
    ),
    maxNodeAddresses: described(
      'The most addresses that the peer Nodes lists, and the most ranges that World excludes.',
      integer(1, 5000),
    ),
  },
  ['apiVersion', 'kind'],
);

/** Accepts every file that readConfiguration accepts, and a few more: it can't express the range of a duration. */
export const CONFIGURATION_SCHEMA = shape.schema;

export type ConfigurationFile = Shaped<typeof shape>;

/** The values of the file, durations in milliseconds. Adds a line to `problems`, with `path`, for each error. */
export function readConfiguration(text: string, path: string, problems: string[]): ConfigurationFile {
  const at = `${path}: `;
  const value = onlyDocument(text, path, problems);
  if (value === UNREADABLE) return {};
  if (!isRecord(value) || !value.apiVersion || !value.kind) {
    problems.push(`${at}must begin with "apiVersion: ${CONFIG_API_VERSION}" and "kind: ${CONFIG_KIND}"`);
  }
  return isRecord(value) ? (shape(value, at, problems) ?? {}) : {};
}

const UNREADABLE = Symbol('a text that is not valid YAML');

/** The first document of the file; undefined if the file is empty. */
function onlyDocument(text: string, path: string, problems: string[]): unknown {
  try {
    const [document, ...more] = readDocuments(text);
    if (more.length > 0) problems.push(`${path}: has ${more.length + 1} YAML documents; only one is read`);
    for (const { key, line } of document?.duplicateKeys ?? []) {
      problems.push(`${path}: is not valid YAML: the key ${key} is there twice, again at line ${line}`);
    }
    return document?.value;
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    problems.push(`${path}: is not valid YAML: line ${error.line}: ${error.message}`);
    return UNREADABLE;
  }
}
