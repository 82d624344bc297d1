/** Writes and deletes the admission bindings that profiles ask for. A binding is deleted only after live reads (I4). */
import type { SegmentationProfile } from '../../api/profile.ts';
import { projectProfile } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isNotFound } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import { type AdmissionBinding, bindingKey, profileOf } from '../../policy/admission/binding.ts';
import { isMarked } from '../../policy/ownership.ts';
import { deleteObject, writeObject } from './object-writes.ts';
import type { AdmissionFailure } from './report.ts';

export interface AdmissionBindingsOptions {
  readonly clusterState: ClusterState;
  readonly bindings: Resource<AdmissionBinding>;
  readonly profiles: Resource<SegmentationProfile>;
}

/** Called before each request that changes a binding. */
export interface WriteHooks {
  onWrite(binding: AdmissionBinding): void;
  onDelete(): void;
}

/** The bindings as the API server last returned them, by name. Writes keep it up to date. */
export type ObservedBindings = Map<string, AdmissionBinding>;

export class AdmissionBindings {
  readonly #options: AdmissionBindingsOptions;
  readonly #hooks: WriteHooks;

  constructor(options: AdmissionBindingsOptions, hooks: WriteHooks) {
    this.#options = options;
    this.#hooks = hooks;
  }

  /**
   * Deletes the own bindings that are not desired.
   *
   * @returns false if a live read shows another profile than the cache: decide anew
   * @throws ApiError
   */
  async deleteOthers(
    desired: readonly AdmissionBinding[],
    observed: ObservedBindings,
    signal: AbortSignal,
  ): Promise<boolean> {
    const names = new Set(desired.map(({ metadata }) => metadata.name));
    for (const binding of ownBindings(observed).filter(({ metadata }) => !names.has(metadata.name))) {
      if (!(await this.#confirmProfile(profileOf(binding), signal))) return false;
      this.#hooks.onDelete();
      await deleteObject(this.#options.bindings, binding, signal);
      observed.delete(binding.metadata.name);
    }
    return true;
  }

  /**
   * Creates or updates the binding if it differs from the desired one.
   *
   * @returns why it can't be written, if a person must act first
   * @throws ApiError
   */
  async write(
    desired: AdmissionBinding,
    observed: ObservedBindings,
    signal: AbortSignal,
  ): Promise<AdmissionFailure | undefined> {
    const { name } = desired.metadata;
    const current = observed.get(name);
    if (current !== undefined && !isMarked(current)) {
      const message = `ValidatingAdmissionPolicyBinding ${name} is foreign and has a name that the operator needs: delete it`;
      return { reason: 'NameTaken', message, kind: 'stalled' };
    }
    if (current !== undefined && bindingKey(current) === bindingKey(desired)) return undefined;
    // The watch may be late: the garbage collector would at once delete the binding of a profile that is gone.
    if (current === undefined && !(await this.#confirmOwner(desired, signal))) return undefined;
    this.#hooks.onWrite(desired);
    observed.set(name, await writeObject(this.#options.bindings, desired, current, signal));
    return undefined;
  }

  /**
   * Reads the profile live, and puts it into the cache if it differs.
   *
   * @returns true if it equals the cached one, or does not exist
   */
  async #confirmProfile(name: string, signal: AbortSignal): Promise<boolean> {
    const { clusterState, profiles } = this.#options;
    const cached = clusterState.profile(name)?.metadata;
    try {
      const live = await profiles.get(name, undefined, { signal });
      const { uid, generation, deletionTimestamp } = live.metadata;
      const isCurrent =
        cached?.uid === uid &&
        cached?.generation === generation &&
        cached?.deletionTimestamp === deletionTimestamp;
      if (!isCurrent) clusterState.profiles.upsertLive(projectProfile(live));
      return isCurrent;
    } catch (error) {
      if (isNotFound(error)) return true;
      throw error;
    }
  }

  /** Reads the profile live. @returns true if it exists and owns the binding */
  async #confirmOwner(binding: AdmissionBinding, signal: AbortSignal): Promise<boolean> {
    try {
      const { metadata } = await this.#options.profiles.get(profileOf(binding), undefined, { signal });
      return binding.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid) ?? false;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}

/** The bindings that this operator writes. */
export function ownBindings(bindings: ReadonlyMap<string, AdmissionBinding>): AdmissionBinding[] {
  return [...bindings.values()].filter(isMarked);
}
