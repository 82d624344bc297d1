/** `status`: shows which namespaces are segmented, by which profiles, and where there are holes. */
import type { Command } from '../../shell/command.ts';
import { EXIT } from '../../shell/failure.ts';
import { toJson, toYaml } from '../../shell/output.ts';
import { namespacesNamed } from '../../snapshot/select.ts';
import type { Snapshot, SnapshotNamespace } from '../../../snapshot/snapshot.ts';
import { warnOfUnresolved } from '../render/command.ts';
import { namespaceRows } from './namespaces.ts';
import { printReport } from './print.ts';
import { commonCondition, profileRow } from './profiles.ts';
import { type OpenExceptions, openExceptions } from './temporary.ts';

export const status: Command = {
  name: 'status',
  summary: 'which namespaces are segmented, by what, and where there are holes',
  usage: '',
  words: [0, 0],
  description: [
    'Shows which namespaces are segmented and by which profile, how many of their pods are isolated in each\n' +
      'direction, and what needs a look: open pods, rules for everyone, policies that are not as they should be.',
    'States: Enforced (all policies stand), Pending (some do not), Audit (computed only), Terminating (being deleted),\n' +
      'Foreign (only policies of others), Open (no policy), Protected (never segmented: system namespaces).',
  ],
  examples: [
    { what: 'the whole cluster', line: 'status' },
    { what: 'one namespace, with every column', line: 'status -n shop-checkout -o wide' },
    { what: 'what manifests would lead to', line: 'status -k overlays/production' },
    {
      what: 'the open namespaces, for a script',
      line: `kubectl segmentation status -o json | jq -r '.namespaces[] | select(.state == "Open").name'`,
    },
  ],
  flags: [],
  formats: ['table', 'wide', 'json', 'yaml', 'name'],
  takes: { cluster: true, namespaces: true },
  async run({ format, terminal, namespace, load }) {
    const snapshot = await load();
    const namespaces = namespacesNamed(snapshot, namespace);
    const rows = namespaceRows(snapshot, namespaces);
    const profiles = snapshot.profiles.map((profile) => profileRow(profile, snapshot));
    const enforcement = commonCondition('EnforcementVerified', snapshot);
    const engine = commonCondition('EngineReady', snapshot);
    const mesh = commonCondition('MeshReady', snapshot);
    const exceptions = exceptionsIn(snapshot, namespaces);
    if (format === 'json' || format === 'yaml') {
      const document = {
        source: snapshot.origin,
        ...(enforcement && { enforcement }),
        ...(engine && { engine }),
        ...(mesh && { mesh }),
        ...(exceptions && { exceptions }),
        profiles,
        namespaces: rows,
      };
      terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    } else if (format === 'name') {
      for (const { name } of rows) terminal.print(`namespace/${name}`);
    } else {
      const { origin } = snapshot;
      printReport(
        { origin, enforcement, engine, mesh, exceptions, profiles, rows },
        format === 'wide',
        terminal,
      );
    }
    const shown = new Set(namespaces);
    warnOfUnresolved(
      snapshot.intents().filter((intent) => shown.has(intent.namespace)),
      terminal,
    );
    const unread = snapshot.unread.get('SegmentationProfile');
    if (unread !== undefined) terminal.warn(unread);
    return EXIT.yes;
  },
};

/** The exceptions that open flows in these namespaces of a cluster; undefined if there is none. */
function exceptionsIn(
  snapshot: Snapshot,
  namespaces: readonly SnapshotNamespace[],
): OpenExceptions | undefined {
  if (!snapshot.isObserved) return undefined;
  const names = new Set(namespaces.map(({ name }) => name));
  return openExceptions(
    snapshot.policies.filter(
      (policy) => names.has(policy.metadata.namespace ?? '') && snapshot.ownerOf(policy) !== undefined,
    ),
  );
}
