/**
 * Writes everything that a cluster needs into one file: config/default (or config/overlays/NAME), with your image, in your
 * namespace. The kustomize in kubectl renders it: that of the PATH, or that of the local control plane.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { stringify } from 'yaml';
import { readArguments, runScript } from '../entry.ts';
import { locateBinaries } from '../../test/env/index.ts';
import { type ImageReference, parseImage } from './image-reference.ts';
import { namespaceChoice } from './namespace-choice.ts';

const root = join(import.meta.dirname, '../..');
const overlays = join(root, 'config/overlays');

interface Choice {
  readonly image: ImageReference | undefined;
  /** The folder of config/ that is rendered. */
  readonly base: string;
  readonly namespace: string | undefined;
}

const { flags } = readArguments({
  command: 'npm run build:install',
  summary: 'Writes the manifest of all that a cluster needs to dist/install.yaml.',
  flags: {
    image: { value: 'IMAGE', help: 'such as registry.example.com/segmentation-operator:v0.1.0' },
    overlay: { value: 'NAME', help: 'an overlay of config/overlays instead of config/default' },
    namespace: { value: 'NAME', help: 'the namespace of the operator [segmentation-system]' },
    outfile: { value: 'FILE', help: 'the file to write instead of dist/install.yaml' },
  },
});

await runScript(async () => {
  const outfile = resolve(flags.outfile ?? join(root, 'dist/install.yaml'));
  const choice = readChoice();
  const manifest = render(await findKubectl(), choice);
  mkdirSync(dirname(outfile), { recursive: true });
  writeFileSync(outfile, manifest);
  console.log(`${relative(process.cwd(), outfile)} ${manifest.split(/^kind: /m).length - 1} objects`);
  if (choice.image === undefined) {
    const [, named] = /^ +image: (\S+)$/m.exec(manifest) ?? [];
    console.error(`Its image is ${named}, which names no registry: give yours with --image.`);
  }
});

function readChoice(): Choice {
  const { image, overlay, namespace } = flags;
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
    base: overlay === undefined ? join(root, 'config/default') : join(overlays, overlay),
    namespace,
  };
}

async function findKubectl(): Promise<string> {
  const { status } = spawnSync('kubectl', ['version', '--client'], { stdio: 'ignore' });
  return status === 0 ? 'kubectl' : (await locateBinaries()).kubectl;
}

/** Renders through a kustomization of its own, as kustomize takes neither image nor namespace on the command line. */
function render(kubectl: string, { base, image, namespace }: Choice): string {
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
