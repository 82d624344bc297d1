/** The controller's activity as Events on profiles. */
import type { Condition } from '../api/meta.ts';
import { API_VERSION, KIND, LABEL_PROFILE, LABEL_ROLE } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { ProfileStatus, SegmentationProfile } from '../api/profile.ts';
import type { ControllerObserver, PolicyWrite, ReconcileEnd } from '../controller/observer.ts';
import type { Key } from '../controller/queue/key.ts';
import type { NamespaceResult } from '../controller/results.ts';
import type { EventType, Regarding } from '../kube/events/event.ts';
import type { Occurrence } from '../kube/events/recorder.ts';
import type { Step } from '../policy/planning/plan.ts';
import { isProfileReference } from '../policy/semantics/normalize.ts';
import { changedBy } from '../api/managed-fields.ts';
import { isRepair } from './audit-line.ts';
import { conflictNote, enforcedNote, openedNote, removedNote, repairNote } from './event-notes.ts';

/** Every reason that an Event can have, with its type and action. docs/troubleshooting.md explains each. */
export const EVENT_REASONS = {
  Enforced: { type: 'Normal', action: 'Enforce' },
  DriftRepaired: { type: 'Warning', action: 'RepairDrift' },
  Opened: { type: 'Normal', action: 'Open' },
  Removed: { type: 'Normal', action: 'Remove' },
  Conflict: { type: 'Warning', action: 'NamePolicies' },
  PeersUnresolved: { type: 'Warning', action: 'ResolvePeers' },
  PeersResolved: { type: 'Normal', action: 'ResolvePeers' },
  ConnectionsUnused: { type: 'Warning', action: 'PlaceConnections' },
  Stalled: { type: 'Warning', action: 'Enforce' },
  PodSecurityNotReady: { type: 'Warning', action: 'LabelNamespaces' },
  RolloutProgressed: { type: 'Normal', action: 'RollOut' },
  RolloutFailed: { type: 'Warning', action: 'RollOut' },
  EnforcementVerified: { type: 'Normal', action: 'VerifyEnforcement' },
  EnforcementBroken: { type: 'Warning', action: 'VerifyEnforcement' },
  PodsRefused: { type: 'Warning', action: 'Admit' },
} as const satisfies Readonly<Record<string, { type: EventType; action: string }>>;

type EventReason = keyof typeof EVENT_REASONS;

/** The part of EventRecorder that profiles need. */
export interface EventSink {
  record(occurrence: Occurrence): void;
  /** Drops occurrences that no Event tells yet; true if there were any. */
  withdraw(of: Pick<Occurrence, 'regarding' | 'type' | 'reason' | 'action'>): boolean;
}

/** Looks up what the controller knows now. */
export interface ProfileLookup {
  profile(name: string): SegmentationProfile | undefined;
  result(profile: string, namespace: string): NamespaceResult | undefined;
}

/** The writes for one profile in one namespace until the namespace's reconcile is done. */
interface WriteTally {
  created: number;
  updated: number;
  deleted: number;
  /** True if the default-deny was deleted and not created again. */
  opened: boolean;
  readonly repaired: { changed: number; deleted: number; added: number };
  /** The field managers that changed repaired policies. */
  readonly managers: Set<string>;
}

/** A condition that turns back within this time, in milliseconds, gets no Event: peers are resolved a moment late at first. */
const SETTLE_MS = 5000;

type EventObserver = Pick<ControllerObserver, 'onWrite' | 'onReconciled' | 'onStatus' | 'onGone'>;

export class ProfileEvents implements EventObserver {
  readonly #sink: EventSink;
  readonly #lookup: ProfileLookup;
  /** By namespace, then by profile; of reconciles that run, or are to be retried. */
  readonly #tallies = new Map<string, Map<string, WriteTally>>();
  /** Profiles whose last Event about peers says that some are unresolved. */
  readonly #unresolved = new Set<string>();

  constructor(sink: EventSink, lookup: ProfileLookup) {
    this.#sink = sink;
    this.#lookup = lookup;
  }

  onWrite({ step, before, after, isDriftOnly }: PolicyWrite): void {
    const policy = step.verb === 'delete' ? before : step.policy;
    const profile = policy && profileOf(policy, before);
    if (profile === undefined) return;
    const tally = this.#tallyOf(policy?.metadata.namespace ?? '', profile);
    if (isRepair(step, isDriftOnly)) {
      countRepair(tally, step, before);
      return;
    }
    if (step.reason !== 'transition') tally[`${step.verb}d`] += 1;
    const role = policy?.metadata.labels?.[LABEL_ROLE];
    if (role === 'default-deny' || role === 'partial-deny') {
      tally.opened = step.verb === 'delete' && after === undefined;
    }
  }

