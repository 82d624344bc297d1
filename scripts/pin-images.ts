/**
 * Pins the base images of the Dockerfile by digest. Needs the registries, and no container engine.
 *
 *   npm run pin:images              writes what the tags stand for now into the Dockerfile
 *   npm run pin:images -- --check   writes nothing and asks nobody; exits with 1 where a base has no digest
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { basesOf, unpinned, withDigest } from './images/dockerfile.ts';
import { digestOf } from './images/registry.ts';
import { errorMessage } from '../src/util/error-message.ts';

try {
  const { values } = parseArgs({
    options: {
      check: { type: 'boolean', default: false },
      file: { type: 'string', default: join(import.meta.dirname, '../Dockerfile') },
    },
  });
  await (values.check ? check(values.file) : pin(values.file));
} catch (error) {
  console.error(errorMessage(error));
  process.exitCode = 1;
}

function check(file: string): void {
  const problems = unpinned(readFileSync(file, 'utf8'));
  if (problems.length > 0) throw new Error([...problems, 'npm run pin:images writes them.'].join('\n'));
}

/** All or nothing: one that can't be asked leaves the file as it is. */
async function pin(file: string): Promise<void> {
  let text = readFileSync(file, 'utf8');
  for (const base of basesOf(text)) {
    const digest = await digestOf(base.reference);
    const change = base.digest === undefined ? 'pinned' : base.digest === digest ? 'unchanged' : 'moved';
    console.log(`${base.argument} ${change}: ${base.reference.replace(/@.*/, '')}@${digest}`);
    text = withDigest(text, base, digest);
  }
  writeFileSync(file, text);
}
