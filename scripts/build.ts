/**
 * Bundles each program and all that it depends on into one file: a fast start, little memory, and no node_modules. The
 * same input gives the same bytes.
 *
 * Beside each program: FILE.LEGAL.txt, the licence comments of bundled packages; FILE.cdx.json, the bill of materials
 * (CycloneDX); and THIRD_PARTY_LICENSES, the licences in full.
 */
import { chmodSync, copyFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { readArguments } from './entry.ts';
import { bundle, OPERATOR, PLUGIN, type Program } from './bundle/programs.ts';
import { packagesOf } from './supply-chain/bundled.ts';
import { LICENCES_FILE } from './supply-chain/licences.ts';
import { billOfMaterials } from './supply-chain/sbom.ts';

const root = join(import.meta.dirname, '..');
const { flags, refuse } = readArguments({
  command: 'npm run build',
  summary: 'Bundles the operator and the kubectl plugin into dist/.',
  flags: {
    outfile: { value: 'FILE', help: 'write only the operator, to FILE' },
    plugin: { value: 'FILE', help: 'write only the kubectl plugin, to FILE' },
  },
});
// Node takes the module system from a file's extension.
if (flags.outfile !== undefined && !flags.outfile.endsWith('.mjs')) {
  refuse(`--outfile must end in .mjs, as the operator is an ES module: ${flags.outfile}`);
}
if (flags.plugin?.endsWith('.mjs') === true) {
  refuse(`--plugin must not end in .mjs, as the plugin is a CommonJS module: ${flags.plugin}`);
}

async function write(program: Program, given: string | undefined): Promise<string> {
  const outfile = resolve(given ?? join(root, 'dist', program.file));
  const metafile = await bundle(root, program, outfile);
  const bom = `${outfile.replace(/\.mjs$/, '')}.cdx.json`;
  writeFileSync(bom, billOfMaterials(root, program, await packagesOf(root, program, metafile)));
  const licences = join(dirname(outfile), LICENCES_FILE);
  copyFileSync(join(root, LICENCES_FILE), licences);
  for (const path of [...Object.keys(metafile.outputs).map((each) => join(root, each)), bom, licences]) {
    console.log(`${relative(process.cwd(), path)} ${(statSync(path).size / 1024).toFixed(0)} KiB`);
  }
  return outfile;
}

if (flags.plugin === undefined) await write(OPERATOR, flags.outfile);
if (flags.outfile === undefined) {
  const outfile = await write(PLUGIN, flags.plugin);
  chmodSync(outfile, 0o755);
  // For a file without an extension, Node takes the module system from the nearest package.json.
  writeFileSync(join(dirname(outfile), 'package.json'), '{ "type": "commonjs" }\n');
}
