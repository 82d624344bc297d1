/** What of the controller's doings becomes an Event on the profile, and in which words. */
import type { Condition } from '../api/meta.ts';
import { API_VERSION, KIND, LABEL_PROFILE, LABEL_ROLE } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { ProfileStatus, SegmentationProfile } from '../api/profile.ts';
import type { ControllerObserver } from '../controller/observer.ts';
import type { NamespaceResult } from '../controller/results.ts';
import type { EventType, Regarding } from '../kube/events/event.ts';
import type { Occurrence } from '../kube/events/recorder.ts';
import type { OccurrenceSummary } from '../kube/events/summary.ts';
import { isProfileReference } from '../policy/semantics/normalize.ts';
import type { Step } from '../policy/planning/plan.ts';
import { changedBy, isRepair } from './audit-line.ts';
import { shortList } from '../util/list-text.ts';

/** Every reason that an Event can have, with its type and action. docs/troubleshooting.md explains each. */
export const EVENT_REASONS = {
  Enforced: { type: 'Normal', action: 'Enforce' },
  DriftRepaired: { type: 'Warning', action: 'RepairDrift' },
  Opened: { type: 'Normal', action: 'Open' },
  Removed: { type: 'Normal', action: 'Remove' },
  Conflict: { type: 'Warning', action: 'NamePolicies' },
  PeersUnresolved: { type: 'Warning', action: 'ResolvePeers' },
  PeersResolved: { type: 'Normal', action: 'ResolvePeers' },
  Stalled: { type: 'Warning', action: 'Enforce' },
  PodsRefused: { type: 'Warning', action: 'Admit' },
} as const satisfies Readonly<Record<string, { type: EventType; action: string }>>;

export interface EventSource {
  readonly record: (occurrence: Occurrence) => void;
  /** Takes back what was not told yet; whether there was any. */
  readonly withdraw: (of: Pick<Occurrence, 'regarding' | 'type' | 'reason' | 'action'>) => boolean;
  /** As the controller knows them now. */
  readonly profile: (name: string) => SegmentationProfile | undefined;
  readonly result: (profile: string, namespace: string) => NamespaceResult | undefined;
}

/** What was written of one profile in one namespace until its reconcile was done. */
interface Tally {
  created: number;
  updated: number;
  deleted: number;
  /** The deny was taken away, and not put back. */
  opened: boolean;
  readonly repaired: { changed: number; deleted: number; added: number };
  readonly hands: Set<string>;
}

/** What does not last so long, in milliseconds, is no trouble: a kind of object that is read for the first time. */
const LASTING = 5000;
/** How many subjects a note names. */
const NAMED = 3;

