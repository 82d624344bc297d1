/**
 * Finds the API server's address and the user's credentials: --kubeconfig, KUBECONFIG, the Pod's own ServiceAccount or
 * ~/.kube/config, in this order, as controller-runtime does. client-node parses and authenticates. This file adds the
 * parts of the kubeconfig format that client-node lacks: tokenFile, impersonated groups, the environment of exec
 * plugins, and kubectl's rules for merging several files.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import type { Cluster, User } from '@kubernetes/client-node';
import { parseYaml } from '../manifests/yaml.ts';
import { errorMessage } from '../util/error-message.ts';

export interface KubeConfigOptions {
  /** Path of a kubeconfig; it has precedence over all other sources. */
  readonly kubeconfig?: string | undefined;
  /** Context of the kubeconfig; its current-context by default. */
  readonly context?: string | undefined;
  /** Environment variables; process.env by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Mount path of the Pod's ServiceAccount; the well-known path by default. */
  readonly serviceAccountRoot?: string;
}

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
  load(): LoadedUser;
}

export interface LoadedUser {
  readonly kubeConfig: KubeConfig;
  /** Impersonation headers that client-node does not set. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

const SERVICE_ACCOUNT_ROOT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Finds and checks the configuration.
 *
 * @throws Error whose message is one line: the mistake, and the correct setting
 */
export function loadKubeConfig(options: KubeConfigOptions = {}): ClusterConfig {
  const env = options.env ?? process.env;
  const found = findSource(options, env);
  const load = (): LoadedUser =>
    'files' in found ? loadFiles(found, options.context) : loadInCluster(found);
  const { kubeConfig } = load();
  const cluster = kubeConfig.getCurrentCluster();
  const context = kubeConfig.getCurrentContext();
  if (cluster === null) throw new Error(`${found.label}: context "${context}" names no cluster`);
  return {
    source: found.label,
    context,
    server: cluster.server,
    namespace: kubeConfig.getContextObject(context)?.namespace?.trim() || undefined,
    proxyUrl: cluster.proxyUrl || undefined,
    load,
  };
}

interface Files {
  readonly label: string;
  readonly files: readonly string[];
}
interface InCluster {
  readonly label: string;
  readonly root: string;
  readonly server: string;
}

function findSource(
  options: KubeConfigOptions,
  env: NonNullable<KubeConfigOptions['env']>,
): Files | InCluster {
  if (options.kubeconfig !== undefined) {
    if (!existsSync(options.kubeconfig)) {
      throw new Error(`--kubeconfig ${options.kubeconfig}: no such file; give the path of a kubeconfig`);
    }
    return { label: options.kubeconfig, files: [options.kubeconfig] };
  }
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  if (listed.length > 0) {
    const files = listed.filter((file) => existsSync(file));
    if (files.length === 0) {
      throw new Error(
        `KUBECONFIG=${listed.join(delimiter)}: no such file; correct or unset it, or use --kubeconfig`,
      );
    }
    return { label: files.join(delimiter), files };
  }
  const root = options.serviceAccountRoot ?? SERVICE_ACCOUNT_ROOT;
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = env['KUBERNETES_SERVICE_PORT'];
  if (host && port && existsSync(join(root, 'token'))) {
    if (options.context !== undefined) {
      throw new Error(
        `--context ${options.context}: a Pod's ServiceAccount has no contexts; add --kubeconfig`,
      );
    }
    const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
    return { label: 'in-cluster ServiceAccount', root, server };
  }
  const file = join(env['HOME'] || homedir(), '.kube', 'config');
  if (existsSync(file)) return { label: file, files: [file] };
  throw new Error(
    `no cluster configured: give --kubeconfig FILE or set KUBECONFIG (there is no ${file} either)`,
  );
}

function loadInCluster({ root, server }: InCluster): LoadedUser {
  const kubeConfig = new KubeConfig();
  const namespaceFile = join(root, 'namespace');
  const namespace = existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : '';
  kubeConfig.loadFromOptions({
    clusters: [{ name: 'in-cluster', server, caFile: join(root, 'ca.crt'), skipTLSVerify: false }],
    users: [{ name: 'in-cluster', authProvider: tokenFileProvider(join(root, 'token')) }],
    contexts: [
      { name: 'in-cluster', cluster: 'in-cluster', user: 'in-cluster', ...(namespace ? { namespace } : {}) },
    ],
    currentContext: 'in-cluster',
  });
  return { kubeConfig, headers: {} };
}

/** Merges the files as kubectl does: the first file that sets a name, or the current context, wins. */
function loadFiles({ files, label }: Files, wanted: string | undefined): LoadedUser {
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
