/** Reports of checks for CI systems: JUnit XML and SARIF 2.1.0. Pure. */
import { isAbsolute, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { version } from '../../../util/version.ts';
import type { CheckResult } from './judge.ts';

/** JUnit XML as Jenkins, GitLab and GitHub actions read it: https://github.com/testmoapp/junitxml */
export function junit(results: readonly CheckResult[]): string {
  const files = Map.groupBy(results, ({ expectation }) => expectation.file);
  const count = (list: readonly CheckResult[], outcome: CheckResult['outcome']) =>
    list.filter((each) => each.outcome === outcome).length;
  const totals = (list: readonly CheckResult[]) =>
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

/** Characters that XML 1.0 forbids, even escaped. */
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

/** Escapes a text for XML 1.0, without the characters that it forbids. */
export function xml(text: string): string {
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
  {
    id: 'flow-denied',
    name: 'FlowDenied',
    text: 'A flow that is expected to be allowed is denied.',
    help: 'See `kubectl segmentation explain FROM TO` for the policy that denies it, and for the smallest rule that would allow it.',
  },
  {
    id: 'flow-allowed',
    name: 'FlowAllowed',
    text: 'A flow that is expected to be denied is allowed.',
    help: 'The message names the rules and policies that allow it; without one, no policy limits its ends. See `kubectl segmentation explain FROM TO`.',
  },
  {
    id: 'flow-unknown',
    name: 'FlowUnknown',
    text: 'An end of a flow is not there.',
    help: 'No workload, pod, Service or namespace has that name. Correct the name, or add the manifests that hold it with -f.',
  },
] as const;

/**
 * SARIF as GitHub code scanning reads it: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
 *
 * @param cwd absolute path; files below it are named relative to it, as code scanning requires for files of a repository
 */
export function sarif(results: readonly CheckResult[], cwd: string): string {
  const run = {
    tool: {
      driver: {
        name: 'kubectl-segmentation',
        semanticVersion: version,
        rules: RULES.map(({ id, name, text, help }) => ({
          id,
          name,
          shortDescription: { text },
          fullDescription: { text }, // code scanning requires this and the help
          help: { text: help },
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
              artifactLocation: { uri: uriOf(file, cwd) },
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

/** The URI of a file for SARIF: relative to `cwd` if it is below it. */
export function uriOf(file: string, cwd: string): string {
  const path = isAbsolute(file) ? relative(cwd, file) : file;
  if (isAbsolute(file) && path.startsWith('..')) return pathToFileURL(file).href;
  return path.split('/').map(encodeURIComponent).join('/');
}
