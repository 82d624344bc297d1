/**
 * Proposes connections for observed flows. Each connection is a product of sources, destinations and ports of which every
 * combination was seen: flows are joined only where that holds. Pure.
 */
import { unionPorts } from '../../analysis/model/ports.ts';
import { freeName, portList } from '../../analysis/remedy/remedy.ts';
import type { Protocol } from '../../api/network-policy.ts';
import type { Connection } from '../../api/profile.ts';
import { compareText } from '../../util/order.ts';
import { isPrivate } from '../address-cells.ts';
import type { FlowGroup, FlowGroupEnd } from '../flow-table.ts';
import {
  type EndChoice,
  EndChooser,
  type EndContext,
  type EndObstacle,
  type EndPeers,
  MAX_PEERS,
} from './ends.ts';

export interface Proposal {
  readonly connections: readonly ProposedConnection[];
  readonly obstacles: readonly FlowObstacle[];
}

export interface ProposedConnection {
  readonly connection: Connection;
  /** True if it was seen so seldom that a person should look at it. */
  readonly isRare: boolean;
  /** Access that the connection allows, although no such flow was seen. */
  readonly wider: readonly string[];
}

/** A flow for which nothing can be proposed. */
export interface FlowObstacle {
  readonly group: FlowGroup;
  readonly obstacle: EndObstacle;
}

/** A flow that was seen at most this many times is rare. */
const MAX_RARE = 2;
/** The schema's bound on the ports of a connection. */
const MAX_PORTS = 64;

/** @param groups flows that should stay allowed */
export function proposeConnections(groups: readonly FlowGroup[], context: EndContext): Proposal {
  const { pairs, obstacles } = pairsOf(groups, new EndChooser(context));
  const names: string[] = [];
  const connections = joined(pairs).flatMap((each) =>
    split(each).map((part): ProposedConnection => {
      const connection = connectionOf(part, names);
      names.push(connection.name);
      return {
        connection,
        isRare: part.isRare,
        wider: [...part.from, ...part.to].flatMap(({ wider }) => wider ?? []),
      };
    }),
  );
  return { connections, obstacles };
}

/** Flows between two ends: the rare ones, or the others. */
interface Pair {
  readonly from: EndPeers;
  readonly to: EndPeers;
  readonly ports: Map<string, { readonly port: number; readonly protocol: Protocol }>;
  count: number;
  lastSeen: number | undefined;
}

function pairsOf(
  groups: readonly FlowGroup[],
  chooser: EndChooser,
): { pairs: Pair[]; obstacles: FlowObstacle[] } {
  const obstacles: FlowObstacle[] = [];
  const pairs = new Map<string, Pair>();
  for (const { group, from, to } of choices(groups, chooser)) {
    if (from.kind === 'obstacle' || to.kind === 'obstacle') {
      obstacles.push({
        group,
        obstacle: from.kind === 'obstacle' ? from.obstacle : (to as Obstacle).obstacle,
      });
      continue;
    }
    // Rare ports of a pair get a connection of their own, so that they can be told from the others.
    const key = `${from.key} ${to.key} ${group.count <= MAX_RARE}`;
    let pair = pairs.get(key);
    if (pair === undefined)
      pairs.set(key, (pair = { from, to, ports: new Map(), count: 0, lastSeen: undefined }));
    const { port, protocol, count, lastSeen } = group;
    if (!to.impliesPorts) pair.ports.set(`${protocol} ${port}`, { port, protocol });
    pair.count += count;
    if (lastSeen !== undefined && lastSeen > (pair.lastSeen ?? 0)) pair.lastSeen = lastSeen;
  }
  return { pairs: [...pairs.values()], obstacles };
}

type Obstacle = Extract<EndChoice, { kind: 'obstacle' }>;

interface ChosenFlow {
  readonly group: FlowGroup;
  readonly from: EndChoice;
  readonly to: EndChoice;
}

/** The peers of both ends. All addresses that a workload has on one port are chosen together. */
function choices(groups: readonly FlowGroup[], chooser: EndChooser): ChosenFlow[] {
  const byPort = Map.groupBy(groups, ({ from, to, port, protocol }) =>
    [endKey(from), endKey(to), port, protocol].join(' '),
  );
  return [...byPort.values()].flatMap((flows) => {
    const [first] = flows;
    if (first === undefined) return [];
    const choice = (end: FlowGroupEnd, ends: readonly FlowGroupEnd[]) =>
      end.kind === 'addresses' ? ofAddresses(ends, chooser) : chooser.choose(end);
    const from = choice(
      first.from,
      flows.map((flow) => flow.from),
    );
    const to = choice(
      first.to,
      flows.map((flow) => flow.to),
    );
    return flows.map((group) => ({ group, from, to }));
  });
}

