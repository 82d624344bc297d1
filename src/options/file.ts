/** The configuration file: YAML, `kind: OperatorConfiguration`. */
import { readDocuments } from '../manifests/documents.ts';
import { YamlError } from '../manifests/yaml.ts';
import type { WorkloadSelector } from '../policy/facts.ts';
import {
  anyText,
  bindAddress,
  boolean,
  cidr,
  described,
  duration,
  integer,
  ipAddress,
  isRecord,
  labelSelector,
  list,
  namespaceName,
  object,
  oneOf,
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
export const logLevel = oneOf(...LOG_LEVELS);
export const logFormat = oneOf(...LOG_FORMATS);

const MINUTE = 60_000;
const leaseTime = duration(1000, 60 * MINUTE, 'from 1s to 1h');

const workloadKeys = object({ namespaceSelector: labelSelector, podSelector: labelSelector }, [
  'namespaceSelector',
]);

/** Without a namespaceSelector it would mean pods of whatever namespace a policy is in. */
const workloadSelector: Shape<WorkloadSelector> = shaped(workloadKeys.schema, (value, at, problems) => {
  const read = workloadKeys(value, at, problems);
  if (isRecord(value) && (value.namespaceSelector ?? undefined) === undefined) {
    problems.push(`${at}: namespaceSelector is required ({} for every namespace)`);
  }
  return read;
});

const shape = object(
  {
    apiVersion: oneOf(CONFIG_API_VERSION),
    kind: oneOf(CONFIG_KIND),
    metrics: object({
      bindAddress: described('Where /metrics is served; "0" for nowhere.', bindAddress),
      secure: described(
        'By TLS, to those whom the API server lets get /metrics. Without it: yes, but for a loopback address.',
        boolean,
      ),
      certPath: described(
        'The directory of the certificate, read again when it changes. Without it: self-signed, in memory.',
        anyText,
      ),
      certName: described('The certificate in certPath.', anyText),
      certKey: described('Its private key in certPath.', anyText),
    }),
    health: object({
      bindAddress: described('Where /healthz and /readyz are served; "0" for nowhere.', bindAddress),
    }),
    log: object({ level: logLevel, format: logFormat }),
    concurrency: described('How many namespaces are reconciled at once.', concurrency),
    resyncPeriod: described(
      'How often all is listed and every namespace compared again, without an event; from 1m to 168h.',
      duration(MINUTE, 7 * 24 * 60 * MINUTE, 'from 1m to 168h'),
    ),
    leaderElection: object({
      enabled: described('Act only while holding the Lease.', boolean),
      namespace: described("The namespace of the Lease. Without it: the operator's own.", namespaceName),
      leaseDuration: described('Whole seconds, longer than renewDeadline; at most 1h.', leaseTime),
      renewDeadline: described('Longer than 1.2 times retryPeriod; at least 1s.', leaseTime),
      retryPeriod: described('From 100ms.', duration(100, 60 * MINUTE, 'from 100ms to 1h')),
    }),
    protectedNamespaces: described(
      "Never segmented, whatever a profile selects; the operator's own namespace always is among them.",
      list(namespaceName),
    ),
    clusterDNS: described(
      "The cluster's DNS.",
      object({
        namespace: namespaceName,
        service: serviceName,
        podSelector: described('What to select while the Service does not exist.', labelSelector),
        nodeLocalAddresses: described('Of a DNS cache on each node.', list(ipAddress)),
      }),
    ),
    ingressControllers: described(
      'Where ingress controllers and gateways run, for the peer IngressControllers.',
      list(workloadSelector),
    ),
    monitoring: described('Where monitoring runs, for the peer Monitoring.', list(workloadSelector)),
    nodeCIDRs: described(
      "Stands for the peer Nodes instead of the nodes' own addresses, and is left out of World.",
      list(cidr),
    ),
    podCIDRs: described('Left out of World, together with what Nodes report.', list(cidr)),
    webhookSourceCIDRs: described(
      "Where the API server's calls to webhooks come from; empty: any address.",
      list(cidr),
    ),
    maxNodeAddresses: described(
      'Most addresses that the peer Nodes lists one by one, and most ranges that World leaves out.',
      integer(1, 5000),
    ),
  },
  ['apiVersion', 'kind'],
);

/** Accepts every file that is accepted here; what it can't say is whether durations are in range and fit together. */
export const CONFIGURATION_SCHEMA = shape.schema;

export type ConfigurationFile = Shaped<typeof shape>;

/** What the file says, durations in milliseconds; adds what is wrong with it to `problems`, each naming `path`. */
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
    if (more.length > 0) problems.push(`${path}: holds ${more.length + 1} YAML documents; only one is read`);
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
