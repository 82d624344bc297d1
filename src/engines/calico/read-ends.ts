/** The ends of Calico's rules: the pods, network sets and addresses that they match. Pure. */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import type { IPBlock } from '../../api/network-policy.ts';
import { containsCidr, formatCidr, parseCidr } from '../../policy/semantics/cidr.ts';
import { type Raw, recordOf, textsOf } from '../../policy/semantics/raw.ts';
import type { Candidate, EngineObjects, EnginePeer } from '../layers/engine-policy.ts';
import { parseCalicoSelector } from './parse-selector.ts';

const NAMESPACE = 'projectcalico.org/namespace';
const NAME = 'projectcalico.org/name';

/** A pod or a network set as selectors see it. */
interface Labelled {
  readonly labels: StringMap;
  /** Absent for a GlobalNetworkSet, which is in no namespace. */
  readonly namespace?: string;
  readonly namespaceLabels: StringMap;
  /** The account of a pod. */
  readonly serviceAccount?: string;
}

type Test = (labelled: Labelled) => boolean;

interface NetworkSet extends Labelled {
  readonly nets: readonly string[];
}

/** The objects beside policies that rules may go by. */
export interface CalicoObjects {
  readonly sets: readonly NetworkSet[];
  /** The labels of service accounts by `NAMESPACE/NAME`; undefined if they could not be read. */
  readonly accounts: ReadonlyMap<string, StringMap> | undefined;
}

export function calicoObjects({ objects, isRead, namespaces }: EngineObjects): CalicoObjects {
  const labelsOf = new Map(namespaces.map(({ name, labels }) => [name, labels]));
  const sets = [...objects('NetworkSet'), ...objects('GlobalNetworkSet')].map((object): NetworkSet => {
    const { namespace, labels = {} } = object.metadata;
    const nets = textsOf(recordOf((object as KubeObject & Raw)['spec'])['nets']);
    if (namespace === undefined) return { labels, namespaceLabels: {}, nets };
    const namespaceLabels = { ...labelsOf.get(namespace), [NAME]: namespace };
    return { labels: { ...labels, [NAMESPACE]: namespace }, namespace, namespaceLabels, nets };
  });
  if (!isRead('ServiceAccount')) return { sets, accounts: undefined };
  const accounts = objects('ServiceAccount').map(({ metadata }): [string, StringMap] => [
    `${metadata.namespace}/${metadata.name}`,
    metadata.labels ?? {},
  ]);
  return { sets, accounts: new Map(accounts) };
}

/** A pod with the labels that Calico knows of it, beside its own. */
export function labelledPod({ pod, namespaceLabels }: Candidate): Labelled {
  const { namespace, serviceAccount } = pod;
  return {
    labels: {
      ...pod.labels,
      [NAMESPACE]: namespace,
      'projectcalico.org/orchestrator': 'k8s',
      'projectcalico.org/serviceaccount': serviceAccount,
    },
    namespace,
    namespaceLabels: { ...namespaceLabels, [NAME]: namespace },
    serviceAccount,
  };
}

/** False for an absent field, an empty text and an empty list. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0);
}

/** By labels of its own. Undefined if the selector can't be read. */
export function byLabels(text: unknown): Test | undefined {
  const test = parseCalicoSelector(typeof text === 'string' ? text : '');
  return test && (({ labels }) => test(labels));
}

/** By labels of its namespace, at an end of a rule: `global()` stands for what is in none, and `all()` for what is in any. */
function byNamespace(text: unknown): Test | undefined {
  if (typeof text !== 'string' || text === '') return () => true;
  const inside = parseCalicoSelector(text.replaceAll('global()', '!all()'));
  const outside = parseCalicoSelector(text.replaceAll('all()', '!all()').replaceAll('global()', 'all()'));
  if (inside === undefined || outside === undefined) return undefined;
  return ({ namespace, namespaceLabels }) =>
    namespace === undefined ? outside({}) : inside(namespaceLabels);
}

/** By labels of its namespace, for the pods of a policy: Calico takes `global()` there for every pod. */
export function bySubjectNamespace(text: unknown): Test | undefined {
  const test = parseCalicoSelector(typeof text === 'string' ? text : '');
  return test && (({ namespaceLabels }) => test(namespaceLabels));
}

/** By labels of its account. A network set has none, as if it had an account without labels. */
export function byAccount(text: unknown, { accounts }: CalicoObjects): Test | undefined {
  if (typeof text !== 'string' || text === '') return () => true;
  const test = parseCalicoSelector(text);
  if (test === undefined || accounts === undefined) return undefined;
  return ({ namespace, serviceAccount }) =>
    serviceAccount === undefined
      ? test({})
      : test({ ...accounts.get(`${namespace}/${serviceAccount}`), [NAME]: serviceAccount });
}