function endKey(end: FlowGroupEnd): string {
  if (end.kind === 'node') return `node/${end.name}`;
  if (end.kind === 'workload') return `${end.workload.namespace}/${end.workload.kind}/${end.workload.name}`;
  // Private addresses are never joined with public ones: only these can be summed up.
  const [ip = ''] = end.ips;
  return isPrivate(ip) ? 'private' : 'public';
}

function ofAddresses(ends: readonly FlowGroupEnd[], chooser: EndChooser): EndChoice {
  const lists = ends.filter((end) => end.kind === 'addresses');
  return chooser.addresses(
    new Set(lists.flatMap(({ ips }) => [...ips])),
    lists.some(({ hasMore }) => hasMore),
  );
}

/** Pairs of ends of which every source connects to every destination on every port. */
interface Joined {
  readonly from: readonly EndPeers[];
  readonly to: readonly EndPeers[];
  readonly ports: Pair['ports'];
  readonly isRare: boolean;
  readonly count: number;
  readonly lastSeen: number | undefined;
}

/** Joins the sources of a destination that use the same ports, then destinations that have the same sources and ports. */
function joined(pairs: readonly Pair[]): Joined[] {
  const single = pairs.map(({ from, to, ports, count, lastSeen }): Joined => {
    return { from: [from], to: [to], ports, isRare: count <= MAX_RARE, count, lastSeen };
  });
  return joinBy(joinBy(single, 'to'), 'from').sort((a, b) => compareText(orderKey(a), orderKey(b)));
}

function joinBy(list: readonly Joined[], same: 'from' | 'to'): Joined[] {
  const other = same === 'from' ? 'to' : 'from';
  const groups = Map.groupBy(
    list,
    (each) => `${each.isRare} ${keysOf(each[same])} ${[...each.ports.keys()].sort(compareText).join()}`,
  );
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const ends = group.flatMap((each) => each[other]).sort((a, b) => compareText(a.key, b.key));
    const times = group.flatMap(({ lastSeen }) => lastSeen ?? []);
    return [
      {
        ...first,
        [other]: ends,
        count: group.reduce((sum, { count }) => sum + count, 0),
        lastSeen: times.length === 0 ? undefined : Math.max(...times),
      },
    ];
  });
}

function keysOf(ends: readonly EndPeers[]): string {
  return ends.map(({ key }) => key).join(';');
}

function orderKey({ from, to, isRare }: Joined): string {
  return `${isRare ? 1 : 0} ${keysOf(to)} ${keysOf(from)}`;
}

/** Parts within the schema's bounds. */
function split(whole: Joined): Joined[] {
  const ports = [...whole.ports];
  const portParts = ports.length === 0 ? [ports] : chunks(ports, () => 1, MAX_PORTS);
  const size = ({ peers }: EndPeers) => peers.length;
  return chunks(whole.from, size, MAX_PEERS).flatMap((from) =>
    chunks(whole.to, size, MAX_PEERS).flatMap((to) =>
      portParts.map((part) => ({ ...whole, from, to, ports: new Map(part) })),
    ),
  );
}

function chunks<T>(items: readonly T[], sizeOf: (item: T) => number, most: number): T[][] {
  const result: T[][] = [];
  let room = 0;
  for (const item of items) {
    const last = result.at(-1);
    if (last === undefined || sizeOf(item) > room) {
      result.push([item]);
      room = most - sizeOf(item);
    } else {
      last.push(item);
      room -= sizeOf(item);
    }
  }
  return result;
}

function connectionOf(part: Joined, taken: readonly string[]): Connection {
  const ranges = [...part.ports.values()].map(({ port, protocol }) => ({ protocol, from: port, to: port }));
  const ports = portList(unionPorts([ranges]));
  return {
    name: freeName(nameOf(part), taken),
    description: descriptionOf(part),
    from: part.from.flatMap(({ peers }) => peers),
    to: part.to.flatMap(({ peers }) => peers),
    ...(ports.length > 0 && part.ports.size > 0 && { ports }),
  };
}

function nameOf({ from, to }: Joined): string {
  const [source, destination] = [from[0]?.name ?? '', to[0]?.name ?? ''];
  if (from.length === 1) return to.length === 1 ? `${source}-to-${destination}` : `from-${source}`;
  return to.length === 1 ? `to-${destination}` : `to-${destination}-and-others`;
}

function descriptionOf({ count, lastSeen, isRare, from, to }: Joined): string {
  const times = count === 1 ? 'once' : `${count.toLocaleString('en-US')} times`;
  const last = lastSeen === undefined ? '' : `, last on ${new Date(lastSeen).toISOString().slice(0, 10)}`;
  const wider = [...from, ...to].some((end) => end.wider !== undefined)
    ? ' It allows more than was seen.'
    : '';
  return `Seen ${times}${last}.${isRare ? ' Rare: check that it is meant.' : ''}${wider}`;
}
