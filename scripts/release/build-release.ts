/**
 * Writes the files of a release to dist/release: the archive of the kubectl plugin, its manifest for krew, the manifest
 * of all that a cluster needs, the bills of materials, and the notes from CHANGELOG.md; and to dist/chart the chart with
 * the released image. Refuses a tag that is not the
 * version of package.json, a version that the changelog lacks, and base images that are not pinned.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments, runScript } from '../entry.ts';
import { execute } from '../images/engines.ts';
import { unpinned } from '../images/dockerfile.ts';
import { tarGz } from './archive.ts';
import { releaseNotes } from './changelog.ts';
import { releasedValues } from './chart.ts';
import { krewManifest } from './krew.ts';
import { LICENCES_FILE } from '../supply-chain/licences.ts';
import { version } from '../../src/util/version.ts';

const root = join(import.meta.dirname, '../..');
const target = join(root, 'dist/release');

const { flags, refuse } = readArguments({
  command: 'npm run build:release',
  summary: 'Writes the files of a release to dist/release.',
  flags: {
    tag: { value: 'vX.Y.Z', help: 'the tag of the release' },
    repository: { value: 'OWNER/NAME', help: 'the repository on GitHub' },
    image: { value: 'IMAGE', help: 'the image of the operator, with its digest' },
  },
});
const { tag, repository, image } = flags;

await runScript(() => {
  if (tag === undefined || repository === undefined || image === undefined)
    return refuse('--tag, --repository and --image are needed');
  if (tag !== `v${version}`) throw new Error(`the tag is ${tag}, and the version of package.json ${version}`);
  const notes = releaseNotes(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'), version);
  const problems = unpinned(readFileSync(join(root, 'Dockerfile'), 'utf8'));
  if (problems.length > 0) throw new Error(problems.join('\n'));

  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const npmRun = (script: string, ...args: string[]) =>
    execute(process.execPath, [...process.execArgv, join(root, 'scripts', script), ...args], { cwd: root });
  npmRun('build.ts');
  npmRun('install/build-install.ts', '--image', image, '--outfile', join(target, 'install.yaml'));
  for (const bill of ['operator.cdx.json', 'kubectl-segmentation.cdx.json'])
    copyFileSync(join(root, 'dist', bill), join(target, bill));
  const archive = `kubectl-segmentation-${tag}.tar.gz`;
  const content = pluginArchive();
  writeFileSync(join(target, archive), content);
  const sha256 = createHash('sha256').update(content).digest('hex');
  writeFileSync(join(target, 'segmentation.yaml'), krewManifest({ tag, repository, archive, sha256 }));
  writeFileSync(join(target, 'notes.md'), `${notes}\n`);
  writeChart(image);
  console.log(`wrote ${target}`);
});

/** A copy of the chart that installs the released image. */
function writeChart(image: string): void {
  const source = join(root, 'charts/segmentation-operator');
  const chart = join(root, 'dist/chart/segmentation-operator');
  rmSync(chart, { recursive: true, force: true });
  cpSync(source, chart, { recursive: true });
  const values = join(chart, 'values.yaml');
  writeFileSync(values, releasedValues(readFileSync(values, 'utf8'), image));
}

function pluginArchive(): Buffer {
  const file = (name: string, path: string, isExecutable = false) => ({
    name,
    content: readFileSync(join(root, path)),
    isExecutable,
  });
  return tarGz([
    file('kubectl-segmentation', 'dist/kubectl-segmentation', true),
    // Says that a file without an extension is CommonJS.
    file('package.json', 'dist/package.json'),
    file('LICENSE', 'LICENSE'),
    file(LICENCES_FILE, LICENCES_FILE),
  ]);
}
