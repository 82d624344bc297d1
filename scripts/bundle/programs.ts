/** Bundles the programs, each into one file, and one for each of its threads: the same input gives the same bytes. */
import { dirname, join } from 'node:path';
import { type BuildOptions, build, type Metafile } from 'esbuild';
import { lean } from './lean.ts';

/** Defines `require`, which bundled CommonJS packages call, and modules lack. */
const REQUIRE =
  "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);";

/** Explains that Node is too old. Runs before everything else in CommonJS; the imports of a module would run first. */
const NODE_MAJOR = 24;
const CHECK = `#!/usr/bin/env node
if (parseInt(process.versions.node, 10) < ${NODE_MAJOR}) {
  console.error('error: kubectl-segmentation needs Node ${NODE_MAJOR} or later; this is ' + process.version + ' (' + process.execPath + ')');
  process.exit(2);
}`;

export interface Program {
  readonly name: string;
  readonly entry: string;
  readonly format: 'esm' | 'cjs';
  /** The first lines of the bundle. */
  readonly banner: string;
  /** The file in dist/. kubectl finds a plugin by the name of its file, without extension. */
  readonly file: string;
  /** Threads that it starts on demand, each from a file beside its own. */
  readonly threads?: readonly { readonly entry: string; readonly file: string }[];
  readonly description: string;
}

export const OPERATOR: Program = {
  name: 'segmentation-operator',
  entry: 'src/operator/main.ts',
  format: 'esm',
  banner: REQUIRE,
  file: 'operator.mjs',
  // The name is known to src/audit-runner/worker/thread.ts.
  threads: [{ entry: 'src/audit-runner/worker/main.ts', file: 'operator-audit.mjs' }],
  description: 'Turns SegmentationProfiles into NetworkPolicies',
};
export const PLUGIN: Program = {
  name: 'kubectl-segmentation',
  entry: 'src/cli/main.ts',
  format: 'cjs',
  banner: CHECK,
  file: 'kubectl-segmentation',
  description: 'The kubectl plugin: renders, compares, explains',
};

/** Bundles a program; resolves the list of its inputs, by path from the root of the repository. */
export function bundle(root: string, program: Program, outfile: string): Promise<Metafile> {
  return buildAll(root, program, dirname(outfile), { outfile });
}

/** The list of a program's inputs; writes nothing. */
export function contents(root: string, program: Program): Promise<Metafile> {
  return buildAll(root, program, '', { outfile: program.file, write: false });
}

async function buildAll(
  root: string,
  { threads = [], ...program }: Program,
  folder: string,
  more: BuildOptions,
): Promise<Metafile> {
  const files = threads.map(({ entry, file }) => ({ ...program, entry, outfile: join(folder, file) }));
  const builds = [{ ...program, outfile: more.outfile }, ...files].map(({ outfile = '', ...each }) =>
    build({ ...options(root, each), ...more, outfile, metafile: true }),
  );
  const metafiles = (await Promise.all(builds)).map(({ metafile }) => metafile);
  return {
    inputs: Object.assign({}, ...metafiles.map(({ inputs }) => inputs)) as Metafile['inputs'],
    outputs: Object.assign({}, ...metafiles.map(({ outputs }) => outputs)) as Metafile['outputs'],
  };
}

function options(
  root: string,
  { entry, format, banner }: Pick<Program, 'entry' | 'format' | 'banner'>,
): BuildOptions {
  return {
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node24',
    format,
    // Names are kept for stack traces. `keepNames` is off, as it costs a call for each function that is created, many of
    // them for each request.
    plugins: [lean],
    // Packages have a smaller form for production. winston's is without colours of its own debugging output.
    define: { 'process.env.NODE_ENV': '"production"' },
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'linked',
    banner: { js: banner },
    logLevel: 'warning',
  };
}
