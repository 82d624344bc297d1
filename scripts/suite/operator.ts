/** The operator as tests start it: the bundle, which needs a quarter of the processor time of a start from the sources. */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, OPERATOR } from '../bundle/programs.ts';

/** Bundles the operator, also while tests of another run start it. Resolves with its path. */
export async function operatorForTests(root: string): Promise<string> {
  const folder = join(root, 'node_modules/.cache/operator');
  mkdirSync(folder, { recursive: true });
  const made = mkdtempSync(join(folder, '.made-'));
  try {
    await bundle(root, OPERATOR, join(made, OPERATOR.file));
    for (const file of readdirSync(made)) renameSync(join(made, file), join(folder, file));
  } finally {
    rmSync(made, { recursive: true });
  }
  return join(folder, OPERATOR.file);
}
