/**
 * Stages the guards of profiles in Audit, if their kind of policies has a staged form: the network engine then reports what a
 * guard would deny, and enforces nothing. A failure here neither delays nor fails a guard that is enforced.
 */
import type { KubeObject } from '../../api/meta.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { CompiledGuard, GuardCarrier, GuardForm, GuardStaging } from '../../engines/guards/carrier.ts';
import {
  freeGuardName,
  guardObject,
  isSameGuard,
  placedGuards,
  replacedGuard,
  writtenForm,
} from '../../engines/guards/objects.ts';
import { planGuard } from '../../engines/guards/plan.ts';
import { choosePriority, type PlacedGuard, type PriorityRange } from '../../engines/guards/priority.ts';
import { isAborted } from '../../kube/errors.ts';
import type { Guard } from '../../policy/guard/guard.ts';
import { errorMessage } from '../../util/error-message.ts';
import { byObjectName } from '../../util/order.ts';
import {
  EngineObjects,
  type EngineObjectsOptions,
  type ObjectsState,
  SchemaTooOldError,
} from '../engines/objects.ts';
import type { GuardObjects } from './objects.ts';
import { type StagedGuard, unresolvedDirections, unstagedMessage } from './standing.ts';

export interface StagedGuardsOptions extends EngineObjectsOptions {
  readonly carrier: GuardCarrier;
  readonly staging: GuardStaging;
  readonly priorities: PriorityRange;
  /** The guards that are enforced. */
  readonly objects: GuardObjects;
  /** Somebody else changed a staged guard, or the state has changed. */
  readonly onChange: () => void;
}

export class StagedGuards {
  readonly #options: StagedGuardsOptions;
  /** Profiles whose staged guards could not be deleted. */
  readonly #undeleted = new Set<string>();
  #objects: EngineObjects | undefined;

  constructor(options: StagedGuardsOptions) {
    this.#options = options;
  }

  start(): void {
    const { carrier, staging, onChange } = this.#options;
    const { group, versions, component, since } = carrier;
    const [version = ''] = versions;
    const kind = { group, version, plural: staging.plural, namespaced: false };
    const listener = { onState: onChange, onDrift: onChange };
    this.#objects = new EngineObjects({ kind, component, since }, this.#options, listener);
  }

  async stop(): Promise<void> {
    await this.#objects?.stop();
  }

  /** True before the first lists, unless something hinders them. */
  get isPending(): boolean {
    return [this.#options.objects, this.#objects].some(
      (each) => each === undefined || (each.state.kind === 'unknown' && each.failure === undefined),
    );
  }

  /** The staged guards of a profile: one, but for those that somebody has copied. */
  of(profile: string): KubeObject[] {
    return this.#own().filter((object) => this.#ownerOf(object) === profile);
  }

  /** The priorities of the staged guards of all other profiles. */
  prioritiesOfOthers(profile: string): number[] {
    return this.#others(profile).map(({ priority }) => priority);
  }

  /** True if the profile has no staged guard, or none that can be deleted. */
  isReleased(profile: string): boolean {
    return (
      this.#objects?.state.kind !== 'available' ||
      this.of(profile).length === 0 ||
      this.#undeleted.has(profile)
    );
  }

