/** `unused`: the rules and connections that no observed flow used, and how much narrower the others could be. */
import { shortList } from '../../../util/list-text.ts';
import { FLOW_FLAGS } from '../../flows/flags.ts';
import { judgeGroups } from '../../flows/judged.ts';
import { observedFlows } from '../../flows/observed.ts';
import { countedText, numberText, remarksOf, timeText } from '../../flows/log-text.ts';
import { logsValue } from '../../flows/text.ts';
import type { Command } from '../../shell/command.ts';
import { decidingPolicies, withStandIns } from '../../snapshot/layers.ts';
import { ONLY_NETWORK_POLICIES } from '../../snapshot/load.ts';
import { unreadCaveats } from '../explain/caveats.ts';
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
    'Rules of Cilium, Calico and Istio and of ClusterNetworkPolicies are listed too, and those of profiles that an engine\n' +
      'carries. Of a rule with names of hosts nobody can tell: it is listed with the flows that may have used it.',
    'Exits with 0 if every rule was used, with 1 if some were not, else with 2 if nobody can tell of some.',
  ],
  examples: [
    { what: 'the last month', line: 'unused --flows logs/ --since 30d' },
    { what: 'with each workload that did not use a rule', line: 'unused --flows logs/ -o wide' },
  ],
  flags: [...FLOW_FLAGS, ONLY_NETWORK_POLICIES],
  formats: ['table', 'wide', 'json', 'yaml', 'name'],
  takes: { cluster: true, namespaces: false },
  async run(call) {
    const { format, flags, terminal } = call;
    const snapshot = await call.load({ forLayers: true });
    const deciding = decidingPolicies(snapshot, flags, true);
    const observed = await observedFlows(call, snapshot, withStandIns(deciding));
    const allowed = observed.groups.filter(({ verdict }) => verdict === 'allowed');
    const questions = new Questions(snapshot, deciding.policies, deciding.layers);
    const usage = ruleUsage(deciding, judgeGroups(allowed, questions), snapshot);
    const remarks = [...remarksOf(observed), ...unreadCaveats(snapshot)];
    if (format === 'json' || format === 'yaml') {
      const document = { rules: usage.map(usageValue), ...logsValue(observed), notes: remarks };
      terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    } else if (format === 'name') {
      for (const each of usage) if (isUnused(each)) terminal.print(`${each.owner} ${each.rule}`);
    } else show(usage, format === 'wide', terminal);
    if (format !== 'json' && format !== 'yaml') for (const each of remarks) terminal.note(each);
    if (usage.some(isUnused)) return EXIT.no;
    return usage.every(({ count }) => count > 0) ? EXIT.yes : EXIT.failure;
  },
};

/** True if certainly no flow used the rule. */
function isUnused({ count, possibleCount }: RuleUsage): boolean {
  return count + possibleCount === 0;
}

function show(usage: readonly RuleUsage[], wide: boolean, terminal: Terminal): void {
  const { paint } = terminal;
  const rows = usage.map((each): Cell[] => [
    each.owner,
    each.rule,
    isUnused(each) ? { text: 'never', paint: paint.yellow } : usedText(each),
    timeText(each.lastSeen),
    narrowerText(each.narrower, wide).join('; ') || '-',
  ]);
  terminal.print(table(['OWNER', 'RULE', 'USED', 'LAST SEEN', 'COULD BE NARROWER'], rows));
  const never = usage.filter(isUnused).length;
  const unclear = usage.filter((each) => !isUnused(each) && each.count === 0).length;
  const parts = [
    ...(never > 0 ? [`${countedText(never, 'rule')} of ${usage.length} never used`] : []),
    ...(unclear > 0
      ? [`of ${countedText(unclear, 'rule')} nobody can tell, as it is for names or requests`]
      : []),
  ];
  terminal.print('', parts.length === 0 ? 'Every rule was used.' : parts.join('; '));
}

function usedText({ count, possibleCount }: RuleUsage): string {
  if (possibleCount === 0) return numberText(count);
  return count === 0
    ? `perhaps ${numberText(possibleCount)}`
    : `${numberText(count)} and perhaps ${numberText(possibleCount)}`;
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

function usageValue({ owner, rule, count, possibleCount, lastSeen, narrower }: RuleUsage): object {
  return {
    owner,
    rule,
    count,
    ...(possibleCount > 0 && { possibleCount }),
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
