/**
 * Finds the API server's address and the user's credentials: --kubeconfig, KUBECONFIG, the Pod's own ServiceAccount or
 * ~/.kube/config, in this order, as controller-runtime does.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { ClusterConfig } from './cluster-config.ts';
import { inClusterConfig } from './in-cluster.ts';

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

const SERVICE_ACCOUNT_ROOT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Finds and checks the configuration.
 *
 * @throws Error whose message is one line: the mistake, and the correct setting
 */
export async function loadKubeConfig(options: KubeConfigOptions = {}): Promise<ClusterConfig> {
  const found = findSource(options, options.env ?? process.env);
  if (found.kind === 'in-cluster') return inClusterConfig(found);
  // Parsers, plugins and providers of kubeconfigs take memory, which a Pod without a kubeconfig saves.
  const { readKubeconfigs } = await import('./kubeconfig.ts');
  return readKubeconfigs(found.files, options.context);
}

interface Files {
  readonly kind: 'files';
  readonly files: readonly string[];
}
interface InCluster {
  readonly kind: 'in-cluster';
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
    return { kind: 'files', files: [options.kubeconfig] };
  }
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  if (listed.length > 0) {
    const files = listed.filter((file) => existsSync(file));
    if (files.length === 0) {
      throw new Error(
        `KUBECONFIG=${listed.join(delimiter)}: no such file; correct or unset it, or use --kubeconfig`,
      );
    }
    return { kind: 'files', files };
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
    return { kind: 'in-cluster', root, server };
  }
  const file = join(env['HOME'] || homedir(), '.kube', 'config');
  if (existsSync(file)) return { kind: 'files', files: [file] };
  throw new Error(
    `no cluster configured: give --kubeconfig FILE or set KUBECONFIG (there is no ${file} either)`,
  );
}