  onReconciled(key: Key, { outcome }: ReconcileEnd): void {
    if (key.kind !== 'namespace' || outcome.kind !== 'done') return;
    const tallies = this.#tallies.get(key.name);
    if (tallies === undefined) return;
    this.#tallies.delete(key.name);
    for (const [name, tally] of tallies) {
      const profile = this.#lookup.profile(name);
      if (profile !== undefined) this.#recordWrites(profile, key.name, tally);
    }
  }

  /** Records what differs from the stored status, so that a restart repeats no Event. */
  onStatus(profile: SegmentationProfile, status: ProfileStatus): void {
    const before = profile.status;
    this.#recordPeers(profile, changedCondition(before, status, 'PeersResolved'));
    this.#recordBad('Stalled', profile, changedCondition(before, status, 'Stalled'));
    this.#recordBad('ConnectionsUnused', profile, changedCondition(before, status, 'ConnectionsUnused'));
    this.#recordEnforcement(profile, status);
    this.#recordRollout(profile, status);
    const admission = changedCondition(before, status, 'AdmissionReady');
    if (admission?.reason === 'PodsRefused') {
      this.#record('PodsRefused', profile, { note: () => admission.message });
    }
    this.#recordPodSecurity(profile, changedCondition(before, status, 'PodSecurityReady'));
    for (const { namespace, message } of newConflicts(before, status)) {
      this.#record('Conflict', profile, { subject: namespace, details: [message], note: conflictNote });
    }
  }

  onGone(profile: string): void {
    this.#unresolved.delete(profile);
  }

  #tallyOf(namespace: string, profile: string): WriteTally {
    let tallies = this.#tallies.get(namespace);
    if (tallies === undefined) this.#tallies.set(namespace, (tallies = new Map()));
    let tally = tallies.get(profile);
    if (tally === undefined) tallies.set(profile, (tally = emptyTally()));
    return tally;
  }

  #recordWrites(profile: SegmentationProfile, namespace: string, tally: WriteTally): void {
    const { created, updated, deleted, opened, repaired, managers } = tally;
    const subject = namespace;
    if (repaired.changed + repaired.deleted + repaired.added > 0) {
      const details = [...managers];
      this.#record('DriftRepaired', profile, { subject, amounts: repaired, details, note: repairNote });
    }
    if (created + updated + deleted === 0) return;
    const { deletionTimestamp, generation = 0 } = profile.metadata;
    const amounts = { created, updated, deleted };
    const result = this.#lookup.result(profile.metadata.name, namespace);
    if (result?.state === 'enforced' && result.generation === generation) {
      this.#record('Enforced', profile, {
        subject,
        amounts,
        note: (summary) => enforcedNote(summary, generation),
      });
      return;
    }
    if (!opened || (result !== undefined && result.state !== 'audited')) return;
    if (deletionTimestamp !== undefined) {
      this.#record('Removed', profile, { subject, amounts, note: removedNote });
      return;
    }
    const why =
      profile.spec.mode === 'Audit' ? 'the mode is Audit' : 'the profile no longer selects the namespace';
    this.#record('Opened', profile, { subject, amounts, details: [why], note: openedNote });
  }

  #recordPeers(profile: SegmentationProfile, peers: Condition | undefined): void {
    if (peers === undefined) return;
    const { name } = profile.metadata;
    const { status, message } = peers;
    if (status === 'False') {
      const note = () => {
        this.#unresolved.add(name);
        return message;
      };
      this.#record('PeersUnresolved', profile, { delayMs: SETTLE_MS, note });
      return;
    }
    // Peers were unresolved for so short a time that no Event says so: then none says that they are resolved again.
    if (this.#withdraw('PeersUnresolved', profile) && !this.#unresolved.has(name)) return;
    this.#unresolved.delete(name);
    this.#record('PeersResolved', profile, { note: () => message });
  }

  /** Records that packets show enforcement, or that they show it to be broken; that nothing is known makes no Event. */
  #recordEnforcement(profile: SegmentationProfile, after: ProfileStatus): void {
    const of = (status: ProfileStatus | undefined) =>
      status?.conditions?.find(({ type }) => type === 'EnforcementVerified');
    const [before, now] = [of(profile.status), of(after)];
    if (now === undefined || now.status === before?.status) return;
    const { status, message } = now;
    if (status === 'False') this.#record('EnforcementBroken', profile, { note: () => message });
    if (status === 'True') this.#record('EnforcementVerified', profile, { note: () => message });
  }

  /** Records each wave that is complete, and each revision that fails; not the steps within a wave. */
  #recordRollout(profile: SegmentationProfile, { rollout }: ProfileStatus): void {
    const before = profile.status?.rollout;
    if (rollout === undefined || before === undefined || before.summary === rollout.summary) return;
    const { revision, phase, wave = '', failure } = rollout;
    if (failure !== undefined) {
      const note = () => `revision ${revision} failed in wave ${failure.wave}: ${failure.message}`;
      this.#record('RolloutFailed', profile, { note });
    } else if (phase === 'Complete')
      this.#record('RolloutProgressed', profile, { note: () => `every namespace has revision ${revision}` });
    else if (phase === 'Soaking') {
      const note = () => `revision ${revision}: all namespaces of wave ${wave} have it`;
      this.#record('RolloutProgressed', profile, { note });
    }
  }

  /** Records a condition that is bad while it is True, unless it turns back soon. */
  #recordBad(type: 'Stalled' | 'ConnectionsUnused', profile: SegmentationProfile, now?: Condition): void {
    if (now === undefined) return;
    const { status, reason, message } = now;
    const note = () => (type === 'Stalled' ? `${reason}: ${message}` : message);
    if (status !== 'True') this.#withdraw(type, profile);
    else this.#record(type, profile, { delayMs: SETTLE_MS, note });
  }

  /** Records that a level is not in force, unless that changes soon, or work is under way. */
  #recordPodSecurity(profile: SegmentationProfile, now?: Condition): void {
    if (now === undefined) return;
    const { status, reason, message } = now;
    if (status === 'True' || reason === 'Progressing') this.#withdraw('PodSecurityNotReady', profile);
    else
      this.#record('PodSecurityNotReady', profile, {
        delayMs: SETTLE_MS,
        note: () => `${reason}: ${message}`,
      });
  }

  #record(
    reason: EventReason,
    profile: SegmentationProfile,
    occurrence: Omit<Occurrence, 'regarding' | 'reason' | 'type' | 'action'>,
  ): void {
    this.#sink.record({ regarding: regard(profile), reason, ...EVENT_REASONS[reason], ...occurrence });
  }

  #withdraw(reason: EventReason, profile: SegmentationProfile): boolean {
    return this.#sink.withdraw({ regarding: regard(profile), reason, ...EVENT_REASONS[reason] });
  }
}

