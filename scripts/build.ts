/**
 * Bundles each program and all that it depends on into one file: a fast start, little memory, and no node_modules. The
 * same input gives the same bytes.
 *
 *   npm run build                  writes dist/operator.mjs and dist/kubectl-segmentation
 *   npm run build -- --outfile F   writes the operator to F, and nothing else
 *   npm run build -- --plugin F    writes the kubectl plugin to F, and nothing else
 *
 * Beside each: FILE.LEGAL.txt, the licence comments of what is bundled; FILE.cdx.json, what is bundled, as a bill of
 * materials (CycloneDX); and THIRD_PARTY_LICENSES, the licences in full.
 */
import { chmodSync, copyFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { flags } from './arguments.ts';
import { bundle, OPERATOR, PLUGIN, type Program } from './build/programs.ts';
import { packagesOf } from './supply-chain/bundled.ts';
import { LICENCES_FILE } from './supply-chain/licences.ts';
import { billOfMaterials } from './supply-chain/sbom.ts';

const root = join(import.meta.dirname, '..');
const values = flags({ outfile: { type: 'string' }, plugin: { type: 'string' } });

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

if (values.plugin === undefined) await write(OPERATOR, values.outfile);
if (values.outfile === undefined) {
  const outfile = await write(PLUGIN, values.plugin);
  chmodSync(outfile, 0o755);
  // A file without an extension is of the kind that the package around it says.
  writeFileSync(join(dirname(outfile), 'package.json'), '{ "type": "commonjs" }\n');
}
