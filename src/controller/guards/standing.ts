/** How the guard of a profile stands, and its report for the profile's status. Pure. */
import type { GuardMode, ProfileStatus, RestrictedPolicy, SegmentationProfile } from '../../api/profile.ts';
import type { PolicyType } from '../../api/network-policy.ts';
import type { GuardCarrier, GuardForm } from '../../engines/guards/carrier.ts';
import type { Guard, GuardDirection, HeldPolicies } from '../../policy/guard/guard.ts';
import { counted, shortList } from '../../util/list-text.ts';
import type { CapabilityReport } from '../capability.ts';

export interface Standing {
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  readonly isStalled: boolean;
  /** The policy that carries the guard, if there is one. */
  readonly carriedBy?: { readonly policy: string; readonly priority: number };
}

/** How the guard of a profile in Audit is staged. */
export type StagedGuard =
  /** `missing`: why not all directions are staged. */
  | { readonly kind: 'staged'; readonly message: string; readonly missing: string | undefined }
  | { readonly kind: 'unstaged'; readonly message: string }
  /** It is tried again. */
  | { readonly kind: 'failed'; readonly message: string; readonly error: unknown };

/** Most policies that the status lists; the schema's bound. */
const MAX_POLICIES = 50;
/** Longest message of a policy, in characters. */
const MAX_MESSAGE = 1024;

/** The mode in which the guard of a profile is now. Under `mode: Audit`, a profile writes nothing, and no guard. */
export function guardModeOf({ spec, metadata }: SegmentationProfile): GuardMode {
  const mode = spec.guard?.mode ?? 'Disabled';
  if (metadata.deletionTimestamp !== undefined) return 'Disabled';
  return mode === 'Enforce' && spec.mode === 'Audit' ? 'Audit' : mode;
}

export function holds(reason: string, message: string): Standing {
  return { status: 'True', reason, message, isStalled: false };
}

/** A person has to act. */
export function stalled(reason: string, message: string): Standing {
  return { status: 'False', reason, message, isStalled: true };
}

/** The guard is not in place yet, and needs no person. */
export function waiting(reason: string, message: string): Standing {
  return { status: 'False', reason, message, isStalled: false };
}

/** Under Audit, no guard denies anything. @param staged undefined if the kind of policies has no staged form */
export function auditedStanding(staged: StagedGuard | undefined): Standing {
  const audited = 'no guard is written: its mode is Audit';
  if (staged === undefined) return holds('Audited', audited);
  if (staged.kind !== 'staged') return holds('Audited', `${audited}; it is not staged: ${staged.message}`);
  const { message, missing } = staged;
  return holds('Staged', missing === undefined ? message : `${message}; ${missing}`);
}

/** Directions in which the passes of a guard may be too few. */
export function unresolvedDirections({ directions, held }: Guard): ReadonlySet<PolicyType> {
  const lacking = directions.filter((each) => held !== undefined || each.unresolved.length > 0);
  return new Set(lacking.map(({ direction }) => direction));
}

/**
 * Names the directions that are not staged as the guard is meant, and why; undefined if there are none.
 *
 * @param form the staged form
 */
export function unstagedMessage(
  { directions, held }: Guard,
  form: GuardForm | undefined,
): string | undefined {
  if (held !== undefined) return heldMessage(held, form !== undefined);
  const unresolved = directions.filter((each) => each.unresolved.length > 0);
  if (unresolved.length === 0) return undefined;
  const isKept = unresolved.every(({ direction }) => form?.rules[direction] !== undefined);
  return unresolvedMessage(unresolved, isKept);
}

/** The kind of a written guard, and the policies of others in its tier. */
interface WrittenAmong {
  readonly kind: GuardCarrier['kind'];
  /** The policies of the same tier that are asked before the guard, and may decide. */
  readonly before: readonly string[];
  /** The policies that are asked after it. */
  readonly after: readonly string[];
  /** The guards of other profiles that are asked before it in a namespace of both, and may pass more. */
  readonly guards: readonly string[];
}

/** The message about a written guard: it is stored, and the administrator says that an engine enforces it. */
export function writtenMessage(
  policy: string,
  priority: number,
  { kind, before, after, guards }: WrittenAmong,
): string {
  const first =
    before.length === 0
      ? ''
      : `; ${shortList(before)} ${before.length === 1 ? 'decides' : 'decide'} before it, and may accept what it denies`;
  const last =
    after.length === 0
      ? ''
      : `; ${shortList(after)} ${after.length === 1 ? 'comes' : 'come'} after it, and ${after.length === 1 ? 'is' : 'are'} not asked about what it passes`;
  const shared =
    guards.length === 0
      ? ''
      : `; ${shortList(guards)} ${guards.length === 1 ? 'decides' : 'decide'} alone in the namespaces of both, by a lower priority`;
  return (
    `${kind} ${policy} is stored with priority ${priority}${first}${last}${shared}; that the network engine enforces this kind is the word of the ` +
    "operator's configuration, and nothing has tried it"
  );
}

/** Names the first peers without which a guard can't deny. */
export function unresolvedMessage(directions: readonly GuardDirection[], isKept: boolean): string {
  const peers = directions.flatMap(({ direction, unresolved }) =>
    unresolved.map(
      ({ rule, peer, message }) => `${direction.toLowerCase()} rule ${rule}, ${peer}: ${message}`,
    ),
  );
  return `${effectOf(isKept)}, as ${counted(peers.length, 'peer')} can't be resolved: ${shortList(peers, { most: 2 })}`;
}

/** Names policies of no known revision. */
export function heldMessage(held: readonly HeldPolicies[], isKept: boolean): string {
  const texts = held.map(
    ({ profile, namespaces }) => `those of ${profile} in ${shortList(namespaces, { most: 2 })}`,
  );
  return (
    `${effectOf(isKept)}, as policies that no recorded revision has may allow more than it would pass: ` +
    `${shortList(texts)}; let the rollout reach these namespaces, or remove it`
  );
}

function effectOf(isKept: boolean): string {
  return isKept ? 'the guard stays as wide as it was' : 'a direction is not guarded yet';
}

/** Names the directions in which nothing is denied, and the rules that ask for it. */
export function openMessage(
  open: readonly { readonly direction: string; readonly rules: readonly string[] }[],
): string {
  const texts = open.map(({ direction, rules }) => `${direction} (${shortList(rules)})`);
  return (
    `the guard would pass everything in ${shortList(texts)}: these rules allow everyone on every port, or on a port by its name, ` +
    'which may be any number. Write numbers, or narrower peers; for webhooks, see webhookSourceCIDRs of the configuration'
  );
}

export function reportOf(
  { status, reason, message, isStalled, carriedBy }: Standing,
  restricted: readonly RestrictedPolicy[] | undefined,
): CapabilityReport {
  return {
    condition: { type: 'GuardReady', status, reason, message },
    isStalled,
    ...((restricted || carriedBy) && { status: { guard: statusOf(restricted ?? [], carriedBy) } }),
  };
}

function statusOf(
  restricted: readonly RestrictedPolicy[],
  carriedBy: Standing['carriedBy'],
): NonNullable<ProfileStatus['guard']> {
  return {
    ...carriedBy,
    restrictedPolicies: restricted.length,
    ...(restricted.length > 0 && {
      policies: restricted
        .slice(0, MAX_POLICIES)
        .map(({ message, ...each }) => ({ ...each, message: message.slice(0, MAX_MESSAGE) })),
    }),
  };
}
