/** Texts about observed flows: counts, times, and what of the logs could not be used. Pure. */
import type { SkipReason } from '../../flows/flow.ts';
import type { FlowGroupEnd } from '../../flows/flow-table.ts';
import type { UnmappedReason } from '../../flows/mapper.ts';
import { counted, shortList } from '../../util/list-text.ts';
import type { LogReport } from './read-logs.ts';
import type { ObservedFlows, ObservedGroup } from './observed.ts';

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

const UNMAPPED: Readonly<Record<UnmappedReason, string>> = {
  gone: 'the cluster has no such pod or workload any more',
  'stale-address': 'the address is of the cluster, and belonged to a pod or Service that is gone',
  ambiguous: 'the name or the labels fit several workloads',
  service: 'the Service leads to no workload or several, or has no such port',
  unnamed: 'the log has no name and no address',
  'summed-up': 'the log sums up several nodes or addresses and names none of them',
  direction: 'the log does not say who opened the connection',
};

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

/** Sentences about the logs: what was read, and what could not be read or mapped. */
export function remarksOf({ table, reports }: ObservedFlows): string[] {
  return [
    `read ${readText(reports, table.flows)}${windowText(table.window)}`,
    ...reports.filter(({ malformed }) => malformed > 0).map(malformedText),
    ...table.unmapped.map(({ reason, count, ends }) => {
      const listed = shortList([...ends], { most: 3 });
      return `${countedText(count, 'flow')} not mapped, as ${UNMAPPED[reason]}: ${listed}`;
    }),
    ...(table.skipped.size === 0
      ? []
      : [
          `left out records ${[...table.skipped]
            .map(([reason, count]) => `${SKIPPED[reason]} (${numberText(count)})`)
            .join(', ')}`,
        ]),
    ...(table.overflow === 0
      ? []
      : [
          `${countedText(table.overflow, 'flow')} had no room, as there are too many different ones: the result is incomplete; read a part of the logs, or a shorter time`,
        ]),
  ];
}

function readText(reports: readonly LogReport[], flows: number): string {
  const sources = reports.map(
    ({ source, format }) => `${source}${format === undefined ? '' : ` (${format})`}`,
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

/** The number of addresses of an end, as far as it was counted. */
export function addressTotal(end: FlowGroupEnd): string {
  if (end.kind !== 'addresses') return '1';
  return end.hasMore ? `more than ${end.ips.size}` : String(end.ips.size);
}

/** A group as a value for JSON and YAML. */
export function groupValue(group: ObservedGroup): object {
  const { source, destination, port, protocol, count, firstSeen, lastSeen } = group;
  const time = (value: number) => new Date(value).toISOString();
  return {
    from: source.label,
    to: destination.label,
    protocol,
    port,
    count,
    ...(firstSeen !== undefined && { firstSeen: time(firstSeen) }),
    ...(lastSeen !== undefined && { lastSeen: time(lastSeen) }),
  };
}

/** The logs, and the records that could not be used, as values for JSON and YAML. */
export function logsValue({ table, reports }: ObservedFlows): object {
  return {
    logs: reports,
    unmapped: table.unmapped.map(({ reason, count, ends }) => ({ reason, count, ends: [...ends] })),
    skipped: Object.fromEntries(table.skipped),
  };
}
