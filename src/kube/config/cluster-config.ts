/** Where the API server is, and how its user authenticates. */
import type { ConnectionOptions } from 'node:tls';

/** A configuration that was found and checked. */
export interface ClusterConfig {
  /** Text for a log line: "in-cluster ServiceAccount", or the files. */
  readonly source: string;
  readonly context: string;
  /** The API server's URL, without a trailing slash. */
  readonly server: string;
  /** The context's namespace (in a Pod: the Pod's own), if it names one. */
  readonly namespace: string | undefined;
  /** Proxy of the kubeconfig's cluster entry. */
  readonly proxyUrl: string | undefined;
  /** Reads the files again, with empty caches of credentials. */
  load(): UserSource;
}

/** The user of a configuration. */
export interface UserSource {
  /** True if another `load` would lose a secret that is kept in memory only, such as a refresh token. */
  readonly keepsSecrets: boolean;
  /** The current credentials: reads files that may rotate, and runs plugins whose credentials have expired. */
  credentials(): Promise<RequestCredentials>;
}

export interface RequestCredentials {
  /** Lower-case names, and values. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly tls: ConnectionOptions;
}
