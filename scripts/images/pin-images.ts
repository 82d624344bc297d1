/** Pins the base images of the Dockerfile by digest. Needs the registries, and no container engine. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments, runScript } from '../entry.ts';
import { basesOf, unpinned, withDigest } from './dockerfile.ts';
import { digestOf } from './registry.ts';

const { flags } = readArguments({
  command: 'npm run pin:images',
  summary: 'Writes the current digests of its base images into the Dockerfile.',
  flags: {
    check: { help: 'send no request, write nothing, and exit with 1 if a base has no digest' },
    file: { value: 'FILE', help: 'the file to write instead of Dockerfile' },
  },
});
const path = flags.file ?? join(import.meta.dirname, '../../Dockerfile');
await runScript(() => (flags.check ? check(path) : pin(path)));

function check(file: string): void {
  const problems = unpinned(readFileSync(file, 'utf8'));
  if (problems.length > 0) throw new Error([...problems, 'npm run pin:images writes them.'].join('\n'));
}

/** Writes all digests or none: the file stays as it is if a registry does not answer. */
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
