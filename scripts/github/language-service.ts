/** Validates workflows and actions by GitHub's own language service: their schema, and references in expressions. */
import { registerHooks } from 'node:module';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { GitHubFile } from './file.ts';

// The service imports JSON without the attribute that Node requires.
registerHooks({
  load: (url, context, next) =>
    next(url, url.endsWith('.json') ? { ...context, importAttributes: { type: 'json' } } : context),
});

/** One line for each finding; empty if there is none. */
export async function workflowProblems({ path, text }: GitHubFile): Promise<string[]> {
  const { validate } = await import('@actions/languageservice/validate');
  const { validateAction } = await import('@actions/languageservice/validate-action');
  const { clearCache } = await import('@actions/languageservice/utils/workflow-cache');
  // The service caches parsed files by path.
  clearCache();
  const document = TextDocument.create(`file:///${path}`, 'yaml', 0, text);
  const isAction = /\/action\.ya?ml$/.test(path);
  const diagnostics = await (isAction ? validateAction(document) : validate(document));
  return diagnostics.map(({ range, message }) => {
    const text = typeof message === 'string' ? message : message.value;
    return `${path}:${range.start.line + 1}: ${text}`;
  });
}
