/** Observed flows as values for JSON and YAML. Pure. */
import type { FlowGroupEnd } from '../../flows/flow-table.ts';
import type { ObservedFlows, ObservedGroup } from './observed.ts';

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
    unmapped: table.unmapped.map(({ reason, count, denied, ends }) => ({
      reason,
      count,
      denied,
      ends: [...ends],
    })),
    skipped: Object.fromEntries(table.skipped),
  };
}
