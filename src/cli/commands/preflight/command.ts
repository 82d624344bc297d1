/** `preflight`: holds observed flows to a profile before it is enforced, and says which of them it would cut. */
import { FLOW_FLAGS } from '../../flows/flags.ts';
import { type ObservedFlows, observedFlows } from '../../flows/observed.ts';
import { remarksOf, unmappedTotal } from '../../flows/log-text.ts';
import { groupValue, logsValue } from '../../flows/text.ts';
import type { Call, Command } from '../../shell/command.ts';
import { CliError, EXIT, UsageError } from '../../shell/failure.ts';
import { toJson, toYaml } from '../../shell/output.ts';
import { type DecidingPolicies, decidingPolicies, withStandIns } from '../../snapshot/layers.ts';
import { load, ONLY_NETWORK_POLICIES } from '../../snapshot/load.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { unreadCaveats } from '../explain/caveats.ts';
import { Questions } from '../explain/questions.ts';
import { suggestionValue } from '../explain/suggestion-output.ts';
import { warnOfUnresolved } from '../render/command.ts';
import { keepCut, type Keeping, patchCommand, patchesOf } from './keep.ts';
import { type FlowOutcome, outcomesOf } from './outcomes.ts';
import { becauseText, showOutcomes } from './text.ts';

export const preflight: Command = {
  name: 'preflight',
  summary: 'which flows that were seen a profile would cut, and what keeps them',
  usage: '',
  words: [0, 0],
  description: [
    'Reads flow logs, and holds each flow to the policies as they would be with every profile enforced. Lists what would\n' +
      'be cut, by pair of workloads and port, and the smallest connections that keep it; then what passes, and by which rule.',
    'Flow logs are those of Hubble, Calico, GKE, AWS VPC, Envoy or Istio, conntrack, or JSON lines and CSV of your own.\n' +
      'Their ends are mapped to the workloads of the cluster or manifests by names, labels or addresses. A flow that can\n' +
      'not be mapped is counted and shown, and never guessed.',
    'Policies of Cilium, Calico and Istio, ClusterNetworkPolicies and guards count as they do for explain. A flow that\n' +
      'depends on a part of them that can not be evaluated, such as names of hosts, is UNKNOWN, with that part.',
    'Exits with 0 if nothing that was seen would be cut, with 1 if something would, else with 2 if a flow is unknown.',
  ],
  examples: [
    { what: 'profiles under Audit', line: 'preflight --flows flows.jsonl' },
    {
      what: 'a profile that does not exist yet, and live flows',
      line: 'hubble observe --last 10000 -o json | kubectl segmentation preflight -f shop.yaml --cluster --flows -',
    },
    {
      what: 'a changed profile: only what the change cuts or opens',
      line: 'preflight -f new.yaml --against old.yaml --cluster --flows logs/',
    },
    { what: 'the patch that keeps everything', line: 'preflight --flows logs/ -o patch | sh' },
  ],
  flags: [
    ...FLOW_FLAGS,
    {
      name: 'against',
      value: 'PATH',
      repeated: true,
      completes: 'files',
      help: 'manifests before the change, to compare with instead of the verdicts of the logs',
    },
    ONLY_NETWORK_POLICIES,
  ],
  formats: ['table', 'wide', 'json', 'yaml', 'name', 'patch'],
  takes: { cluster: true, namespaces: true },
  async run(call) {
    const { format, flags, terminal } = call;
    const snapshot = await call.load({ forLayers: true });
    const after = decidingPolicies(snapshot, flags, true);
    const before = await policiesBefore(call);
    const observed = await observedFlows(
      call,
      snapshot,
      [after, ...(before ? [before] : [])].flatMap(withStandIns),
    );
    const questions = ({ policies, layers }: DecidingPolicies) => new Questions(snapshot, policies, layers);
    const outcomes = outcomesOf({
      groups: observed.groups,
      after: questions(after),
      before: before && questions(before),
    });
    const cut = outcomes.filter(({ outcome }) => outcome === 'cut');
    const keeping = keepCut(cut, snapshot, after.policies);
    const result = { outcomes, keeping, observed, snapshot };
    const remarks = [...remarksOf(observed), ...keeping.remarks, ...unreadCaveats(snapshot)];
    if (format === 'json' || format === 'yaml') {
      const document = documentOf(result, remarks);
      terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    } else {
      show(result, call);
      for (const each of remarks) terminal.note(each);
    }
    warnOfUnresolved(snapshot.intents(), terminal);
    if (cut.length > 0) return EXIT.no;
    if (observed.table.overflow > 0) throw new CliError('not all flows could be held to the policies');
    return outcomes.some(({ outcome }) => outcome === 'unknown') ? EXIT.failure : EXIT.yes;
  },
};

interface Result {
  readonly outcomes: readonly FlowOutcome[];
  readonly keeping: Keeping;
  readonly observed: ObservedFlows;
  readonly snapshot: Snapshot;
}

/** The policies of the manifests of --against; undefined without it. */
async function policiesBefore({
  flags,
  process,
  terminal,
  namespace,
}: Call): Promise<DecidingPolicies | undefined> {
  if (!flags.has('against')) return undefined;
  if (!flags.has('filename') && !flags.has('kustomize'))
    throw new UsageError('--against compares manifests: name the changed ones with -f or -k');
  const before = flags.with('filename', flags.all('against')).with('kustomize', []);
  const snapshot = await load({ flags: before, namespace, process, terminal, forLayers: true });
  return decidingPolicies(snapshot, flags, true);
}

function show({ outcomes, keeping, observed, snapshot }: Result, { format, terminal }: Call): void {
  if (format === 'name') {
    for (const { outcome, group } of outcomes)
      if (outcome === 'cut')
        terminal.print(`${group.source.label} ${group.destination.label} ${group.port}/${group.protocol}`);
  } else if (format === 'patch') {
    for (const patch of patchesOf(keeping, snapshot)) terminal.print(patchCommand(patch));
    const others = keeping.suggestions.filter(({ remedy }) => remedy.kind === 'policy').length;
    if (others > 0)
      terminal.warn(`${others} flows need a NetworkPolicy instead of a connection: see -o json for them`);
  } else {
    const unmapped = unmappedTotal(observed.table).all;
    showOutcomes(outcomes, keeping, { wide: format === 'wide', unmapped, terminal });
  }
}

function documentOf({ outcomes, keeping, observed, snapshot }: Result, notes: readonly string[]): object {
  const of = (wanted: FlowOutcome['outcome']) =>
    outcomes.filter(({ outcome }) => outcome === wanted).map(flowValue);
  return {
    cut: of('cut'),
    unknown: of('unknown'),
    passes: of('passes'),
    opened: of('opened'),
    denied: of('denied'),
    unaffected: of('unaffected'),
    ...logsValue(observed),
    suggestions: keeping.suggestions.map(suggestionValue),
    patches: patchesOf(keeping, snapshot),
    notes,
  };
}

function flowValue(flow: FlowOutcome): object {
  return { ...groupValue(flow.group), ...(flow.outcome !== 'unaffected' && { because: becauseText(flow) }) };
}
