/**
 * Everything that a cluster needs, in one file: config/default (or config/overlays/NAME), with your image, in your
 * namespace.
 *
 *   npm run build:install -- --image registry.example.com/segmentation-operator:v0.1.0
 *   npm run build:install -- --overlay ha --namespace network-security --outfile FILE
 *
 * It is rendered by the kustomize in kubectl: the one on the PATH, otherwise the one of the local control plane.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { locateBinaries } from '../test/env/index.ts';
import { type ImageReference, parseImage } from './install/image-reference.ts';
import { namespaceChoice } from './install/namespace-choice.ts';
import { errorMessage } from '../src/util/error-message.ts';

const root = join(import.meta.dirname, '..');
const overlays = join(root, 'config/overlays');

try {
  const { image, overlay, namespace, outfile } = readArguments();
  const base = overlay === undefined ? join(root, 'config/default') : join(overlays, overlay);
  const manifest = render(await findKubectl(), base, image, namespace);
  mkdirSync(dirname(outfile), { recursive: true });
  writeFileSync(outfile, manifest);
  console.log(`${relative(process.cwd(), outfile)} ${manifest.split(/^kind: /m).length - 1} objects`);
  if (image === undefined) {
    const [, named] = /^ +image: (\S+)$/m.exec(manifest) ?? [];
    console.error(`Its image is ${named}, which names no registry: give yours with --image.`);
  }
} catch (error) {
  console.error(errorMessage(error));
  process.exitCode = 1;
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      image: { type: 'string' },
      overlay: { type: 'string' },
      namespace: { type: 'string' },
      outfile: { type: 'string', default: join(root, 'dist/install.yaml') },
    },
  });
  const { image, overlay, namespace, outfile } = values;
  if (overlay !== undefined && !existsSync(join(overlays, overlay, 'kustomization.yaml'))) {
    throw new Error(`--overlay ${overlay}: config/overlays has ${readdirSync(overlays).join(', ')}`);
  }
  if (namespace !== undefined && !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) {
    throw new Error(
      `--namespace ${namespace}: a namespace has lower case letters, digits and dashes, at most 63`,
    );
  }
  return {
    image: image === undefined ? undefined : parseImage(image),
    overlay,
    namespace,
    outfile: resolve(outfile),
  };
}

async function findKubectl(): Promise<string> {
  const { status } = spawnSync('kubectl', ['version', '--client'], { stdio: 'ignore' });
  return status === 0 ? 'kubectl' : (await locateBinaries()).kubectl;
}

/** A kustomization in a folder of its own: kustomize takes neither image nor namespace on the command line. */
function render(
  kubectl: string,
  base: string,
  image: ImageReference | undefined,
  namespace: string | undefined,
): string {
  mkdirSync(join(root, 'dist'), { recursive: true });
  const directory = mkdtempSync(join(root, 'dist/install-'));
  try {
    const kustomization = {
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      resources: [relative(directory, base), ...(namespace === undefined ? [] : ['namespace.yaml'])],
      ...(namespace !== undefined && {
        components: [relative(directory, join(root, 'config/namespace'))],
      }),
      ...(image && { images: [{ name: 'segmentation-operator', ...image }] }),
    };
    writeFileSync(join(directory, 'kustomization.yaml'), stringify(kustomization));
    if (namespace !== undefined)
      writeFileSync(join(directory, 'namespace.yaml'), stringify(namespaceChoice(namespace)));
    const { status, stdout, stderr, error } = spawnSync(kubectl, ['kustomize', directory], {
      encoding: 'utf8',
    });
    if (error !== undefined) throw error;
    if (status !== 0) throw new Error(stderr.trim());
    return stdout;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
