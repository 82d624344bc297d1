/** The flows between groups of pods that a change of policies opens or closes. Pure. */
import { compareText } from '../util/order.ts';
import type { ClusterView, Pod } from './cluster.ts';
import { classifier } from './model/pod-classifier.ts';
import type { GroupName } from './group.ts';
import { ANY_ADDRESS_NAME } from './model/address-blocks.ts';
import { type PortRange, subtractPorts, unionPorts } from './model/ports.ts';
import { computeReach, type GroupLink, type Reach, type ReachOptions } from './reach/reach.ts';

export interface FlowChange {
  readonly from: GroupName;
  readonly to: GroupName;
  readonly ports: readonly PortRange[];
  /** True if the change differs between pods of the groups. */
  readonly partial: boolean;
}

export interface FlowChanges {
  /** Both are sorted by source, then destination. */
  readonly opened: readonly FlowChange[];
  readonly closed: readonly FlowChange[];
  /** Flows of which it is known in one view alone if they are allowed. */
  readonly unclear: readonly FlowChange[];
}

/** A view with the roles of policies that stand for rules of other kinds. */
export type JudgedView = ClusterView & Pick<ReachOptions, 'roles' | 'podsInIPBlocks'>;

/** How pods are grouped, and the bounds of each reach. */
export type ComparedGroups = Required<Pick<ReachOptions, 'groupOf' | 'isTemplate'>> &
  Pick<ReachOptions, 'within' | 'maxLinks'>;

/**
 * The flows that only one of two views allows. Only pods of both views are compared.
 *
 * The reach of each view is computed by parts: pods of a group that the policies of each view treat alike. What the
 * policies allow is then the same for all pods of a part, so that parts of both views can be compared.
 *
 * @throws TooManyLinksError if parts of one view have more links than `maxLinks`
 */
export function flowChanges(
  before: JudgedView,
  after: JudgedView,
  { groupOf, ...options }: ComparedGroups,
): FlowChanges {
  const keyOf = ({ namespace, name }: Pod) => `${namespace}/${name}`;
  const [oldClasses, nextClasses] = [before, after].map(({ policies, pods }) => {
    const classOf = classifier(policies);
    return new Map(pods.map((pod) => [keyOf(pod), classOf(pod)]));
  });
  const parts = new Parts();
  const reachOfParts = (view: JudgedView, other: JudgedView) =>
    computeReach(
      {
        ...view,
        pods: view.pods.filter((pod) => oldClasses?.has(keyOf(pod)) && nextClasses?.has(keyOf(pod))),
      },
      {
        groupOf: (pod) => {
          const group = groupOf(pod);
          const key = keyOf(pod);
          const part = parts.numberOf(group, `${oldClasses?.get(key)} ${nextClasses?.get(key)}`);
          return { namespace: pod.namespace, kind: group.kind, name: String(part) };
        },
        ...options,
        addressesOf: other.policies,
        ...(view.roles && { roles: view.roles }),
        ...(view.podsInIPBlocks !== undefined && { podsInIPBlocks: view.podsInIPBlocks }),
      },
    );
  const [old, next] = [reachOfParts(before, after), reachOfParts(after, before)];
  const changed = { of: ({ ports }: GroupLink) => ports, without: possiblePorts };
  const unclear = { of: unknownPorts, without: unknownPorts };
  return {
    opened: difference([next, old], parts, changed),
    closed: difference([old, next], parts, changed),
    unclear: withoutTwins([
      ...difference([next, old], parts, unclear),
      ...difference([old, next], parts, unclear),
    ]),
  };
}

function unknownPorts({ unknown = [] }: GroupLink): readonly PortRange[] {
  return unknown;
}

function possiblePorts({ ports, unknown }: GroupLink): readonly PortRange[] {
  return unknown === undefined ? ports : unionPorts([ports, unknown]);
}

/** The changes, those between the same two groups as one with the ports of all. */
function withoutTwins(changes: readonly FlowChange[]): FlowChange[] {
  const pairs = Map.groupBy(changes, ({ from, to }) => JSON.stringify([from, to]));
  return [...pairs.values()]
    .flatMap(([first, ...more]) =>
      first === undefined
        ? []
        : [{ ...first, ports: unionPorts([first, ...more].map(({ ports }) => ports)) }],
    )
    .sort(byEnds);
}

/** The ports of links that are compared. */
interface ComparedPorts {
  readonly of: (link: GroupLink) => readonly PortRange[];
  /** The ports of the other reach that are no difference. */
  readonly without: (link: GroupLink) => readonly PortRange[];
}

/** Numbers texts from 0. Equal texts have equal numbers. */
class Numbering {
  readonly #known = new Map<string, number>();

  of(text: string): number {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    this.#known.set(text, this.#known.size);
    return this.#known.size - 1;
  }
}

