/**
 * Reads kubeconfigs. client-node parses them and authenticates. This file adds the parts of the format that client-node
 * lacks: tokenFile, impersonated groups, the environment of exec plugins, and kubectl's rules for merging several files.
 */
import { readFileSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
// The entry point of the package would bundle its clients, web sockets and archives as well.
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { Cluster, User } from '@kubernetes/client-node/dist/config_types.js';
import { parseYaml } from '../../manifests/yaml.ts';
import { errorMessage } from '../../util/error-message.ts';
import type { ClusterConfig, RequestCredentials, UserSource } from './cluster-config.ts';

/**
 * Reads and checks kubeconfigs, and merges them as kubectl does.
 *
 * @param wanted name of the context; undefined for the current-context
 * @throws Error whose message is one line: the mistake, and the correct setting
 */
export function readKubeconfigs(files: readonly string[], wanted?: string): ClusterConfig {
  const label = files.join(delimiter);
  const load = () => mergeFiles({ files, label }, wanted);
  const { kubeConfig } = load();
  const cluster = kubeConfig.getCurrentCluster();
  const context = kubeConfig.getCurrentContext();
  if (cluster === null) throw new Error(`${label}: context "${context}" names no cluster`);
  return {
    source: label,
    context,
    server: cluster.server,
    namespace: kubeConfig.getContextObject(context)?.namespace?.trim() || undefined,
    proxyUrl: cluster.proxyUrl || undefined,
    load: () => new KubeconfigUser(load()),
  };
}

interface Files {
  readonly label: string;
  readonly files: readonly string[];
}

interface LoadedUser {
  readonly kubeConfig: KubeConfig;
  /** Impersonation headers that client-node does not set. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

/** The fields of the request options that client-node sets. */
interface FilledOptions {
  headers?: Record<string, unknown>;
  auth?: string | null;
  ca?: unknown;
  cert?: unknown;
  key?: unknown;
  pfx?: unknown;
  passphrase?: string;
  rejectUnauthorized?: boolean;
  servername?: string;
}

class KubeconfigUser implements UserSource {
  readonly #user: LoadedUser;

  constructor(user: LoadedUser) {
    this.#user = user;
  }

  /** The oidc provider keeps its refresh token in memory only. */
  get keepsSecrets(): boolean {
    return this.#user.kubeConfig.getCurrentUser()?.authProvider?.name === 'oidc';
  }

  async credentials(): Promise<RequestCredentials> {
    const filled: FilledOptions = {};
    await this.#user.kubeConfig.applyToHTTPSOptions(filled);
    const headers: [string, string][] = [];
    const add = (name: string, value: unknown) => {
      if (typeof value === 'string' && value.trim() !== '') headers.push([name.toLowerCase(), value.trim()]);
    };
    for (const [name, value] of Object.entries(filled.headers ?? {})) add(name, value);
    if (filled.auth) add('authorization', `Basic ${Buffer.from(filled.auth).toString('base64')}`);
    for (const [name, values] of Object.entries(this.#user.headers))
      for (const value of values) add(name, value);
    const { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername } = filled;
    const material = { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername };
    const tls: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(material))
      if (value !== undefined && value !== null) tls[name] = value;
    return { headers, tls };
  }
}

/** Merges the files as kubectl does: the first file that sets a name, or the current context, wins. */
function mergeFiles({ files, label }: Files, wanted: string | undefined): LoadedUser {
  const clusters = new Map<string, Cluster>();
  const users = new Map<string, User>();
  const contexts = new Map<string, { name: string; cluster: string; user: string; namespace?: string }>();
  const headers = new Map<string, Record<string, readonly string[]>>();
  let current: string | undefined;
  for (const file of files) {
    const document = readDocument(file);
    const part = new KubeConfig();
    try {
      // JSON of the document as kubectl reads it: client-node's YAML parser follows another version of YAML.
      part.loadFromString(JSON.stringify(document.value));
      part.makePathsAbsolute(dirname(file));
    } catch (error) {
      throw new Error(`${file}: not a valid kubeconfig: ${firstLineOf(error)}`, { cause: error });
    }
    current ??= part.getCurrentContext() || undefined;
    for (const cluster of part.getClusters()) addUnlessNamed(clusters, cluster);
    for (const context of part.getContexts()) addUnlessNamed(contexts, context);
    for (const user of part.getUsers()) {
      if (users.has(user.name)) continue;
      const extension = document.users.get(user.name) ?? {};
      users.set(user.name, completeUser(user, extension, dirname(file)));
      headers.set(user.name, impersonation(extension));
    }
  }
  const names = [...contexts.keys()];
  const choice = wanted ?? current;
  const known = names.length === 0 ? 'it has none' : `it has: ${names.join(', ')}`;
  if (choice === undefined)
    throw new Error(`${label}: no current-context; choose one with --context (${known})`);
  const context = contexts.get(choice);
  if (context === undefined) throw new Error(`${label}: no context "${choice}" (${known})`);
  const cluster = clusters.get(context.cluster);
  if (cluster === undefined) {
    throw new Error(
      `${label}: context "${choice}" names cluster "${context.cluster}", which is not in the file`,
    );
  }
  if (!URL.canParse(cluster.server) || !/^https?:$/.test(new URL(cluster.server).protocol)) {
    throw new Error(
      `${label}: cluster "${cluster.name}" has server "${cluster.server}"; write https://HOST:PORT`,
    );
  }
  if (context.user !== undefined && !users.has(context.user)) {
    throw new Error(`${label}: context "${choice}" names user "${context.user}", which is not in the file`);
  }
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromOptions({
    // client-node refuses http (as of `kubectl proxy`) unless verification is off, which has no effect without TLS.
    clusters: [cluster.server.startsWith('http:') ? { ...cluster, skipTLSVerify: true } : cluster],
    users: [...users.values()],
    contexts: [context],
    currentContext: choice,
  });
  return { kubeConfig, headers: headers.get(context.user) ?? {} };
}

function addUnlessNamed<V extends { name: string }>(into: Map<string, V>, value: V): void {
  if (!into.has(value.name)) into.set(value.name, value);
}

/** Fields of a kubeconfig's user that client-node ignores. */
interface UserExtension {
  readonly tokenFile?: string;
  readonly 'as-uid'?: string;
  readonly 'as-groups'?: readonly string[];
  readonly 'as-user-extra'?: Readonly<Record<string, readonly string[]>>;
}

function readDocument(file: string): { value: unknown; users: Map<string, UserExtension> } {
  let value: unknown;
  try {
    value = parseYaml(readFileSync(file, 'utf8')).value;
  } catch (error) {
    throw new Error(`${file}: can't be read as a kubeconfig: ${firstLineOf(error)}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || !('clusters' in value) || !('contexts' in value)) {
    throw new Error(`${file}: not a kubeconfig: it has no clusters or no contexts`);
  }
  const users = new Map<string, UserExtension>();
  const list = 'users' in value && Array.isArray(value.users) ? value.users : [];
  for (const entry of list as { name?: string; user?: UserExtension | null }[]) {
    if (typeof entry?.name === 'string') users.set(entry.name, entry.user ?? {});
  }
  return { value, users };
}

function completeUser(user: User, extension: UserExtension, directory: string): User {
  if (extension.tokenFile) {
    // A tokenFile has precedence over a token, and is read again when it rotates (client-go, AuthInfo).
    const { token: _static, ...rest } = user;
    return { ...rest, authProvider: tokenFileProvider(absolute(directory, extension.tokenFile)) };
  }
  return user.exec ? { ...user, exec: completeExec(user.exec as ExecConfig, directory) } : user;
}

interface ExecConfig {
  readonly apiVersion?: string;
  readonly command?: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null;
}

/** Adds the variable by which an exec plugin learns its API version and that no terminal is attached (KEP-541). */
function completeExec(exec: ExecConfig, directory: string): ExecConfig {
  const info = { kind: 'ExecCredential', apiVersion: exec.apiVersion, spec: { interactive: false } };
  const command = exec.command ?? '';
  return {
    ...exec,
    // A command with a separator is relative to the kubeconfig; a bare name is looked up in PATH.
    command: /[\\/]/.test(command) ? absolute(directory, command) : command,
    args: exec.args ?? [],
    env: [...(exec.env ?? []), { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) }],
  };
}

function impersonation(extension: UserExtension): Record<string, readonly string[]> {
  const headers: Record<string, readonly string[]> = {};
  if (extension['as-uid']) headers['Impersonate-Uid'] = [extension['as-uid']];
  if (extension['as-groups']?.length) headers['Impersonate-Group'] = extension['as-groups'];
  for (const [key, values] of Object.entries(extension['as-user-extra'] ?? {})) {
    headers[`Impersonate-Extra-${encodeURIComponent(key)}`] = values;
  }
  return headers;
}

function tokenFileProvider(tokenFile: string): { name: string; config: { tokenFile: string } } {
  return { name: 'tokenFile', config: { tokenFile } };
}

function absolute(directory: string, path: string): string {
  return isAbsolute(path) ? path : join(directory, path);
}

function firstLineOf(error: unknown): string {
  return errorMessage(error).split('\n', 1)[0] ?? '';
}
