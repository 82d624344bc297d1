/**
 * Proves that a changed profile allows the same flows: between the pods that there are, and between all pods that could be
 * as far as selectors tell pods and namespaces apart. Pure.
 */
import type { Pod } from '../../../analysis/cluster.ts';
import { type FlowChanges, flowChanges } from '../../../analysis/flow-changes.ts';
import type { LabelSelector, StringMap } from '../../../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../../../api/names.ts';
import { DIRECTIONS, type NetworkPolicy, type NetworkPolicyPeer } from '../../../api/network-policy.ts';
import type { Peer, SegmentationProfile } from '../../../api/profile.ts';
import { relationOf } from '../../../cluster-state/relation.ts';
import { compile } from '../../../policy/compile.ts';
import { rulesOf } from '../../../policy/semantics/normalize.ts';
import { matches } from '../../../policy/semantics/selector.ts';
import { CliError } from '../../shell/failure.ts';
import type { Snapshot, SnapshotNamespace } from '../../../snapshot/snapshot.ts';

/** Most combinations of labels that are tried, of namespaces and of pods. */
const MAX_NAMESPACES = 64;
const MAX_LABELS = 20_000;
/** A value that no selector names. */
const OTHER = 'segmentation-other';

export class Proof {
  readonly #snapshot: Snapshot;
  readonly #namespaces: readonly SnapshotNamespace[];
  readonly #foreign: readonly NetworkPolicy[];
  readonly #compiled = new WeakMap<SegmentationProfile, readonly NetworkPolicy[]>();

