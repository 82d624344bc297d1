/** The programs that are bundled, and how: one file each, the same bytes for the same input. */
import { type BuildOptions, build, type Metafile } from 'esbuild';

/** Dependencies that are CommonJS call `require`, which a module does not have. */
const REQUIRE =
  "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);";

/** What an older Node says by itself is of no help. Modules would be linked before it: hence CommonJS. */
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
  /** Begins the bundle. */
  readonly banner: string;
  /** Under dist/. kubectl finds a plugin by the name of its file, which has no extension. */
  readonly file: string;
  readonly description: string;
}

export const OPERATOR: Program = {
  name: 'segmentation-operator',
  entry: 'src/operator/main.ts',
  format: 'esm',
  banner: REQUIRE,
  file: 'operator.mjs',
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

/** Bundles a program; resolves what went into it, by path from the root of the repository. */
export async function bundle(root: string, program: Program, outfile: string): Promise<Metafile> {
  return (await build({ ...options(root, program), outfile, metafile: true })).metafile;
}

/** What goes into a program; nothing is written. */
export async function contents(root: string, program: Program): Promise<Metafile> {
  return (await build({ ...options(root, program), outfile: program.file, write: false, metafile: true }))
    .metafile;
}

function options(root: string, { entry, format, banner }: Program): BuildOptions {
  return {
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node24',
    format,
    // Names stay as they are written, as stack traces are read. (Those of the few that esbuild has to change too would
    // cost a call for each function that is made, many of them for each request.)
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'linked',
    banner: { js: banner },
    logLevel: 'warning',
  };
}
