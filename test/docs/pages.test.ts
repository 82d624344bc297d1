/** The pages link to existing files and headings, name existing paths and commands, and have well-formed samples. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { parseAllDocuments } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { anchors, links, PAGES, page, prose, quoted, samples } from './pages.ts';

const root = join(import.meta.dirname, '../..');
const REPOSITORY_PATH = /^(src|test|scripts|config|crds|docs|bench)\/[\w./-]*$/;

describe('documentation page', () => {
  for (const each of PAGES) {
    describe(each.path, () => {
      it('links to files and headings that exist', () => {
        for (const link of links(each).filter((target) => !/^https?:/.test(target))) {
          const [file = '', anchor] = link.split('#');
          const path = file === '' ? each.path : normalize(join(dirname(each.path), file));
          assert.ok(existsSync(join(root, path)), `${link}: no file ${path}`);
          if (anchor === undefined) continue;
          assert.ok(anchors(page(path)).has(anchor), `${link}: no heading "${anchor}" in ${path}`);
        }
      });

      it('names files and folders that exist', () => {
        const paths = quoted(prose(each)).filter((text) => REPOSITORY_PATH.test(text));
        assert.deepEqual(
          paths.filter((path) => !existsSync(join(root, path))),
          [],
        );
      });

      it('names commands that exist', () => {
        const commands = [...each.text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = '']) => name);
        assert.deepEqual(
          commands.filter((name) => !Object.hasOwn(packageJson.scripts, name)),
          [],
        );
      });

      const written = samples(each).filter(({ language }) => language === 'yaml');
      if (written.length === 0) return;
      it('has samples of well-formed YAML', () => {
        for (const { text, at } of written) {
          const documents = parseAllDocuments(text);
          assert.ok(Array.isArray(documents), `${at}: empty`);
          assert.deepEqual(
            documents.flatMap(({ errors }) => errors.map(({ message }) => message)),
            [],
            at,
          );
        }
      });
    });
  }

  it('is linked from another page', () => {
    const linked = new Set(
      PAGES.flatMap((each) =>
        links(each).map((link) => normalize(join(dirname(each.path), link.replace(/#.*/, '')))),
      ),
    );
    const lost = PAGES.filter(
      ({ path }) => path !== 'README.md' && !linked.has(path) && !linked.has(dirname(path)),
    );
    assert.deepEqual(
      lost.map(({ path }) => path),
      [],
    );
  });
});
