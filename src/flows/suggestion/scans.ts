/** Tells scans of ports from flows that a workload needs. Pure. */
import type { FlowGroup } from '../flow-table.ts';

/** Undeclared ports of one destination, from which on a source is a scanner. */
const MIN_PORTS = 15;
/** How often a scan tries a port. */
const MAX_TRIES = 3;

/** The flows of scans: one end tried many ports of another that it does not declare, each of them a few times. */
export function scansIn<T extends FlowGroup>(groups: readonly T[], pairOf: (group: T) => string): Set<T> {
  const tried = groups.filter((group) => group.count <= MAX_TRIES && !isDeclared(group));
  const pairs = Map.groupBy(tried, pairOf);
  return new Set([...pairs.values()].filter((pair) => pair.length >= MIN_PORTS).flat());
}

function isDeclared({ to, port, protocol }: FlowGroup): boolean {
  if (to.kind !== 'workload') return false;
  return to.pods.some(({ ports = [] }) =>
    ports.some((each) => each.containerPort === port && (each.protocol ?? 'TCP') === protocol),
  );
}
