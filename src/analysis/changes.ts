/** What a change of policies changes: which of them, which of their rules, and which flows open or close. Pure. */
import type { NetworkPolicy, PolicyType } from '../api/network-policy.ts';
import { type DirectionRule, isolates, ruleKey, rulesOf, specKey } from '../policy/normalize.ts';
import { selectorKey } from '../policy/selector.ts';
import { classifier } from './classes.ts';
import type { ClusterView, Pod } from './cluster.ts';
import type { PortRange } from './ports.ts';
import { type GroupName, type Reach, reach } from './reach.ts';

const BOTH: readonly PolicyType[] = ['Ingress', 'Egress'];

export interface RuleChange {
  readonly direction: PolicyType;
  readonly change: 'added' | 'removed';
  readonly rule: DirectionRule;
  /** Index in the policy that has the rule. */
  readonly index: number;
}

export interface PolicyChange {
  readonly change: 'added' | 'removed' | 'changed';
  /** Absent for one that is added, or removed. */
  readonly before?: NetworkPolicy;
  readonly after?: NetworkPolicy;
  /** Of one that is changed. */
  readonly rules: readonly RuleChange[];
  /** It is for other pods than before, or isolates other directions. */
  readonly scope: boolean;
}

/** By namespace and name. Spellings of one meaning are no change. */
export function policyChanges(
  before: readonly NetworkPolicy[],
  after: readonly NetworkPolicy[],
): PolicyChange[] {
  const [old, next] = [byName(before), byName(after)];
  const names = [...new Set([...old.keys(), ...next.keys()])].sort();
  return names.flatMap((name): PolicyChange[] => {
    const [a, b] = [old.get(name), next.get(name)];
    if (a === undefined || b === undefined) {
      return [
        {
          change: a === undefined ? 'added' : 'removed',
          ...(a && { before: a }),
          ...(b && { after: b }),
          rules: [],
          scope: false,
        },
      ];
    }
    if (specKey(a.spec) === specKey(b.spec)) return [];
    const scope =
      selectorKey(a.spec.podSelector ?? {}) !== selectorKey(b.spec.podSelector ?? {}) ||
      isolates(a.spec).join() !== isolates(b.spec).join();
    return [
      {
        change: 'changed',
        before: a,
        after: b,
        rules: BOTH.flatMap((each) => ruleChanges(a, b, each)),
        scope,
      },
    ];
  });
}

function byName(policies: readonly NetworkPolicy[]): Map<string, NetworkPolicy> {
  return new Map(policies.map((policy) => [`${policy.metadata.namespace}/${policy.metadata.name}`, policy]));
}

function ruleChanges(before: NetworkPolicy, after: NetworkPolicy, direction: PolicyType): RuleChange[] {
  const [old, next] = [rulesOf(before.spec, direction), rulesOf(after.spec, direction)];
  const without = (
    rules: readonly DirectionRule[],
    others: readonly DirectionRule[],
    change: RuleChange['change'],
  ) => {
    const known = new Set(others.map(ruleKey));
    return rules.flatMap((rule, index) =>
      known.has(ruleKey(rule)) ? [] : [{ direction, change, rule, index }],
    );
  };
  return [...without(old, next, 'removed'), ...without(next, old, 'added')];
}

export interface FlowChange {
  readonly from: GroupName;
  readonly to: GroupName;
  readonly ports: readonly PortRange[];
  /** Not the same for all of their pods. */
  readonly partial: boolean;
}

export interface FlowChanges {
  /** By source, then destination. */
  readonly opened: readonly FlowChange[];
  readonly closed: readonly FlowChange[];
}

/** What is a pod, and a template's is one, counts as what `groupOf` says. Only pods of both views are compared. */
export function flowChanges(
  before: ClusterView,
  after: ClusterView,
  groupOf: (pod: Pod) => GroupName,
  isTemplate: (pod: Pod) => boolean,
): FlowChanges {
  const keyOf = ({ namespace, name }: Pod) => `${namespace}/${name}`;
  const [old, next] = [before, after].map(({ policies, pods }) => {
    const classOf = classifier(policies);
    return new Map(pods.map((pod) => [keyOf(pod), classOf(pod)]));
  });
  const shared = (pods: readonly Pod[]) =>
    pods.filter((pod) => old?.has(keyOf(pod)) && next?.has(keyOf(pod)));
  // Groups of pods that neither the old nor the new policies tell apart: what passes is then the same for all of them.
  const part = (pod: Pod) => JSON.stringify([old?.get(keyOf(pod)), next?.get(keyOf(pod))]);
  const groups = new Map<string, GroupName>();
  const look = (view: ClusterView, other: ClusterView) =>
    reach(
      { ...view, pods: shared(view.pods) },
      {
        groupOf: (pod) => {
          const group = groupOf(pod);
          const name = JSON.stringify([group.namespace, group.kind, group.name, part(pod)]);
          groups.set(name, group);
          return { namespace: pod.namespace, kind: group.kind, name };
        },
        isTemplate,
        addressesOf: other.policies,
      },
    );
  const [was, is] = [look(before, after), look(after, before)];
  return { opened: difference(is, was, groups), closed: difference(was, is, groups) };
}

