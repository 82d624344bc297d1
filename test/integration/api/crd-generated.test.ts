/** Files that are generated from the CRD are the committed ones, and drift is noticed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { CRD_PATH } from '../../../scripts/generators/crd.ts';

const root = join(import.meta.dirname, '../../..');
const TYPES = 'src/api/generated/segmentation-profile.ts';
const NO_SOURCES: ReadonlySet<string> = new Set(['.git', 'dist', 'node_modules']);

function generate(directory: string, ...args: readonly string[]) {
  const script = join(directory, 'scripts/generate.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

describe('the generated files', () => {
  let copy: string;

  beforeEach(() => {
    copy = mkdtempSync(join(tmpdir(), 'generate-'));
    const isSource = (path: string) => !NO_SOURCES.has(relative(root, path));
    cpSync(root, copy, { recursive: true, filter: isSource });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  });
  afterEach(() => rmSync(copy, { recursive: true }));

  it('are what the CRD generates', () => {
    assert.deepEqual(generate(root, '--check'), { status: 0, output: '' });
  });

  it('fail the check when the CRD has changed, each with a line, and nothing is written', () => {
    const crd = join(copy, CRD_PATH);
    writeFileSync(
      crd,
      readFileSync(crd, 'utf8').replace('enum: [Enforce, Audit]', 'enum: [Enforce, Audit, Off]'),
    );
    const { status, output } = generate(copy, '--check');
    assert.equal(status, 1);
    const stale = [
      TYPES,
      'src/api/generated/segmentation-profile.schema.json',
      'docs/api.md',
      'charts/segmentation-operator/templates/crd.yaml',
    ];
    assert.deepEqual(
      output.trim().split('\n').sort(),
      stale.map((path) => `${path} is stale: run \`npm run generate\` and commit the result.`).sort(),
    );
    assert.equal(readFileSync(join(copy, TYPES), 'utf8'), readFileSync(join(root, TYPES), 'utf8'));
  });

  it('fail the check when one was edited or is missing, and are restored by generating', () => {
    appendFileSync(join(copy, TYPES), 'export type Stray = never;\n');
    rmSync(join(copy, 'docs/api.md'));
    assert.equal(generate(copy, '--check').status, 1);
    assert.deepEqual(generate(copy), { status: 0, output: `wrote ${TYPES}\nwrote docs/api.md\n` });
    for (const path of [TYPES, 'docs/api.md']) {
      assert.equal(readFileSync(join(copy, path), 'utf8'), readFileSync(join(root, path), 'utf8'));
    }
  });
});