function regard({ metadata: { name, uid = '' } }: SegmentationProfile): Regarding {
  return { apiVersion: API_VERSION, kind: KIND, name, uid };
}

function emptyTally(): WriteTally {
  return {
    created: 0,
    updated: 0,
    deleted: 0,
    opened: false,
    repaired: { changed: 0, deleted: 0, added: 0 },
    managers: new Set(),
  };
}

/** A repair creates what was deleted, updates what was changed, and deletes what was added. */
function countRepair(
  { repaired, managers }: WriteTally,
  step: Step,
  before: NetworkPolicy | undefined,
): void {
  repaired[step.verb === 'create' ? 'deleted' : step.verb === 'update' ? 'changed' : 'added'] += 1;
  for (const manager of changedBy(before)) managers.add(manager);
}

/** The name of the profile that owns the policy, by its label, or by its ownerReference if the label was removed. */
function profileOf(policy: NetworkPolicy, before: NetworkPolicy | undefined): string | undefined {
  return labelledProfile(policy) ?? labelledProfile(before) ?? owningProfile(policy) ?? owningProfile(before);
}

function labelledProfile(policy: NetworkPolicy | undefined): string | undefined {
  return policy?.metadata.labels?.[LABEL_PROFILE];
}

function owningProfile(policy: NetworkPolicy | undefined): string | undefined {
  return policy?.metadata.ownerReferences?.find(isProfileReference)?.name;
}

/** The condition, if its status or message changed; undefined too for one that is good from the start. */
function changedCondition(
  before: ProfileStatus | undefined,
  after: ProfileStatus,
  type: 'PeersResolved' | 'Stalled' | 'AdmissionReady' | 'ConnectionsUnused' | 'PodSecurityReady',
): Condition | undefined {
  const good = type === 'Stalled' || type === 'ConnectionsUnused' ? 'False' : 'True';
  const old = before?.conditions?.find((condition) => condition.type === type);
  const now = after.conditions?.find((condition) => condition.type === type);
  if (now === undefined || (now.status === good && (old === undefined || old.status === good)))
    return undefined;
  return old?.status === now.status && old.message === now.message ? undefined : now;
}

function newConflicts(before: ProfileStatus | undefined, after: ProfileStatus) {
  const conflicts = (status: ProfileStatus | undefined) =>
    (status?.failures ?? []).filter(({ reason }) => reason === 'Conflict');
  const known = new Set(conflicts(before).map(({ namespace, message }) => `${namespace} ${message}`));
  return conflicts(after).filter(({ namespace, message }) => !known.has(`${namespace} ${message}`));
}