export function createEventObserver(
  source: EventSource,
): Pick<ControllerObserver, 'onWrite' | 'onReconciled' | 'onStatus' | 'onGone'> {
  /** By namespace, then by profile. What is under way, or is to be tried again. */
  const tallies = new Map<string, Map<string, Tally>>();

  const tallyOf = (namespace: string, profile: string): Tally => {
    let profiles = tallies.get(namespace);
    if (profiles === undefined) tallies.set(namespace, (profiles = new Map()));
    let tally = profiles.get(profile);
    if (tally === undefined) profiles.set(profile, (tally = emptyTally()));
    return tally;
  };

  const tell = (
    reason: keyof typeof EVENT_REASONS,
    profile: SegmentationProfile,
    occurrence: Pick<Occurrence, 'subject' | 'amounts' | 'details' | 'delayMs' | 'note'>,
  ): void => {
    source.record({ regarding: regard(profile), reason, ...EVENT_REASONS[reason], ...occurrence });
  };

  const withdraw = (reason: keyof typeof EVENT_REASONS, profile: SegmentationProfile): boolean =>
    source.withdraw({ regarding: regard(profile), reason, ...EVENT_REASONS[reason] });

  /** Profiles of which it was told last that a peer is unresolved. */
  const unresolved = new Set<string>();

  const tellPeers = (profile: SegmentationProfile, { status, message }: Condition): void => {
    const { name } = profile.metadata;
    if (status === 'False') {
      const note = () => {
        unresolved.add(name);
        return message;
      };
      tell('PeersUnresolved', profile, { delayMs: LASTING, note });
      return;
    }
    // Over before it was told: nothing to tell.
    if (withdraw('PeersUnresolved', profile) && !unresolved.has(name)) return;
    unresolved.delete(name);
    tell('PeersResolved', profile, { note: () => message });
  };

  const tellTally = (profile: SegmentationProfile, namespace: string, tally: Tally): void => {
    const { created, updated, deleted, opened, repaired, hands } = tally;
    const subject = namespace;
    if (repaired.changed + repaired.deleted + repaired.added > 0) {
      tell('DriftRepaired', profile, { subject, amounts: repaired, details: [...hands], note: repairNote });
    }
    if (created + updated + deleted === 0) return;
    const { deletionTimestamp, generation = 0 } = profile.metadata;
    const amounts = { created, updated, deleted };
    const result = source.result(profile.metadata.name, namespace);
    if (result?.state === 'enforced' && result.generation === generation) {
      const note = (gathered: OccurrenceSummary) => enforcedNote(gathered, generation);
      tell('Enforced', profile, { subject, amounts, note });
    } else if (opened && (result === undefined || result.state === 'audited')) {
      if (deletionTimestamp !== undefined) {
        tell('Removed', profile, { subject, amounts, note: removedNote });
      } else {
        const why = profile.spec.mode === 'Audit' ? 'the mode is Audit' : 'the profile selects it no longer';
        tell('Opened', profile, { subject, amounts, details: [why], note: openedNote });
      }
    }
  };

  return {
    onWrite: ({ step, before, after, isDriftOnly }) => {
      const policy = step.verb === 'delete' ? before : step.policy;
      const profile = policy && profileOf(policy, before);
      if (profile === undefined) return;
      const tally = tallyOf(policy?.metadata.namespace ?? '', profile);
      if (isRepair(step, isDriftOnly)) return count(tally, step, before);
      if (step.reason !== 'transition') tally[`${step.verb}d`] += 1;
      if (/^(default|partial)-deny$/.test(policy?.metadata.labels?.[LABEL_ROLE] ?? '')) {
        tally.opened = step.verb === 'delete' && after === undefined;
      }
    },
    onReconciled: (key, { outcome }) => {
      if (key.kind !== 'namespace' || outcome.kind !== 'done') return;
      const namespace = key.name;
      const profiles = tallies.get(namespace);
      if (profiles === undefined) return;
      tallies.delete(namespace);
      for (const [name, tally] of profiles) {
        const profile = source.profile(name);
        if (profile !== undefined) tellTally(profile, namespace, tally);
      }
    },
    // The status that is stored is what was said before, also by another process: a restart tells nothing anew.
    onStatus: (profile, status) => {
      const before = profile.status;
      const peers = turned(before, status, 'PeersResolved');
      if (peers !== undefined) tellPeers(profile, peers);
      const stalled = turned(before, status, 'Stalled');
      if (stalled?.status === 'True') {
        tell('Stalled', profile, {
          delayMs: LASTING,
          note: () => `${stalled.reason}: ${stalled.message}`,
        });
      } else if (stalled !== undefined) {
        withdraw('Stalled', profile);
      }
      const admission = turned(before, status, 'AdmissionReady');
      if (admission?.reason === 'PodsRefused') {
        tell('PodsRefused', profile, { note: () => admission.message });
      }
      for (const { namespace, message } of newConflicts(before, status)) {
        const note = ({ details, ...gathered }: OccurrenceSummary) =>
          `in ${namespaces(gathered)}: ${details.join('; ')}`;
        tell('Conflict', profile, { subject: namespace, details: [message], note });
      }
    },
    onGone: (profile) => void unresolved.delete(profile),
  };
}

