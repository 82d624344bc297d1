/** JUnit XML as Jenkins, GitLab and GitHub actions read it: https://github.com/testmoapp/junitxml. Pure. */

export type TestResult =
  | { readonly kind: 'passed' }
  /** Passed, with something to say. */
  | { readonly kind: 'output'; readonly text: string }
  | { readonly kind: 'failure' | 'error'; readonly message: string; readonly text: string };

export interface TestCase {
  readonly name: string;
  readonly classname: string;
  /** The place of the test in a file. */
  readonly place?: { readonly file: string; readonly line: number };
  readonly result: TestResult;
}

export interface TestSuite {
  readonly name: string;
  readonly cases: readonly TestCase[];
}

/** @param name the command, such as `kubectl segmentation check` */
export function junitDocument(name: string, suites: readonly TestSuite[]): string {
  const texts = suites.map(
    (suite) =>
      `  <testsuite name="${xml(suite.name)}" ${totals(suite.cases)}>\n${suite.cases.map(caseText).join('\n')}\n  </testsuite>`,
  );
  const all = suites.flatMap(({ cases }) => cases);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="${xml(name)}" ${totals(all)}>\n${texts.join('\n')}\n</testsuites>\n`;
}

function totals(cases: readonly TestCase[]): string {
  const count = (kind: TestResult['kind']) => cases.filter(({ result }) => result.kind === kind).length;
  return `tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}"`;
}

function caseText({ name, classname, place, result }: TestCase): string {
  const at = place === undefined ? '' : ` file="${xml(place.file)}" line="${place.line}"`;
  const head = `    <testcase name="${xml(name)}" classname="${xml(classname)}"${at}`;
  return result.kind === 'passed' ? `${head}/>` : `${head}>\n      ${resultText(result)}\n    </testcase>`;
}

function resultText(result: Exclude<TestResult, { kind: 'passed' }>): string {
  const text = xml(result.text);
  if (result.kind === 'output') return `<system-out>${text}</system-out>`;
  return `<${result.kind} message="${xml(result.message)}">${text}</${result.kind}>`;
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
