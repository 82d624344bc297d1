/**
 * The overlay of identities that an intent means for a namespace with sidecars, by the tables of docs/engines.md and apart from
 * src/engines: an AuthorizationPolicy for each NetworkPolicy for ingress, which leaves to it what no identity says. Pure.
 */
import { LABEL_NAMESPACE_NAME, LABEL_SERVICE_ACCOUNT } from '../../../../src/api/names.ts';
import type { LabelSelector } from '../../../../src/api/meta.ts';
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../../../../src/api/network-policy.ts';
import { type DirectionRule, isolates, rulesOf } from '../../../../src/policy/semantics/normalize.ts';
import type { LayeredPolicy } from '../../../support/judge/judge.ts';
import { ACCOUNT } from '../effects.ts';

/** Ports of sidecars themselves, whose connections no sidecar receives. */
const SIDECAR_PORTS: readonly unknown[] = [15_020, 15_090];
/** More ports of a range are not listed one by one. */
const LONGEST_RANGE = 64;

export interface Identified {
  /** True if the pods of a namespace are told by identity. */
  readonly isTold: (namespace: string) => boolean;
  /** True if the pods of a namespace have one. */
  readonly isInMesh: (namespace: string) => boolean;
}

/** @param policies the own NetworkPolicies of the namespace */
export function overlayOf(policies: readonly NetworkPolicy[], identified: Identified): LayeredPolicy[] {
  const deny: LayeredPolicy = {
    metadata: { name: 'overlay' },
    spec: { podSelector: {}, policyTypes: ['Ingress'] },
    layer: 'overlay',
  };
  const allows = policies
    .filter(({ spec }) => isolates(spec).includes('Ingress'))
    .map(({ metadata, spec }): LayeredPolicy => {
      const rules = rulesOf(spec, 'Ingress').flatMap((rule) => {
        const ports = portsOf(rule.ports);
        if (ports === 'none') return [];
        const from = sourcesOf(rule, metadata.namespace ?? '', identified);
        return [{ ...(from !== 'everyone' && { from }), ...(ports !== 'every' && { ports }) }];
      });
      const podSelector = { matchLabels: equalities(spec.podSelector ?? {}) };
      return {
        metadata: { name: metadata.name },
        spec: { podSelector, policyTypes: ['Ingress'], ingress: rules },
        layer: 'overlay',
      };
    });
  return [deny, ...allows];
}

/** True if each rule for ingress has peers with an identity alone, so that mutual TLS cuts none of them. */
export function areAllIdentified(
  policies: readonly NetworkPolicy[],
  { isTold }: Pick<Identified, 'isTold'>,
  pastProxies: (rule: DirectionRule) => boolean,
): boolean {
  return policies
    .filter(({ spec }) => isolates(spec).includes('Ingress'))
    .every(({ metadata, spec }) =>
      rulesOf(spec, 'Ingress').every((rule) => {
        if (portsOf(rule.ports) === 'none' || pastProxies(rule)) return true;
        return (
          (rule.peers ?? []).length > 0 &&
          rule.peers?.every((peer) => isToldPeer(peer, metadata.namespace ?? '', isTold))
        );
      }),
    );
}

/** True if sidecars do not receive the rule's connections. */
export function isPastSidecars({ ports = [] }: DirectionRule): boolean {
  return ports.length > 0 && ports.every(({ port }) => SIDECAR_PORTS.includes(port));
}

function portsOf(
  ports: readonly NetworkPolicyPort[] | undefined,
): readonly NetworkPolicyPort[] | 'every' | 'none' {
  if (ports === undefined || ports.length === 0) return 'every';
  const tcp = ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP');
  if (tcp.length === 0) return 'none';
  const isListed = ({ port, endPort }: NetworkPolicyPort) =>
    typeof port === 'number' && (endPort ?? port) - port < LONGEST_RANGE;
  return tcp.every(isListed) ? tcp : 'every';
}

/** A peer that no identity says leaves the whole rule to the NetworkPolicy. */
function sourcesOf(
  { peers = [] }: DirectionRule,
  own: string,
  { isTold, isInMesh }: Identified,
): readonly NetworkPolicyPeer[] | 'everyone' {
  const isSaid = (peer: NetworkPolicyPeer) => peer.ipBlock !== undefined || isToldPeer(peer, own, isTold);
  if (peers.length === 0 || !peers.every(isSaid)) return 'everyone';
  return peers.map((peer): NetworkPolicyPeer => {
    if (peer.ipBlock !== undefined) return { ipBlock: peer.ipBlock };
    const account = peer.podSelector?.matchLabels?.[LABEL_SERVICE_ACCOUNT];
    const values = (namesOf(peer, own) ?? []).filter(isInMesh);
    return {
      namespaceSelector: { matchExpressions: [{ key: LABEL_NAMESPACE_NAME, operator: 'In', values }] },
      ...(account !== undefined && { podSelector: { matchLabels: { [ACCOUNT]: account } } }),
    };
  });
}

function isToldPeer(peer: NetworkPolicyPeer, own: string, isTold: Identified['isTold']): boolean {
  return peer.ipBlock === undefined && namesOf(peer, own)?.every(isTold) === true;
}

/** The namespaces that the peer names; undefined if it tells them by other labels. */
function namesOf({ namespaceSelector }: NetworkPolicyPeer, own: string): readonly string[] | undefined {
  if (namespaceSelector === undefined) return [own];
  const { matchLabels = {}, matchExpressions = [] } = namespaceSelector;
  const name = matchLabels[LABEL_NAMESPACE_NAME];
  if (name !== undefined) return [name];
  return matchExpressions.find(({ key, operator }) => key === LABEL_NAMESPACE_NAME && operator === 'In')
    ?.values;
}

/** The labels that all pods of a selector have: an AuthorizationPolicy selects by these alone. */
function equalities({ matchLabels = {}, matchExpressions = [] }: LabelSelector) {
  const single = matchExpressions.flatMap(({ key, operator, values = [] }) =>
    operator === 'In' && values.length === 1 ? values.map((value) => [key, value] as const) : [],
  );
  return { ...Object.fromEntries(single), ...matchLabels };
}
