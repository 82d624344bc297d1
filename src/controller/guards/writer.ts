/** Writes the guard of a profile: plans from the watched objects, confirms by a live list of the profiles, and writes. */
import type { KubeObject, LabelSelector } from '../../api/meta.ts';
import type { PolicyType } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { PROFILES } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import type { CompiledGuard, ForeignRank, GuardCarrier, GuardForm } from '../../engines/guards/carrier.ts';
import {
  freeGuardName,
  guardObject,
  isSameGuard,
  reclaimedGuard,
  placedGuards,
  replacedGuard,
  writtenForm,
} from '../../engines/guards/objects.ts';
import { isSameForm, planGuard } from '../../engines/guards/plan.ts';
import { choosePriority, GAP, hasAllOf, type PriorityRange } from '../../engines/guards/priority.ts';
import { Resource } from '../../kube/resource.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { Guard, GuardDirection } from '../../policy/guard/guard.ts';
import { matches } from '../../policy/semantics/selector.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { byName, byObjectName } from '../../util/order.ts';
import { shortList } from '../../util/list-text.ts';
import type { GuardObjects } from './objects.ts';
import {
  heldMessage,
  holds,
  openMessage,
  stalled,
  type Standing,
  unresolvedDirections,
  unresolvedMessage,
  waiting,
  writtenMessage,
} from './standing.ts';

export interface GuardWriterOptions {
  readonly carrier: GuardCarrier;
  readonly priorities: PriorityRange;
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly objects: GuardObjects;
  /** The priorities of the staged guards of other profiles: a guard that begins leaves them theirs. */
  readonly stagedPriorities: (profile: string) => readonly number[];
  /** A guard has another place in the order, or other namespaces, than before. */
  readonly onPlaced: () => void;
}

export interface WriteContext {
  readonly signal: AbortSignal;
  /** Called once the guard is as wide as it has to be. */
  readonly onWidened: () => void;
  readonly mayNarrow: () => boolean;
}

export type WriteResult =
  | { readonly kind: 'settled'; readonly standing: Standing; readonly directions: ReadonlySet<PolicyType> }
  /** The guard is wide enough, and has to be narrowed later. */
  | { readonly kind: 'wide' }
  /** The caches are behind what was read live. */
  | { readonly kind: 'outdated' };

/** An object that is not as the carrier makes it. */
const NOT_WRITTEN = { form: undefined, isWhole: false };

const OUTDATED = { kind: 'outdated' } as const;

export class GuardWriter {
  readonly #options: GuardWriterOptions;
  readonly #profiles: Resource<SegmentationProfile>;
  /** The forms that this process has written, by profile: somebody may have changed the objects. */
  readonly #lastWritten = new Map<string, GuardForm>();

  constructor(options: GuardWriterOptions) {
    this.#options = options;
    this.#profiles = new Resource(options.transport, PROFILES);
  }

  forget(profile: string): void {
    this.#lastWritten.delete(profile);
  }

