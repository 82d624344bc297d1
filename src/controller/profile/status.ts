/**
 * A profile's status from the results of its namespaces. Pure.
 *
 * It looks at all of them at once, while nothing else is done: one pass, and only what is in trouble is put in order.
 */
import { type ConditionValue, mergeConditions } from '../../api/conditions.ts';
import type { ProfileFailure, ProfileStatus, SegmentationProfile } from '../../api/profile.ts';
import type { AdmissionReport } from '../admission/report.ts';
import type { NamespaceResult, Unresolved } from '../results.ts';
import { byKey, compareText, smallest } from '../../util/order.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { counted, shortList } from '../../util/list-text.ts';

/** Most failures that the status lists; the schema's bound. */
export const MAX_FAILURES = 50;
/** How many peers or namespaces a condition's message names. */
const NAMED = 3;
/** Longest message of somebody else that is repeated, in characters. */
const MAX_MESSAGE = 1024;

export interface StatusInput {
  readonly profile: SegmentationProfile;
  /** Names of the namespaces that the profile selects now. */
  readonly matched: readonly string[];
  readonly results: ReadonlyMap<string, NamespaceResult>;
  /** Namespaces that still hold policies which the profile no longer wants. */
  readonly removing: number;
  /** Undefined where the profile asks for nothing. */
  readonly admission?: AdmissionReport | undefined;
  readonly now: Date;
}

interface Tally {
  readonly enforced: number;
  readonly audited: number;
  readonly pending: readonly string[];
  readonly failed: readonly string[];
  readonly desired: number;
  readonly applied: number;
  /** The namespaces of which there is something to tell, by name. */
  readonly troubled: readonly Current[];
  /** Of these, those with peers that can't be resolved. */
  readonly unresolved: readonly Current[];
}

/** A result of this generation. */
type Current = readonly [namespace: string, result: NamespaceResult];

export function profileStatus(input: StatusInput): ProfileStatus {
  const { profile, matched, results, now } = input;
  const { generation = 0 } = profile.metadata;
  const tally = count(matched, results, generation);
  const audit = profile.spec.mode === 'Audit';
  const done = audit ? tally.audited : tally.enforced;
  const conditions = [
    ready(input, tally, done),
    reconciling(input, tally),
    stalled(tally, input.admission),
    peersResolved(tally),
    ...(input.admission ? [admissionReady(input.admission)] : []),
  ].map((condition) => ({ ...condition, observedGeneration: generation }));
  const failures = failuresOf(tally.troubled);
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
    ...findings(input.admission),
    ...(failures.length > 0 && { failures }),
  };
}

/** What others allow beside the profile, where it limits that. */
function findings(admission: AdmissionReport | undefined): Pick<ProfileStatus, 'admission'> {
  if (admission?.widening === undefined) return {};
  const { length } = admission.widening;
  const policies = admission.widening.slice(0, MAX_FAILURES);
  return { admission: { wideningPolicies: length, ...(length > 0 && { policies }) } };
}

/** Whether two statuses say the same. Both list their fields and conditions in the order that profileStatus gives. */
export function sameStatus(a: ProfileStatus | undefined, b: ProfileStatus): boolean {
  return a !== undefined && canonicalJSON(a) === canonicalJSON(b);
}

function count(matched: readonly string[], results: StatusInput['results'], generation: number): Tally {
  const pending: string[] = [];
  const failed: string[] = [];
  const troubled: Current[] = [];
  let [enforced, audited, desired, applied] = [0, 0, 0, 0];
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
    const { failure, conflicts, unresolved } = result;
    if (failure !== undefined || conflicts.length > 0 || unresolved.length > 0)
      troubled.push([namespace, result]);
    if (result.state === 'enforced') enforced += 1;
    else if (result.state === 'audited') audited += 1;
    else if (result.state === 'failed') failed.push(namespace);
    else if (result.state === 'pending') pending.push(namespace);
  }
  // What is named first must not depend on the order in which namespaces became known, which a restart changes (I6).
  troubled.sort(byKey);
  const unresolved = troubled.filter(([, result]) => result.unresolved.length > 0);
  return { enforced, audited, pending, failed, desired, applied, troubled, unresolved };
}

type Value = Omit<ConditionValue, 'observedGeneration'>;

