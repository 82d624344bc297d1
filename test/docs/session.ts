/**
 * Runs the console sessions of a page, and compares their output with the page. With UPDATE_PAGES=1 it changes the page
 * instead: review the difference before you commit it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { cli } from '../cli/cli.ts';
import { type Page, type Sample, samples } from './pages.ts';

const root = join(import.meta.dirname, '../..');

/** Makes a temporary directory with config/, in which to run a page's commands. */
export function directoryForPage(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'page-'));
  symlinkSync(join(root, 'config'), join(path, 'config'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** The file name of a YAML sample that begins with a comment which names it; undefined for any other sample. */
export function fileOf({ language, text: content }: Sample): string | undefined {
  return language === 'yaml' ? /^# ([\w.-]+\.yaml)\n/.exec(content)?.[1] : undefined;
}

/**
 * Compares a console sample with the output of its commands.
 *
 * @param vary replaces parts that differ from run to run
 */
export function assertShows(
  page: Page,
  sample: Sample,
  actual: string,
  vary = (shown: string) => shown,
): void {
  if (vary(sample.text) === vary(actual)) return;
  if (process.env['UPDATE_PAGES'] !== '1') assert.equal(vary(sample.text), vary(actual), sample.at);
  const path = join(root, page.path);
  const [before, after] = [sample.text, actual].map((shown) => `\`\`\`console\n${shown}\`\`\``);
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace(before ?? '', () => after ?? ''),
  );
}

/** The samples of a page that are files or console sessions, in their order. */
export function steps(page: Page): Sample[] {
  return samples(page).filter((sample) => sample.language === 'console' || fileOf(sample) !== undefined);
}

/** The commands of a block, each after a `$`. */
export function commandsOf(block: string): string[] {
  return block.split('\n').flatMap((line) => (line.startsWith('$ ') ? [line.slice(2)] : []));
}

/**
 * The block with the output of its commands: lines of the plugin, run within this process, and `echo $?`.
 *
 * @throws Error for any other command
 */
export async function consoleOf(block: string, cwd: string): Promise<string> {
  let status = 0;
  let shown = '';
  for (const command of commandsOf(block)) {
    shown += `$ ${command}\n`;
    if (command === 'echo $?') {
      shown += `${status}\n`;
      continue;
    }
    const line = /^kubectl segmentation (.*)$/.exec(command)?.[1];
    if (line === undefined) throw new Error(`not a command that a page can show: ${command}`);
    const { code, output } = await cli(line, { cwd });
    status = code;
    shown += output;
  }
  return shown;
}

/** Longest run of one command, in milliseconds. */
const COMMAND_TIMEOUT_MS = 90_000;

/**
 * The block with the output of its commands, run by bash one after the other.
 *
 * @throws Error for a command that does not end in time
 */
export async function bashConsoleOf(
  block: string,
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  let status = 0;
  let shown = '';
  for (const command of commandsOf(block)) {
    const script = command === 'echo $?' ? `echo ${status}` : `exec 2>&1; ${command}`;
    const child = spawn('bash', ['-c', script], {
      cwd,
      env,
      timeout: COMMAND_TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(child, 'close') as Promise<[number | null]>;
    shown += `$ ${command}\n${await text(child.stdout)}`;
    const [code] = await ended;
    if (code === null) throw new Error(`did not end within ${COMMAND_TIMEOUT_MS} ms: ${command}\n${shown}`);
    status = code;
  }
  return shown;
}
