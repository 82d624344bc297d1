/** The results of checks for CI: JUnit XML and SARIF 2.1.0. */
import { version } from '../version.ts';
import type { Result } from '../commands/check.ts';

/** As Jenkins, GitLab and GitHub actions read it: https://github.com/testmoapp/junitxml */
export function junit(results: readonly Result[]): string {
  const files = Map.groupBy(results, ({ expectation }) => expectation.file);
  const count = (list: readonly Result[], outcome: Result['outcome']) =>
    list.filter((each) => each.outcome === outcome).length;
  const totals = (list: readonly Result[]) =>
    `tests="${list.length}" failures="${count(list, 'failed')}" errors="${count(list, 'error')}"`;
  const suites = [...files].map(([file, list]) => {
    const cases = list.map(({ expectation: { name, line }, outcome, messages }) => {
      const head = `    <testcase name="${xml(name)}" classname="${xml(file)}" file="${xml(file)}" line="${line}"`;
      if (outcome === 'passed') return `${head}/>`;
      const element = outcome === 'failed' ? 'failure' : 'error';
      return `${head}>\n      <${element} message="${xml(messages[0] ?? '')}">${xml(messages.join('\n'))}</${element}>\n    </testcase>`;
    });
    return `  <testsuite name="${xml(file)}" ${totals(list)}>\n${cases.join('\n')}\n  </testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="kubectl segmentation check" ${totals(results)}>\n${suites.join('\n')}\n</testsuites>\n`;
}

/** Characters that XML 1.0 does not know, not even escaped. */
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

function xml(text: string): string {
  const escapes: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    '\n': '&#10;',
  };
  return text.replaceAll(FORBIDDEN, '').replaceAll(/[&<>"\n]/g, (each) => escapes[each] ?? each);
}

const RULES = [
  { id: 'flow-denied', text: 'A flow that is expected to be allowed is denied.' },
  { id: 'flow-allowed', text: 'A flow that is expected to be denied is allowed.' },
  { id: 'flow-unknown', text: 'An end of a flow is not there.' },
] as const;

/** As GitHub code scanning reads it: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html */
export function sarif(results: readonly Result[]): string {
  const run = {
    tool: {
      driver: {
        name: 'kubectl-segmentation',
        semanticVersion: version,
        rules: RULES.map(({ id, text }) => ({
          id,
          shortDescription: { text },
          defaultConfiguration: { level: 'error' },
        })),
      },
    },
    results: results
      .filter(({ outcome }) => outcome !== 'passed')
      .map(({ expectation: { name, file, line, expect }, outcome, messages }) => ({
        ruleId: outcome === 'error' ? 'flow-unknown' : expect === 'allow' ? 'flow-denied' : 'flow-allowed',
        level: 'error',
        message: { text: [name, ...messages].join('\n') },
        locations: [
          {
            physicalLocation: {
              artifactLocation: { uri: file.split('/').map(encodeURIComponent).join('/') },
              region: { startLine: line },
            },
          },
        ],
      })),
  };
  const document = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [run],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
