/** The observed flows that a command's flags choose, mapped to the workloads of a snapshot. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { addressCells } from '../../flows/address-cells.ts';
import { type FlowGroup, type FlowGroupEnd, FlowTable } from '../../flows/flow-table.ts';
import type { Inventory } from '../../flows/inventory.ts';
import { FlowMapper } from '../../flows/mapper.ts';
import { CliError, UsageError } from '../shell/failure.ts';
import type { Call } from '../shell/command.ts';
import { type FlowEnd, workloadEnds } from '../snapshot/flow-ends.ts';
import { workloadKey } from '../../snapshot/pods.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';
import { sinceOf } from './flags.ts';
import { logSources } from './lines.ts';
import { noFlowsText, type ReadLogs, remarksOf } from './log-text.ts';
import { lokiSources } from './loki.ts';
import { namespacesNamed } from '../snapshot/select.ts';
import { readLogs } from './read-logs.ts';

/** Flows between two ends on one port, with the ends as other commands name them. */
export interface ObservedGroup extends FlowGroup {
  readonly source: FlowEnd;
  readonly destination: FlowEnd;
}

export interface ObservedFlows extends ReadLogs {
  readonly groups: readonly ObservedGroup[];
}

/**
 * @param policies flows from addresses that these policies don't tell apart are summed up
 * @throws CliError if logs can't be read, or not one of their flows is from or to a workload of the snapshot
 */
export async function observedFlows(
  { flags, process, terminal, namespace }: Call,
  snapshot: Snapshot,
  policies: readonly NetworkPolicy[],
): Promise<ObservedFlows> {
  const paths = flags.all('flows');
  const sinceMs = sinceOf(flags);
  const now = Date.now();
  const fromLoki = lokiSources(flags, process, { now, sinceMs });
  if (paths.length + fromLoki.length === 0) throw new UsageError('name the flow logs with --flows or --loki');
  if (snapshot.pods.length === 0)
    throw new CliError(
      `${snapshot.origin} have no pods to map flows to: name the manifests of workloads too, or add --cluster`,
    );
  namespacesNamed(snapshot, namespace);
  const table = new FlowTable({
    mapper: new FlowMapper(inventoryOf(snapshot)),
    cellOf: addressCells(policies),
    ...(sinceMs !== undefined && { since: now - sinceMs }),
  });
  const sources = [...(await logSources(paths, process)), ...fromLoki];
  const reports = await readLogs({ sources, format: flags.get('format') ?? 'auto', table, terminal });
  if (table.flows === 0) throw new CliError(noFlowsText(table, reports));
  const isOfWorkload = ({ from, to }: FlowGroup) => from.kind === 'workload' || to.kind === 'workload';
  const lacksAddresses =
    !snapshot.pods.some(({ ips }) => ips.length > 0) && !table.groups.every(isOfWorkload);
  if (!table.groups.some(isOfWorkload)) {
    for (const each of remarksOf({ table, reports, lacksAddresses })) terminal.note(each);
    throw new CliError(`not one of the flows is from or to a workload of the ${snapshot.origin}`);
  }
  const ends = new Ends(snapshot);
  const groups = table.groups.map((group) => ({
    firstSeen: group.firstSeen,
    lastSeen: group.lastSeen,
    from: group.from,
    to: group.to,
    port: group.port,
    protocol: group.protocol,
    verdict: group.verdict,
    count: group.count,
    source: ends.of(group.from),
    destination: ends.of(group.to),
  }));
  const isWanted = ({ source, destination }: ObservedGroup) =>
    namespace === undefined || source.namespace === namespace || destination.namespace === namespace;
  return { groups: groups.filter(isWanted), table, reports, lacksAddresses };
}

/** The objects of a snapshot that ends of flows are mapped to. */
export function inventoryOf({ pods, services, nodes, facts }: Snapshot): Inventory {
  const isKnown = facts.isKnown({ kind: 'nodes' });
  return {
    pods,
    services: services.map((service) => ({
      ...service,
      endpoints: facts.endpoints(service.namespace, service.name),
    })),
    nodes,
    clusterRanges: [
      ...facts.configuration.podCIDRs,
      ...(isKnown ? facts.nodes().flatMap(({ podCIDRs }) => podCIDRs) : []),
      ...(facts.isKnown({ kind: 'serviceCIDRs' }) ? facts.serviceCIDRs() : []),
    ],
  };
}

/** Ends of flows, each made once. */
class Ends {
  readonly #workloads: ReadonlyMap<string, FlowEnd>;

  constructor({ pods }: Snapshot) {
    this.#workloads = new Map(
      workloadEnds(pods).flatMap((end) => {
        const [pod] = end.pods;
        return pod === undefined ? [] : [[workloadKey(pod.workload), end]];
      }),
    );
  }

  of(end: FlowGroupEnd): FlowEnd {
    switch (end.kind) {
      case 'workload': {
        const found = this.#workloads.get(workloadKey(end.workload));
        if (found === undefined) throw new TypeError(`no end for ${workloadKey(end.workload)}`);
        return found;
      }
      case 'node':
        return {
          label: `node/${end.name}`,
          name: end.name,
          pods: [],
          endpoint: { kind: 'external', ip: end.ip, node: end.name },
        };
      case 'addresses': {
        const ips = [...end.ips].sort();
        const [ip = ''] = ips;
        const more = end.hasMore ? `more than ${ips.length - 1}` : ips.length - 1;
        return {
          label: ips.length === 1 ? ip : `${ip} and ${more} more`,
          name: ips.length === 1 ? ip : 'external',
          pods: [],
          endpoint: { kind: 'external', ip },
          addresses: ips,
        };
      }
    }
  }
}