/** Above every number of a part, so that two numbers make one key. */
const MANY = 2 ** 24;
/** The numbers of address blocks begin here; those of parts of groups are below. */
const FIRST_ADDRESS = MANY / 2;

/** The parts of all groups, and the address blocks, by number. */
class Parts {
  readonly #parts = new Numbering();
  readonly #addresses = new Numbering();
  readonly #groups: GroupName[] = [];

  /** The number of the part of `group` with this class. */
  numberOf(group: GroupName, podClass: string): number {
    const part = this.#parts.of(JSON.stringify([group.namespace, group.kind, group.name, podClass]));
    this.#groups[part] ??= group;
    return part;
  }

  /** The numbers of a reach's groups, which are parts or address blocks. */
  numbersIn({ groups }: Reach): number[] {
    return groups.map(({ kind, name }) =>
      kind === 'Addresses' ? FIRST_ADDRESS + this.#addresses.of(name) : Number(name),
    );
  }

  /** The group that a part belongs to; undefined for an address block. */
  groupOf(part: number): GroupName | undefined {
    return this.#groups[part];
  }
}

/** The flows of a pair of groups that are allowed in one reach and not in the other. */
interface PairDifference {
  readonly from: GroupName;
  readonly to: GroupName;
  /** The ports that differ, for each pair of parts with a difference. */
  readonly lists: (readonly PortRange[])[];
  /** Number of pairs of parts with a link. */
  pairs: number;
}

/** The flows of `a` that `b` does not have, both computed by `parts`. */
function difference(
  [a, b]: readonly [Reach, Reach],
  parts: Parts,
  { of, without }: ComparedPorts,
): FlowChange[] {
  const [numbersA, numbersB] = [parts.numbersIn(a), parts.numbersIn(b)];
  const pairOf = (numbers: readonly number[], { from, to }: GroupLink) =>
    (numbers[from] ?? 0) * MANY + (numbers[to] ?? 0);
  const allowed = new Map(b.links.map((link) => [pairOf(numbersB, link), without(link)]));
  const groups = a.groups.map(
    ({ name }, index): GroupName => parts.groupOf(numbersA[index] ?? -1) ?? { kind: 'Addresses', name },
  );
  const keys = new Numbering();
  const groupNumbers = groups.map(({ namespace, kind, name }) =>
    keys.of(JSON.stringify([namespace, kind, name])),
  );
  const found = new Map<number, PairDifference>();
  for (const link of a.links) {
    const [from, to] = [groups[link.from], groups[link.to]];
    const own = of(link);
    if (from === undefined || to === undefined || own.length === 0) continue;
    const key = pairOf(groupNumbers, link);
    let pair = found.get(key);
    if (pair === undefined) found.set(key, (pair = { from, to, lists: [], pairs: 0 }));
    pair.pairs += 1;
    const ports = subtractPorts(own, allowed.get(pairOf(numbersA, link)) ?? []);
    if (ports.length > 0) pair.lists.push(ports);
  }
  return withoutImplied([...found.values()].flatMap((pair) => flowChange(pair) ?? [])).sort(byEnds);
}

function flowChange({ from, to, lists, pairs }: PairDifference): FlowChange | undefined {
  const [first] = lists;
  if (first === undefined) return undefined;
  const distinct = new Set(lists.map((ports) => JSON.stringify(ports)));
  return {
    from,
    to,
    ports: lists.length === 1 ? first : unionPorts(lists),
    partial: distinct.size > 1 || lists.length < pairs,
  };
}

/** By namespace and name. Addresses are last, `any address` the first of them. */
function byEnds(a: FlowChange, b: FlowChange): number {
  return compareGroups(a.from, b.from) || compareGroups(a.to, b.to);
}

function compareGroups(a: GroupName, b: GroupName): number {
  return (
    rank(a) - rank(b) ||
    compareText(a.namespace ?? '', b.namespace ?? '') ||
    compareText(a.name, b.name) ||
    compareText(a.kind, b.kind)
  );
}

function rank({ kind, name }: GroupName): number {
  if (kind !== 'Addresses') return 0;
  return name === ANY_ADDRESS_NAME ? 1 : 2;
}

/** Drops changes of an address block on the ports on which any address changes in the same way. */
function withoutImplied(changes: readonly FlowChange[]): FlowChange[] {
  const key = (way: 'from' | 'to', { namespace, kind, name }: GroupName, ports: readonly PortRange[]) =>
    JSON.stringify([way, namespace, kind, name, ports]);
  const known = new Set(
    changes.flatMap(({ from, to, ports }) => [
      ...(rank(from) === 1 ? [key('to', to, ports)] : []),
      ...(rank(to) === 1 ? [key('from', from, ports)] : []),
    ]),
  );
  return changes.filter(({ from, to, ports }) => {
    if (rank(from) === 2) return !known.has(key('to', to, ports));
    return rank(to) !== 2 || !known.has(key('from', from, ports));
  });
}