  /** Writes the staged guard of a profile. A direction with unresolved peers is staged only as far as it was before. */
  async stage(
    profile: SegmentationProfile,
    { guard, made }: { readonly guard: Guard; readonly made: CompiledGuard },
    signal: AbortSignal,
  ): Promise<StagedGuard> {
    const { carrier, staging } = this.#options;
    const lacking = this.#lacking();
    if (lacking !== undefined) return { kind: 'unstaged', message: lacking };
    const unresolved = unresolvedDirections(guard);
    const [before, ...copies] = this.of(profile.metadata.name).sort(byObjectName);
    const known = (before && this.#writtenForm(before)) ?? this.#enforcedForm(profile);
    const { final } = planGuard(known, made.form, { unresolved, carrier });
    const missing = unstagedMessage(guard, final);
    try {
      if (final === undefined) {
        await this.remove(profile, signal);
        return { kind: 'unstaged', message: missing ?? 'it would deny nothing' };
      }
      const object = this.#objectOf(profile, final, before);
      if (object === undefined) return { kind: 'unstaged', message: 'all priorities of guards are taken' };
      await this.#write(object, before, signal);
      await this.#delete(copies, signal);
      const where = `${staging.kind} ${object.metadata.name} shows in ${staging.shownIn}`;
      return { kind: 'staged', message: `${where} what the guard would deny`, missing };
    } catch (error) {
      if (isAborted(error)) throw error;
      if (error instanceof SchemaTooOldError) return { kind: 'unstaged', message: this.#lacking() ?? '' };
      return { kind: 'failed', message: errorMessage(error), error };
    }
  }

  /** @throws ApiError */
  async remove({ metadata: { name } }: SegmentationProfile, signal: AbortSignal): Promise<void> {
    if (this.#objects?.state.kind !== 'available') return;
    try {
      await this.#delete(this.of(name), signal);
      this.#undeleted.delete(name);
    } catch (error) {
      this.#undeleted.add(name);
      throw error;
    }
  }

  /** The form of the guard that enforces, which the staged one follows; undefined if there is none. */
  #enforcedForm({ metadata: { name } }: SegmentationProfile): GuardForm | undefined {
    const { carrier, objects } = this.#options;
    const [enforced] = objects.of(name).sort(byObjectName);
    return enforced && carrier.read(enforced)?.form;
  }

  /** Why nothing can be staged. A staged guard is of the same tier as the enforced ones, and needs what they need. */
  #lacking(): string | undefined {
    return reasonOf(this.#objects) ?? reasonOf(this.#options.objects);
  }

  #own(): KubeObject[] {
    return [...(this.#objects?.all() ?? [])].filter((object) => this.#ownerOf(object) !== undefined);
  }

  /** The staged guards of all other profiles. */
  #others(profile: string): PlacedGuard[] {
    const { carrier, staging } = this.#options;
    const others = this.#own().filter((object) => this.#ownerOf(object) !== profile);
    return placedGuards(
      others.flatMap((each) => staging.staged(each) ?? []),
      carrier,
    );
  }

  #ownerOf(object: KubeObject): string | undefined {
    return this.#objects?.ownerOf(object);
  }

  #read(object: KubeObject): { readonly form: GuardForm; readonly priority: number } | undefined {
    const { carrier, staging } = this.#options;
    const guard = staging.staged(object);
    return guard && carrier.read(guard);
  }

  /** The form of a staged guard; undefined if it is not as it was written. */
  #writtenForm(object: KubeObject): GuardForm | undefined {
    const form = this.#read(object)?.form;
    return form !== undefined && writtenForm(object, form).isWhole ? form : undefined;
  }

  /** Undefined if no priority is left. */
  #objectOf(
    profile: SegmentationProfile,
    form: GuardForm,
    before: KubeObject | undefined,
  ): KubeObject | undefined {
    const { carrier, staging, objects, priorities } = this.#options;
    const { name } = profile.metadata;
    const guards = [...placedGuards(objects.others(name), carrier), ...this.#others(name)];
    const foreign = new Set(objects.foreign().flatMap(({ rank }) => rank?.priority ?? []));
    const observed = before && this.#read(before)?.priority;
    const place = { observed, subject: form.subject };
    const priority = choosePriority(place, { guards, foreign }, priorities);
    if (priority === undefined) return undefined;
    const identity = {
      name: before?.metadata.name ?? this.#freeName(name),
      apiVersion: objects.apiVersion,
      form,
    };
    const object = guardObject(staging.stage(carrier.objectOf(form, priority)), profile, identity);
    return before === undefined ? object : replacedGuard(object, before);
  }

  #freeName(profile: string): string {
    const foreign = [...(this.#objects?.all() ?? [])].filter((each) => this.#ownerOf(each) === undefined);
    return freeGuardName(
      profile,
      new Set(foreign.map(({ metadata }) => metadata.name)),
      this.#options.carrier,
    );
  }

  async #write(object: KubeObject, before: KubeObject | undefined, signal: AbortSignal): Promise<void> {
    if (before !== undefined && isSameGuard(before, object)) return;
    const step = before === undefined ? { verb: 'create' as const } : { verb: 'update' as const, before };
    await this.#objects?.write({ ...step, object }, signal);
  }

  async #delete(objects: readonly KubeObject[], signal: AbortSignal): Promise<void> {
    for (const before of objects) await this.#objects?.write({ verb: 'delete', before }, signal);
  }
}

function reasonOf(
  objects: { readonly state: ObjectsState; readonly failure: string | undefined } | undefined,
): string | undefined {
  const { state, failure } = objects ?? { state: { kind: 'unknown' as const }, failure: undefined };
  if (state.kind === 'missing') return state.message;
  return state.kind === 'unknown' ? (failure ?? 'its objects have not been read yet') : undefined;
}
