/** The tools that build and run images: Docker or Podman, and Buildah for machines without a daemon. */
import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';

export interface BuildOptions {
  readonly tag: string;
  readonly buildArguments: Readonly<Record<string, string>>;
}

export interface ImageConfig {
  /** In the form of the Dockerfile's USER. */
  readonly user: string;
  readonly entrypoint: readonly string[];
}

export interface Engine {
  /** Builds the Dockerfile in `directory`. */
  build(directory: string, options: BuildOptions): void;
  config(tag: string): ImageConfig;
  /** Runs the entry point as the image's user, without privileges, network, or a file system that can be written. */
  run(tag: string, args: readonly string[]): string;
  /** Copies a file of the image to `target`. */
  copyOut(tag: string, path: string, target: string): void;
  remove(tag: string): void;
}

export type EngineName = 'docker' | 'podman' | 'buildah';

/** The first engine that works here; undefined if there is none. */
export function findEngine(): EngineName | undefined {
  const works = (command: string, ...args: string[]) =>
    spawnSync(command, args, { stdio: 'ignore' }).status === 0;
  if (works('docker', 'info')) return 'docker';
  if (works('podman', 'info')) return 'podman';
  return works('buildah', '--version') ? 'buildah' : undefined;
}

export function createEngine(name: EngineName): Engine {
  return name === 'buildah' ? buildahEngine() : dockerEngine(name);
}

/** @throws Error with what the command printed, if it fails */
export function execute(
  command: string,
  args: readonly string[],
  options: Pick<SpawnSyncOptions, 'cwd' | 'env'> = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    ...options,
  });
  if (error !== undefined) {
    const isMissing = 'code' in error && error.code === 'ENOENT';
    throw isMissing ? new Error(`${command} is not installed here: install it, and try again`) : error;
  }
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`.trim());
  return stdout;
}

function buildArguments(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
}

function dockerEngine(command: string): Engine {
  const docker = (...args: readonly string[]) => execute(command, args);
  return {
    build: (directory, { tag, buildArguments: values }) => {
      docker('build', '--tag', tag, ...buildArguments(values), directory);
    },
    config: (tag) => {
      const { User: user, Entrypoint: entrypoint } = JSON.parse(
        docker('image', 'inspect', '--format', '{{json .Config}}', tag),
      ) as { readonly User: string; readonly Entrypoint: readonly string[] };
      return { user, entrypoint };
    },
    run: (tag, args) =>
      docker(
        'run',
        '--rm',
        '--read-only',
        '--cap-drop=ALL',
        '--security-opt=no-new-privileges',
        '--network=none',
        tag,
        ...args,
      ),
    copyOut: (tag, path, target) => {
      const container = docker('create', tag).trim();
      try {
        docker('cp', `${container}:${path}`, target);
      } finally {
        docker('rm', container);
      }
    },
    remove: (tag) => void docker('image', 'rm', tag),
  };
}

/** Runs a command in a root that is mounted read-only, as a user, and without a network. */
const RUN_READ_ONLY = `
root=$1 user=$2; shift 2
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" "$root" "$@"
`;

/** Needs root, and no daemon: images are unpacked (vfs), and commands run in a chroot. */
function buildahEngine(): Engine {
  const env = { ...process.env, BUILDAH_ISOLATION: 'chroot', STORAGE_DRIVER: 'vfs' };
  const buildah = (...args: readonly string[]) => execute('buildah', args, { env }).trim();
  const config = (tag: string): ImageConfig => {
    const { OCIv1 } = JSON.parse(buildah('inspect', '--type', 'image', tag)) as {
      readonly OCIv1: { readonly config: { readonly User: string; readonly Entrypoint: readonly string[] } };
    };
    return { user: OCIv1.config.User, entrypoint: OCIv1.config.Entrypoint };
  };
  const withRoot = <T>(tag: string, use: (root: string) => T): T => {
    const container = buildah('from', '--pull-never', tag);
    try {
      return use(buildah('mount', container));
    } finally {
      buildah('rm', container);
    }
  };
  return {
    build: (directory, { tag, buildArguments: values }) => {
      buildah('bud', '--tag', tag, ...buildArguments(values), directory);
    },
    config,
    run: (tag, args) => {
      const { user, entrypoint } = config(tag);
      const command = ['--mount', '--net', '--', 'sh', '-euc', RUN_READ_ONLY, 'sh'];
      return withRoot(tag, (root) => execute('unshare', [...command, root, user, ...entrypoint, ...args]));
    },
    copyOut: (tag, path, target) => withRoot(tag, (root) => copyFileSync(join(root, path), target)),
    remove: (tag) => void buildah('rmi', tag),
  };
}
