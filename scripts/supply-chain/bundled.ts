/** Which packages a bundle holds: by what the bundler took, not by what is installed. */
import { build, type Metafile } from 'esbuild';
import { PLUGIN, type Program } from '../bundle/programs.ts';
import { pageOptions } from '../generators/page.ts';

/** The folders of the packages of which a program has code, as the lockfile names them, sorted. */
export async function packagesOf(root: string, program: Program, metafile: Metafile): Promise<string[]> {
  const metafiles = [metafile];
  // The plugin carries a page that was bundled before, as a string.
  if (program === PLUGIN) {
    const page = await build({ ...pageOptions(root), write: false, metafile: true });
    metafiles.push(page.metafile);
  }
  return [...new Set(metafiles.flatMap(packagesIn))].sort();
}

/** From the first node_modules of a path, which may lie elsewhere, to the package that the last one holds. */
const FOLDER = /node_modules\/(?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+(?=\/)/;

function packagesIn({ outputs }: Metafile): string[] {
  return Object.values(outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .flatMap(([path]) => FOLDER.exec(path)?.[0] ?? []);
}

/** An entry of package-lock.json, as far as it is read here. */
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

/** A package's name, from its folder. */
export function nameOf(folder: string): string {
  return folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
}
