/** Judges if a profile grants an exception: by its mode, the kinds of peers, and the time until the end. Pure. */
import type { SegmentationException } from '../../api/exception.ts';
import type { ExceptionGrant, Peer, PeerKind, SegmentationProfile } from '../../api/profile.ts';
import { parseDuration } from '../../util/duration.ts';
import { rfc3339 } from '../../util/rfc3339.ts';

/** Why an exception is refused: a word for programs, and what to write instead. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly message: string;
}

export type RefusalReason =
  | 'NotSelected'
  | 'ProfileAudits'
  | 'NotGranted'
  | 'PeerNotGranted'
  | 'TooLong'
  | 'TooMany'
  | 'TooLarge';

/** True if the profile grants exceptions at all. */
export function isGranting({ spec, metadata }: SegmentationProfile): boolean {
  const { mode = 'Disabled' } = spec.exceptions ?? {};
  return mode !== 'Disabled' && metadata.deletionTimestamp === undefined;
}

/** The reason why the profile, which selects the namespace, does not grant the exception; undefined if it does. */
export function refusalBy(
  { metadata, spec }: SegmentationProfile,
  exception: SegmentationException,
): Refusal | undefined {
  const { name } = metadata;
  const { exceptions: grant } = spec;
  if (grant === undefined || grant.mode === 'Disabled' || metadata.deletionTimestamp !== undefined) {
    const message = `SegmentationProfile ${name} grants no exceptions: ask for exceptions.mode Allowed or ApprovalRequired there, or for a rule`;
    return { reason: 'NotGranted', message };
  }
  if (spec.mode === 'Audit') {
    const message = `SegmentationProfile ${name} has mode Audit: it denies nothing that an exception could open`;
    return { reason: 'ProfileAudits', message };
  }
  return peerRefusal(name, grant, exception) ?? durationRefusal(name, grant, exception);
}

function peerRefusal(
  profile: string,
  { peers }: ExceptionGrant,
  exception: SegmentationException,
): Refusal | undefined {
  for (const { rule, peer } of peersOf(exception)) {
    const kind = peerKindOf(peer);
    if (kind !== undefined && peers.includes(kind)) continue;
    const message =
      `rule ${rule} has a peer of kind ${kind ?? 'unknown'}, and SegmentationProfile ${profile} grants exceptions for ` +
      `${peers.join(', ')}: name other peers, or ask for ${kind ?? 'it'} in exceptions.peers of the profile`;
    return { reason: 'PeerNotGranted', message };
  }
  return undefined;
}

function durationRefusal(
  profile: string,
  { maxDuration }: ExceptionGrant,
  { metadata, spec }: SegmentationException,
): Refusal | undefined {
  const latest = (Date.parse(metadata.creationTimestamp ?? '') || 0) + durationMs(maxDuration);
  if (Date.parse(spec.expires) <= latest) return undefined;
  const message =
    `SegmentationProfile ${profile} grants exceptions for ${maxDuration} from their creation, extensions included: ` +
    `let it expire by ${rfc3339(latest)}, or create another exception`;
  return { reason: 'TooLong', message };
}

/** Every peer with the name of its rule or connection. */
function peersOf({ spec }: SegmentationException): { readonly rule: string; readonly peer: Peer }[] {
  const { ingress = [], egress = [], connections = [] } = spec;
  return [
    ...ingress.map(({ name, from }) => ({ name, peers: from })),
    ...egress.map(({ name, to }) => ({ name, peers: to })),
    ...connections.map(({ name, from, to }) => ({ name, peers: [...from, ...to] })),
  ].flatMap(({ name, peers }) => peers.map((peer) => ({ rule: name, peer })));
}

/** Undefined for a kind of a later version of the schema: no grant covers it. config/exceptions has the same table. */
function peerKindOf(peer: Peer): PeerKind | undefined {
  if (peer.ipBlock !== undefined) return 'IPBlock';
  if (peer.entity !== undefined) return 'Entity';
  if (peer.fqdn !== undefined) return 'FQDN';
  if (peer.service !== undefined) return 'Service';
  if (peer.serviceAccount !== undefined) return 'ServiceAccount';
  const { podSelector, namespaceSelector, namespaces, sameNamespaceLabels } = peer;
  const pods = [podSelector, namespaceSelector, namespaces, sameNamespaceLabels];
  return pods.some((each) => each !== undefined) ? 'Pods' : undefined;
}

/** Milliseconds of a duration in hours and minutes, as the CRD admits it: `1h30m`; 0 for other texts. */
export function durationMs(text: string): number {
  return /^(\d+h)?(\d+m)?$/.test(text) ? (parseDuration(text) ?? 0) : 0;
}
