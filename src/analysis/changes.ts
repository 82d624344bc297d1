/** What a change of policies changes: which of them, which of their rules, and which flows open or close. Pure. */
import type { NetworkPolicy, PolicyType } from '../api/network-policy.ts';
import { type DirectionRule, isolates, ruleKey, rulesOf, specKey } from '../policy/semantics/normalize.ts';
import { selectorKey } from '../policy/semantics/selector.ts';
import { classifier } from './model/pod-classifier.ts';
import type { ClusterView, Pod } from './cluster.ts';
import type { PortRange } from './model/ports.ts';
import { type GroupName, type GroupLink, type Reach, computeReach } from './reach.ts';
import { compareText } from '../util/order.ts';

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
  const parts = new Numbers();
  const groups: { readonly unit: number; readonly group: GroupName }[] = [];
  const units = new Numbers();
  const look = (view: ClusterView, other: ClusterView) =>
    computeReach(
      { ...view, pods: shared(view.pods) },
      {
        groupOf: (pod) => {
          const group = groupOf(pod);
          const unit = units.of(JSON.stringify([group.namespace, group.kind, group.name]));
          const key = keyOf(pod);
          const part = parts.of(JSON.stringify([unit, old?.get(key), next?.get(key)]));
          groups[part] ??= { unit, group };
          return { namespace: pod.namespace, kind: group.kind, name: String(part) };
        },
        isTemplate,
        addressesOf: other.policies,
      },
    );
  const [was, is] = [look(before, after), look(after, before)];
  return { opened: difference(is, was, groups, units), closed: difference(was, is, groups, units) };
}

/** A number for each text, from 0. */
class Numbers {
  readonly #known = new Map<string, number>();

  of(text: string): number {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    this.#known.set(text, this.#known.size);
    return this.#known.size - 1;
  }
}

/** Above every number of a group: two of them make one key. */
const MANY = 2 ** 24;

/** What passes in `a` and not in `b`. */
function difference(
  a: Reach,
  b: Reach,
  parts: readonly { readonly unit: number; readonly group: GroupName }[],
  units: Numbers,
): FlowChange[] {
  // Parts of workloads have numbers; addresses get those above.
  const addresses = new Numbers();
  const partOf = (reach: Reach) =>
    reach.groups.map(({ kind, name }) =>
      kind === 'Addresses' ? MANY / 2 + addresses.of(name) : Number(name),
    );
  const [partsA, partsB] = [partOf(a), partOf(b)];
  const ends = a.groups.map((group, index) => {
    const known = parts[partsA[index] ?? -1];
    const name: GroupName = { kind: 'Addresses', name: group.name };
    return known ?? { unit: units.of(JSON.stringify(['address', group.name])), group: name };
  });
  const pairOf = (numbers: readonly number[], { from, to }: GroupLink) =>
    (numbers[from] ?? 0) * MANY + (numbers[to] ?? 0);
  const allowed = new Map(b.links.map((link) => [pairOf(partsB, link), link.ports]));
  const found = new Map<number, { from: GroupName; to: GroupName; lists: PortRange[][]; pairs: number }>();
  for (const link of a.links) {
    const [from, to] = [ends[link.from], ends[link.to]];
    if (from === undefined || to === undefined) continue;
    const known = allowed.get(pairOf(partsA, link));
    const ports = known === undefined ? [...link.ports] : subtract(link.ports, known);
    const key = from.unit * MANY + to.unit;
    const entry = found.get(key) ?? { from: from.group, to: to.group, lists: [], pairs: 0 };
    entry.pairs += 1;
    if (ports.length > 0) entry.lists.push(ports);
    found.set(key, entry);
  }
  const changes = [...found.values()].flatMap(({ from, to, lists, pairs }): FlowChange[] => {
    const [first] = lists;
    if (first === undefined) return [];
    const same = lists.length === 1 || new Set(lists.map((each) => JSON.stringify(each))).size === 1;
    return [
      { from, to, ports: lists.length === 1 ? first : union(lists), partial: !same || lists.length < pairs },
    ];
  });
  return withoutImplied(changes).sort(byEnds);
}

/** By namespace and name; addresses come last, and any address first of them. */
function byEnds(a: FlowChange, b: FlowChange): number {
  return compareEnds(a.from, b.from) || compareEnds(a.to, b.to);
}

function compareEnds(a: GroupName, b: GroupName): number {
  return (
    rank(a) - rank(b) ||
    compareText(a.namespace ?? '', b.namespace ?? '') ||
    compareText(a.name, b.name) ||
    compareText(a.kind, b.kind)
  );
}

function rank({ kind, name }: GroupName): number {
  if (kind !== 'Addresses') return 0;
  return name === ANY ? 1 : 2;
}

/** What `reach` calls addresses that no rule names. */
const ANY = 'any address';

/** A range of addresses that changes as any address does says nothing more. */
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
