/**
 * Connections through the tunnel of a mesh without sidecars, as sets. Pure.
 *
 * All connections between pods of such a mesh arrive on one port. A NetworkPolicy tells by labels which pods reach that port,
 * and an AuthorizationPolicy by identities which of them reach which port through it. A connection passes if both allow it. So
 * what passes is made of the passages through each pair of an entrance and a permit.
 */
import type { LabelSelector, StringMap } from '../../../api/meta.ts';
import { LABEL_NAMESPACE_NAME, LABEL_SERVICE_ACCOUNT } from '../../../api/names.ts';
import { includesSelector } from '../../../policy/guard/selectors.ts';
import { intersection, matches, NOTHING, selectorKey } from '../../../policy/semantics/selector.ts';

export type Ports = 'every' | ReadonlySet<number>;

/** Pods by the labels of their namespaces and their own. */
export interface Source {
  readonly namespaces: LabelSelector;
  readonly pods: LabelSelector;
}

/** The sources that reach the tunnel's port of these pods: a rule of a NetworkPolicy. */
export interface Entrance {
  readonly pods: LabelSelector;
  readonly source: Source;
}

/** `any`: pods of every namespace. Without `account`, those of every ServiceAccount. */
export interface Identity {
  readonly namespaces: readonly string[] | 'any';
  readonly account?: string;
}

/** The identities that reach these ports of these pods through the tunnel: a rule of an AuthorizationPolicy. */
export interface Permit {
  readonly pods: LabelSelector;
  readonly identity: Identity;
  readonly ports: Ports;
}

/** Connections from these sources to these ports of these pods. */
export interface Passage extends Entrance {
  readonly ports: Ports;
}

/** The labels of a namespace; of an unknown one only its name. */
export type LabelsOf = (namespace: string) => StringMap;

export function withName(name: string): LabelSelector {
  return { matchLabels: { [LABEL_NAMESPACE_NAME]: name } };
}

function withAccount(account: string): LabelSelector {
  return { matchLabels: { [LABEL_SERVICE_ACCOUNT]: account } };
}

/** The connections that an entrance and a permit let pass together. Accounts are told by their label, which nobody can forge. */
export function through({ pods, source }: Entrance, { pods: permitted, identity, ports }: Permit): Passage[] {
  const both = overlap(pods, permitted);
  const { namespaces, account } = identity;
  const from = account === undefined ? source.pods : overlap(source.pods, withAccount(account));
  if (both === undefined || from === undefined) return [];
  const places =
    namespaces === 'any'
      ? [source.namespaces]
      : namespaces.flatMap((name) => overlap(source.namespaces, withName(name)) ?? []);
  return places.map((place) => ({ pods: both, source: { namespaces: place, pods: from }, ports }));
}

/** The connections of both passages; undefined if there are none. */
export function common(a: Passage, b: Passage): Passage | undefined {
  const pods = overlap(a.pods, b.pods);
  const namespaces = overlap(a.source.namespaces, b.source.namespaces);
  const from = overlap(a.source.pods, b.source.pods);
  const ports = commonPorts(a.ports, b.ports);
  return pods === undefined || namespaces === undefined || from === undefined || ports === undefined
    ? undefined
    : { pods, source: { namespaces, pods: from }, ports };
}

/** True if every connection of the passage is one of `allowed`; false also if that can't be told by the selectors. */
export function isWithin(passage: Passage, allowed: readonly Passage[], labelsOf: LabelsOf): boolean {
  const rest = new Set(passage.ports === 'every' ? [] : passage.ports);
  for (const each of allowed) {
    if (passage.ports === 'every' ? each.ports !== 'every' : !reachesAny(each.ports, rest)) continue;
    if (!includesSource(each, passage, labelsOf)) continue;
    if (each.ports === 'every') return true;
    for (const port of each.ports) rest.delete(port);
    if (passage.ports !== 'every' && rest.size === 0) return true;
  }
  return passage.ports !== 'every' && rest.size === 0;
}

export function entranceKey({ pods, source }: Entrance): string {
  return [pods, source.namespaces, source.pods].map(selectorKey).join(' ');
}

export function passageKey(passage: Passage): string {
  const { ports } = passage;
  return `${entranceKey(passage)} ${ports === 'every' ? ports : [...ports].sort((a, b) => a - b).join()}`;
}

function includesSource(outer: Entrance, inner: Entrance, labelsOf: LabelsOf): boolean {
  return (
    includes(outer.pods, inner.pods) &&
    includes(outer.source.pods, inner.source.pods) &&
    includesNamespaces(outer.source.namespaces, inner.source.namespaces, labelsOf)
  );
}

/** A namespace that is named has the labels that it has now: when they change, the policies are compiled again. */
function includesNamespaces(outer: LabelSelector, inner: LabelSelector, labelsOf: LabelsOf): boolean {
  if (includes(outer, inner)) return true;
  const name = inner.matchLabels?.[LABEL_NAMESPACE_NAME];
  return name !== undefined && matches(outer, labelsOf(name));
}

function reachesAny(ports: Ports, wanted: ReadonlySet<number>): boolean {
  return ports === 'every' || !ports.isDisjointFrom(wanted);
}

function commonPorts(a: Ports, b: Ports): Ports | undefined {
  if (a === 'every') return b;
  if (b === 'every') return a;
  const both = a.intersection(b);
  return both.size === 0 ? undefined : both;
}

const NOTHING_KEY = selectorKey(NOTHING);

/** The labels that both selectors match; undefined if there are none. Most selectors are told apart without being combined. */
function overlap(a: LabelSelector, b: LabelSelector): LabelSelector | undefined {
  if (isEverything(a)) return b;
  if (a === b || isEverything(b)) return a;
  if (areExclusive(a, b)) return undefined;
  if (isDecided(a, b)) return matches(a, b.matchLabels ?? {}) ? b : undefined;
  if (isDecided(b, a)) return matches(b, a.matchLabels ?? {}) ? a : undefined;
  if (hasLabelsAlone(a) && hasLabelsAlone(b)) return { matchLabels: { ...a.matchLabels, ...b.matchLabels } };
  const both = intersection(a, b);
  return selectorKey(both) === NOTHING_KEY ? undefined : both;
}

function includes(outer: LabelSelector, inner: LabelSelector): boolean {
  if (outer === inner || isEverything(outer)) return true;
  if (areExclusive(outer, inner)) return false;
  if (hasLabelsAlone(inner)) return isDecided(outer, inner) && matches(outer, inner.matchLabels ?? {});
  return includesSelector(outer, inner);
}

/** True if all labels that `by` matches have the same value for each key of the selector, so that it matches all or none of them. */
function isDecided({ matchLabels = {}, matchExpressions = [] }: LabelSelector, by: LabelSelector): boolean {
  const labels = by.matchLabels ?? {};
  return (
    hasLabelsAlone(by) &&
    Object.keys(matchLabels).every((key) => Object.hasOwn(labels, key)) &&
    matchExpressions.every(({ key }) => Object.hasOwn(labels, key))
  );
}

function hasLabelsAlone({ matchExpressions = [] }: LabelSelector): boolean {
  return matchExpressions.length === 0;
}

function isEverything({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  return matchExpressions.length === 0 && Object.keys(matchLabels).length === 0;
}

/** True if both want another value of one label. */
function areExclusive(a: LabelSelector, b: LabelSelector): boolean {
  const others = b.matchLabels ?? {};
  return Object.entries(a.matchLabels ?? {}).some(
    ([key, value]) => Object.hasOwn(others, key) && others[key] !== value,
  );
}
