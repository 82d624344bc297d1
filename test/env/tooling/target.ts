// The binaries to provide, their version and platform.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Progress } from './progress.ts';

const TOOLS = join(import.meta.dirname, '../tools');

export const BINARY_NAMES = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl'] as const;

export type BinaryName = (typeof BINARY_NAMES)[number];

/** Names of Go, which the published files use too. */
export interface Platform {
  readonly os: 'linux' | 'darwin';
  readonly arch: 'amd64' | 'arm64';
}

export interface Target {
  readonly names: readonly BinaryName[];
  /** Directory of complete binaries. */
  readonly directory: string;
  /** Version of Kubernetes, without the v. */
  readonly version: string;
  readonly platform: Platform;
  readonly progress: Progress;
}

/** The minor version of Kubernetes that tests run against, unless the environment variable names another one. */
export const DEFAULT_MINOR = '1.36';
const MINOR_VARIABLE = 'KUBERNETES_MINOR';

/** The Go modules that require the binaries, and fix their versions. */
export const KUBERNETES_MODULE = kubernetesModule(process.env[MINOR_VARIABLE] ?? DEFAULT_MINOR);
export const ETCD_MODULE = join(TOOLS, 'etcd');

/** The version of Kubernetes, for example 1.36.3. */
export function kubernetesVersion(): string {
  return fromGoMod(/^\s*(?:require )?k8s\.io\/kubernetes v(\S+)/m);
}

function kubernetesModule(minor: string): string {
  const directory = join(TOOLS, `kubernetes-${minor}`);
  if (!existsSync(directory)) throw new Error(`${MINOR_VARIABLE} is ${minor}: there is no ${directory}`);
  return directory;
}

/** The oldest Go that builds the binaries, for example 1.26.0. */
export function requiredGo(): string {
  return fromGoMod(/^go (\S+)/m);
}

function fromGoMod(pattern: RegExp): string {
  const path = join(KUBERNETES_MODULE, 'go.mod');
  const found = pattern.exec(readFileSync(path, 'utf8'))?.[1];
  if (found === undefined) throw new Error(`${path} has no line ${pattern.source}`);
  return found;
}

export function ownPlatform(): Platform {
  const os = process.platform;
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  if ((os !== 'linux' && os !== 'darwin') || (arch !== 'amd64' && arch !== 'arm64')) {
    throw new Error(
      `The local control plane runs on Linux and macOS, amd64 and arm64, not on ${os} ${arch}.`,
    );
  }
  return { os, arch };
}

/** Clears and returns the folder of incomplete files. The caller has the lock, so its files are from a crash. */
export function workDirectory(directory: string): string {
  const path = join(directory, '.unfinished');
  rmSync(path, { recursive: true, force: true });
  return path;
}
