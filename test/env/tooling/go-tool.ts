/**
 * Tools that only tests need, built from Go modules whose versions and checksums are committed in tools/, and kept in
 * the user's cache under a name made of their sources.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findGo } from './build.ts';
import { cacheDirectory } from './cache.ts';
import { withLock } from './lock.ts';
import { ProcessSet } from '../plane/processes.ts';
import { showProgress, withElapsed } from './progress.ts';
import { requiredGo, workDirectory } from './target.ts';

export interface GoTool {
  /** The command's name. */
  readonly name: string;
  /** The folder of its module under test/env/tools. */
  readonly module: string;
  /** The package to build, as `go build` takes it. */
  readonly package: string;
  /** What it is, for the person who waits for the build. */
  readonly title: string;
  /** For the same person: how long the build usually takes. */
  readonly usualTime: string;
  /** `-X` settings for the linker, for tools that tell their version so. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Build tags, for tools that can leave out what tests do not need. */
  readonly tags?: readonly string[];
}

/** Whether tools can be built here, and if not, the words to append to the title of what is skipped. */
export const goIsThere = (await findGo('go', process.env)) !== undefined;
export const skippedWithoutGo = goIsThere
  ? ''
  : ` (skipped: it is built with Go ${requiredGo()} or later, which is not here)`;

/** Resolves the path of the binary, after building it if need be. @throws with Go's messages if that fails */
export async function goTool(tool: GoTool): Promise<string> {
  const go = await findGo('go', process.env);
  if (go === undefined) throw new Error(`${tool.title} is built with Go ${requiredGo()} or later`);
  const module = join(import.meta.dirname, '../tools', tool.module);
  const directory = cacheDirectory('tools');
  const binary = join(directory, `${tool.name}-${digest(module, tool)}`);
  if (existsSync(binary)) return binary;
  mkdirSync(directory, { recursive: true });
  const progress = showProgress();
  const build = async () => {
    if (existsSync(binary)) return; // another process built it while this one waited
    // A folder for each tool, as the lock is: two that are wanted at once may be built at once.
    const own = join(directory, `.${tool.name}`);
    mkdirSync(own, { recursive: true });
    const processes = new ProcessSet(workDirectory(own));
    try {
      const output = join(processes.directory, tool.name);
      const variables = Object.entries(tool.variables ?? {}).map(([name, value]) => `-X ${name}=${value}`);
      const tags = tool.tags === undefined ? [] : ['-tags', tool.tags.join(',')];
      const flags = [...tags, '-ldflags', ['-s', '-w', ...variables].join(' '), '-o', output, tool.package];
      // Without -buildvcs=false Go asks git about the checkout, which there need not be.
      await processes.run(go.command, ['build', '-trimpath', '-buildvcs=false', ...flags], {
        workingDirectory: module,
        environment: go.environment,
      });
      renameSync(output, binary);
    } finally {
      await processes.stop();
    }
  };
  try {
    await withElapsed(
      progress,
      `Building ${tool.title} (this once)`,
      () => tool.usualTime,
      () => withLock(join(directory, `.lock-${tool.name}`), build),
    );
  } finally {
    progress('');
  }
  return binary;
}

/**
 * Resolves the folder of a Go module that is only read, not built: `path` as the go.mod in tools/NAME requires it.
 *
 * @throws with Go's messages if it can't be had
 */
export async function goModuleFolder(name: string, path: string): Promise<string> {
  const go = await findGo('go', process.env);
  if (go === undefined) throw new Error(`${path} is downloaded with Go ${requiredGo()} or later`);
  const options = { cwd: join(import.meta.dirname, '../tools', name), env: go.environment };
  const { stdout } = await promisify(execFile)(go.command, ['mod', 'download', '-json', path], options);
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}

function digest(module: string, tool: GoTool): string {
  const hash = createHash('sha256').update(JSON.stringify([process.platform, process.arch, tool]));
  for (const name of readdirSync(module).toSorted()) hash.update(readFileSync(join(module, name)));
  return hash.digest('hex').slice(0, 16);
}
