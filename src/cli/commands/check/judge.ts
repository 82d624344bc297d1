/** Judges an expectation by the verdicts on its flows. */
import { CliError } from '../../shell/failure.ts';
import { deniedBecause, groupByVerdict, portsOf } from '../explain/explanation.ts';
import type { Answer, Questions } from '../explain/questions.ts';
import type { Expectation } from './expectations.ts';
import { shortList } from '../../../util/list-text.ts';

export interface CheckResult {
  readonly expectation: Expectation;
  /** `error`: the expectation can't be judged, as an end of it does not exist. */
  readonly outcome: 'passed' | 'failed' | 'error';
  /** Why the check did not pass. */
  readonly messages: readonly string[];
  /** Number of flows that were judged. */
  readonly flows: number;
}

export function judge(expectation: Expectation, questions: Questions): CheckResult {
  const { from, to, ports, expect } = expectation;
  const answers: Answer[] = [];
  const errors: string[] = [];
  for (const source of from) {
    for (const destination of to) {
      for (const port of ports.length > 0 ? ports : [undefined]) {
        try {
          answers.push(...questions.ask(source, destination, port, expect === 'deny').answers);
        } catch (error) {
          if (!(error instanceof CliError)) throw error;
          errors.push(error.message);
        }
      }
    }
  }
  const flows = answers.length;
  // A check of no flow proves nothing, so it must not pass.
  if (flows === 0 && errors.length === 0) errors.push('there is no flow between these ends to check');
  if (errors.length > 0) return { expectation, outcome: 'error', messages: [...new Set(errors)], flows };
  const wrong = answers.filter(({ explanation }) => explanation.allowed !== (expect === 'allow'));
  if (wrong.length === 0) return { expectation, outcome: 'passed', messages: [], flows };
  return { expectation, outcome: 'failed', messages: groupByVerdict(wrong).map(unexpectedText), flows };
}

/** Text of a verdict that was not expected. @param group answers that differ in the port only */
function unexpectedText(group: readonly Answer[]): string {
  const [answer] = group;
  if (answer === undefined) return '';
  const { from, to, explanation } = answer;
  const flow = `${from.label} → ${to.label} on ${portsOf(group)}`;
  if (!explanation.allowed) return `${flow} is denied: ${deniedBecause(explanation)}`;
  const causes = [...explanation.egress.allowedBy, ...explanation.ingress.allowedBy];
  const names = causes.map(({ profile, rule, ruleKind = 'rule', namespace, policy, exception }) => {
    if (!profile || !rule) return `NetworkPolicy ${namespace}/${policy}`;
    const where = exception ? `exception ${namespace}/${exception.name}` : `profile ${profile}`;
    return `${ruleKind} ${rule} of ${where}`;
  });
  return `${flow} is allowed: ${names.length === 0 ? 'no policy limits it' : `by ${shortList([...new Set(names)])}`}`;
}
