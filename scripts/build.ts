/**
 * Bundles the operator and all that it depends on into one file, dist/operator.mjs: a fast start, little memory,
 * and an image without node_modules. The same input gives the same bytes.
 *
 *   npm run build                    writes dist/operator.mjs
 *   npm run build -- --outfile FILE  writes FILE
 *
 * Beside it, FILE.LEGAL.txt holds the licence comments of what is bundled.
 */
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({
  options: { outfile: { type: 'string', default: join(root, 'dist/operator.mjs') } },
});
const outfile = resolve(values.outfile);

// Dependencies that are CommonJS call `require`, which a module does not have.
const banner =
  "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);";

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ['src/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
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
