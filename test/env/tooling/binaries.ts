// Locates the binaries of the control plane, in this order: the directory KUBEBUILDER_ASSETS, the user's cache, a build
// from Go modules, the official archives. Built and downloaded binaries are kept in the cache.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildBinaries, findGo } from './build.ts';
import { cacheDirectory } from './cache.ts';
import { type DownloadSites, downloadBinaries, OFFICIAL_SITES } from './download.ts';
import { withLock } from './lock.ts';
import { type Progress, showProgress } from './progress.ts';
import { BINARY_NAMES, type BinaryName, kubernetesVersion, ownPlatform, type Platform } from './target.ts';

/** Paths of the binaries. */
export type Binaries = Readonly<Record<BinaryName, string>>;

export interface LocateOptions {
  /** Called about long steps; by default they are shown on stderr. */
  readonly onProgress?: Progress | undefined;
  readonly environment?: NodeJS.ProcessEnv;
  /** The Go command; `go` by default. */
  readonly go?: string;
  readonly sites?: DownloadSites;
  readonly platform?: Platform;
}

/** Resolves with the paths of all binaries. Builds or downloads missing ones. */
export async function locateBinaries(options: LocateOptions = {}): Promise<Binaries> {
  const environment = options.environment ?? process.env;
  const assets = assetsIn(environment['KUBEBUILDER_ASSETS']);
  const wanted = BINARY_NAMES.filter((name) => !assets[name]);
  const cached = wanted.length === 0 ? {} : await fillCache(wanted, environment, options);
  return { ...cached, ...assets } as Binaries;
}

/** The binaries in KUBEBUILDER_ASSETS. It may lack kube-controller-manager, as the official archives do. */
function assetsIn(directory: string | undefined): Partial<Binaries> {
  if (!directory) return {};
  const found = pathsIn(directory, BINARY_NAMES);
  const lacking = BINARY_NAMES.filter((name) => name !== 'kube-controller-manager' && !found[name]);
  if (lacking.length > 0) {
    throw new Error(
      `KUBEBUILDER_ASSETS is ${directory}, which lacks ${lacking.join(', ')}: correct or unset it.`,
    );
  }
  return found;
}

async function fillCache(
  wanted: readonly BinaryName[],
  environment: NodeJS.ProcessEnv,
  options: LocateOptions,
): Promise<Partial<Binaries>> {
  const platform = options.platform ?? ownPlatform();
  const version = kubernetesVersion();
  const directory = join(
    cacheDirectory('control-plane', environment),
    `${version}-${platform.os}-${platform.arch}`,
  );
  const missing = () => wanted.filter((name) => !existsSync(join(directory, name)));
  if (missing().length > 0) {
    mkdirSync(directory, { recursive: true });
    const progress = options.onProgress ?? showProgress();
    const provide = async () => {
      const names = missing(); // another process may have provided them meanwhile
      if (names.length === 0) return;
      const target = { names, directory, version, platform, progress };
      const go = await findGo(options.go ?? 'go', environment);
      if (go) await buildBinaries(target, go);
      else await downloadBinaries(target, options.sites ?? OFFICIAL_SITES);
    };
    try {
      await withLock(join(directory, '.lock'), provide, () =>
        progress('Waiting for another process, which is providing the control plane'),
      );
    } finally {
      progress('');
    }
  }
  return pathsIn(directory, wanted);
}

function pathsIn(directory: string, names: readonly BinaryName[]): Partial<Binaries> {
  const paths = names.map((name) => [name, join(directory, name)] as const);
  return Object.fromEntries(paths.filter(([, path]) => existsSync(path)));
}
