/** The memory between reconciles: one record for each namespace, and one for each profile. No I/O. */
import { NamespaceRecord } from './namespace/record.ts';
import { ProfileRecord } from './profile/record.ts';
import type { NamespaceResult } from './results.ts';

/** Names the profile whose results have changed. */
export type ResultListener = (profile: string) => void;

const NO_RESULTS: ReadonlyMap<string, NamespaceResult> = new Map();

export class Records {
  readonly #namespaces = new Map<string, NamespaceRecord>();
  readonly #profiles = new Map<string, ProfileRecord>();
  readonly #listeners = new Set<ResultListener>();

  /** The record of a namespace; a new one if there is none. */
  namespace(name: string): NamespaceRecord {
    let record = this.#namespaces.get(name);
    if (record === undefined) this.#namespaces.set(name, (record = new NamespaceRecord()));
    return record;
  }

  /** The record of a profile; a new one if there is none. */
  profile(name: string): ProfileRecord {
    let record = this.#profiles.get(name);
    if (record === undefined) this.#profiles.set(name, (record = new ProfileRecord()));
    return record;
  }

  /** Calls `listener` after each change of a result. */
  subscribe(listener: ResultListener): void {
    this.#listeners.add(listener);
  }

  /** The results of a profile, by namespace. */
  resultsOf(profile: string): ReadonlyMap<string, NamespaceResult> {
    return this.#profiles.get(profile)?.results ?? NO_RESULTS;
  }

  setResult(profile: string, namespace: string, result: NamespaceResult): void {
    this.profile(profile).setResult(namespace, result);
    this.#notify(profile);
  }

  deleteResult(profile: string, namespace: string): void {
    if (this.#profiles.get(profile)?.deleteResult(namespace)) this.#notify(profile);
  }

  /** Deletes the results of a namespace for all profiles but these. */
  keepResults(namespace: string, profiles: ReadonlySet<string>): void {
    for (const profile of this.#profiles.keys())
      if (!profiles.has(profile)) this.deleteResult(profile, namespace);
  }

  /** Policies of the profiles are being written in the namespace, until `endEnforcing`. */
  beginEnforcing(namespace: string, profiles: readonly string[]): void {
    for (const profile of profiles) this.profile(profile).beginEnforcing(namespace);
  }

  endEnforcing(namespace: string, profiles: readonly string[]): void {
    for (const profile of profiles)
      if (this.#profiles.get(profile)?.endEnforcing(namespace)) this.#notify(profile);
  }

  /** The namespace is gone, or is being deleted. */
  forgetNamespace(name: string): void {
    this.#namespaces.delete(name);
    this.keepResults(name, new Set());
  }

  /** The profile is gone. */
  forgetProfile(name: string): void {
    this.#profiles.delete(name);
  }

  #notify(profile: string): void {
    for (const listener of this.#listeners) listener(profile);
  }
}
