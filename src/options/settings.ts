/** The settings of flags and environment variables, as a table for the parser, the help text and the documentation. */
import type { EngineSetting } from '../engines/engine.ts';
import type { MeshSetting } from '../engines/mesh.ts';
import type { LogFormat, LogLevel } from '../observability/logs/logger.ts';
import {
  type ConfigurationFile,
  concurrency,
  engine,
  LOG_FORMATS,
  LOG_LEVELS,
  logFormat,
  logLevel,
  mesh,
} from './file.ts';
import { anyText, bindAddress, boolean, namespaceName, oneOf, type Shape } from './shape.ts';

export const CONTENT_TYPES = ['application/vnd.kubernetes.protobuf', 'application/json'] as const;
export type ContentType = (typeof CONTENT_TYPES)[number];

export interface Scalars {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly kubeApiContentType: ContentType;
  readonly config: string | undefined;
  readonly metricsBindAddress: string;
  readonly metricsSecure: boolean | undefined;
  readonly metricsCertPath: string | undefined;
  readonly metricsCertName: string;
  readonly metricsCertKey: string;
  readonly healthProbeBindAddress: string;
  readonly leaderElect: boolean;
  readonly leaderElectionNamespace: string | undefined;
  readonly canary: boolean;
  readonly engine: EngineSetting;
  readonly mesh: MeshSetting;
  readonly concurrency: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export interface Setting<T> {
  /** Without the dashes. */
  readonly flag: string;
  /** The value's name in the help text; absent for a flag that takes no value. */
  readonly value?: string;
  readonly group: string;
  readonly help: string;
  readonly shape: Shape<NonNullable<T>>;
  /** Converts the text of a flag or variable, before `shape` validates it. */
  readonly fromText?: (text: string) => unknown;
  readonly inFile?: (file: ConfigurationFile) => T | undefined;
  readonly fallback: T;
  /** The default in the help text, if `fallback` is undefined. */
  readonly otherwise?: string;
}

const toNumber = (text: string): unknown => (/^-?\d+$/.test(text) ? Number(text) : text);
const toBoolean = (text: string): unknown => (text === 'true' ? true : text === 'false' ? false : text);

export const SETTINGS: { readonly [K in keyof Scalars]: Setting<Scalars[K]> } = {
  kubeconfig: {
    flag: 'kubeconfig',
    value: 'FILE',
    group: 'Cluster',
    help: 'how to reach the API server',
    shape: anyText,
    fallback: undefined,
    otherwise: 'KUBECONFIG, in-cluster, ~/.kube/config',
  },
  context: {
    flag: 'context',
    value: 'NAME',
    group: 'Cluster',
    help: 'context of the kubeconfig',
    shape: anyText,
    fallback: undefined,
    otherwise: 'its current context',
  },
  kubeApiContentType: {
    flag: 'kube-api-content-type',
    value: 'TYPE',
    group: 'Cluster',
    help: 'or application/json',
    shape: oneOf(...CONTENT_TYPES),
    fallback: 'application/vnd.kubernetes.protobuf',
  },
  config: {
    flag: 'config',
    value: 'FILE',
    group: 'Operator',
    help: 'configuration file (see --print-config)',
    shape: anyText,
    fallback: undefined,
  },
  concurrency: {
    flag: 'concurrency',
    value: 'N',
    group: 'Operator',
    help: 'namespaces reconciled at once',
    shape: concurrency,
    fromText: toNumber,
    inFile: (file) => file.concurrency,
    fallback: 32,
  },
  canary: {
    flag: 'canary',
    group: 'Operator',
    help: 'read the reports of config/canary',
    shape: boolean,
    fromText: toBoolean,
    inFile: (file) => file.canary,
    fallback: false,
  },
  engine: {
    flag: 'engine',
    value: 'NAME',
    group: 'Operator',
    help: 'network engine: None, Auto, Cilium, Calico, GKE',
    shape: engine,
    inFile: (file) => file.engine,
    fallback: 'None',
  },
  mesh: {
    flag: 'mesh',
    value: 'NAME',
    group: 'Operator',
    help: 'service mesh: None, Istio',
    shape: mesh,
    inFile: (file) => file.mesh,
    fallback: 'None',
  },
  leaderElect: {
    flag: 'leader-elect',
    group: 'Operator',
    help: 'act only while holding the Lease',
    shape: boolean,
    fromText: toBoolean,
    inFile: (file) => file.leaderElection?.enabled,
    fallback: false,
  },
  leaderElectionNamespace: {
    flag: 'leader-election-namespace',
    value: 'NAME',
    group: 'Operator',
    help: 'namespace of the Lease',
    shape: namespaceName,
    inFile: (file) => file.leaderElection?.namespace,
    fallback: undefined,
    otherwise: "the operator's own",
  },
  metricsBindAddress: {
    flag: 'metrics-bind-address',
    value: 'ADDRESS',
    group: 'Endpoints',
    help: 'serve /metrics here; 0 = off',
    shape: bindAddress,
    inFile: (file) => file.metrics?.bindAddress,
    fallback: ':8080',
  },
  metricsSecure: {
    flag: 'metrics-secure',
    group: 'Endpoints',
    help: 'TLS, and RBAC decides who scrapes',
    shape: boolean,
    fromText: toBoolean,
    inFile: (file) => file.metrics?.secure,
    fallback: undefined,
    otherwise: 'unless on a loopback address',
  },
  metricsCertPath: {
    flag: 'metrics-cert-path',
    value: 'DIR',
    group: 'Endpoints',
    help: 'directory of the certificate',
    shape: anyText,
    inFile: (file) => file.metrics?.certPath,
    fallback: undefined,
    otherwise: 'self-signed, in memory',
  },
  metricsCertName: {
    flag: 'metrics-cert-name',
    value: 'FILE',
    group: 'Endpoints',
    help: 'the certificate in that directory',
    shape: anyText,
    inFile: (file) => file.metrics?.certName,
    fallback: 'tls.crt',
  },
  metricsCertKey: {
    flag: 'metrics-cert-key',
    value: 'FILE',
    group: 'Endpoints',
    help: 'its private key',
    shape: anyText,
    inFile: (file) => file.metrics?.certKey,
    fallback: 'tls.key',
  },
  healthProbeBindAddress: {
    flag: 'health-probe-bind-address',
    value: 'ADDRESS',
    group: 'Endpoints',
    help: 'serve /healthz and /readyz here; 0 = off',
    shape: bindAddress,
    inFile: (file) => file.health?.bindAddress,
    fallback: ':8081',
  },
  logLevel: {
    flag: 'log-level',
    value: 'LEVEL',
    group: 'Logging',
    help: LOG_LEVELS.join(', '),
    shape: logLevel,
    inFile: (file) => file.log?.level,
    fallback: 'info',
  },
  logFormat: {
    flag: 'log-format',
    value: 'FORMAT',
    group: 'Logging',
    help: LOG_FORMATS.join(', '),
    shape: logFormat,
    inFile: (file) => file.log?.format,
    fallback: 'json',
  },
};

/** Flags that print a text and exit. */
export const QUESTIONS = {
  'print-config': 'print the configuration in effect, as a file, and exit',
  version: 'print the version and exit',
  help: 'print this and exit',
} as const;

export const ENVIRONMENT_PREFIX = 'SEGMENTATION_';

export function environmentName(flag: string): string {
  return ENVIRONMENT_PREFIX + flag.toUpperCase().replaceAll('-', '_');
}

/**
 * True for a variable that Kubernetes sets in a pod for each Service of its namespace, here one named `segmentation-...`:
 * it is no setting.
 */
export function isServiceVariable(name: string): boolean {
  return /_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/.test(
    name,
  );
}
