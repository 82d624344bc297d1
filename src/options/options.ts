/** The operator's options, as flags, environment, configuration file and defaults give them together. */
import type { Severity } from '../audit/finding.ts';
import type { EngineSetting } from '../engines/engine.ts';
import type { GuardSetting } from '../engines/guards/objects.ts';
import type { MeshSetting } from '../engines/mesh.ts';
import type { LogFormat, LogLevel } from '../observability/logs/logger.ts';
import type { ClusterConfiguration } from '../policy/facts.ts';
import type { ContentType } from './settings.ts';

/** All durations are in milliseconds. */
export interface Options {
  /** Undefined: KUBECONFIG, the pod's own service account, or ~/.kube/config. */
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** The format in which built-in kinds are read and written. */
  readonly kubeApiContentType: ContentType;
  readonly metricsBindAddress: string;
  readonly metricsSecurity: MetricsSecurity;
  readonly healthProbeBindAddress: string;
  /** How many namespaces are reconciled at once. */
  readonly concurrency: number;
  /** How often every namespace is reconciled without an event. */
  readonly resyncPeriod: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly leaderElection: LeaderElectionOptions;
  /** Namespaces that no profile ever selects. The operator's own namespace is added where it is known. */
  readonly protectedNamespaces: readonly string[];
  /** True if a canary runs whose reports are read. */
  readonly canary: boolean;
  /** The network engine of the cluster, or how it is found. */
  readonly engine: EngineSetting;
  /** The service mesh of the cluster. */
  readonly mesh: MeshSetting;
  /** The policies that carry the guards of profiles; undefined: none is written. */
  readonly guard: GuardSetting | undefined;
  /** The file of --config as it was read at the start. */
  readonly configurationFile: ConfigurationSource | undefined;
  /** The places of DNS, ingress controllers and monitoring in this cluster, for the compiler of policies. */
  readonly cluster: ClusterConfiguration;
  /** The audit in the cluster; undefined: none, and no trace of one. */
  readonly audit: ClusterAuditOptions | undefined;
  /** The server that answers the queries of rollouts; undefined: none. */
  readonly prometheus: PrometheusOptions | undefined;
}

export interface PrometheusOptions {
  /** `http` or `https`, with the path before `/api/v1`. */
  readonly url: string;
  /** PEM of the authorities that verify the server's certificate; undefined: those of Node.js. */
  readonly caFile: string | undefined;
  /** A bearer token; undefined: none is sent. */
  readonly tokenFile: string | undefined;
}

export interface ClusterAuditOptions {
  /** False: the reports of earlier audits are removed, and nothing is checked. */
  readonly enabled: boolean;
  /** An audit follows the one before after this time. */
  readonly interval: number;
  /** An audit follows a change of a profile, a namespace or a policy after this time. */
  readonly changeDelay: number;
  /** The least severity that is reported. */
  readonly minSeverity: Severity;
  /** Ids or categories of checks that do not run. */
  readonly skip: readonly string[];
  /** Registries that images may come from; empty: any. */
  readonly registries: readonly string[];
  /** Entries that the audit reads as waivers. One that can't be read is a finding, so that it stops no operator. */
  readonly waivers: readonly unknown[];
  /** Most results of one report. */
  readonly maxResults: number;
  /** Largest heap of an audit, in MiB. */
  readonly maxMemoryMiB: number;
}

export interface ConfigurationSource {
  readonly path: string;
  readonly text: string;
}

export interface MetricsSecurity {
  /** True: /metrics is served by TLS, and only to clients whom the API server lets get it. */
  readonly enabled: boolean;
  /** The directory of the certificate; undefined: a self-signed certificate. */
  readonly certPath: string | undefined;
  /** File names within `certPath`. */
  readonly certName: string;
  readonly certKey: string;
}

export interface LeaderElectionOptions {
  readonly enabled: boolean;
  /** The namespace of the Lease; undefined: the operator's own. */
  readonly namespace: string | undefined;
  /** Whole seconds, longer than `renewDeadline`, which is longer than `retryPeriod`. */
  readonly leaseDuration: number;
  readonly renewDeadline: number;
  readonly retryPeriod: number;
}

/** The command line, the environment and the file are wrong in these ways, each a line. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
