/** `unused`: the rules and connections that no observed flow used, and how much narrower the others could be. */
import { shortList } from '../../../util/list-text.ts';
import { FLOW_FLAGS } from '../../flows/flags.ts';
import { judgeGroups } from '../../flows/judged.ts';
import { observedFlows } from '../../flows/observed.ts';
import { countedText, numberText, remarksOf, timeText } from '../../flows/log-text.ts';
import { logsValue } from '../../flows/text.ts';
import type { Command } from '../../shell/command.ts';
import { EXIT } from '../../shell/failure.ts';
import { type Cell, table, toJson, toYaml } from '../../shell/output.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { Questions } from '../explain/questions.ts';
import { type Narrower, type RuleUsage, ruleUsage } from './usage.ts';

export const unused: Command = {
  name: 'unused',
  summary: 'which rules and connections no flow used, and how much narrower the others could be',
  usage: '',
  words: [0, 0],
  description: [
    'Reads flow logs, and lists the rules of profiles and of other policies that no flow used, then the others: how often,\n' +
      'when last, and which of their sources, destinations, ports and addresses were never used.',
    'Before you remove a rule, think of flows that are rarer than the logs are long: monthly jobs, failovers, restores.',
    'Exits with 0 if every rule was used, with 1 if some were not.',
  ],
  examples: [
    { what: 'the last month', line: 'unused --flows logs/ --since 30d' },
    { what: 'with each workload that did not use a rule', line: 'unused --flows logs/ -o wide' },
  ],
  flags: FLOW_FLAGS,
  formats: ['table', 'wide', 'json', 'yaml', 'name'],
  takes: { cluster: true, namespaces: false },
  async run(call) {
    const { format, terminal } = call;
    const snapshot = await call.load();
    const policies = snapshot.effective(true);
    const observed = await observedFlows(call, snapshot, policies);
    const allowed = observed.groups.filter(({ verdict }) => verdict === 'allowed');
    const usage = ruleUsage(policies, judgeGroups(allowed, new Questions(snapshot, policies)), snapshot);
    const remarks = remarksOf(observed);
    if (format === 'json' || format === 'yaml') {
      const document = { rules: usage.map(usageValue), ...logsValue(observed), notes: remarks };
      terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    } else if (format === 'name') {
      for (const { owner, rule, count } of usage) if (count === 0) terminal.print(`${owner} ${rule}`);
    } else show(usage, format === 'wide', terminal);
    if (format !== 'json' && format !== 'yaml') for (const each of remarks) terminal.note(each);
    return usage.every(({ count }) => count > 0) ? EXIT.yes : EXIT.no;
  },
};

function show(usage: readonly RuleUsage[], wide: boolean, terminal: Terminal): void {
  const { paint } = terminal;
  const rows = usage.map(({ owner, rule, count, lastSeen, narrower }): Cell[] => [
    owner,
    rule,
    count === 0 ? { text: 'never', paint: paint.yellow } : numberText(count),
    timeText(lastSeen),
    narrowerText(narrower, wide).join('; ') || '-',
  ]);
  terminal.print(table(['OWNER', 'RULE', 'USED', 'LAST SEEN', 'COULD BE NARROWER'], rows));
  const never = usage.filter(({ count }) => count === 0).length;
  terminal.print(
    '',
    never === 0 ? 'Every rule was used.' : `${countedText(never, 'rule')} of ${usage.length} never used`,
  );
}

function narrowerText(narrower: Narrower | undefined, wide: boolean): string[] {
  if (narrower === undefined) return [];
  const { sources, destinations, ports, addresses } = narrower;
  const ends = (kind: string, { allowed, unused }: Narrower['sources']) => {
    if (unused.length === 0) return [];
    const listed = wide ? unused.join(', ') : shortList(unused, { most: 2 });
    return [`${unused.length} of ${allowed} ${kind} never: ${listed}`];
  };
  return [
    ...ends('sources', sources),
    ...ends('destinations', destinations),
    ...(ports === undefined ? [] : [`only ${ports}`]),
    ...(addresses === undefined
      ? []
      : [addresses.length === 0 ? 'no address outside' : `only ${shortList([...addresses], { most: 3 })}`]),
  ];
}

function usageValue({ owner, rule, count, lastSeen, narrower }: RuleUsage): object {
  return {
    owner,
    rule,
    count,
    ...(lastSeen !== undefined && { lastSeen: new Date(lastSeen).toISOString() }),
    ...(narrower !== undefined && {
      narrower: {
        unusedSources: narrower.sources.unused,
        unusedDestinations: narrower.destinations.unused,
        ...(narrower.ports !== undefined && { usedPorts: narrower.ports }),
        ...(narrower.addresses !== undefined && { usedAddresses: narrower.addresses }),
      },
    }),
  };
}
