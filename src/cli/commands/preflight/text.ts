/** The result of a preflight for people. */
import { allowedBecause } from '../../flows/judged.ts';
import { countedText, numberText, timeText } from '../../flows/log-text.ts';
import { table } from '../../shell/output.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { deniedBecause, unknownBecause } from '../explain/explanation.ts';
import { suggestionText } from '../explain/suggestion-output.ts';
import type { Keeping } from './keep.ts';
import type { FlowOutcome } from './outcomes.ts';

/** Flows that are listed; `-o wide` lists all. */
const MAX_LISTED = 40;

interface ShowOptions {
  readonly wide: boolean;
  /** Number of flows that were not mapped. */
  readonly unmapped: number;
  readonly terminal: Terminal;
}

export function showOutcomes(
  outcomes: readonly FlowOutcome[],
  keeping: Keeping,
  { wide, unmapped, terminal }: ShowOptions,
): void {
  const { paint } = terminal;
  const of = (wanted: FlowOutcome['outcome']) => outcomes.filter(({ outcome }) => outcome === wanted);
  const list = (title: string, flows: readonly FlowOutcome[], head: string) => {
    const shown = wide ? flows : flows.slice(0, MAX_LISTED);
    terminal.print(title, table(['FROM', 'TO', 'PORT', 'SEEN', 'LAST SEEN', head], shown.map(rowOf)));
    if (shown.length < flows.length)
      terminal.print(`... and ${numberText(flows.length - shown.length)} more (-o wide)`);
  };
  const [cut, unknown, passes, opened] = [of('cut'), of('unknown'), of('passes'), of('opened')];
  if (cut.length > 0)
    list(paint.red(`CUT  ${countedText(cut.length, 'flow')} would be denied`), cut, 'BECAUSE');
  else if (unknown.length === 0)
    terminal.print(
      paint.green(`Nothing that was seen${unmapped === 0 ? '' : ' and could be mapped'} would be cut.`),
    );
  if (unknown.length > 0) {
    if (cut.length > 0) terminal.print('');
    list(
      paint.yellow(`UNKNOWN  ${countedText(unknown.length, 'flow')} may be denied`),
      unknown,
      'BECAUSE IT',
    );
  }
  if (opened.length > 0) {
    terminal.print('');
    list(
      paint.yellow(`OPENED  ${countedText(opened.length, 'denied flow')} would be allowed`),
      opened,
      'ALLOWED BY',
    );
  }
  if (passes.length > 0) {
    terminal.print('');
    list(`PASSES  ${countedText(passes.length, 'flow')}`, passes, 'ALLOWED BY');
  }
  const denied = of('denied').length;
  if (denied > 0) terminal.print('', `${countedText(denied, 'flow')} denied already, and still denied`);
  if (keeping.suggestions.length > 0) terminal.print(suggestionText(keeping.suggestions, paint));
}

/** The rules or policies that decide the outcome of a flow, or on which it depends. */
export function becauseText({ verdict, explanation }: FlowOutcome): string {
  if (explanation === undefined || verdict === 'allowed') return allowedBecause(explanation);
  return verdict === 'unknown' ? unknownBecause(explanation) : deniedBecause(explanation);
}

function rowOf(flow: FlowOutcome): string[] {
  const { source, destination, port, protocol, count, lastSeen } = flow.group;
  return [
    source.label,
    destination.label,
    `${protocol} ${port}`,
    numberText(count),
    timeText(lastSeen),
    becauseText(flow),
  ];
}
