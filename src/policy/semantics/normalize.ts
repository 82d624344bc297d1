/**
 * The normal form of a NetworkPolicy's specification: equal for all spellings that the API gives one meaning
 * (defaults, key and list order, absent against empty lists, CIDR spelling), so that a comparison of normal forms
 * never causes a write that changes nothing (invariant I6), nor misses one that does.
 */
import { hash } from 'node:crypto';
import {
  ANNOTATION_RULES,
  GROUP,
  KIND,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  LABEL_RULE,
} from '../../api/names.ts';
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
  PolicyType,
} from '../../api/network-policy.ts';
import { canonicalCidr } from './cidr.ts';
import { EVERYTHING, selectorKey } from './selector.ts';

/** The two directions; also the two values of `policyTypes`. */
export const DIRECTIONS: readonly PolicyType[] = ['Ingress', 'Egress'];

/** A rule of either direction, with `from` or `to` under one name. Absent `peers`: everyone. Absent `ports`: all. */
export interface DirectionRule {
  readonly peers?: readonly NetworkPolicyPeer[];
  readonly ports?: readonly NetworkPolicyPort[];
}

/** The rules of one direction as they stand in `spec`, in their order, whether or not the direction is isolated. */
export function rulesOf(spec: NetworkPolicySpec, direction: PolicyType): DirectionRule[] {
  const rules =
    direction === 'Ingress'
      ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
      : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
  return rules.map(({ peers, ports }) => ({
    ...(peers && peers.length > 0 && { peers }),
    ...(ports && ports.length > 0 && { ports }),
  }));
}

/** `spec` with the rules of `direction` replaced. */
export function withRules(
  spec: NetworkPolicySpec,
  direction: PolicyType,
  rules: readonly DirectionRule[],
): NetworkPolicySpec {
  return direction === 'Ingress'
    ? {
        ...spec,
        ingress: rules.map(({ peers, ports }) => ({
          ...(peers && { from: peers }),
          ...(ports && { ports }),
        })),
      }
    : {
        ...spec,
        egress: rules.map(({ peers, ports }) => ({ ...(peers && { to: peers }), ...(ports && { ports }) })),
      };
}

/** The directions that `spec` isolates its pods in; absent means Ingress, and Egress where it has egress rules. */
export function isolates(spec: NetworkPolicySpec): readonly PolicyType[] {
  const { policyTypes, egress } = spec;
  if (policyTypes !== undefined && policyTypes.length > 0) {
    return DIRECTIONS.filter((direction) => policyTypes.includes(direction));
  }
  return egress !== undefined && egress.length > 0 ? DIRECTIONS : ['Ingress'];
}

/** A string that is equal for rules of the same meaning. */
export function ruleKey({ peers, ports }: DirectionRule): string {
  return `${peersKey(peers)} ${portsKey(ports)}`;
}

/** A string that is equal for specifications of the same meaning. Rules of a direction that is not isolated count. */
export function specKey(spec: NetworkPolicySpec): string {
  const rules = DIRECTIONS.map((direction) =>
    [...new Set(rulesOf(spec, direction).map(ruleKey))].sort().join('\n'),
  );
  // Keys are JSON, which has no line breaks of its own.
  return [selectorKey(spec.podSelector ?? EVERYTHING), isolates(spec).join(), ...rules].join('\n\n');
}

/**
 * A digest of everything of a policy that this operator is responsible for: the specification's meaning, our labels
 * and annotation, and which profile owns it. Two policies with the same fingerprint need no write.
 */
export function fingerprint({ metadata, spec }: NetworkPolicy): string {
  const { labels, annotations, ownerReferences } = metadata;
  const known = fingerprints.get(spec);
  const sameLabels = known?.labels === labels && known?.annotations === annotations;
  if (known !== undefined && sameLabels && known.ownerReferences === ownerReferences) return known.text;
  const ours = [LABEL_MANAGED_BY, LABEL_PROFILE, LABEL_ROLE, LABEL_RULE].map((key) => labels?.[key] ?? null);
  const owners = (ownerReferences ?? []).filter(isProfileReference).map(({ uid, name }) => `${uid} ${name}`);
  const notes = annotations?.[ANNOTATION_RULES];
  const parts = [JSON.stringify([ours, owners.sort(), notes !== undefined]), specKey(spec), notes];
  const text = hash('sha1', parts.join('\n\n\n'), 'base64url');
  fingerprints.set(spec, { labels, annotations, ownerReferences, text });
  return text;
}

/** By specification: compiled policies of many namespaces share theirs, with the other parts. */
const fingerprints = new WeakMap<
  NetworkPolicySpec,
  Pick<NetworkPolicy['metadata'], 'labels' | 'annotations' | 'ownerReferences'> & { readonly text: string }
>();

/** Whether an ownerReference names a SegmentationProfile, of any version of the API. */
export function isProfileReference(reference: { apiVersion: string; kind: string }): boolean {
  return reference.kind === KIND && reference.apiVersion.startsWith(`${GROUP}/`);
}

/** A string that is equal for peers of the same meaning. An absent selector and `{}` differ: see the API. */
export function peerKey(peer: NetworkPolicyPeer): string {
  if (peer.ipBlock !== undefined) {
    const { cidr, except = [] } = peer.ipBlock;
    return JSON.stringify([spelled(cidr), [...new Set(except.map(spelled))].sort()]);
  }
  return JSON.stringify([
    peer.namespaceSelector === undefined ? null : selectorKey(peer.namespaceSelector),
    // With a namespaceSelector, an absent podSelector and an empty one both mean all pods.
    selectorKey(peer.podSelector ?? EVERYTHING),
  ]);
}

/** A string that is equal for ports of the same meaning. */
export function portKey(port: NetworkPolicyPort): string {
  const end = port.endPort === port.port ? undefined : port.endPort;
  return JSON.stringify([port.protocol ?? 'TCP', port.port ?? null, end ?? null]);
}

const peersKey = listKey(peerKey);
const portsKey = listKey(portKey);

/** Longest key of a list that is kept as it is, in characters. */
const MAX_KEY_LENGTH = 256;

/**
 * The key of a list without order and repeats; `*` where it is absent or empty. Remembered for each list: rules of many
 * objects share theirs, and lists of addresses are long.
 */
function listKey<T>(key: (item: T) => string): (items: readonly T[] | undefined) => string {
  const known = new WeakMap<readonly T[], string>();
  return (items) => {
    if (items === undefined || items.length === 0) return '*';
    let text = known.get(items);
    if (text === undefined) {
      text = JSON.stringify([...new Set(items.map(key))].sort());
      if (text.length > MAX_KEY_LENGTH) text = hash('sha256', text, 'base64url');
      known.set(items, text);
    }
    return text;
  };
}

/** The canonical spelling; what no parser accepts is compared as it is written. */
function spelled(cidr: string): string {
  return canonicalCidr(cidr) ?? cidr;
}