/** What passes in `a` and not in `b`. */
function difference(a: Reach, b: Reach, groups: ReadonlyMap<string, GroupName>): FlowChange[] {
  const name = (reach: Reach, index: number) => reach.groups[index]?.name ?? '';
  const known = new Map(
    b.links.map((link) => [JSON.stringify([name(b, link.from), name(b, link.to)]), link.ports]),
  );
  const found = new Map<string, { from: GroupName; to: GroupName; ports: PortRange[][] }>();
  const real = (reach: Reach, index: number): GroupName =>
    groups.get(name(reach, index)) ?? { kind: 'Addresses', name: name(reach, index) };
  const pairs = new Map<string, number>();
  for (const link of a.links) {
    const [from, to] = [real(a, link.from), real(a, link.to)];
    const key = JSON.stringify([from, to]);
    pairs.set(key, (pairs.get(key) ?? 0) + 1);
    const ports = subtract(
      link.ports,
      known.get(JSON.stringify([name(a, link.from), name(a, link.to)])) ?? [],
    );
    if (ports.length === 0) continue;
    const entry = found.get(key) ?? { from, to, ports: [] };
    entry.ports.push(ports);
    found.set(key, entry);
  }
  const changes = [...found].map(([key, { from, to, ports }]): FlowChange => {
    const same = new Set(ports.map((each) => JSON.stringify(each)));
    return { from, to, ports: union(ports), partial: same.size > 1 || ports.length < (pairs.get(key) ?? 0) };
  });
  return withoutImplied(changes).sort((a, b) => compare(order(a), order(b)));
}

/** By namespace and name; addresses come last, and any address first of them. */
function order({ from, to }: FlowChange): string {
  const rank = ({ namespace = '', kind, name }: GroupName) =>
    kind === 'Addresses' ? [name === 'any address' ? 1 : 2, name] : [0, namespace, name, kind];
  return JSON.stringify([rank(from), rank(to)]);
}

/** By code unit: the same on every machine and locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A range of addresses that changes as any address does says nothing more. */
function withoutImplied(changes: readonly FlowChange[]): FlowChange[] {
  const key = (from: GroupName, to: GroupName, { ports }: FlowChange) =>
    JSON.stringify([from.namespace, from.name, to.namespace, to.name, ports]);
  const any: GroupName = { kind: 'Addresses', name: 'any address' };
  const known = new Set(changes.map((each) => key(each.from, each.to, each)));
  return changes.filter((each) => {
    const { from, to } = each;
    if (from.kind === 'Addresses' && from.name !== any.name) return !known.has(key(any, to, each));
    if (to.kind === 'Addresses' && to.name !== any.name) return !known.has(key(from, any, each));
    return true;
  });
}

/** The ports of `a` that are not in `b`; both in order and disjoint. */
export function subtract(a: readonly PortRange[], b: readonly PortRange[]): PortRange[] {
  return a.flatMap((range) => {
    let rest = [range];
    for (const hole of b) {
      if (hole.protocol !== range.protocol) continue;
      rest = rest.flatMap(({ protocol, from, to }) =>
        [
          { protocol, from, to: Math.min(to, hole.from - 1) },
          { protocol, from: Math.max(from, hole.to + 1), to },
        ].filter((part) => part.from <= part.to),
      );
    }
    return rest;
  });
}

/** The ports of any of the lists, in order and in as few ranges as possible. */
function union(lists: readonly (readonly PortRange[])[]): PortRange[] {
  const order = ['TCP', 'UDP', 'SCTP'];
  const sorted = lists
    .flat()
    .toSorted((a, b) => order.indexOf(a.protocol) - order.indexOf(b.protocol) || a.from - b.from);
  const result: PortRange[] = [];
  for (const range of sorted) {
    const last = result.at(-1);
    if (last?.protocol === range.protocol && range.from <= last.to + 1) {
      result[result.length - 1] = { ...last, to: Math.max(last.to, range.to) };
    } else result.push(range);
  }
  return result;
}
