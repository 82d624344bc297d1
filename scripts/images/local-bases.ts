/**
 * Makes substitutes for the Dockerfile's base images, for tests where no registry can be reached: Debian packages, and Node
 * from the npm package `node`. Needs Debian, root, mmdebstrap and buildah.
 *
 * The builder gets this machine's npm configuration and certificates, so that `npm ci` reaches the same registry; the image
 * gets nothing from the builder but the files of /app.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { execute } from './engines.ts';

const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';
/** The configuration for all users of an npm that is installed under /usr/local. */
const GLOBAL_NPMRC = '/usr/local/etc/npmrc';

/** Values for the Dockerfile's ARGs. */
export function makeLocalBases(root: string): Readonly<Record<string, string>> {
  const env = { ...process.env, BUILDAH_ISOLATION: 'chroot', STORAGE_DRIVER: 'vfs' };
  const buildah = (...args: readonly string[]) => execute('buildah', args, { env }).trim();
  const directory = mkdtempSync(join(tmpdir(), 'base-images-'));
  const node = join(root, 'node_modules/node/bin/node');
  try {
    const system = debianSystem(directory);
    const commit = (tag: string, fill: (container: string) => void): string => {
      const container = buildah('from', 'scratch');
      try {
        buildah('add', container, system, '/');
        fill(container);
        buildah('commit', container, tag);
        return tag;
      } finally {
        buildah('rm', container);
      }
    };
    return {
      RUNTIME_IMAGE: commit('localhost/segmentation-test-runtime', (container) =>
        buildah('copy', container, node, '/nodejs/bin/node'),
      ),
      BUILDER_IMAGE: commit('localhost/segmentation-test-builder', (container) => {
        buildah('copy', container, node, '/usr/local/bin/node');
        buildah('copy', container, npmDirectory(), '/usr/local/lib/node_modules/npm');
        buildah(
          'run',
          container,
          '--',
          'ln',
          '-s',
          '../lib/node_modules/npm/bin/npm-cli.js',
          '/usr/local/bin/npm',
        );
        const configuration = execute('npm', ['config', 'get', 'userconfig']).trim();
        if (existsSync(configuration)) buildah('copy', container, configuration, GLOBAL_NPMRC);
        if (existsSync(CERTIFICATES)) buildah('copy', container, CERTIFICATES, CERTIFICATES);
        buildah('config', '--env', `NODE_EXTRA_CA_CERTS=${CERTIFICATES}`, container);
      }),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** npm lies in its own folder, to which the npm command links. */
function npmDirectory(): string {
  const command = execute('sh', ['-c', 'readlink -f "$(command -v npm)"'], {
    env: { ...process.env, PATH: withoutModules(process.env['PATH'] ?? '') },
  }).trim();
  return join(command, '../..');
}

/** npm scripts put node_modules/.bin first, where the npm package `node` may have an npm of its own. */
function withoutModules(path: string): string {
  return path
    .split(delimiter)
    .filter((each) => !each.includes('node_modules'))
    .join(delimiter);
}

/** An archive of a small Debian of this machine's release, from this machine's package sources. */
function debianSystem(directory: string): string {
  const [, codename] = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? [];
  if (codename === undefined) throw new Error('base images are made on Debian only');
  const archive = join(directory, 'system.tar');
  const sources = '/etc/apt/sources.list.d/debian.sources';
  execute('mmdebstrap', [
    '--variant=minbase',
    '--include=ca-certificates,libstdc++6',
    codename,
    archive,
    ...(existsSync(sources) ? [sources] : []),
  ]);
  return archive;
}
