/** A profile's status from the results of its namespaces. Pure. */
import { type ConditionValue, mergeConditions } from '../api/conditions.ts';
import type { ProfileFailure, ProfileStatus, SegmentationProfile } from '../api/profile.ts';
import type { NamespaceResult } from './results.ts';

/** Most failures that the status lists; the schema's bound. */
export const MAX_FAILURES = 50;
/** How many peers or namespaces a condition's message names. */
const NAMED = 3;

export interface StatusInput {
  readonly profile: SegmentationProfile;
  /** Names of the namespaces that the profile selects now. */
  readonly matched: readonly string[];
  readonly results: ReadonlyMap<string, NamespaceResult>;
  /** Namespaces that still hold policies which the profile no longer wants. */
  readonly removing: number;
  readonly now: Date;
}

interface Tally {
  readonly enforced: number;
  readonly pending: readonly string[];
  readonly failed: readonly string[];
  readonly desired: number;
  readonly applied: number;
  readonly current: readonly (readonly [namespace: string, result: NamespaceResult])[];
}

export function profileStatus(input: StatusInput): ProfileStatus {
  const { profile, matched, results, now } = input;
  const { generation = 0 } = profile.metadata;
  const tally = count(matched, results, generation);
  const audit = profile.spec.mode === 'Audit';
  const done = audit ? tally.current.filter(([, { state }]) => state === 'audited').length : tally.enforced;
  const conditions = [
    ready(input, tally, done),
    reconciling(input, tally),
    stalled(tally),
    peersResolved(tally),
  ].map((condition) => ({ ...condition, observedGeneration: generation }));
  const failures = failuresOf(tally.current);
  return {
    observedGeneration: generation,
    conditions: mergeConditions(profile.status?.conditions ?? [], conditions, now),
    namespaces: {
      matched: matched.length,
      enforced: tally.enforced,
      pending: tally.pending.length,
      failed: tally.failed.length,
      summary: `${done}/${matched.length}`,
    },
    policies: { desired: tally.desired, applied: tally.applied },
    ...(failures.length > 0 && { failures }),
  };
}

/** Whether two statuses say the same. Both list their fields and conditions in the order that profileStatus gives. */
export function sameStatus(a: ProfileStatus | undefined, b: ProfileStatus): boolean {
  return a !== undefined && canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    each !== null && typeof each === 'object' && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([x], [y]) => (x < y ? -1 : 1)))
      : each,
  );
}

function count(matched: readonly string[], results: StatusInput['results'], generation: number): Tally {
  const pending: string[] = [];
  const failed: string[] = [];
  const current: (readonly [string, NamespaceResult])[] = [];
  let [enforced, desired, applied] = [0, 0, 0];
  for (const namespace of matched) {
    const result = results.get(namespace);
    if (result !== undefined) {
      desired += result.desired;
      applied += result.applied;
    }
    if (result === undefined || result.generation !== generation) {
      pending.push(namespace);
      continue;
    }
    current.push([namespace, result]);
    if (result.state === 'enforced') enforced += 1;
    else if (result.state === 'failed') failed.push(namespace);
    else if (result.state === 'pending') pending.push(namespace);
  }
  return { enforced, pending, failed, desired, applied, current };
}

type Value = Omit<ConditionValue, 'observedGeneration'>;

function ready({ profile, matched, removing }: StatusInput, tally: Tally, done: number): Value {
  const say = (status: Value['status'], reason: string, message: string): Value => ({
    type: 'Ready',
    status,
    reason,
    message,
  });
  if (profile.metadata.deletionTimestamp !== undefined) {
    return say('False', 'Deleting', `the profile is being deleted; ${counted(removing, 'namespace')} to go`);
  }
  if (tally.failed.length > 0) {
    return say(
      'False',
      'NamespacesFailed',
      `${counted(tally.failed.length, 'namespace')} failed: ${named(tally.failed)}; see .status.failures`,
    );
  }
  const unresolved = tally.current.filter(([, result]) => result.unresolved.length > 0);
  if (unresolved.length > 0) return say('False', 'PeersUnresolved', unresolvedMessage(unresolved));
  if (tally.pending.length > 0) return say('False', 'Progressing', waitingMessage(tally));
  if (removing > 0)
    return say('False', 'Progressing', `policies are being removed from ${counted(removing, 'namespace')}`);
  if (matched.length === 0) {
    return say('True', 'NoNamespaceSelected', 'the namespaceSelector matches no namespace at the moment');
  }
  return profile.spec.mode === 'Audit'
    ? say('True', 'Audited', `${counted(done, 'namespace')} computed, nothing is enforced: mode is Audit`)
    : say(
        'True',
        'Enforced',
        `${counted(tally.applied, 'policy', 'policies')} in ${counted(done, 'namespace')} as wanted`,
      );
}