function regard({ metadata: { name, uid = '' } }: SegmentationProfile): Regarding {
  return { apiVersion: API_VERSION, kind: KIND, name, uid };
}

function emptyTally(): Tally {
  return {
    created: 0,
    updated: 0,
    deleted: 0,
    opened: false,
    repaired: { changed: 0, deleted: 0, added: 0 },
    hands: new Set(),
  };
}

function count({ repaired, hands }: Tally, step: Step, before: NetworkPolicy | undefined): void {
  repaired[step.verb === 'create' ? 'deleted' : step.verb === 'update' ? 'changed' : 'added'] += 1;
  for (const hand of changedBy(before)) hands.add(hand);
}

/** The profile's name, by the label; of one that lost it, by its owner. */
function profileOf(...policies: readonly (NetworkPolicy | undefined)[]): string | undefined {
  const found = policies.map((policy) => policy?.metadata.labels?.[LABEL_PROFILE]);
  const owners = policies.map((policy) => policy?.metadata.ownerReferences?.find(isProfileReference)?.name);
  return [...found, ...owners].find((name) => name !== undefined);
}

/** The condition, if it says something else than before. One that was never false is not news when it is true. */
function turned(
  before: ProfileStatus | undefined,
  after: ProfileStatus,
  type: 'PeersResolved' | 'Stalled' | 'AdmissionReady',
): Condition | undefined {
  const good = type === 'Stalled' ? 'False' : 'True';
  const was = before?.conditions?.find((condition) => condition.type === type);
  const is = after.conditions?.find((condition) => condition.type === type);
  if (is === undefined || (is.status === good && (was === undefined || was.status === good)))
    return undefined;
  return was?.status === is.status && was.message === is.message ? undefined : is;
}

function newConflicts(before: ProfileStatus | undefined, after: ProfileStatus) {
  const conflicts = (status: ProfileStatus | undefined) =>
    (status?.failures ?? []).filter(({ reason }) => reason === 'Conflict');
  const known = new Set(conflicts(before).map(({ namespace, message }) => `${namespace} ${message}`));
  return conflicts(after).filter(({ namespace, message }) => !known.has(`${namespace} ${message}`));
}

function enforcedNote(gathered: OccurrenceSummary, generation: number): string {
  const { created = 0, updated = 0, deleted = 0 } = gathered.amounts;
  const written = parts([created, 'created'], [updated, 'updated'], [deleted, 'deleted']);
  return `generation ${generation} stands in ${namespaces(gathered)}; policies: ${written}`;
}

function repairNote(gathered: OccurrenceSummary): string {
  const { changed = 0, deleted = 0, added = 0 } = gathered.amounts;
  const who = gathered.details.length === 0 ? '' : ` by ${gathered.details.join(', ')}`;
  // Who deleted is not known: what is gone has no managedFields.
  const what = [`${parts([changed, 'changed'], [added, 'added'])}${who}`, parts([deleted, 'deleted'])];
  return `put right what was done to policies in ${namespaces(gathered)}: ${what.filter(Boolean).join('; ')}`;
}

function openedNote(gathered: OccurrenceSummary): string {
  return `no longer enforced in ${namespaces(gathered)}, as ${gathered.details.join(', ')}`;
}

function removedNote(gathered: OccurrenceSummary): string {
  const { deleted = 0 } = gathered.amounts;
  return `${deleted} policies removed from ${namespaces(gathered)}, as the profile is being deleted`;
}

function parts(...counted: readonly (readonly [count: number, what: string])[]): string {
  return counted
    .filter(([number]) => number > 0)
    .map(([number, what]) => `${number} ${what}`)
    .join(', ');
}

/** `namespace a`, or `12 namespaces (a, b, c and 9 more)`. */
function namespaces({
  subjects,
  subjectCount,
}: Pick<OccurrenceSummary, 'subjects' | 'subjectCount'>): string {
  if (subjectCount === 1) return `namespace ${subjects[0]}`;
  return `${subjectCount} namespaces (${shortList(subjects, { most: NAMED, total: subjectCount })})`;
}
