// Builds the binaries of the control plane from Go modules, whose versions and checksums are committed in tools/.
import { execFile } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ProcessSet } from '../plane/processes.ts';
import { withElapsed } from './progress.ts';
import { type BinaryName, ETCD_MODULE, KUBERNETES_MODULE, type Target, workDirectory } from './target.ts';

const PACKAGES: Readonly<Record<BinaryName, { readonly module: string; readonly path: string }>> = {
  etcd: { module: ETCD_MODULE, path: 'go.etcd.io/etcd/server/v3' },
  'kube-apiserver': { module: KUBERNETES_MODULE, path: 'k8s.io/kubernetes/cmd/kube-apiserver' },
  'kube-controller-manager': {
    module: KUBERNETES_MODULE,
    path: 'k8s.io/kubernetes/cmd/kube-controller-manager',
  },
  kubectl: { module: KUBERNETES_MODULE, path: 'k8s.io/kubernetes/cmd/kubectl' },
};

const USUAL_TIME = 'all four usually take about 5 minutes on 2 cores';

/** A Go command that can build the modules, and the environment to run it in. */
export interface Go {
  readonly command: string;
  readonly environment: NodeJS.ProcessEnv;
}

/** Resolves with undefined without Go, or if Go is too old and may not fetch a newer toolchain. */
export async function findGo(command: string, environment: NodeJS.ProcessEnv): Promise<Go | undefined> {
  // The user's flags and workspace must not affect the build.
  const own = { ...environment, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly', GOWORK: 'off' };
  try {
    await promisify(execFile)(command, ['list', '-m'], { cwd: KUBERNETES_MODULE, env: own });
    return { command, environment: own };
  } catch {
    return undefined;
  }
}

/** Builds one binary after the other. Complete ones are kept if a later build fails or is interrupted. */
export async function buildBinaries(target: Target, go: Go): Promise<void> {
  const { names, directory, version, platform, progress } = target;
  const processes = new ProcessSet(workDirectory(directory));
  try {
    for (const [index, name] of names.entries()) {
      const step = `Building ${name} (${index + 1} of ${names.length}, this once)`;
      const output = join(processes.directory, name);
      const { module, path } = PACKAGES[name];
      await withElapsed(
        progress,
        step,
        () => USUAL_TIME,
        () =>
          processes.run(
            go.command,
            ['build', '-trimpath', '-ldflags', linkerFlags(version), '-o', output, path],
            {
              workingDirectory: module,
              environment: { ...go.environment, GOOS: platform.os, GOARCH: platform.arch },
            },
          ),
      );
      renameSync(output, join(directory, name));
    }
  } finally {
    await processes.stop();
  }
}

/** Sets the version, which clients see. Without these flags it would be v0.0.0-master. */
function linkerFlags(version: string): string {
  const [major, minor] = version.split('.');
  const set = { gitVersion: `v${version}`, gitMajor: major, gitMinor: minor };
  const settings = Object.entries(set).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  );
  return ['-s', '-w', ...settings].join(' ');
}
