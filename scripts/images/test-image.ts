/**
 * Builds the image and tests it: it runs as its own user on a file system that can't be written, and its bundle is, byte
 * for byte, the one that `npm run build` makes here.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle, OPERATOR } from '../bundle/programs.ts';
import { readArguments, runScript } from '../entry.ts';
import { createEngine, type Engine, findEngine } from './engines.ts';
import { makeLocalBases } from './local-bases.ts';
import { version } from '../../src/util/version.ts';

const root = join(import.meta.dirname, '../..');
const TAG = 'localhost/segmentation-operator-test';
const USER = '65532:65532';

const { flags } = readArguments({
  command: 'npm run test:image',
  summary: 'Builds the image with Docker, Podman or Buildah, and tests it.',
  flags: {
    'local-bases': {
      help: 'make the base images of Debian packages instead of pulling them; needs root, mmdebstrap and buildah',
    },
  },
});

await runScript(async () => {
  const name = flags['local-bases'] ? 'buildah' : findEngine();
  if (name === undefined) throw new Error('no Docker, Podman or Buildah works here: install one of them');
  const engine = createEngine(name);
  const buildArguments = flags['local-bases'] ? makeLocalBases(root) : {};
  try {
    await step(`image built with ${name}`, () => engine.build(root, { tag: TAG, buildArguments }));
    await testImage(engine);
    engine.remove(TAG);
  } finally {
    for (const base of Object.values(buildArguments)) engine.remove(base);
  }
});

async function testImage(engine: Engine): Promise<void> {
  await step('user', () => expect(engine.config(TAG).user, USER));
  await step('read-only root, --version', () =>
    expect(engine.run(TAG, ['--version']).trim(), `segmentation-operator ${version}`),
  );
  await step('read-only root, --print-config', () =>
    expect(engine.run(TAG, ['--print-config']).split('\n')[1], 'kind: OperatorConfiguration'),
  );
  const directory = mkdtempSync(join(tmpdir(), 'image-test-'));
  try {
    await bundle(root, OPERATOR, join(directory, OPERATOR.file));
    for (const { file } of [OPERATOR, ...(OPERATOR.threads ?? [])]) {
      await step(`${file} equals the local one`, () => {
        const built = join(directory, `image-${file}`);
        engine.copyOut(TAG, `/app/${file}`, built);
        if (!readFileSync(built).equals(readFileSync(join(directory, file))))
          throw new Error(`/app/${file} differs from the bundle of npm run build`);
      });
    }
    await step('licences', () => {
      const licences = join(directory, 'licences');
      engine.copyOut(TAG, '/app/THIRD_PARTY_LICENSES', licences);
      expect(readFileSync(licences, 'utf8'), readFileSync(join(root, 'THIRD_PARTY_LICENSES'), 'utf8'));
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Prints a step once it is done; text that it returns is printed too. */
async function step(title: string, run: () => string | void | Promise<void>): Promise<void> {
  const text = await run();
  console.log(`ok ${title}${typeof text === 'string' ? `: ${text}` : ''}`);
}

function expect(actual: unknown, expected: string): void {
  if (actual !== expected) throw new Error(`expected ${expected}, not ${String(actual)}`);
}
