// Downloads the binaries of the control plane, for a machine without Go: the official archive for integration tests
// (etcd, kube-apiserver, kubectl) and the released kube-controller-manager. Both are verified by published checksums.
import { createHash } from 'node:crypto';
import { chmodSync, createWriteStream, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { EnvHttpProxyAgent, fetch, type Response } from 'undici';
import { parse } from 'yaml';
import { ProcessSet } from '../plane/processes.ts';
import { withElapsed } from './progress.ts';
import { type BinaryName, type Platform, requiredGo, type Target, workDirectory } from './target.ts';

export interface DownloadSites {
  /** URL of the list of archives: YAML, `releases.VERSION.FILE.{hash, selfLink}` with SHA-512 hashes. */
  readonly archives: string;
  /** URL before `/vVERSION/bin/OS/ARCH/NAME`. Each file has a `.sha256` beside it. */
  readonly releases: string;
}

export const OFFICIAL_SITES: DownloadSites = {
  archives: 'https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml',
  releases: 'https://dl.k8s.io/release',
};

interface Archive {
  /** SHA-512, hexadecimal. */
  readonly hash: string;
  readonly selfLink: string;
}

interface ArchiveList {
  readonly releases: Readonly<Record<string, Readonly<Record<string, Archive>>>>;
}

const IDLE_TIMEOUT = 30_000; // ms without a byte
const CONTROLLER_MANAGER = 'kube-controller-manager';

/** Downloads the binaries and verifies their checksums. Rejects with a message of one line that says what to do. */
export async function downloadBinaries(target: Target, sites: DownloadSites): Promise<void> {
  const { names, platform } = target;
  if (names.includes(CONTROLLER_MANAGER) && platform.os !== 'linux') {
    throw new Error(
      `No ${CONTROLLER_MANAGER} is published for ${platform.os}: install Go ${requiredGo()} or later ` +
        '(https://go.dev/dl), with which it is built, and try again.',
    );
  }
  const processes = new ProcessSet(workDirectory(target.directory));
  const network = new EnvHttpProxyAgent({ headersTimeout: IDLE_TIMEOUT, bodyTimeout: IDLE_TIMEOUT });
  try {
    const download = new Download(target, processes, network);
    const archived = names.filter((name) => name !== CONTROLLER_MANAGER);
    if (archived.length > 0) await download.archive(sites.archives, archived);
    if (names.includes(CONTROLLER_MANAGER)) await download.controllerManager(sites.releases);
  } finally {
    await network.destroy();
    await processes.stop();
  }
}

class Download {
  readonly #target: Target;
  readonly #processes: ProcessSet;
  readonly #network: EnvHttpProxyAgent;

  constructor(target: Target, processes: ProcessSet, network: EnvHttpProxyAgent) {
    this.#target = target;
    this.#processes = processes;
    this.#network = network;
  }

  /** Extracts the named binaries from the archive. */
  async archive(list: string, names: readonly BinaryName[]): Promise<void> {
    const { version, platform, directory } = this.#target;
    const answer = await this.#get(list);
    const { selfLink, hash } = nearestArchive(parse(await answer.text()) as ArchiveList, version, platform);
    const path = await this.#file(selfLink, 'sha512', hash);
    await this.#processes.run('tar', ['-xzf', path, '--strip-components=2']); // controller-tools/envtest/NAME
    for (const name of names) renameSync(join(this.#processes.directory, name), join(directory, name));
  }

  async controllerManager(releases: string): Promise<void> {
    const { version, platform, directory } = this.#target;
    const url = `${releases}/v${version}/bin/${platform.os}/${platform.arch}/${CONTROLLER_MANAGER}`;
    const published = await (await this.#get(`${url}.sha256`)).text();
    const path = await this.#file(url, 'sha256', published.trim());
    chmodSync(path, 0o755);
    renameSync(path, join(directory, CONTROLLER_MANAGER));
  }

  /** Stores a file in the work directory and returns its path. */
  async #file(url: string, algorithm: 'sha256' | 'sha512', published: string): Promise<string> {
    const path = join(this.#processes.directory, basename(new URL(url).pathname));
    const hash = createHash(algorithm);
    let received = 0;
    const size = () => `${(received / 1e6).toFixed(0)} MB so far, about 100 in all`;
    await withElapsed(this.#target.progress, `Downloading ${url}`, size, async () => {
      const { body } = await this.#get(url);
      const metered = async function* (): AsyncGenerator<Uint8Array> {
        for await (const chunk of body ?? []) {
          hash.update(chunk);
          received += chunk.length;
          yield chunk;
        }
      };
      await pipeline(metered, createWriteStream(path)).catch((error: unknown) => {
        throw new Error(`The download of ${url} broke off after ${received} bytes: try again.`, {
          cause: error,
        });
      });
    });
    const actual = hash.digest('hex');
    if (actual !== published) {
      throw new Error(
        `${url} has the ${algorithm} checksum ${actual}, and ${published} is published: not used.`,
      );
    }
    return path;
  }

  async #get(url: string): Promise<Response> {
    const response = await fetch(url, { dispatcher: this.#network }).catch((error: unknown) => {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      throw new Error(`${url} can't be reached (${String(cause)}). ${ADVICE}`, { cause: error });
    });
    if (!response.ok) throw new Error(`${url} answers HTTP ${response.status}. ${ADVICE}`);
    return response;
  }
}

const ADVICE =
  `Without the network, set KUBEBUILDER_ASSETS to a directory with etcd, kube-apiserver, ` +
  `${CONTROLLER_MANAGER} and kubectl, or install Go ${requiredGo()} or later with a module proxy.`;

/** The archive of the newest patch of the version's minor version: some patches have no archive. */
function nearestArchive({ releases }: ArchiveList, version: string, { os, arch }: Platform): Archive {
  const minor = version.split('.').slice(0, 2).join('.');
  const patches = Object.keys(releases)
    .filter((tag) => tag.startsWith(`v${minor}.`))
    .map((tag) => Number(tag.slice(`v${minor}.`.length)))
    .filter(Number.isInteger) // no release candidates
    .sort((a, b) => b - a);
  for (const patch of patches) {
    const tag = `v${minor}.${patch}`;
    const archive = releases[tag]?.[`envtest-${tag}-${os}-${arch}.tar.gz`];
    if (archive) return archive;
  }
  throw new Error(`No archive of Kubernetes ${minor} is published for ${os} ${arch}. ${ADVICE}`);
}
