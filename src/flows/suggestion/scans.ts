/** Tells scans of ports from flows that a workload needs. Pure. */
import { matches } from '../../policy/semantics/selector.ts';
import type { FlowGroup, FlowGroupEnd } from '../flow-table.ts';
import type { InventoryPod, InventoryService } from '../inventory.ts';

/** Number of tries from which on a source is a scanner. */
const MIN_TRIES = 15;
/** How often a scan tries a port. */
const MAX_COUNT = 3;

/** The tries of one source. */
export interface Scan<T> {
  readonly tries: readonly T[];
  /** Rare flows of the same source to ports that are served. They are no part of the scan. */
  readonly served: readonly T[];
}

/**
 * The scans among flows: one source tried many ports of workloads that don't serve them, each a few times. A workload
 * serves a port that it declares, that a Service leads to, or to which anybody connects more often: so a flow to such a
 * port is never a try, however rare it is. Nobody knows what an address or a node serves, so that only many ports of one
 * of them are a scan.
 */
export function scansIn<T extends FlowGroup>(
  groups: readonly T[],
  services: readonly InventoryService[],
): Scan<T>[] {
  const isServed = servedPorts(groups, services);
  const [served, tries] = [new Map<string, T[]>(), new Map<string, T[]>()];
  for (const group of groups) {
    if (group.count > MAX_COUNT) continue;
    const source = keyOf(group.from);
    if (isServed(group)) append(served, source, group);
    else append(tries, `${source} ${group.to.kind === 'workload' ? 'workloads' : keyOf(group.to)}`, group);
  }
  return [...tries.values()].flatMap((list) => {
    const [first] = list;
    if (first === undefined || list.length < MIN_TRIES) return [];
    return [{ tries: list, served: served.get(keyOf(first.from)) ?? [] }];
  });
}

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

/** Equal for equal ends. */
function keyOf(end: FlowGroupEnd): string {
  switch (end.kind) {
    case 'workload':
      return `${end.workload.namespace}/${end.workload.kind}/${end.workload.name}`;
    case 'node':
      return `node/${end.name}`;
    case 'addresses':
      return [...end.ips].join();
  }
}

/** Returns a function that is true if the destination of a flow serves its port. */
function servedPorts(
  groups: readonly FlowGroup[],
  services: readonly InventoryService[],
): (group: FlowGroup) => boolean {
  const keyOfPort = ({ to, port, protocol }: FlowGroup) => `${keyOf(to)} ${protocol} ${port}`;
  const used = new Set(groups.filter(({ count }) => count > MAX_COUNT).map(keyOfPort));
  const byNamespace = Map.groupBy(services, ({ namespace }) => namespace);
  return (group) => {
    if (used.has(keyOfPort(group))) return true;
    const { to } = group;
    return (
      to.kind === 'workload' &&
      to.pods.some(
        (pod) =>
          isDeclared(pod, group) ||
          (byNamespace.get(pod.namespace) ?? []).some((service) => leadsTo(service, pod, group)),
      )
    );
  };
}

function isDeclared({ ports = [] }: InventoryPod, { port, protocol }: FlowGroup): boolean {
  return ports.some((each) => each.containerPort === port && (each.protocol ?? 'TCP') === protocol);
}

/** True if the Service has a port with this number as its target. A target that is a name is a declared port. */
function leadsTo(
  { selector = {}, ports }: InventoryService,
  pod: InventoryPod,
  { port, protocol }: FlowGroup,
): boolean {
  return (
    Object.keys(selector).length > 0 &&
    ports.some((each) => (each.targetPort ?? each.port) === port && (each.protocol ?? 'TCP') === protocol) &&
    matches({ matchLabels: selector }, pod.labels)
  );
}
