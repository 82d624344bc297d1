/** `suggest`: proposes a profile of connections from observed flows. */
import type { KubeObject, LabelSelector } from '../../../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../../../api/names.ts';
import type { FlowGroup } from '../../../flows/flow-table.ts';
import { type Proposal, proposeConnections } from '../../../flows/suggestion/connections.ts';
import type { EndObstacle } from '../../../flows/suggestion/ends.ts';
import { type Scan, scansIn } from '../../../flows/suggestion/scans.ts';
import { matches } from '../../../policy/semantics/selector.ts';
import { counted, shortList } from '../../../util/list-text.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { FLOW_FLAGS } from '../../flows/flags.ts';
import { judgeGroups } from '../../flows/judged.ts';
import { inventoryOf, type ObservedGroup, observedFlows } from '../../flows/observed.ts';
import { countedText, remarksOf } from '../../flows/log-text.ts';
import type { Call, Command } from '../../shell/command.ts';
import { CliError, EXIT, UsageError } from '../../shell/failure.ts';
import { objectsText } from '../../shell/output.ts';
import { namespacesNamed } from '../../snapshot/select.ts';
import { Questions } from '../explain/questions.ts';
import { engineRemarks } from './engine-remarks.ts';
import { policiesOf, profilesFor } from './profiles.ts';

/** The schema's bound on the values of a selector. */
const MAX_NAMESPACES = 64;

export const suggest: Command = {
  name: 'suggest',
  summary: 'propose a profile of connections from flows that were seen',
  usage: '',
  words: [0, 0],
  description: [
    'Reads flow logs, and writes a profile under Audit that isolates the namespaces of the flows and allows what was seen:\n' +
      'each connection says how often and when last, and those that were seen once or twice are marked as rare.',
    'The profile allows what was seen by its NetworkPolicies alone, whatever policies of other kinds allow beside it.',
    'No connection allows a flow that was not seen, as far as labels tell workloads apart. Left out, and named in notes, are\n' +
      'denied flows, scans of ports, and flows that could not be mapped. preflight checks the result.',
  ],
  examples: [
    { what: 'all namespaces of the flows', line: 'suggest --flows flows.jsonl > profile.yaml' },
    {
      what: 'the namespaces of one tenant',
      line: 'suggest -l example.com/part-of=shop --flows logs/ --name shop',
    },
    { what: 'one namespace', line: 'suggest -n shop-payments --flows logs/ --name payments' },
    {
      what: 'nothing that was seen is cut',
      line: 'suggest --flows logs/ > p.yaml && kubectl segmentation preflight -f p.yaml --cluster --flows logs/',
    },
  ],
  flags: [
    ...FLOW_FLAGS,
    {
      name: 'selector',
      short: 'l',
      value: 'KEY=VALUE',
      repeated: true,
      help: 'segment the namespaces with these labels [each namespace of the flows, by name]',
    },
    { name: 'name', value: 'NAME', help: 'name of the profile [observed]' },
  ],
  formats: ['yaml', 'json'],
  takes: { cluster: true, namespaces: true },
  async run(call) {
    const { flags, format, terminal } = call;
    const snapshot = await call.load();
    const observed = await observedFlows(call, snapshot, []);
    const allowed = observed.groups.filter(({ verdict }) => verdict === 'allowed');
    const namespaceSelector = selectorOf(allowed, snapshot, call);
    const scans = scansIn(allowed, inventoryOf(snapshot).services);
    const tries = new Set(scans.flatMap((scan) => scan.tries));
    const wanted = allowed.filter((group) => !tries.has(group));
    const name = flags.get('name') ?? 'observed';
    const baseline = profilesFor({ name, namespaceSelector, connections: [] });
    const proposal = proposeConnections(deniedBy(baseline, wanted, snapshot), contextOf(snapshot));
    const connections = proposal.connections.map(({ connection }) => connection);
    const profiles = profilesFor({ name, namespaceSelector, connections });
    const stillDenied = deniedBy(profiles, wanted, snapshot);
    terminal.write(objectsText(profiles, format === 'json' ? 'json' : 'yaml'));
    const denied = observed.groups.length - allowed.length;
    const remarks = [
      ...remarksOf(observed),
      ...(denied > 0 ? [`left out ${countedText(denied, 'denied flow')}`] : []),
      ...scans.map(scanRemark),
      ...proposalRemarks(proposal),
      ...deniedRemarks(stillDenied, proposal),
      ...engineRemarks(proposal.connections, wanted, snapshot),
    ];
    for (const each of remarks) terminal.note(each);
    return EXIT.yes;
  },
};

