/** `diff`: the namespaces, policies, rules and flows that a changed profile or policy would change. */
import type { FlowChange } from '../../../analysis/flow-changes.ts';
import type { PolicyChange } from '../../../analysis/policy-changes.ts';
import type { GroupName } from '../../../analysis/group.ts';
import type { Call, Command } from '../../shell/command.ts';
import { changesIn, compareSnapshots, type SnapshotChanges } from './compare.ts';
import { changesText } from './text.ts';
import { EXIT, UsageError } from '../../shell/failure.ts';
import {
  createSnapshot,
  loadCluster,
  loadManifests,
  type LoadInput,
  loadOverlay,
  ONLY_NETWORK_POLICIES,
  readClusterOf,
} from '../../snapshot/load.ts';
import type { Flags } from '../../shell/flags.ts';
import { toJson, toYaml } from '../../shell/output.ts';
import { layersOf, type SnapshotLayers } from '../../../snapshot/layers.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { AS_ENFORCED } from '../explain/command.ts';
import { overlayNotes, warnOfUnresolved } from '../render/command.ts';

export const diff: Command = {
  name: 'diff',
  summary: 'what a change would change: namespaces, policies, rules, and flows that open or close',
  usage: '',
  words: [0, 0],
  description: [
    'Compares the cluster with what it would be with manifests applied (-f, -k), with every profile enforced that is\n' +
      'under Audit (--as-enforced), or both; or, with --from, two versions of manifests. It shows which namespaces,\n' +
      'policies and rules change, and which flows between the pods that there are open or close, by workload. Flows go by\n' +
      'policies of network engines and of the mesh too; those that depend on a part which can not be evaluated are named.',
    'Exits with 0 if nothing changes, with 1 if something does, with 2 if it can not tell, as kubectl diff does.',
  ],
  examples: [
    { what: 'a changed profile against the cluster', line: 'diff -f shop.yaml' },
    { what: 'what enforcing would cut that is open under Audit', line: 'diff --as-enforced' },
    {
      what: 'two versions without a cluster, with every flow',
      line: 'diff --from base/ -f changed/ -o wide',
    },
    {
      what: 'the last commit, in CI',
      line: 'git worktree add old HEAD~1 && kubectl segmentation diff --from old/deploy -f deploy',
    },
  ],
  flags: [
    {
      name: 'from',
      value: 'PATH',
      repeated: true,
      completes: 'files',
      help: 'manifests to compare with, instead of the cluster',
    },
    AS_ENFORCED,
    ONLY_NETWORK_POLICIES,
  ],
  formats: ['table', 'wide', 'json', 'yaml', 'name'],
  takes: { cluster: true, namespaces: true },
  async run(call) {
    const { format, flags, terminal, namespace } = call;
    const [before, after] = await states(call);
    const all = compareSnapshots({
      before,
      after,
      policiesBefore: before.effective(),
      policiesAfter: after.effective(flags.has('as-enforced')),
      asEnforced: flags.has('as-enforced'),
      layers: layersOfStates(before, after, flags),
    });
    const changes = namespace === undefined ? all : changesIn(all, namespace);
    if (format === 'json' || format === 'yaml') {
      terminal.write(format === 'json' ? toJson(documentOf(changes)) : toYaml(documentOf(changes)));
    } else if (format === 'name') {
      for (const each of changes.policies) terminal.print(nameOf(each));
      for (const { namespace: place, name } of changes.extensions) terminal.print(`${place}/${name}`);
    } else {
      const text = changesText(changes, { wide: format === 'wide', paint: terminal.paint });
      if (text !== undefined) terminal.print(text);
    }
    warnOfUnresolved(after.intents(), terminal);
    for (const note of overlayNotes(after.intents(), after)) terminal.note(note);
    const { namespaces, policies, extensions, exceptions, opened, closed, unclear } = changes;
    const changed = [namespaces, policies, extensions, exceptions, opened, closed, unclear];
    return changed.every(({ length }) => length === 0) ? EXIT.yes : EXIT.no;
  },
};

/** The earlier state counts as it is. */
function layersOfStates(before: Snapshot, after: Snapshot, flags: Flags): (SnapshotLayers | undefined)[] {
  if (flags.has(ONLY_NETWORK_POLICIES.name)) return [];
  return [layersOf(before), layersOf(after, { asEnforced: flags.has('as-enforced') })];
}

async function states({ flags, process, terminal, namespace }: Call): Promise<readonly [Snapshot, Snapshot]> {
  const input: LoadInput = { flags, namespace, process, terminal, forLayers: true };
  const given = flags.has('filename') || flags.has('kustomize');
  if (flags.has('from')) {
    if (flags.has('cluster')) throw new UsageError('--from compares manifests: leave --cluster out');
    const before = await loadManifests(input, flags.all('from'));
    const after = given ? await loadManifests(input, flags.all('filename'), flags.all('kustomize')) : before;
    if (given || flags.has('as-enforced')) return [before, after];
    throw new UsageError('name what to compare with --from: -f or -k');
  }
  if (given) {
    const cluster = await readClusterOf(input);
    return [
      createSnapshot(input, { objects: cluster.objects, cluster, isObserved: true }),
      await loadOverlay(input, cluster),
    ];
  }
  if (!flags.has('as-enforced'))
    throw new UsageError('name what changes: manifests with -f or -k, or --as-enforced');
  const state = await loadCluster(input);
  return [state, state];
}

function nameOf({ before, after }: PolicyChange): string {
  const { namespace, name } = (after ?? before)?.metadata ?? {};
  return `${namespace}/${name}`;
}

function documentOf(changes: SnapshotChanges): object {
  const { namespaces, policies, extensions, opened, closed, unclear, dependsOn, rollouts } = changes;
  const end = ({ namespace, kind, name }: GroupName) => ({
    ...(namespace !== undefined && { namespace }),
    kind,
    name,
  });
  const flows = (list: readonly FlowChange[]) =>
    list.map(({ from, to, ports, partial }) => ({ from: end(from), to: end(to), ports, partial }));
  return {
    namespaces,
    policies: policies.map((each) => ({
      namespace: (each.after ?? each.before)?.metadata.namespace,
      name: (each.after ?? each.before)?.metadata.name,
      change: each.change,
      rules: each.rules.map(({ direction, change, rule }) => ({ direction, change, ...rule })),
    })),
    ...(extensions.length > 0 && { extensions }),
    ...(rollouts.length > 0 && { rollouts }),
    ...(changes.exceptions.length > 0 && { exceptions: changes.exceptions }),
    flows: {
      opened: flows(opened),
      closed: flows(closed),
      ...(unclear.length > 0 && { unknown: flows(unclear), dependsOn }),
    },
  };
}
