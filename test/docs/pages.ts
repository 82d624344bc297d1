/** The pages of the documentation, and their parts that tests read: samples, links, headings, tables. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

export interface Page {
  /** Path from the root of the repository. */
  readonly path: string;
  readonly text: string;
}

export interface Sample {
  /** The info string of the opening fence, such as `yaml`. */
  readonly language: string;
  readonly text: string;
  /** `path:line` of its first line. */
  readonly at: string;
}

const ROOT_PAGES = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'];

export const PAGES: readonly Page[] = [...ROOT_PAGES, ...globSync('docs/**/*.md', { cwd: root }).sort()].map(
  (path) => ({
    path,
    text: readRepositoryFile(path),
  }),
);

/** The page at a path. @throws Error if there is none */
export function page(path: string): Page {
  const found = PAGES.find((each) => each.path === path);
  if (found === undefined) throw new Error(`${path} is no page`);
  return found;
}

export function readRepositoryFile(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** The fenced blocks of a page. */
export function samples({ path, text }: Page): Sample[] {
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(({ 1: language = '', 2: body = '', index }) => ({
    language,
    text: body,
    at: `${path}:${text.slice(0, index).split('\n').length + 1}`,
  }));
}

/** The text without fenced blocks. */
export function prose({ text }: Page): string {
  return text.replaceAll(/^```.*?^```$/gms, '');
}

/** The targets of the page's links, other sites included. */
export function links(target: Page): string[] {
  const text = prose(target).replaceAll(/`[^`\n]+`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
}

/** The anchors of a page's headings, as GitHub derives them. */
export function anchors(target: Page): Set<string> {
  const headings = [...prose(target).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** The cells of each row of every table, heads included and rulers not. */
export function rows(target: Page): string[][] {
  return prose(target)
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| ?-/.test(line))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

/** The contents of a text's code spans. */
export function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, content = '']) => content);
}