function reconciling({ profile, removing }: StatusInput, tally: Tally): Value {
  const deleting = profile.metadata.deletionTimestamp !== undefined;
  const busy = tally.pending.length > 0 || removing > 0 || deleting;
  return busy
    ? {
        type: 'Reconciling',
        status: 'True',
        reason: deleting ? 'Deleting' : 'Progressing',
        message: waitingMessage(tally, removing),
      }
    : { type: 'Reconciling', status: 'False', reason: 'Settled', message: 'nothing is left to do' };
}

function stalled(tally: Tally): Value {
  const stuck = tally.current.filter(([, { failure }]) => failure?.kind === 'stalled');
  const [first] = stuck;
  return first === undefined
    ? { type: 'Stalled', status: 'False', reason: 'Settled', message: 'nothing needs a person' }
    : {
        type: 'Stalled',
        status: 'True',
        reason: first[1].failure?.reason ?? 'Failed',
        message: `${counted(stuck.length, 'namespace')} can't go on without a change: ${first[0]}: ${first[1].failure?.message}`,
      };
}

function peersResolved(tally: Tally): Value {
  const unresolved = tally.current.filter(([, result]) => result.unresolved.length > 0);
  return unresolved.length === 0
    ? {
        type: 'PeersResolved',
        status: 'True',
        reason: 'Resolved',
        message: 'every peer of every rule is resolved',
      }
    : {
        type: 'PeersResolved',
        status: 'False',
        reason: unresolved[0]?.[1].unresolved[0]?.reason ?? 'Unresolved',
        message: unresolvedMessage(unresolved),
      };
}

/** Names each distinct rule and peer once, with one namespace in which it fails. */
function unresolvedMessage(unresolved: Tally['current']): string {
  const distinct = new Map<string, { text: string; namespaces: number }>();
  for (const [namespace, result] of unresolved) {
    for (const { rule, peer, message } of result.unresolved) {
      const key = `${rule} ${peer}`;
      const known = distinct.get(key);
      if (known) known.namespaces += 1;
      else
        distinct.set(key, {
          text: `rule ${rule}, peer ${peer}, in namespace ${namespace}: ${message}`,
          namespaces: 1,
        });
    }
  }
  const texts = [...distinct.values()].map(({ text, namespaces }) =>
    namespaces > 1 ? `${text} (and in ${namespaces - 1} more)` : text,
  );
  const more = texts.length - NAMED;
  return texts.slice(0, NAMED).join('; ') + (more > 0 ? `; and ${more} more` : '');
}

function waitingMessage({ pending, current }: Tally, removing = 0): string {
  const [first] = pending;
  const why =
    first === undefined ? undefined : current.find(([namespace]) => namespace === first)?.[1].failure;
  const parts = [
    ...(first === undefined
      ? []
      : [
          `${counted(pending.length, 'namespace')} pending: ${named(pending)}${why ? ` (${why.message})` : ''}`,
        ]),
    ...(removing > 0 ? [`policies are being removed from ${counted(removing, 'namespace')}`] : []),
  ];
  return parts.join('; ') || 'settling';
}

/** What a person should look at, sorted by namespace and bounded. */
function failuresOf(current: Tally['current']): ProfileFailure[] {
  const failures = current.flatMap(([namespace, { failure, conflicts, unresolved }]): ProfileFailure[] => [
    ...(failure ? [{ namespace, reason: failure.reason, message: failure.message }] : []),
    ...(conflicts.length > 0
      ? [
          {
            namespace,
            reason: 'Conflict',
            message: `${named(conflicts)}: the name belongs to somebody else's object; ours stands under an alternative name`,
          },
        ]
      : []),
    ...unresolved.map(({ rule, peer, reason, message }) => ({
      namespace,
      reason,
      message: `rule ${rule}, peer ${peer}: ${message}`,
    })),
  ]);
  return failures
    .sort(
      (a, b) => order(a.namespace, b.namespace) || order(a.reason, b.reason) || order(a.message, b.message),
    )
    .slice(0, MAX_FAILURES);
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function named(names: readonly string[]): string {
  const more = names.length - NAMED;
  return [...names].sort().slice(0, NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function counted(number: number, singular: string, plural = `${singular}s`): string {
  return `${number} ${number === 1 ? singular : plural}`;
}
