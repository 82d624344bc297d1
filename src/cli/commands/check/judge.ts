/** Judges an expectation by the verdicts on its flows. */
import { CliError } from '../../shell/failure.ts';
import { deniedBecause, groupByVerdict, portsOf, unknownBecause } from '../explain/explanation.ts';
import { layerText } from '../explain/layer-text.ts';
import type { Answer, Questions } from '../explain/questions.ts';
import type { Expectation } from './expectations.ts';
import { shortList } from '../../../util/list-text.ts';

export interface CheckResult {
  readonly expectation: Expectation;
  /** `error`: the expectation can't be judged, as an end of it does not exist, or a verdict is unknown. */
  readonly outcome: 'passed' | 'failed' | 'error';
  /** Why the check did not pass. */
  readonly messages: readonly string[];
  /** Number of flows that were judged. */
  readonly flows: number;
}

/** The result of a check if the verdict on a flow is unknown. */
export type UnknownTreatment = 'error' | 'fail' | 'pass';

export function judge(
  expectation: Expectation,
  questions: Questions,
  treated: UnknownTreatment = 'error',
): CheckResult {
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
  const unknown = answers.filter(({ explanation }) => explanation.verdict === 'unknown');
  const expected = expect === 'allow' ? 'allowed' : 'denied';
  const wrong = answers.filter(
    ({ explanation: { verdict } }) => verdict !== 'unknown' && verdict !== expected,
  );
  const judged =
    unknown.length === 0 || treated === 'pass' ? 'passed' : treated === 'fail' ? 'failed' : 'error';
  return {
    expectation,
    outcome: wrong.length > 0 ? 'failed' : judged,
    messages: groupByVerdict([...wrong, ...(judged === 'passed' ? [] : unknown)]).map(unexpectedText),
    flows,
  };
}

/** Text of a verdict that was not expected. @param group answers that differ in the port only */
function unexpectedText(group: readonly Answer[]): string {
  const [answer] = group;
  if (answer === undefined) return '';
  const { from, to, explanation } = answer;
  const flow = `${from.label} → ${to.label} on ${portsOf(group)}`;
  if (explanation.verdict === 'unknown') return `${flow} is unknown: it ${unknownBecause(explanation)}`;
  if (!explanation.allowed) return `${flow} is denied: ${deniedBecause(explanation)}`;
  const ofLayers = [explanation.egress, explanation.ingress].flatMap((side) => layerText(side) ?? []);
  if (ofLayers.length > 0) return `${flow} is ${[...new Set(ofLayers)].join(', and ')}`;
  const causes = [...explanation.egress.allowedBy, ...explanation.ingress.allowedBy];
  const names = causes.map(({ profile, rule, ruleKind = 'rule', namespace, policy, exception }) => {
    if (!profile || !rule) return `NetworkPolicy ${namespace}/${policy}`;
    const where = exception ? `exception ${namespace}/${exception.name}` : `profile ${profile}`;
    return `${ruleKind} ${rule} of ${where}`;
  });
  return `${flow} is allowed: ${names.length === 0 ? 'no policy limits it' : `by ${shortList([...new Set(names)])}`}`;
}
