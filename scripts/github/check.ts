/**
 * Validates the files of .github: workflows and actions by the language service of GitHub Actions itself, their pins, and
 * the forms for issues. Needs no network.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments } from '../entry.ts';
import { issueFormProblems } from './issue-forms.ts';
import { pinProblems } from './pins.ts';
import { workflowProblems } from './language-service.ts';

readArguments({
  command: 'node scripts/github/check.ts',
  summary: 'Validates the workflows, actions and issue forms in .github.',
  flags: {},
});

const root = join(import.meta.dirname, '../..');
const files = (...patterns: string[]) =>
  globSync(patterns, { cwd: root })
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

const problems: string[] = [];
for (const file of files('.github/workflows/*.yml', '.github/actions/*/action.yml')) {
  problems.push(...(await workflowProblems(file)), ...pinProblems(file));
}
for (const file of files('.github/ISSUE_TEMPLATE/*.yml')) {
  if (!file.path.endsWith('/config.yml')) problems.push(...issueFormProblems(file));
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
