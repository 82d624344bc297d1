/** Writes and removes the admission bindings that profiles ask for; a removal only after live reads (invariant I4). */
import { LABEL_PROFILE } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { isNotFound } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import { type AdmissionBinding, bindingKey, isOwnBinding } from '../../policy/admission/binding.ts';
import type { AdmissionFailure } from './report.ts';
import { projectProfile } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';

export interface AdmissionBindingsOptions {
  readonly clusterState: ClusterState;
  readonly bindings: Resource<AdmissionBinding>;
  readonly profiles: Resource<SegmentationProfile>;
}

export class AdmissionBindings {
  readonly #options: AdmissionBindingsOptions;
  readonly #onWrite: (binding: AdmissionBinding) => void;

  /** @param onWrite the binding is about to be written */
  constructor(options: AdmissionBindingsOptions, onWrite: (binding: AdmissionBinding) => void) {
    this.#options = options;
    this.#onWrite = onWrite;
  }

  /**
   * Takes away what no profile asks for any more, after live reads that confirm it; also from `standing`.
   *
   * @returns false where they do not
   * @throws ApiError
   */
  async remove(
    desired: readonly AdmissionBinding[],
    standing: Map<string, AdmissionBinding>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const wanted = new Set(desired.map(({ metadata }) => metadata.name));
    for (const binding of ours(standing).filter(({ metadata }) => !wanted.has(metadata.name))) {
      if (!(await this.#isCurrent(profileOf(binding), signal))) return false;
      const { name } = binding.metadata;
      const preconditions = preconditionsOf(binding);
      try {
        await this.#options.bindings.delete(name, undefined, { preconditions, signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      standing.delete(name);
    }
    return true;
  }

  /**
   * Makes the binding as it is wanted, and `standing` with it.
   *
   * @returns what a person must do first
   * @throws ApiError
   */
  async put(
    binding: AdmissionBinding,
    standing: Map<string, AdmissionBinding>,
    signal: AbortSignal,
  ): Promise<AdmissionFailure | undefined> {
    const { bindings } = this.#options;
    const { name } = binding.metadata;
    const current = standing.get(name);
    if (current !== undefined && !isOwnBinding(current)) {
      const message = `the binding ${name} is somebody else's: remove it`;
      return { reason: 'NameTaken', message, stalled: true };
    }
    if (current !== undefined && bindingKey(current) === bindingKey(binding)) return undefined;
    // For a profile that is gone (the watch may not have said so yet) the garbage collector would take it at once.
    if (current === undefined && !(await this.#isOwned(binding, signal))) return undefined;
    this.#onWrite(binding);
    if (current === undefined) {
      standing.set(name, await bindings.create(binding, { signal }));
      return undefined;
    }
    const metadata = { ...binding.metadata, ...preconditionsOf(current) };
    standing.set(name, await bindings.replace({ ...binding, metadata }, { signal }));
    return undefined;
  }

  /** Whether the profile is live what it is in the cache. What was read replaces what was known. */
  async #isCurrent(name: string, signal: AbortSignal): Promise<boolean> {
    const { clusterState, profiles } = this.#options;
    const known = clusterState.profile(name)?.metadata;
    try {
      const live = await profiles.get(name, undefined, { signal });
      const { uid, generation, deletionTimestamp } = live.metadata;
      const same =
        known?.uid === uid &&
        known?.generation === generation &&
        known?.deletionTimestamp === deletionTimestamp;
      if (!same) clusterState.profiles.upsert(projectProfile(live));
      return same;
    } catch (error) {
      // Gone for certain, whether or not the watch has said so.
      if (isNotFound(error)) return true;
      throw error;
    }
  }

  /** Whether the profile that the binding is for exists. */
  async #isOwned(binding: AdmissionBinding, signal: AbortSignal): Promise<boolean> {
    try {
      const { profiles } = this.#options;
      const { uid } = (await profiles.get(profileOf(binding), undefined, { signal })).metadata;
      return binding.metadata.ownerReferences?.some((owner) => owner.uid === uid) ?? false;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}

/** The name of the profile that the binding is for. */
export function profileOf({ metadata }: AdmissionBinding): string {
  return metadata.labels?.[LABEL_PROFILE] ?? '';
}

/** Those of the bindings that are ours. */
export function ours(bindings: ReadonlyMap<string, AdmissionBinding>): AdmissionBinding[] {
  return [...bindings.values()].filter(isOwnBinding);
}