/** Selects the namespaces to segment: by the labels of -l, or by name those of the flows. @throws CliError */
function selectorOf(
  groups: readonly ObservedGroup[],
  snapshot: Snapshot,
  { flags, namespace: given }: Call,
): LabelSelector {
  if (given !== undefined && flags.has('selector')) throw new UsageError('-n and -l contradict each other');
  const matchLabels = Object.fromEntries(flags.all('selector').map(labelOf));
  const named = given === undefined ? snapshot.namespaces : namespacesNamed(snapshot, given);
  const found = new Set(
    groups.flatMap(({ source, destination }) => [source.namespace ?? [], destination.namespace ?? []].flat()),
  );
  const names = named
    .filter(
      ({ name, labels, terminating }) =>
        found.has(name) &&
        !terminating &&
        !snapshot.protectedNamespaces.has(name) &&
        matches({ matchLabels }, labels),
    )
    .map(({ name }) => name);
  if (names.length === 0)
    throw new CliError('no allowed flow is from or to a pod of a namespace that could be segmented');
  if (flags.has('selector')) return { matchLabels };
  if (names.length > MAX_NAMESPACES)
    throw new CliError(
      `the flows are of ${names.length} namespaces, more than the ${MAX_NAMESPACES} that a selector names: choose some with -l or -n`,
    );
  return { matchExpressions: [{ key: LABEL_NAMESPACE_NAME, operator: 'In', values: names }] };
}

/** @throws UsageError if the text is no label */
function labelOf(text: string): [key: string, value: string] {
  const [, key, value] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  if (key === undefined || value === undefined)
    throw new UsageError(`--selector ${text}: write a label of namespaces, such as example.com/part-of=shop`);
  return [key, value];
}

/** The flows that these profiles alone would deny. */
function deniedBy(
  profiles: readonly KubeObject[],
  groups: readonly ObservedGroup[],
  snapshot: Snapshot,
): ObservedGroup[] {
  const judged = judgeGroups(groups, new Questions(snapshot, policiesOf(profiles, snapshot)));
  return judged.filter(({ verdict }) => verdict === 'denied').map(({ group }) => group);
}

function contextOf({ pods, facts }: Snapshot): Parameters<typeof proposeConnections>[1] {
  const knowsAPIServer = facts.isKnown({ kind: 'endpointSlices', namespace: 'default' });
  return {
    pods,
    apiServer: new Set(
      knowsAPIServer ? facts.endpoints('default', 'kubernetes').flatMap(({ addresses }) => addresses) : [],
    ),
    knowsNodes:
      facts.isKnown({ kind: 'nodes' }) && facts.nodes().some(({ addresses }) => addresses.length > 0),
  };
}

function scanRemark({ tries, served }: Scan<ObservedGroup>): string {
  const source = tries[0]?.source.label ?? '';
  const ports = [...new Set(tries.map(({ protocol, port }) => `${protocol} ${port}`))];
  const destinations = [...new Set(tries.map(({ destination }) => destination.label))];
  const [isOnePort, isOneEnd] = [ports.length === 1, destinations.length === 1];
  const what = `${isOnePort ? ports[0] : `${ports.length} ports`} of ${isOneEnd ? destinations[0] : `${destinations.length} workloads`}`;
  const kept =
    served.length === 0
      ? ''
      : `; ${countedText(served.length, 'rare flow')} of it to ports that are served ${served.length === 1 ? 'is' : 'are'} kept`;
  return `left out a scan: ${source} tried ${what}, which ${isOneEnd ? 'does' : 'do'} not serve ${isOnePort ? 'it' : 'them'}${kept}`;
}

function proposalRemarks({ connections }: Proposal): string[] {
  const rare = connections.filter(({ isRare }) => isRare).map(({ connection }) => connection.name);
  return [
    ...(rare.length > 0
      ? [`${counted(rare.length, 'connection')} for flows that were rare: ${shortList(rare)}`]
      : []),
    ...connections.flatMap(({ connection, wider }) =>
      wider.map((text) => `connection ${connection.name} also allows ${text}`),
    ),
  ];
}

const OBSTACLES: Readonly<Record<EndObstacle, string>> = {
  unlabelled: 'no stable label tells the pods of an end from others; add one to the pod template',
  addresses: 'it is with many private addresses; allow a range of them yourself',
  'no-address': 'an end is on the network of nodes, whose addresses are not known here',
};

/** The flows that the proposed profile would deny, and why nothing was proposed for them. */
function deniedRemarks(groups: readonly ObservedGroup[], { obstacles }: Proposal): string[] {
  const reasons = new Map<FlowGroup, EndObstacle>(obstacles.map(({ group, obstacle }) => [group, obstacle]));
  return [...Map.groupBy(groups, (group) => reasons.get(group))].map(([reason, list]) => {
    const flows = list.map(
      ({ source, destination, port, protocol }) =>
        `${source.label} → ${destination.label} ${protocol} ${port}`,
    );
    const because = reason === undefined ? 'the policies would still deny it' : OBSTACLES[reason];
    return `nothing proposed keeps ${shortList(flows, { most: 4 })}: ${because}`;
  });
}
