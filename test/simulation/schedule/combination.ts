/** A value of each input of a namespace, from which its policies follow. Pure. */
import type { SegmentationException } from '../../../src/api/exception.ts';
import type { StringMap } from '../../../src/api/meta.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import type { ClusterFacts } from '../../../src/policy/facts.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';

/** A profile as it is in force in a namespace. */
export interface ProfileForm {
  /** The profile as it is; undefined if it does not exist. */
  readonly asItIs: SegmentationProfile | undefined;
  /** With a rollout, with the intent of the namespace's revision; undefined if it has none. */
  readonly profile: SegmentationProfile | undefined;
  /** The number of that revision. */
  readonly revision?: number;
  /** True if its policies stay as they are: no known revision has reached the namespace. */
  readonly isHeld: boolean;
  /** The deleted profile whose policies were retained, in the form that it had. */
  readonly retained?: SegmentationProfile | undefined;
  /** The labels of the namespace when it was retained. */
  readonly labels?: StringMap | undefined;
}

export interface Combination {
  /** In the order of PROFILES. */
  readonly profiles: readonly ProfileForm[];
  /** Undefined if the namespace does not exist. */
  readonly labels: StringMap | undefined;
  readonly facts: ClusterFacts;
  readonly exceptions: readonly SegmentationException[];
  /** The wall clock, in milliseconds since the epoch. */
  readonly now: number;
  /** Equal for combinations that differ in nothing but the facts of the cluster. */
  readonly intent: string;
  /** Equal for equal combinations. */
  readonly key: string;
}

export function selects({ spec }: SegmentationProfile, namespace: string, labels: StringMap): boolean {
  return !(spec.excludeNamespaces ?? []).includes(namespace) && matches(spec.namespaceSelector, labels);
}

/** The value of `make` for a key, which it is called for once. */
export function cached<K extends object, V>(values: WeakMap<K, V>, key: K, make: () => V): V {
  let value = values.get(key);
  if (value === undefined) values.set(key, (value = make()));
  return value;
}