const SELECTORS = ['selector', 'notSelector', 'namespaceSelector', 'serviceAccounts'];

export function hasSelectors(end: Raw): boolean {
  return SELECTORS.some((name) => isGiven(end[name]));
}

/** The pods and network sets of an end, by its selectors. Undefined if one can't be read. */
export function selectedBy(
  end: Raw,
  namespace: string | undefined,
  objects: CalicoObjects,
): Test | undefined {
  const accounts = recordOf(end['serviceAccounts']);
  const names = textsOf(accounts['names']);
  const isNamed: Test = ({ serviceAccount }) =>
    names.length === 0 || (serviceAccount !== undefined && names.includes(serviceAccount));
  const chosen = byLabels(end['selector']);
  const excluded = byLabels(isGiven(end['notSelector']) ? end['notSelector'] : '!all()');
  const places = byNamespace(end['namespaceSelector']);
  const account = byAccount(accounts['selector'], objects);
  if (!chosen || !excluded || !places || !account) return undefined;
  // A policy of a namespace means its own namespace unless it names others.
  const isAnywhere = namespace === undefined || isGiven(end['namespaceSelector']);
  return (labelled) =>
    (isAnywhere || labelled.namespace === namespace) &&
    isNamed(labelled) &&
    chosen(labelled) &&
    places(labelled) &&
    account(labelled) &&
    !excluded(labelled);
}

export interface Peers {
  readonly peers: readonly EnginePeer[] | 'any';
  /** Why the rule can't be compared; undefined if it can. */
  readonly unclear?: string;
  /** True if nobody can tell of a pod without an address, as manifests have them. */
  readonly needsAddresses?: boolean;
}

/** Fields of an end that can't be compared. */
const UNCLEAR = ['services', 'domains'];

const EVERY_NET = ['0.0.0.0/0', '::/0'];

/** Ranges of addresses without others: a range of `notNets` may be within one, contain it, or be of the other family. */
function blocksOf(nets: readonly string[], notNets: readonly string[]): IPBlock[] {
  const holes = notNets.flatMap((text) => parseCidr(withPrefix(text)) ?? []);
  return nets.map(withPrefix).flatMap((cidr) => {
    const range = parseCidr(cidr);
    if (range === undefined || holes.some((hole) => containsCidr(hole, range))) return [];
    const except = holes.filter((hole) => containsCidr(range, hole)).map(formatCidr);
    return [{ cidr, ...(except.length > 0 && { except }) }];
  });
}

/** The peers of a rule, by its other end. */
export function peersOf(end: Raw, namespace: string | undefined, objects: CalicoObjects): Peers {
  const unclear = UNCLEAR.find((name) => isGiven(end[name]));
  if (unclear !== undefined) return { peers: [], unclear };
  const [nets, notNets] = [textsOf(end['nets']), textsOf(end['notNets'])];
  if (nets.length > 0 || notNets.length > 0) {
    if (hasSelectors(end)) return { peers: [], unclear: 'nets beside a selector' };
    return nets.length > 0
      ? { peers: blocksOf(nets, notNets) }
      : { peers: blocksOf(EVERY_NET, notNets), needsAddresses: true };
  }
  if (!hasSelectors(end)) return { peers: 'any' };
  const isPositive = ['selector', 'namespaceSelector', 'serviceAccounts'].some((name) => isGiven(end[name]));
  // In the cluster's policies it means every address but those of the selected pods.
  if (namespace === undefined && !isPositive) return { peers: [], unclear: 'notSelector alone' };
  const test = selectedBy(end, namespace, objects);
  if (test === undefined) return { peers: [], unclear: 'a selector that is not understood' };
  const sets = objects.sets.filter(test).flatMap(({ nets: own }) => own);
  return {
    peers: [(candidate) => test(labelledPod(candidate)), ...sets.map((cidr) => ({ cidr: withPrefix(cidr) }))],
  };
}

/** Why the end of the policy's own pods can't be compared; undefined if it can. */
export function unclearOwnEnd(end: Raw): string | undefined {
  return [...UNCLEAR, 'nets', 'notNets'].some((name) => isGiven(end[name]))
    ? "addresses of the policy's own pods"
    : undefined;
}

function withPrefix(cidr: string): string {
  return cidr.includes('/') ? cidr : `${cidr}/${cidr.includes(':') ? 128 : 32}`;
}
