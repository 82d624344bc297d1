/** The packages in a bundle, from the list of inputs of the bundler. */
import { build, type Metafile } from 'esbuild';
import { PLUGIN, type Program } from '../bundle/programs.ts';
import { pageOptions } from '../generators/page.ts';

/** The folders of the packages in a program, as in the lockfile, sorted. */
export async function packagesOf(root: string, program: Program, metafile: Metafile): Promise<string[]> {
  const metafiles = [metafile];
  // The plugin carries a page that was bundled before, as a string.
  if (program === PLUGIN) {
    const page = await build({ ...pageOptions(root), write: false, metafile: true });
    metafiles.push(page.metafile);
  }
  return [...new Set(metafiles.flatMap(packagesIn))].sort();
}

/** The part of a path from its first node_modules to the package in its last one. */
const FOLDER = /node_modules\/(?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+(?=\/)/;

function packagesIn({ outputs }: Metafile): string[] {
  return Object.values(outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .flatMap(([path]) => FOLDER.exec(path)?.[0] ?? []);
}

/** The part of an entry of package-lock.json that is read. */
export interface LockedPackage {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly inBundle?: boolean;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export interface Lockfile {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

/** The name of the package in a folder. */
export function nameOf(folder: string): string {
  return folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
}
