/** Observed flows for the page: each end with the groups of the reach that it belongs to. */
import type { Reach } from '../../analysis/reach/reach.ts';
import { containsAddress, parseAddress, parseCidr } from '../../policy/semantics/cidr.ts';
import type { SnapshotLayers } from '../../snapshot/layers.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';
import { Questions } from '../commands/explain/questions.ts';
import type { PageEnd, PageSeen } from '../reach/page-data.ts';
import type { Call } from '../shell/command.ts';
import type { FlowEnd } from '../snapshot/flow-ends.ts';
import { withStandIns } from '../snapshot/layers.ts';
import { judgeGroups } from './judged.ts';
import { observedFlows } from './observed.ts';
import { countedText, remarksOf, timeText } from './log-text.ts';

/** Notes what was read. @throws CliError if logs can't be read */
export async function pageSeen(
  call: Call,
  snapshot: Snapshot,
  { reach, layers }: { readonly reach: Reach; readonly layers: SnapshotLayers | undefined },
): Promise<PageSeen> {
  const deciding = { policies: snapshot.effective(), layers };
  const observed = await observedFlows(call, snapshot, withStandIns(deciding));
  for (const each of remarksOf(observed)) call.terminal.note(each);
  const ends: PageEnd[] = [];
  const indices = new Map<string, number>();
  const groupsOf = groupFinder(reach);
  const indexOf = (end: FlowEnd) => {
    const known = indices.get(end.label);
    if (known !== undefined) return known;
    indices.set(end.label, ends.length);
    return ends.push({ label: textOf(end), groups: groupsOf(end) }) - 1;
  };
  const judged = judgeGroups(observed.groups, new Questions(snapshot, deciding.policies, layers));
  const flows = judged.map(({ group, verdict }) => ({
    from: indexOf(group.source),
    to: indexOf(group.destination),
    port: `${group.protocol} ${group.port}`,
    count: group.count,
    ...(group.lastSeen !== undefined && { last: group.lastSeen }),
    // Policies deny nothing between two ends that are no pods.
    allowed: verdict === 'allowed' || verdict === 'unaffected',
    ...(verdict === 'unknown' && { isUnknown: true }),
    wasDenied: group.verdict === 'denied',
  }));
  const { window } = observed.table;
  const time = window === undefined ? '' : `, ${timeText(window.first)} to ${timeText(window.last)}`;
  return { source: countedText(observed.table.flows, 'flow') + time, ends, flows };
}

/** Names a workload as the page does: without its kind. */
function textOf({ label, name, namespace }: FlowEnd): string {
  return namespace === undefined ? label : `${namespace}/${name}`;
}

function groupFinder({ groups }: Reach): (end: FlowEnd) => number[] {
  const byName = new Map(
    groups.map(({ namespace, kind, name }, index) => [`${namespace}/${kind}/${name}`, index]),
  );
  const blocks = groups.flatMap(({ namespace, name }, index) =>
    namespace === undefined ? [{ index, contains: blockOf(name) }] : [],
  );
  return ({ pods: [pod], endpoint, addresses }) => {
    if (pod !== undefined) {
      const { namespace, kind, name } = pod.workload;
      // A page with too many links for workloads has namespaces instead.
      const index =
        byName.get(`${namespace}/${kind}/${name}`) ?? byName.get(`${namespace}/Namespace/${namespace}`);
      return index === undefined ? [] : [index];
    }
    const ips = addresses ?? (endpoint.kind === 'external' ? [endpoint.ip] : []);
    return blocks.filter(({ contains }) => ips.some(contains)).map(({ index }) => index);
  };
}

/** True for the addresses of a block by its name: `any address`, or a range with exceptions. */
function blockOf(name: string): (ip: string) => boolean {
  const [range = '', except = ''] = name.split(' except ');
  const cidr = parseCidr(range);
  if (cidr === undefined) return () => true;
  const holes = except.split(', ').flatMap((text) => parseCidr(text) ?? []);
  return (ip) => {
    const address = parseAddress(ip);
    return (
      address !== undefined &&
      containsAddress(cidr, address) &&
      !holes.some((hole) => containsAddress(hole, address))
    );
  };
}