function ready({ profile, matched, removing, admission }: StatusInput, tally: Tally, done: number): Value {
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
  if (tally.unresolved.length > 0)
    return say('False', 'PeersUnresolved', unresolvedMessage(tally.unresolved));
  if (tally.pending.length > 0) return say('False', 'Progressing', waitingMessage(tally));
  if (removing > 0)
    return say('False', 'Progressing', `policies are being removed from ${counted(removing, 'namespace')}`);
  if (admission?.ready === false) {
    return admission.reason === 'Progressing'
      ? say('False', 'Progressing', admission.message)
      : say('False', 'AdmissionNotReady', admission.message);
  }
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

function reconciling({ profile, removing, admission }: StatusInput, tally: Tally): Value {
  const deleting = profile.metadata.deletionTimestamp !== undefined;
  const admitting = admission?.reason === 'Progressing';
  const busy = tally.pending.length > 0 || removing > 0 || deleting || admitting;
  return busy
    ? {
        type: 'Reconciling',
        status: 'True',
        reason: deleting ? 'Deleting' : 'Progressing',
        message: waitingMessage(tally, removing),
      }
    : { type: 'Reconciling', status: 'False', reason: 'Settled', message: 'nothing is left to do' };
}

function stalled(tally: Tally, admission: AdmissionReport | undefined): Value {
  const stuck = tally.troubled.filter(([, { failure }]) => failure?.kind === 'stalled');
  const [first] = stuck;
  if (first === undefined && admission?.stalled) {
    return { type: 'Stalled', status: 'True', reason: admission.reason, message: brief(admission.message) };
  }
  return first === undefined
    ? { type: 'Stalled', status: 'False', reason: 'Settled', message: 'nothing needs a person' }
    : {
        type: 'Stalled',
        status: 'True',
        reason: first[1].failure?.reason ?? 'Failed',
        message: `${counted(stuck.length, 'namespace')} can't go on without a change: ${first[0]}: ${brief(first[1].failure?.message ?? '')}`,
      };
}

function peersResolved({ unresolved }: Tally): Value {
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

function admissionReady({ ready, reason, message }: AdmissionReport): Value {
  return { type: 'AdmissionReady', status: ready ? 'True' : 'False', reason, message: brief(message) };
}

/** Names each distinct rule and peer once, with the first namespace in which it fails. */
function unresolvedMessage(unresolved: readonly Current[]): string {
  const distinct = new Map<string, { first: string; peer: Unresolved; namespaces: number }>();
  for (const [namespace, result] of unresolved) {
    for (const peer of result.unresolved) {
      const key = `${peer.direction} ${peer.rule} ${peer.peer}`;
      const known = distinct.get(key);
      if (known) known.namespaces += 1;
      else distinct.set(key, { first: namespace, peer, namespaces: 1 });
    }
  }
  const texts = [...distinct.values()].slice(0, NAMED).map(({ first, peer, namespaces }) => {
    const more = namespaces > 1 ? ` (and in ${namespaces - 1} more)` : '';
    return `${ruleAndPeer(peer)}, in namespace ${first}: ${brief(peer.message)}${more}`;
  });
  const more = distinct.size - NAMED;
  return texts.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

function ruleAndPeer({ direction, rule, peer }: Unresolved): string {
  return `${direction.toLowerCase()} rule ${rule}, peer ${brief(peer)}`;
}

function waitingMessage({ pending, troubled }: Tally, removing = 0): string {
  const [first] = smallest(pending, 1);
  const why =
    first === undefined ? undefined : troubled.find(([namespace]) => namespace === first)?.[1].failure;
  const parts = [
    ...(first === undefined
      ? []
      : [
          `${counted(pending.length, 'namespace')} pending: ${named(pending)}${why ? ` (${brief(why.message)})` : ''}`,
        ]),
    ...(removing > 0 ? [`policies are being removed from ${counted(removing, 'namespace')}`] : []),
  ];
  return parts.join('; ') || 'settling';
}

/** What a person should look at: by namespace, the first of them. */
function failuresOf(troubled: readonly Current[]): ProfileFailure[] {
  const failures: ProfileFailure[] = [];
  for (const [namespace, { failure, conflicts, unresolved }] of troubled) {
    const found = [
      ...(failure ? [{ namespace, reason: failure.reason, message: brief(failure.message) }] : []),
      ...(conflicts.length > 0
        ? [{ namespace, reason: 'Conflict', message: `${named(conflicts)}: ${CONFLICT}` }]
        : []),
      ...unresolved.map((peer) => ({
        namespace,
        reason: peer.reason,
        message: `${ruleAndPeer(peer)}: ${brief(peer.message)}`,
      })),
    ];
    failures.push(
      ...found.sort((a, b) => compareText(a.reason, b.reason) || compareText(a.message, b.message)),
    );
    if (failures.length >= MAX_FAILURES) break;
  }
  return failures.slice(0, MAX_FAILURES);
}

const CONFLICT = "the name belongs to somebody else's object; ours stands under an alternative name";

/** The API server's messages can repeat a whole object; a status has its limits. */
function brief(message: string): string {
  return message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message;
}

function named(names: readonly string[]): string {
  return shortList(smallest(names, NAMED), { most: NAMED, total: names.length });
}