  /** Deletes the profile's guard. @returns false if the caches are behind @throws ApiError */
  async remove({ metadata: { name } }: SegmentationProfile, signal: AbortSignal): Promise<boolean> {
    const { objects } = this.#options;
    const own = objects.of(name);
    if (own.length === 0) return true;
    if (!(await this.#isConfirmed(signal))) return false;
    for (const before of own) await objects.write({ verb: 'delete', before }, signal);
    this.forget(name);
    return true;
  }

  /** @throws ApiError, SchemaTooOldError */
  async write(
    profile: SegmentationProfile,
    { guard }: { readonly guard: Guard },
    context: WriteContext,
  ): Promise<WriteResult> {
    const { carrier } = this.#options;
    const made = carrier.compile(guard);
    if (made.kind === 'too-large') return settled(stalled('GuardTooLarge', made.message));
    const [present, ...copies] = this.#present(profile.metadata.name);
    const chosen = this.#priorityFor(guard, present);
    // A guard that is there follows its profile also while no priority is free for it.
    const priority = chosen ?? (present && carrier.read(present)?.priority);
    if (priority === undefined) return settled(this.#noPriority());
    const unresolved = unresolvedDirections(guard);
    const stored = present && carrier.read(present)?.form;
    const written = present && (stored === undefined ? NOT_WRITTEN : writtenForm(present, stored));
    const known = this.#lastWritten.get(profile.metadata.name) ?? written?.form;
    // The passes of unresolved peers can't be read back.
    const isUnreadable = written?.isWhole === false && !this.#lastWritten.has(profile.metadata.name);
    const kept = isUnreadable && unresolved.size > 0 && this.#lacking(guard, made, stored ?? made.form);
    if (kept) {
      if (present !== undefined) await this.#reclaim(profile, present, context.signal);
      return settled(kept);
    }
    const { widened, final } = planGuard(known, made.form, { unresolved, carrier });
    const write = (form: GuardForm, before: KubeObject | undefined) =>
      this.#write(profile, form, { before, priority, signal: context.signal });
    const wide = widened ?? known;
    if (present !== undefined && wide !== undefined && !isStoredAs(stored, wide)) {
      if (!(await this.#isConfirmed(context.signal))) return OUTDATED;
      await write(final !== undefined && isSameForm(wide, final) ? final : wide, present);
    }
    context.onWidened();
    const current = this.#present(profile.metadata.name)[0];
    if (!this.#isFinal(profile, final, current, priority) || copies.length > 0) {
      if (!context.mayNarrow()) return { kind: 'wide' };
      if (!(await this.#isConfirmed(context.signal))) return OUTDATED;
      await this.#finish(profile, final, { current, copies, write, signal: context.signal });
    }
    return this.#result(profile, guard, made, { final, priority, isFree: chosen !== undefined });
  }

  /** Restores labels and owner of a guard that stays as it is: without them, the next process would take it for a foreign one. */
  async #reclaim(profile: SegmentationProfile, before: KubeObject, signal: AbortSignal): Promise<void> {
    const object = reclaimedGuard(before, profile);
    if (!isSameGuard(before, object))
      await this.#options.objects.write({ verb: 'update', before, object }, signal);
  }

  /** Directions in which the guard denies something. */
  deniedDirections({ form }: CompiledGuard, guard: Guard): ReadonlySet<PolicyType> {
    const unresolved = unresolvedDirections(guard);
    return new Set((Object.keys(form.rules) as PolicyType[]).filter((each) => !unresolved.has(each)));
  }

  /** Says that a direction is not guarded at all, as rules allow everyone; undefined if there is none. */
  openStanding({ open }: CompiledGuard): Standing | undefined {
    return open.length === 0 ? undefined : stalled('GuardOpen', openMessage(open));
  }

  #present(profile: string): KubeObject[] {
    return this.#options.objects.of(profile).sort(byObjectName);
  }

  #isFinal(
    profile: SegmentationProfile,
    final: GuardForm | undefined,
    current: KubeObject | undefined,
    priority: number,
  ): boolean {
    if (final === undefined || current === undefined) return final === undefined && current === undefined;
    return isSameGuard(current, this.#objectOf(profile, final, { before: current, priority }));
  }

  async #finish(
    profile: SegmentationProfile,
    final: GuardForm | undefined,
    {
      current,
      copies,
      write,
      signal,
    }: {
      readonly current: KubeObject | undefined;
      readonly copies: readonly KubeObject[];
      readonly write: (form: GuardForm, before: KubeObject | undefined) => Promise<void>;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { objects } = this.#options;
    const gone = final === undefined && current !== undefined ? [current, ...copies] : copies;
    if (final === undefined) this.forget(profile.metadata.name);
    else await write(final, current);
    for (const before of gone) await objects.write({ verb: 'delete', before }, signal);
  }

  async #write(
    profile: SegmentationProfile,
    form: GuardForm,
    {
      before,
      priority,
      signal,
    }: { readonly before: KubeObject | undefined; readonly priority: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const { objects, carrier, onPlaced } = this.#options;
    const object = this.#objectOf(profile, form, { before, priority });
    if (before !== undefined && isSameGuard(before, object)) return;
    const step = before === undefined ? { verb: 'create' as const } : { verb: 'update' as const, before };
    await objects.write({ ...step, object }, signal);
    this.#lastWritten.set(profile.metadata.name, form);
    if (before === undefined || placeOf(before, carrier) !== placeOf(object, carrier)) onPlaced();
  }

  #objectOf(
    profile: SegmentationProfile,
    form: GuardForm,
    { before, priority }: { readonly before: KubeObject | undefined; readonly priority: number },
  ): KubeObject {
    const { carrier, objects } = this.#options;
    const taken = new Set(objects.foreign().map(({ name }) => name));
    const name = before?.metadata.name ?? freeGuardName(profile.metadata.name, taken, carrier);
    const object = guardObject(carrier.objectOf(form, priority), profile, {
      name,
      apiVersion: objects.apiVersion,
      form,
    });
    return before === undefined ? object : replacedGuard(object, before);
  }

  #priorityFor({ profile, subject }: Guard, present: KubeObject | undefined): number | undefined {
    const { carrier, priorities, objects, stagedPriorities } = this.#options;
    const observed = present && carrier.read(present)?.priority;
    const foreign = objects.foreign().flatMap(({ rank }) => rank?.priority ?? []);
    const guards = placedGuards(objects.others(profile), carrier);
    const neighbours = { guards, foreign: new Set([...foreign, ...stagedPriorities(profile)]) };
    return choosePriority({ observed, subject }, neighbours, priorities);
  }

  #noPriority(): Standing {
    const { first, last } = this.#options.priorities;
    const message =
      `every priority from ${first} to ${last} in steps of ${GAP} is taken: no guard begins, and one with another priority keeps ` +
      "that; set a wider range in the operator's configuration (guard.firstPriority, guard.lastPriority)";
    return stalled('NoPriority', message);
  }

  #result(
    profile: SegmentationProfile,
    guard: Guard,
    made: CompiledGuard,
    {
      final,
      priority,
      isFree,
    }: { readonly final: GuardForm | undefined; readonly priority: number; readonly isFree: boolean },
  ): WriteResult {
    const { carrier, objects } = this.#options;
    const policy = this.#present(profile.metadata.name)[0]?.metadata.name;
    const directions = new Set(Object.keys(final?.rules ?? {}) as PolicyType[]);
    const carriedBy = policy === undefined ? {} : { carriedBy: { policy, priority } };
    const unplaced = isFree ? undefined : this.#noPriority();
    const lacking = this.#lacking(guard, made, final) ?? unplaced ?? this.#collision(priority);
    if (lacking !== undefined || policy === undefined) {
      const standing = lacking ?? waiting('Progressing', 'the guard is being written');
      return { kind: 'settled', standing: { ...standing, ...carriedBy }, directions };
    }
    const namesOf = (isChosen: (rank: ForeignRank) => boolean) =>
      objects
        .foreign()
        .filter(({ rank }) => rank !== undefined && isChosen(rank))
        .sort(byName)
        .map(({ name }) => name);
    const before = namesOf((rank) => rank.precludes && rank.priority < priority);
    const after = namesOf((rank) => rank.priority > priority);
    const guards = this.#guardsBefore(guard, priority);
    const message = writtenMessage(policy, priority, { kind: carrier.kind, before, after, guards });
    return { kind: 'settled', standing: { ...holds('Written', message), ...carriedBy }, directions };
  }

  /** The guards of other profiles that are asked first in a namespace of both, and may pass more than this one does. */
  #guardsBefore({ profile, subject }: Guard, priority: number): string[] {
    const { carrier, objects, clusterState } = this.#options;
    const areShared = (other: LabelSelector) =>
      [...clusterState.namespaces.values()].some(
        ({ labels }) => matches(subject, labels) && matches(other, labels),
      );
    return objects
      .others(profile)
      .sort(byObjectName)
      .filter((object) => {
        const other = carrier.read(object);
        return (
          other !== undefined &&
          other.priority < priority &&
          !hasAllOf(subject, other.form.subject) &&
          areShared(other.form.subject)
        );
      })
      .map(({ metadata }) => metadata.name);
  }