  /** @throws CliError if there are too many combinations of labels to try */
  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
    this.#namespaces = [...snapshot.namespaces, ...possibleNamespaces(snapshot)];
    this.#foreign = snapshot.policies.filter((policy) => snapshot.ownerOf(policy) === undefined);
  }

  /** The flows that differ if `after` stands for the profile `before`. @throws CliError as the constructor */
  difference(before: SegmentationProfile, after: SegmentationProfile): FlowChanges {
    const others = this.#snapshot.profiles.filter(({ metadata }) => metadata.name !== before.metadata.name);
    const rest = [...this.#foreign, ...others.flatMap((profile) => this.#policiesOf(profile))];
    const [old, next] = [before, after].map((profile) => [...rest, ...this.#policiesOf(profile)]);
    if (old === undefined || next === undefined) throw new TypeError('two profiles are compared');
    const pods = possiblePods(this.#namespaces, this.#snapshot.pods, [...old, ...next]);
    const view = { namespaces: this.#namespaces, pods };
    return flowChanges(
      { ...view, policies: old },
      { ...view, policies: next },
      {
        groupOf: ({ namespace, name }) => ({ namespace, kind: 'Pod', name }),
        isTemplate: () => true,
      },
    );
  }

  isSame(before: SegmentationProfile, after: SegmentationProfile): boolean {
    const { opened, closed } = this.difference(before, after);
    return opened.length + closed.length === 0;
  }

  /** The policies of a profile in all namespaces, as if it were enforced. */
  #policiesOf(profile: SegmentationProfile): readonly NetworkPolicy[] {
    let policies = this.#compiled.get(profile);
    if (policies === undefined) {
      const { facts, protectedNamespaces } = this.#snapshot;
      policies = this.#namespaces
        .filter((namespace) => relationOf(profile, namespace, protectedNamespaces) !== 'none')
        .flatMap((namespace) => compile(profile, namespace, facts).policies);
      this.#compiled.set(profile, policies);
    }
    return policies;
  }
}

/** Namespaces that could be: those that profiles name, and two for each combination of labels that selectors tell apart. */
function possibleNamespaces({ profiles, namespaces }: Snapshot): SnapshotNamespace[] {
  const peers = profiles.flatMap(peersOf);
  const scopes = profiles.flatMap(({ spec }) => [...(spec.ingress ?? []), ...(spec.egress ?? [])]);
  const selectors = [
    ...profiles.map(({ spec }) => spec.namespaceSelector),
    ...peers.flatMap(({ namespaceSelector }) => namespaceSelector ?? []),
    ...scopes.flatMap(({ inNamespaces }) => inNamespaces?.selector ?? []),
    ...peers.flatMap(({ sameNamespaceLabels = [] }) =>
      sameNamespaceLabels.map((key) => ({ matchExpressions: [{ key, operator: 'Exists' as const }] })),
    ),
  ];
  const named = [
    ...peers.flatMap((peer) => [
      ...(peer.namespaces ?? []),
      peer.service?.namespace ?? peer.serviceAccount?.namespace ?? [],
    ]),
    ...scopes.flatMap(({ inNamespaces }) => inNamespaces?.names ?? []),
  ].flat();
  const known = new Set(namespaces.map(({ name }) => name));
  const values = valuesIn(selectors);
  values.delete(LABEL_NAMESPACE_NAME);
  const labels = combinations(values, MAX_NAMESPACES, 'namespaces').flatMap((each) => [each, each]);
  return [
    ...[...new Set(named)].filter((name) => !known.has(name)).map((name) => possible(name, {})),
    ...labels.map((each, index) => possible(`segmentation-possible-${index}`, each)),
  ];
}

function possible(name: string, labels: StringMap): SnapshotNamespace {
  return { name, labels: { ...labels, [LABEL_NAMESPACE_NAME]: name }, terminating: false, assumed: true };
}

function peersOf({ spec }: SegmentationProfile): Peer[] {
  return [
    ...(spec.ingress ?? []).flatMap(({ from }) => from),
    ...(spec.egress ?? []).flatMap(({ to }) => to),
    ...(spec.connections ?? []).flatMap(({ from, to }) => [...from, ...to]),
  ];
}

/**
 * The pods that there are, and in each namespace one pod of each set of labels that the selectors for it tell apart. A pod
 * that is not there yet serves the ports of the pods of its namespace.
 */
function possiblePods(
  namespaces: readonly SnapshotNamespace[],
  pods: readonly Pod[],
  policies: readonly NetworkPolicy[],
): Pod[] {
  const peers = distinct(policies.flatMap(peersWithNamespaces));
  const byNamespace = Map.groupBy(pods, ({ namespace }) => namespace);
  const own = Map.groupBy(policies, ({ metadata }) => metadata.namespace);
  return namespaces.flatMap(({ name: namespace, labels: ofNamespace }) => {
    const selectors = distinct([
      ...(own.get(namespace) ?? []).flatMap(ownSelectors),
      ...peers.flatMap(({ namespaceSelector = {}, podSelector }) =>
        podSelector !== undefined && matches(namespaceSelector, ofNamespace) ? [podSelector] : [],
      ),
    ]);
    const classOf = (labels: StringMap) => selectors.map((each) => (matches(each, labels) ? 1 : 0)).join('');
    const classes = new Map(
      combinations(valuesIn(selectors), MAX_LABELS, 'pods').map((labels) => [classOf(labels), labels]),
    );
    const present = byNamespace.get(namespace) ?? [];
    const known = new Set(present.filter(isSubject).map(({ labels }) => classOf(labels)));
    const ports = (present.length > 0 ? present : pods).flatMap((pod) => pod.ports ?? []);
    const missing = [...classes].filter(([key]) => !known.has(key));
    return [
      ...present,
      ...missing.map(
        ([, labels], index): Pod => ({ namespace, name: `possible-${index}`, labels, ips: [], ports }),
      ),
    ];
  });
}

function isSubject({ hostNetwork }: Pod): boolean {
  return hostNetwork !== true;
}

function peersOfPolicy({ spec }: NetworkPolicy): NetworkPolicyPeer[] {
  return DIRECTIONS.flatMap((direction) => rulesOf(spec, direction)).flatMap((rule) => rule.peers ?? []);
}

function peersWithNamespaces(policy: NetworkPolicy): NetworkPolicyPeer[] {
  return peersOfPolicy(policy).filter(({ namespaceSelector }) => namespaceSelector !== undefined);
}

/** The selectors of a policy for pods of its own namespace. */
function ownSelectors(policy: NetworkPolicy): LabelSelector[] {
  const own = peersOfPolicy(policy).filter(({ namespaceSelector }) => namespaceSelector === undefined);
  return [policy.spec.podSelector ?? {}, ...own.flatMap(({ podSelector }) => podSelector ?? [])];
}

function distinct<T extends object>(items: readonly T[]): T[] {
  return [...new Map(items.map((each) => [JSON.stringify(each), each])).values()];
}

/** The values that selectors name for each key. */
function valuesIn(selectors: readonly LabelSelector[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  const at = (key: string) => {
    const values = found.get(key) ?? new Set([OTHER]);
    found.set(key, values);
    return values;
  };
  for (const { matchLabels = {}, matchExpressions = [] } of selectors) {
    for (const [key, value] of Object.entries(matchLabels)) at(key).add(value);
    for (const { key, values = [] } of matchExpressions) for (const value of values) at(key).add(value);
  }
  for (const { matchExpressions = [] } of selectors) for (const { key } of matchExpressions) at(key);
  return found;
}

/** Every combination of values, and of keys that are absent. @throws CliError if there are more than `most` */
function combinations(
  values: ReadonlyMap<string, ReadonlySet<string>>,
  most: number,
  what: string,
): StringMap[] {
  let all: StringMap[] = [{}];
  for (const [key, own] of values) {
    if (all.length * (own.size + 1) > most) {
      throw new CliError(
        `selectors tell ${what} apart by too many labels (${[...values.keys()].join(', ')}) to try every combination: nothing can be proven to allow the same flows`,
      );
    }
    all = all.flatMap((labels) => [labels, ...[...own].map((value) => ({ ...labels, [key]: value }))]);
  }
  return all;
}
