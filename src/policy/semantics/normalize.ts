/**
 * Keys that are equal for all spellings to which the API gives one meaning: defaults, order of keys and lists, absent and
 * empty lists, spelling of CIDRs. A comparison by keys never causes a write that changes nothing (invariant I6), and
 * never misses one that changes something. Pure; keys are cached by object.
 */
import { hash } from 'node:crypto';
import { ANNOTATION_RULES, EXCEPTION_KIND, GROUP, KIND, OWN_LABELS } from '../../api/names.ts';
import {
  DIRECTIONS,
  type NetworkPolicy,
  type NetworkPolicyPeer,
  type NetworkPolicyPort,
  type NetworkPolicySpec,
  type PolicyType,
} from '../../api/network-policy.ts';
import { parseNotes, type RuleNote } from '../notes.ts';
import { canonicalCidr } from './cidr.ts';
import { EVERYTHING, selectorKey } from './selector.ts';

/** A rule of either direction, with `from` or `to` under one name. Absent `peers`: everyone. Absent `ports`: all. */
export interface DirectionRule {
  readonly peers?: readonly NetworkPolicyPeer[];
  readonly ports?: readonly NetworkPolicyPort[];
}

/** The rules of one direction in the order of `spec`, also if the direction is not isolated. */
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

/** A copy of `spec` with other rules of `direction`. */
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

/** The directions in which `spec` isolates its pods. Absent policyTypes mean Ingress, and Egress if it has egress rules. */
export function isolates(spec: NetworkPolicySpec): readonly PolicyType[] {
  const { policyTypes, egress } = spec;
  if (policyTypes !== undefined && policyTypes.length > 0) {
    // Called many times for each policy: nothing is allocated.
    const hasEgress = policyTypes.includes('Egress');
    if (policyTypes.includes('Ingress')) return hasEgress ? DIRECTIONS : INGRESS;
    return hasEgress ? EGRESS : NONE;
  }
  return egress !== undefined && egress.length > 0 ? DIRECTIONS : INGRESS;
}

const INGRESS: readonly PolicyType[] = ['Ingress'];
const EGRESS: readonly PolicyType[] = ['Egress'];
const NONE: readonly PolicyType[] = [];

/** Equal for rules of the same meaning. */
export function ruleKey({ peers, ports }: DirectionRule): string {
  return `${peersKey(peers)} ${portsKey(ports)}`;
}

/** True if `rule` lists every peer of `other`, on the same ports: then `other` beside it allows nothing more. */
export function includesRule(rule: DirectionRule, other: DirectionRule): boolean {
  if (portsKey(rule.ports) !== portsKey(other.ports)) return false;
  if (rule.peers === undefined || other.peers === undefined) return rule.peers === undefined;
  const peers = new Set(rule.peers.map(peerKey));
  return other.peers.every((peer) => peers.has(peerKey(peer)));
}

/** Equal for specs of the same meaning. Rules of a direction that is not isolated count. */
export function specKey(spec: NetworkPolicySpec): string {
  return notedSpecKey(spec, []);
}

/** Equal for specs of the same meaning whose rules have the same notes, given by their keys in the order of the rules. */
function notedSpecKey(spec: NetworkPolicySpec, notes: readonly string[]): string {
  const rules = DIRECTIONS.map((direction) => {
    const keys = rulesOf(spec, direction).map((rule, index) => `${ruleKey(rule)} ${notes[index] ?? ''}`);
    return [...new Set(keys)].sort().join('\n');
  });
  // Keys are JSON, which has no line breaks of its own.
  const withoutRule = notes.slice(Math.max(spec.ingress?.length ?? 0, spec.egress?.length ?? 0));
  return [selectorKey(spec.podSelector ?? EVERYTHING), isolates(spec).join(), ...rules, ...withoutRule].join(
    '\n\n',
  );
}

/**
 * A digest of the parts of a policy that the operator writes: the meaning of its spec, our labels and annotation, and the
 * owning profile or exception. An observed policy with the fingerprint of the desired one needs no write. The order of rules
 * has no meaning: the notes count for their rules, in any order.
 */