  #lacking(guard: Guard, made: CompiledGuard, final: GuardForm | undefined): Standing | undefined {
    const areKept = (directions: readonly GuardDirection[]) =>
      directions.every(({ direction }) => final?.rules[direction] !== undefined);
    if (guard.held !== undefined)
      return waiting('PoliciesHeld', heldMessage(guard.held, areKept(guard.directions)));
    const unresolved = guard.directions.filter((each) => each.unresolved.length > 0);
    if (unresolved.length > 0)
      return waiting('PeersUnresolved', unresolvedMessage(unresolved, areKept(unresolved)));
    return this.openStanding(made);
  }

  #collision(priority: number): Standing | undefined {
    const names = this.#options.objects
      .foreign()
      .filter(({ rank }) => rank?.priority === priority)
      .map(({ name }) => name);
    if (names.length === 0) return undefined;
    const other = `${this.#options.carrier.kind} ${shortList(names.sort())}`;
    const message =
      `${other} has the guard's priority ${priority}, so that nobody knows which of them wins: ` +
      'give that policy another priority, by which it is asked before or after the guard';
    return stalled('PriorityTaken', message);
  }

  /** True if the profiles are, by a live list, as they are cached (I4). @throws ApiError */
  async #isConfirmed(signal: AbortSignal): Promise<boolean> {
    const { items } = await this.#profiles.listAll({ signal });
    const cached = [...this.#options.clusterState.profiles.values()].map(({ profile }) => profile);
    return identities(items) === identities(cached);
  }
}

/** The place of a guard among others. */
function placeOf(object: KubeObject, carrier: GuardCarrier): string {
  const { priority, form } = carrier.read(object) ?? {};
  return canonicalJSON([priority ?? null, form?.subject ?? null]);
}

function settled(standing: Standing): WriteResult {
  return { kind: 'settled', standing, directions: new Set() };
}

function isStoredAs(stored: GuardForm | undefined, form: GuardForm): boolean {
  return stored !== undefined && isSameForm(stored, form);
}

function identities(profiles: readonly SegmentationProfile[]): string {
  const texts = profiles.map(({ metadata: { name, uid, generation, deletionTimestamp } }) =>
    JSON.stringify([name, uid, generation, deletionTimestamp]),
  );
  return texts.sort().join();
}
