/** Runs what a page shows on a console, and gives what it should show. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cli } from '../cli/cli.ts';
import { type Page, samples } from './pages.ts';

const root = join(import.meta.dirname, '../..');

/** A directory with the page's files (samples of YAML that begin with a comment that names one), and config/. */
export function directoryOfPage(page: Page): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'page-'));
  symlinkSync(join(root, 'config'), join(path, 'config'));
  for (const { language, text } of samples(page)) {
    const name = /^# ([\w.-]+\.yaml)\n/.exec(text)?.[1];
    if (language === 'yaml' && name !== undefined) writeFileSync(join(path, name), text);
  }
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** The commands of a block, each after a `$`. */
export function commandsOf(text: string): string[] {
  return text.split('\n').flatMap((line) => (line.startsWith('$ ') ? [line.slice(2)] : []));
}

/**
 * The block with the output of its commands: lines of the plugin, run within this process, and `echo $?`.
 *
 * @throws Error for any other command
 */
export async function consoleOf(text: string, cwd: string): Promise<string> {
  let status = 0;
  let shown = '';
  for (const command of commandsOf(text)) {
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
