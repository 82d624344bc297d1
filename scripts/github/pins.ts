/** Holds actions to a commit: a tag can be moved to other code. Pure. */
import type { GitHubFile } from './file.ts';

const USES = /^\s*(?:- )?uses:\s*(?<reference>\S+)(?<comment>.*)$/;
const PINNED = /^[\w.-]+\/[\w./-]+@[0-9a-f]{40}$/;

/** One line for each action that is not pinned by a full commit SHA, with its version in a comment. */
export function pinProblems({ path, text }: GitHubFile): string[] {
  return text.split('\n').flatMap((line, index) => {
    const { reference, comment = '' } = USES.exec(line)?.groups ?? {};
    if (reference === undefined || reference.startsWith('./')) return [];
    const at = `${path}:${index + 1}: ${reference}`;
    if (!PINNED.test(reference)) return [`${at}: pin it by the full SHA of a commit`];
    return /^ # v\d+(\.\d+)*$/.test(comment) ? [] : [`${at}: name its version behind it, such as "# v4.2.0"`];
  });
}
