/** `denied`: explains flows that were denied by the policies, the newest first. */
import { FLOW_FLAGS } from '../../flows/flags.ts';
import { type JudgedGroup, judgeGroups } from '../../flows/judged.ts';
import { observedFlows } from '../../flows/observed.ts';
import { countedText, numberText, remarksOf, timeText, unmappedTotal } from '../../flows/log-text.ts';
import { groupValue, logsValue } from '../../flows/text.ts';
import { decidingPolicies, withStandIns } from '../../snapshot/layers.ts';
import { ONLY_NETWORK_POLICIES } from '../../snapshot/load.ts';
import type { Command } from '../../shell/command.ts';
import { EXIT } from '../../shell/failure.ts';
import { toJson, toYaml } from '../../shell/output.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { caveats } from '../explain/caveats.ts';
import { explanationLines, groupByVerdict } from '../explain/explanation.ts';
import { greatest } from '../../../util/greatest.ts';
import { Questions } from '../explain/questions.ts';

/** Pairs that are explained; `-o wide` explains all. */
const MAX_EXPLAINED = 10;

export const denied: Command = {
  name: 'denied',
  summary: 'which flows were denied, the newest first, and by which intent',
  usage: '',
  words: [0, 0],
  description: [
    'Reads flow logs, and explains each pair of ends of which a flow was denied: when it was last seen, and the profile,\n' +
      'rule or policy that denies it, or that it passes now, so that something else has denied it or the policies changed.',
    'Policies of Cilium, Calico and Istio, ClusterNetworkPolicies and guards count as they do for explain.',
    'Exits with 0 if no flow was denied, with 1 if some were, also if these could not be mapped.',
  ],
  examples: [
    { what: 'what was denied in the last hour', line: 'denied --flows flows.jsonl --since 1h' },
    {
      what: 'live, of one namespace',
      line: 'hubble observe --verdict DROPPED --last 1000 -o json | kubectl segmentation denied --flows - -n shop-payments',
    },
  ],
  flags: [...FLOW_FLAGS, ONLY_NETWORK_POLICIES],
  formats: ['table', 'wide', 'json', 'yaml', 'name'],
  takes: { cluster: true, namespaces: true },
  async run(call) {
    const { format, flags, terminal } = call;
    const snapshot = await call.load({ forLayers: true });
    const deciding = decidingPolicies(snapshot, flags, false);
    const { policies, layers } = deciding;
    const observed = await observedFlows(call, snapshot, withStandIns(deciding));
    const groups = observed.groups.filter(({ verdict }) => verdict === 'denied');
    const pairs = pairsOf(judgeGroups(groups, new Questions(snapshot, policies, layers)));
    const answers = pairs.flatMap(({ judged }) => judged.flatMap((each) => each.answers));
    const unmapped = unmappedTotal(observed.table).denied;
    const remarks = [
      ...remarksOf(observed),
      ...caveats({
        answers,
        snapshot,
        policies,
        asEnforced: false,
        isLayered: !flags.has(ONLY_NETWORK_POLICIES.name),
      }),
    ];
    if (format === 'json' || format === 'yaml') {
      const document = {
        denied: pairs.flatMap(({ judged }) => judged.map(deniedValue)),
        ...logsValue(observed),
        notes: remarks,
      };
      terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    } else if (format === 'name') {
      for (const { from, to } of pairs) terminal.print(`${from} ${to}`);
    } else show(pairs, { wide: format === 'wide', unmapped, terminal });
    if (format !== 'json' && format !== 'yaml') for (const each of remarks) terminal.note(each);
    return pairs.length + unmapped === 0 ? EXIT.yes : EXIT.no;
  },
};

/** The denied flows between two ends, on all ports. */
interface DeniedPair {
  readonly from: string;
  readonly to: string;
  readonly count: number;
  readonly lastSeen: number | undefined;
  readonly judged: readonly JudgedGroup[];
}

/** The newest first; those without a time last. */
function pairsOf(judged: readonly JudgedGroup[]): DeniedPair[] {
  const pairs = Map.groupBy(judged, ({ group }) => `${group.source.label} ${group.destination.label}`);
  return [...pairs.values()]
    .flatMap((list): DeniedPair[] => {
      const [first] = list;
      if (first === undefined) return [];
      const times = list.flatMap(({ group }) => group.lastSeen ?? []);
      return [
        {
          from: first.group.source.label,
          to: first.group.destination.label,
          count: list.reduce((sum, { group }) => sum + group.count, 0),
          lastSeen: greatest(times),
          judged: list,
        },
      ];
    })
    .toSorted((a, b) => (b.lastSeen ?? 0) - (a.lastSeen ?? 0));
}

interface ShowOptions {
  readonly wide: boolean;
  /** Number of denied flows that were not mapped. */
  readonly unmapped: number;
  readonly terminal: Terminal;
}

function show(pairs: readonly DeniedPair[], { wide, unmapped, terminal }: ShowOptions): void {
  const shown = wide ? pairs : pairs.slice(0, MAX_EXPLAINED);
  if (pairs.length > 0)
    terminal.print(shown.map((pair) => pairLines(pair, terminal).join('\n')).join('\n\n'));
  else if (unmapped === 0) terminal.print('No flow was denied.');
  if (shown.length < pairs.length)
    terminal.print('', `... and ${countedText(pairs.length - shown.length, 'older pair')} (-o wide)`);
  if (unmapped > 0) {
    if (pairs.length > 0) terminal.print('');
    terminal.print(`${countedText(unmapped, 'denied flow')} could not be mapped: notes say why`);
  }
}

function pairLines({ from, to, count, lastSeen, judged }: DeniedPair, { paint }: Terminal): string[] {
  const times = count === 1 ? 'once' : `${numberText(count)} times`;
  const head = paint.dim(`last denied ${timeText(lastSeen)}, ${times}`);
  const answers = judged.flatMap((each) => each.answers);
  if (answers.length === 0) {
    const ports = judged.map(({ group }) => `${group.protocol} ${group.port}`).join(', ');
    return [
      head,
      `${paint.bold(from)} → ${paint.bold(to)}  ${ports}`,
      '',
      '  no policy is about it: neither end is a pod',
    ];
  }
  const isAllowed = answers.every(({ explanation }) => explanation.allowed);
  return [
    head,
    groupByVerdict(answers)
      .map((group) => explanationLines(group, paint).join('\n'))
      .join('\n\n'),
    ...(isAllowed
      ? [
          paint.yellow(
            '  The policies allow it now: they have changed since, or something else denied it, such as a cloud firewall.',
          ),
        ]
      : []),
  ];
}

function deniedValue({ group, verdict, explanation }: JudgedGroup): object {
  return {
    ...groupValue(group),
    // Absent if neither end is a pod.
    ...(verdict !== 'unaffected' && { allowedNow: verdict === 'allowed', verdictNow: verdict }),
    ...(explanation !== undefined && { egress: explanation.egress, ingress: explanation.ingress }),
  };
}
