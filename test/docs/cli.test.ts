/** docs/cli.md shows the plugin's real output, and names every command and flag. */
import assert from 'node:assert/strict';
import { COMMANDS } from '../../src/cli/commands/registry.ts';
import { flagsOf } from '../../src/cli/shell/help.ts';
import { readFlags } from '../../src/cli/shell/flags.ts';
import { page, PAGES, samples } from './pages.ts';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertShows, consoleOf, directoryForPage, fileOf } from './session.ts';

const cliPage = page('docs/cli.md');

describe('docs/cli.md', () => {
  let directory: ReturnType<typeof directoryForPage>;
  before(() => {
    directory = directoryForPage();
    for (const sample of samples(cliPage)) {
      const name = fileOf(sample);
      if (name !== undefined) writeFileSync(join(directory.path, name), sample.text);
    }
  });
  after(() => directory.remove());

  const sessions = samples(cliPage).filter(({ language }) => language === 'console');

  it('shows a session of each command for manifests', () => {
    const shown = sessions.map(({ text }) => text).join('');
    for (const name of ['status', 'explain', 'diff', 'check', 'render', 'matrix']) {
      assert.ok(shown.includes(`$ kubectl segmentation ${name}`), name);
    }
  });

  for (const sample of sessions) {
    it(`shows the output of the commands at ${sample.at}`, async () => {
      assertShows(cliPage, sample, await consoleOf(sample.text, directory.path));
    });
  }

  it('names every command', () => {
    for (const { name } of COMMANDS) assert.match(cliPage.text, new RegExp(`\`${name}[\` ]`), name);
  });

  it('names every flag that kubectl does not have', () => {
    const flags = new Set(
      COMMANDS.filter(({ name }) => name !== 'matrix' && name !== 'graph').flatMap((each) =>
        flagsOf(each).map(({ name }) => name),
      ),
    );
    // Flags with the same meaning in kubectl.
    for (const known of ['help', 'namespace', 'all-namespaces', 'output', 'filename', 'kustomize'])
      flags.delete(known);
    for (const flag of flags) assert.ok(cliPage.text.includes(`--${flag}`), flag);
  });
});

describe('documentation pages', () => {
  it('call the plugin with commands and flags that exist', () => {
    const lines = PAGES.flatMap(samples)
      .flatMap(({ text, at }) => text.split('\n').map((line) => ({ line, at })))
      .flatMap(({ line, at }) =>
        [...line.matchAll(/(?:^|\$ |&& |\()kubectl segmentation ([a-z].*?)(?= *(?:[|>#]|&&|$))/g)].map(
          ([, call = '']) => ({
            call,
            at,
          }),
        ),
      );
    assert.ok(lines.length >= 8, 'too few calls of the plugin found');
    for (const { call, at } of lines) {
      const [name, ...rest] = call.split(' ').filter(Boolean);
      const command = COMMANDS.find((each) => each.name === name);
      assert.ok(command, `${at}: ${call}`);
      const { words } = readFlags(rest, flagsOf(command));
      const [min, max] = command.words;
      assert.ok(words.length >= min && words.length <= max, `${at}: ${call}`);
    }
  });
});
