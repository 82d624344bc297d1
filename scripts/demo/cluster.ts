/** The cluster of the demonstration: a local control plane or, only if asked for, an existing cluster. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type ControlPlane, startControlPlane, startNodeAgent } from '../../test/env/index.ts';

/** Long enough for a demonstration that is left open overnight, in seconds. */
const TOKEN_LIFETIME = 24 * 3600;

export interface DemoCluster {
  readonly title: string;
  /** Runs kubectl as the user of the demonstration and resolves what it prints. */
  kubectl(args: readonly string[]): Promise<string>;
  /** A kubeconfig (path) with a token of the ServiceAccount. */
  serviceAccountKubeconfig(namespace: string, name: string): Promise<string>;
  /** Lines to paste into another terminal before the commands to try. */
  readonly preparation: readonly string[];
  /** True for the user's own cluster, in which everything that stays behind has to be named. */
  readonly existing: boolean;
  /** Resolves with the failure of a component that ends; absent for the user's own cluster. */
  ended?(): Promise<Error>;
  stop(): Promise<void>;
}

/** A local control plane, which ends with this process. */
export async function localCluster(): Promise<DemoCluster> {
  const plane: ControlPlane = await startControlPlane();
  const agent = await startNodeAgent(plane);
  const { gitVersion } = JSON.parse(await plane.kubectlRun(['get', '--raw', '/version'])) as {
    gitVersion: string;
  };
  return {
    title: `Kubernetes ${gitVersion} at ${plane.server}`,
    kubectl: (args) => plane.kubectlRun(args),
    serviceAccountKubeconfig: (namespace, name) =>
      plane.serviceAccountKubeconfig(namespace, name, TOKEN_LIFETIME),
    preparation: [
      `export KUBECONFIG=${plane.kubeconfig}`,
      `export PATH="${join(plane.kubectl, '..')}:$PATH"`,
    ],
    existing: false,
    ended: () => plane.ended(),
    stop: async () => {
      await agent.stop();
      await plane.stop();
    },
  };
}

/** The cluster of a context of the user's kubeconfig, by the kubectl on the PATH. */
export async function existingCluster(context: string): Promise<DemoCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'segmentation-demo-'));
  const kubectl = (args: readonly string[]) => run('kubectl', ['--context', context, ...args]);
  const view = ['config', 'view', '--raw', '--minify', '--flatten', '-o', 'jsonpath={.clusters[0].cluster}'];
  const cluster = JSON.parse(await kubectl(view)) as { readonly server: string };
  return {
    title: `context ${context} at ${cluster.server}`,
    kubectl,
    serviceAccountKubeconfig: async (namespace, name) => {
      const token = await kubectl([
        '-n',
        namespace,
        'create',
        'token',
        name,
        `--duration=${TOKEN_LIFETIME}s`,
      ]);
      const path = join(directory, 'operator.kubeconfig');
      const config = {
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'cluster', cluster }],
        users: [{ name: 'operator', user: { token: token.trim() } }],
        contexts: [{ name: 'operator', context: { cluster: 'cluster', user: 'operator' } }],
        'current-context': 'operator',
      };
      writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
      return path;
    },
    preparation: [`kubectl config use-context ${context}`],
    existing: true,
    stop: () => {
      rmSync(directory, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

async function run(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? new Error(`${command} is not on the PATH; install it to use an existing cluster`)
          : error,
      ),
    );
    child.once('close', resolve);
  });
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  if (code !== 0) throw new Error(errors.trim() || `${command} ${args.join(' ')} failed with code ${code}`);
  return output;
}
