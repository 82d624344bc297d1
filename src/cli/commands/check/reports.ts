/** Reports of checks for CI systems. Pure. */
import { junitDocument, type TestResult } from '../../reports/junit.ts';
import { filePlace, sarifDocument } from '../../reports/sarif.ts';
import type { CheckResult } from './judge.ts';

export function junit(results: readonly CheckResult[]): string {
  const files = Map.groupBy(results, ({ expectation }) => expectation.file);
  const suites = [...files].map(([file, list]) => ({
    name: file,
    cases: list.map((each) => ({
      name: each.expectation.name,
      classname: file,
      place: { file, line: each.expectation.line },
      result: resultOf(each),
    })),
  }));
  return junitDocument('kubectl segmentation check', suites);
}

function resultOf({ outcome, messages }: CheckResult): TestResult {
  if (outcome === 'passed') return { kind: 'passed' };
  const [message = ''] = messages;
  return { kind: outcome === 'failed' ? 'failure' : 'error', message, text: messages.join('\n') };
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

/** @param cwd absolute path, to which files are relative */
export function sarif(results: readonly CheckResult[], cwd: string): string {
  const rules = RULES.map(({ id, name, text, help }) => ({
    id,
    name,
    shortDescription: { text },
    fullDescription: { text },
    help: { text: help },
    defaultConfiguration: { level: 'error' as const },
  }));
  const failed = results.filter(({ outcome }) => outcome !== 'passed');
  return sarifDocument(
    rules,
    failed.map(({ expectation: { name, file, line, expect }, outcome, messages }) => ({
      ruleId: outcome === 'error' ? 'flow-unknown' : expect === 'allow' ? 'flow-denied' : 'flow-allowed',
      level: 'error',
      message: { text: [name, ...messages].join('\n') },
      locations: [filePlace({ file, line }, cwd)],
    })),
  );
}
