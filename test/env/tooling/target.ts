// The binaries to provide, their version and platform.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Progress } from './progress.ts';

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

/** The Go modules that define the versions of the binaries. */
export const KUBERNETES_MODULE = join(import.meta.dirname, '../tools', 'kubernetes');
export const ETCD_MODULE = join(import.meta.dirname, '../tools', 'etcd');

/** The version of Kubernetes, for example 1.36.3. */
export function kubernetesVersion(): string {
  return fromGoMod(/^\s*k8s\.io\/kubernetes v(\S+)/m);
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
