/**
 * From the ingress rules of a NetworkPolicy to the rules of an AuthorizationPolicy. Pure.
 *
 * The result allows every TCP connection that the NetworkPolicy allows: both have the same algebra (rules add, and the first
 * policy that selects a pod isolates it), and what can't be said by identity is left coarser. A peer is said by identity only
 * if all of its namespaces are in the mesh, as other pods have no identity. Other protocols do not pass the sidecar.
 */
import { LABEL_NAMESPACE_NAME, LABEL_SERVICE_ACCOUNT } from '../../api/names.ts';
import type { KubeObject, LabelSelector, StringMap } from '../../api/meta.ts';
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../api/network-policy.ts';
import { notesOf, type RuleNote } from '../../policy/notes.ts';
import { listOf, recordOf, textsOf } from '../../policy/semantics/raw.ts';
import { type AtLeastOne, type AuthorizationRule, MAX_ITEMS, type Source } from './policy.ts';

/** The knowledge of the mesh that identities are made from. */
export interface Identities {
  /** The first part of all identities; undefined if they have several. */
  readonly trustDomain: string | undefined;
  /** True if all pods of the namespace speak mutual TLS. */
  readonly isInMesh: (namespace: string) => boolean;
}

export interface NotedAuthorization {
  readonly rule: AuthorizationRule;
  readonly note: RuleNote | undefined;
}

/** The rules for the TCP connections that the policy's ingress rules allow, each with the note of its rule. */
export function authorizationRules(
  { metadata, spec }: NetworkPolicy,
  identities: Identities,
): NotedAuthorization[] {
  const notes = notesOf({ metadata });
  const made = (spec.ingress ?? []).flatMap(({ from, ports }, index): NotedAuthorization[] => {
    const tcp = tcpPorts(ports);
    if (tcp === 'none') return [];
    const sources = sourcesOf(from, metadata.namespace ?? '', identities);
    const rule: AuthorizationRule = {
      ...(sources !== 'everyone' && { from: sources }),
      ...(tcp !== 'every' && { to: [{ operation: { ports: tcp } }] }),
    };
    return [{ rule, note: notes[index] }];
  });
  return made.length > MAX_ITEMS ? [{ rule: {}, note: undefined }] : made;
}

/** The labels by which an AuthorizationPolicy selects at least the pods of a selector; undefined: all. */
export function matchLabelsOf({
  matchLabels = {},
  matchExpressions = [],
}: LabelSelector): StringMap | undefined {
  const single = matchExpressions.flatMap(({ key, operator, values = [] }) =>
    operator === 'In' && values.length === 1 ? values.map((value) => [key, value] as const) : [],
  );
  const labels = { ...Object.fromEntries(single), ...matchLabels };
  return Object.keys(labels).length === 0 ? undefined : labels;
}

/** The most ports of a range that are listed one by one. In an overlay on sidecars, a larger range allows every port. */
export const MAX_RANGE = 64;

/** Named ports and large ranges can't be said: then every port is allowed. */
function tcpPorts(ports: readonly NetworkPolicyPort[] | undefined): AtLeastOne<string> | 'every' | 'none' {
  if (ports === undefined || ports.length === 0) return 'every';
  const numbers = new Set<number>();
  for (const { protocol = 'TCP', port, endPort } of ports) {
    if (protocol !== 'TCP') continue;
    if (typeof port !== 'number' || (endPort ?? port) - port >= MAX_RANGE) return 'every';
    for (let number = port; number <= (endPort ?? port); number++) numbers.add(number);
  }
  const [first, ...more] = [...numbers].sort((a, b) => a - b).map(String);
  if (first === undefined) return 'none';
  return more.length >= MAX_ITEMS ? 'every' : [first, ...more];
}

function sourcesOf(
  peers: readonly NetworkPolicyPeer[] | undefined,
  namespace: string,
  identities: Identities,
): AtLeastOne<{ readonly source: Source }> | 'everyone' {
  if (peers === undefined || peers.length === 0) return 'everyone';
  const sources = new Map<string, Source>();
  for (const peer of peers) {
    const source = sourceOf(peer, namespace, identities);
    if (source === 'everyone') return 'everyone';
    sources.set(JSON.stringify(source), source);
  }
  const [first, ...more] = [...sources.values()].map((source) => ({ source }));
  return first === undefined || more.length >= MAX_ITEMS ? 'everyone' : [first, ...more];
}

function sourceOf(
  { ipBlock, namespaceSelector, podSelector }: NetworkPolicyPeer,
  own: string,
  { trustDomain, isInMesh }: Identities,
): Source | 'everyone' {
  if (ipBlock !== undefined) {
    const [first, ...more] = ipBlock.except ?? [];
    return { ipBlocks: [ipBlock.cidr], ...(first !== undefined && { notIpBlocks: [first, ...more] }) };
  }
  const names = namespaceSelector === undefined ? [own] : namesOf(namespaceSelector);
  const [first, ...more] = names ?? [];
  if (first === undefined || ![first, ...more].every(isInMesh)) return 'everyone';
  const account = podSelector?.matchLabels?.[LABEL_SERVICE_ACCOUNT];
  if (account === undefined || trustDomain === undefined) return { namespaces: [first, ...more] };
  const principal = (name: string) => `${trustDomain}/ns/${name}/sa/${account}`;
  return { principals: [principal(first), ...more.map(principal)] };
}

/** At least the names of the namespaces that the selector matches; undefined if it does not bind them. */
function namesOf({ matchLabels, matchExpressions = [] }: LabelSelector): readonly string[] | undefined {
  const name = matchLabels?.[LABEL_NAMESPACE_NAME];
  if (name !== undefined) return [name];
  return matchExpressions.find(({ key, operator }) => key === LABEL_NAMESPACE_NAME && operator === 'In')
    ?.values;
}

/** The namespaces whose pods an AuthorizationPolicy tells by identity. Somebody may have made another form of the kind of it. */
export function identifiedNamespaces({ spec }: KubeObject & { readonly spec?: unknown }): string[] {
  const sources = listOf(recordOf(spec)['rules'])
    .flatMap((rule) => listOf(recordOf(rule)['from']))
    .map((each) => recordOf(recordOf(each)['source']));
  return sources.flatMap(({ namespaces, principals }) => [
    ...textsOf(namespaces),
    ...textsOf(principals).flatMap((each) => each.split('/')[2] ?? []),
  ]);
}
