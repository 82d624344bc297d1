/**
 * Bundles each program and all that it depends on into one file: a fast start, little memory, and no node_modules. The
 * same input gives the same bytes.
 *
 *   npm run build                  writes dist/operator.mjs and dist/kubectl-segmentation
 *   npm run build -- --outfile F   writes the operator to F, and nothing else
 *   npm run build -- --plugin F    writes the kubectl plugin to F, and nothing else
 *
 * Beside each, FILE.LEGAL.txt holds the licence comments of what is bundled.
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({
  options: { outfile: { type: 'string' }, plugin: { type: 'string' } },
});

// Dependencies that are CommonJS call `require`, which a module does not have.
const REQUIRE =
  "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);";

interface Program {
  readonly entry: string;
  readonly outfile: string;
  readonly format: 'esm' | 'cjs';
  /** Begins the bundle. */
  readonly banner: string;
}

const operator: Program = {
  entry: 'src/main.ts',
  outfile: resolve(values.outfile ?? join(root, 'dist/operator.mjs')),
  format: 'esm',
  banner: REQUIRE,
};

/** What an older Node says by itself is of no help. Modules would be linked before it: hence CommonJS. */
const NODE_MAJOR = 24;
const CHECK = `#!/usr/bin/env node
if (parseInt(process.versions.node, 10) < ${NODE_MAJOR}) {
  console.error('error: kubectl-segmentation needs Node ${NODE_MAJOR} or later; this is ' + process.version + ' (' + process.execPath + ')');
  process.exit(2);
}`;

/** Without an extension: kubectl finds plugins by the name of the file. */
const plugin: Program = {
  entry: 'src/cli/main.ts',
  outfile: resolve(values.plugin ?? join(root, 'dist/kubectl-segmentation')),
  format: 'cjs',
  banner: CHECK,
};

async function bundle({ entry, outfile, format, banner }: Program): Promise<void> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format,
    // Names stay as they are written: stack traces and error names are read.
    minifyWhitespace: true,
    minifySyntax: true,
    keepNames: true,
    legalComments: 'linked',
    banner: { js: banner },
    metafile: true,
    logLevel: 'warning',
  });
  for (const [path, { bytes }] of Object.entries(metafile.outputs)) {
    console.log(`${relative(process.cwd(), join(root, path))} ${(bytes / 1024).toFixed(0)} KiB`);
  }
}

if (values.plugin === undefined) await bundle(operator);
if (values.outfile === undefined) {
  await bundle(plugin);
  chmodSync(plugin.outfile, 0o755);
  // A file without an extension is of the kind that the package around it says.
  writeFileSync(join(dirname(plugin.outfile), 'package.json'), '{ "type": "commonjs" }\n');
}
