/**
 * Builds tools that only tests and benchmarks need from Go modules, whose versions and checksums are committed. They are
 * kept in the user's cache under names with a hash of their sources.
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
  /** Name of the command. */
  readonly name: string;
  /** Folder of its module, relative to test/env/tools. */
  readonly module: string;
  /** Package to build, an argument of `go build`. */
  readonly package: string;
  /** Title in the progress of the build. */
  readonly title: string;
  /** Usual duration of the build, shown in its progress. */
  readonly usualTime: string;
  /** `-X` settings of the linker, such as the tool's version. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Build tags, such as those that omit parts that tests do not need. */
  readonly tags?: readonly string[];
}

/** True if tools can be built on this machine. */
export const goIsThere = (await findGo('go', process.env)) !== undefined;
/** Suffix for the title of a test that is skipped without Go; empty with it. */
export const skippedWithoutGo = goIsThere
  ? ''
  : ` (skipped: it is built with Go ${requiredGo()} or later, which is not here)`;

/** Resolves with the path of the binary, which is built if it is missing. @throws Error with Go's messages */
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
    if (existsSync(binary)) return; // another process has built it meanwhile
    // Each tool has its own folder, as it has its own lock: two tools may be built at the same time.
    const own = join(directory, `.${tool.name}`);
    mkdirSync(own, { recursive: true });
    const processes = new ProcessSet(workDirectory(own));
    try {
      const output = join(processes.directory, tool.name);
      const variables = Object.entries(tool.variables ?? {}).map(([name, value]) => `-X ${name}=${value}`);
      const tags = tool.tags === undefined ? [] : ['-tags', tool.tags.join(',')];
      const flags = [...tags, '-ldflags', ['-s', '-w', ...variables].join(' '), '-o', output, tool.package];
      // Without -buildvcs=false Go runs git, which needs a checkout.
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
 * Resolves with the folder of the module `path` in the version that the go.mod in tools/NAME requires.
 *
 * @throws Error with Go's messages if it can't be downloaded
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
