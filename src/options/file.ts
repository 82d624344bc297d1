/** The configuration file: YAML, `kind: OperatorConfiguration`. */
import { parseAllDocuments } from 'yaml';
import type { WorkloadSelector } from '../policy/facts.ts';
import {
  anyText,
  bindAddress,
  boolean,
  cidr,
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

/** Without a namespaceSelector it would mean pods of whatever namespace a policy is in. */
const workloadSelector: Shape<WorkloadSelector> = (value, at, problems) => {
  const read = object({ namespaceSelector: labelSelector, podSelector: labelSelector })(value, at, problems);
  if (isRecord(value) && (value.namespaceSelector ?? undefined) === undefined) {
    problems.push(`${at}: namespaceSelector is required ({} for every namespace)`);
  }
  return read;
};

const shape = object({
  apiVersion: oneOf(CONFIG_API_VERSION),
  kind: oneOf(CONFIG_KIND),
  metrics: object({
    bindAddress,
    secure: boolean,
    certPath: anyText,
    certName: anyText,
    certKey: anyText,
  }),
  health: object({ bindAddress }),
  log: object({ level: logLevel, format: logFormat }),
  concurrency,
  resyncPeriod: duration(MINUTE, 7 * 24 * 60 * MINUTE, 'from 1m to 168h'),
  leaderElection: object({
    enabled: boolean,
    namespace: namespaceName,
    leaseDuration: leaseTime,
    renewDeadline: leaseTime,
    retryPeriod: duration(100, 60 * MINUTE, 'from 100ms to 1h'),
  }),
  protectedNamespaces: list(namespaceName),
  clusterDNS: object({
    namespace: namespaceName,
    service: serviceName,
    podSelector: labelSelector,
    nodeLocalAddresses: list(ipAddress),
  }),
  ingressControllers: list(workloadSelector),
  monitoring: list(workloadSelector),
  nodeCIDRs: list(cidr),
  podCIDRs: list(cidr),
  webhookSourceCIDRs: list(cidr),
  maxNodeAddresses: integer(1, 5000),
});

export type ConfigurationFile = Shaped<typeof shape>;

/** What the file says, durations in milliseconds; adds what is wrong with it to `problems`, each naming `path`. */
export function readConfiguration(text: string, path: string, problems: string[]): ConfigurationFile {
  const at = `${path}: `;
  const parsed = parseAllDocuments(text, { prettyErrors: true, logLevel: 'silent' });
  const [document, ...more] = Array.isArray(parsed) ? parsed : [];
  if (more.length > 0) problems.push(`${at}holds ${more.length + 1} YAML documents; only one is read`);
  const [error] = document?.errors ?? [];
  if (error) {
    const [first = ''] = error.message.split('\n');
    problems.push(`${at}is not valid YAML: ${first.replace(/:$/, '')}`);
    return {};
  }
  let value: unknown;
  try {
    value = document?.toJS();
  } catch (error) {
    // An alias without its anchor, or so many that they would expand without bound.
    problems.push(`${at}is not valid YAML: ${error instanceof Error ? error.message : String(error)}`);
    return {};
  }
  if (!isRecord(value) || value.apiVersion === undefined || value.kind === undefined) {
    problems.push(`${at}must begin with "apiVersion: ${CONFIG_API_VERSION}" and "kind: ${CONFIG_KIND}"`);
  }
  return isRecord(value) ? (shape(value, at, problems) ?? {}) : {};
}
