/** Texts about flow logs: counts, times, what was read, and what could not be read or mapped. Pure. */
import type { SkipReason } from '../../flows/flow.ts';
import type { FlowTable } from '../../flows/flow-table.ts';
import type { UnmappedReason } from '../../flows/mapper.ts';
import { counted, shortList } from '../../util/list-text.ts';
import type { LogReport } from './read-logs.ts';

/** A number with commas between thousands. */
export function numberText(count: number): string {
  return count.toLocaleString('en-US');
}

/** "1 flow", "1,204 flows". */
export function countedText(count: number, noun: string, plural = `${noun}s`): string {
  return count === 1 ? counted(count, noun) : `${numberText(count)} ${plural}`;
}

/** A time as RFC 3339 to the minute, in UTC; `-` if the log has none. */
export function timeText(time: number | undefined): string {
  return time === undefined ? '-' : `${new Date(time).toISOString().slice(0, 16)}Z`;
}

const SKIPPED: Readonly<Record<SkipReason, string>> = {
  'no-flow': 'about something else than a flow',
  repeated: 'repeated another record',
  'no-port': 'that sum up several ports and name none',
  protocol: 'of protocols that policies have no ports for',
  failed: 'of connections that failed for other reasons than policies',
  'too-old': 'from before --since',
  reply: 'of answers',
  'local-node': "from a pod's own node, which policies never limit",
};

/** The records that are no flows to compare with policies, by reason. */
export function skippedText({ skipped }: FlowTable): string {
  return [...skipped].map(([reason, count]) => `${SKIPPED[reason]} (${numberText(count)})`).join(', ');
}

/** Says why logs have no flow at all. */
export function noFlowsText(table: FlowTable, reports: readonly LogReport[]): string {
  const sources = shortList(
    reports.map(({ source }) => source),
    { most: 3 },
  );
  const unread = reports.find(({ lines, malformed }) => malformed > 0 && malformed === lines);
  if (table.skipped.size === 0 && unread !== undefined)
    return `${unread.source}: none of ${countedText(unread.lines, 'line')} could be read as ${unread.format}: name another --format, or none`;
  if (table.lastTooOld !== undefined)
    return `${sources}: no flow since --since: the latest is of ${timeText(table.lastTooOld)}`;
  if (table.skipped.size > 0) return `${sources}: no flows, only records ${skippedText(table)}`;
  return `${sources}: no flows`;
}

const UNMAPPED: Readonly<Record<UnmappedReason, string>> = {
  gone: 'the cluster has no such pod or workload any more',
  'stale-address': 'the address is of the cluster, and belonged to a pod or Service that is gone',
  ambiguous: 'the name or the labels fit several workloads',
  service: 'the Service leads to no workload or several, or has no such port',
  unnamed: 'the log has no name and no address',
  'summed-up': 'the log sums up several nodes or addresses and names none of them',
  direction: 'the log does not say who opened the connection',
};

/** Flow logs that were read into a table. */
export interface ReadLogs {
  readonly table: FlowTable;
  readonly reports: readonly LogReport[];
  /** True if there are flows between addresses, and no pod has an address that they could be mapped to. */
  readonly lacksAddresses: boolean;
}

/** Sentences about the logs: what was read, and what could not be read or mapped. */
export function remarksOf({ table, reports, lacksAddresses }: ReadLogs): string[] {
  return [
    `read ${readText(reports, table.flows)}${windowText(table.window)}`,
    ...reports.filter(({ malformed }) => malformed > 0).map(malformedText),
    ...table.unmapped.map(({ reason, count, ends }) => {
      const listed = shortList([...ends], { most: 3 });
      return `${countedText(count, 'flow')} not mapped, as ${UNMAPPED[reason]}: ${listed}`;
    }),
    ...(lacksAddresses
      ? [
          'the pods of manifests have no addresses, so that flows between addresses are mapped to none of them: add --cluster to map them to the pods of a cluster',
        ]
      : []),
    ...(table.skipped.size === 0 ? [] : [`left out records ${skippedText(table)}`]),
    ...(table.overflow === 0
      ? []
      : [
          `${countedText(table.overflow, 'flow')} had no room, as there are too many different ones: the result is incomplete; read a part of the logs, or a shorter time`,
        ]),
  ];
}

function readText(reports: readonly LogReport[], flows: number): string {
  const sources = reports.flatMap(({ source, format }) =>
    format === undefined ? [] : [`${source} (${format})`],
  );
  return `${countedText(flows, 'flow')} of ${shortList(sources, { most: 3 })}`;
}

function windowText(window: { readonly first: number; readonly last: number } | undefined): string {
  return window === undefined
    ? ', without times'
    : `, from ${timeText(window.first)} to ${timeText(window.last)}`;
}

function malformedText({ source, malformed, malformedLines }: LogReport): string {
  const lines = malformedLines.length === 0 ? '' : `, the first in line ${malformedLines[0]}`;
  return `${source}: ${countedText(malformed, 'line')} could not be read${lines}`;
}

/** The number of flows that were not mapped, and of those among them that were denied. */
export function unmappedTotal(table: FlowTable): { readonly all: number; readonly denied: number } {
  const sum = (counts: readonly number[]) => counts.reduce((total, each) => total + each, 0);
  return {
    all: sum(table.unmapped.map(({ count }) => count)),
    denied: sum(table.unmapped.map(({ denied }) => denied)),
  };
}