export function fingerprint({ metadata, spec }: NetworkPolicy): string {
  const { labels, annotations, ownerReferences } = metadata;
  const known = fingerprints.get(spec);
  const sameLabels = known?.labels === labels && known?.annotations === annotations;
  if (known !== undefined && sameLabels && known.ownerReferences === ownerReferences) return known.text;
  const ours = OWN_LABELS.map((key) => labels?.[key] ?? null);
  const owners = (ownerReferences ?? []).filter(isOwnReference).map(({ uid, name }) => `${uid} ${name}`);
  const notes = noteKeysOf(annotations?.[ANNOTATION_RULES]);
  const parts = [JSON.stringify([ours, owners.sort()]), notedSpecKey(spec, notes.rules), notes.others];
  const text = hash('sha1', parts.join('\n\n\n'), 'base64url');
  fingerprints.set(spec, { labels, annotations, ownerReferences, text });
  return text;
}

/** The keys of an annotation's notes. */
interface NoteKeys {
  /** In the order of the notes, without their descriptions. */
  readonly rules: readonly string[];
  /** The key of the annotation's other parts. */
  readonly others: string;
}

/** By annotation: the policies of one rule have the same text in all namespaces. */
const noteKeys = new Map<string | undefined, NoteKeys>();
const MAXIMUM_NOTE_KEYS = 1024;

function noteKeysOf(annotation: string | undefined): NoteKeys {
  let keys = noteKeys.get(annotation);
  if (keys === undefined) {
    keys = readNoteKeys(annotation);
    if (noteKeys.size >= MAXIMUM_NOTE_KEYS) noteKeys.clear();
    noteKeys.set(annotation, keys);
  }
  return keys;
}

/** Notes that can't be read are compared as text. */
function readNoteKeys(annotation: string | undefined): NoteKeys {
  if (annotation === undefined) return { rules: [], others: 'none' };
  const notes = parseNotes(annotation);
  if (notes === undefined) return { rules: [], others: `text ${annotation}` };
  const rules = notes.map((note) => {
    const { description: _, ...rest }: Partial<RuleNote> = { ...note };
    return JSON.stringify(rest);
  });
  const descriptions = notes.flatMap((note) => (note?.description ? [[note.rule, note.description]] : []));
  return {
    rules,
    others: JSON.stringify([notes.length, descriptions.map((pair) => JSON.stringify(pair)).sort()]),
  };
}

/** By spec: compiled policies of many namespaces share their spec, and the other parts with it. */
const fingerprints = new WeakMap<
  NetworkPolicySpec,
  Pick<NetworkPolicy['metadata'], 'labels' | 'annotations' | 'ownerReferences'> & { readonly text: string }
>();

/** True if an ownerReference names a SegmentationProfile, of any version of the API. */
export function isProfileReference(reference: { apiVersion: string; kind: string }): boolean {
  return reference.kind === KIND && reference.apiVersion.startsWith(`${GROUP}/`);
}

/** True if an ownerReference names a SegmentationProfile or SegmentationException: the operator sets these. */
export function isOwnReference(reference: { apiVersion: string; kind: string }): boolean {
  return isProfileReference(reference) || isExceptionReference(reference);
}

/** True if an ownerReference names a SegmentationException. */
export function isExceptionReference(reference: { apiVersion: string; kind: string }): boolean {
  return reference.kind === EXCEPTION_KIND && reference.apiVersion.startsWith(`${GROUP}/`);
}

/** Equal for peers of the same meaning. An absent namespaceSelector and `{}` differ. */
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

/** Equal for ports of the same meaning. */
export function portKey(port: NetworkPolicyPort): string {
  const end = port.endPort === port.port ? undefined : port.endPort;
  return JSON.stringify([port.protocol ?? 'TCP', port.port ?? null, end ?? null]);
}

const peersKey = listKey(peerKey);
const portsKey = listKey(portKey);

/** Longest key of a list that is not replaced by its digest, in characters. */
const MAX_KEY_LENGTH = 256;

/**
 * The key of a list, regardless of order and repeats; `*` if it is absent or empty. Cached by list: rules of many policies
 * share theirs, and lists of addresses are long.
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

/** The canonical spelling; text that is no CIDR is compared as it is. */
function spelled(cidr: string): string {
  return canonicalCidr(cidr) ?? cidr;
}
