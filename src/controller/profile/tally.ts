/** Counts the results of a profile's namespaces. Pure. */
import type { Connection, SegmentationProfile } from '../../api/profile.ts';
import { unusedConnections } from '../../policy/connections/usage.ts';
import { byKey } from '../../util/order.ts';
import type { NamespaceResult } from '../results.ts';

/** A namespace with its result of the current generation. */
export type CurrentResult = readonly [namespace: string, result: NamespaceResult];

export interface Tally {
  readonly enforced: number;
  readonly audited: number;
  readonly pending: readonly string[];
  /** How many namespaces a rollout has still to reach. */
  readonly awaited: number;
  readonly failed: readonly string[];
  readonly desired: number;
  readonly applied: number;
  /** Namespaces with a failure, a conflict or an unresolved peer, by name. */
  readonly notable: readonly CurrentResult[];
  /** The notable namespaces with unresolved peers. */
  readonly unresolved: readonly CurrentResult[];
  /** Connections of which no end lies in a namespace with a current result. */
  readonly unused: readonly Connection[];
  /** True if each selected namespace has a current result. */
  readonly isComplete: boolean;
}

/** A single pass over all selected namespaces, because nothing else runs meanwhile. Only the notable ones are sorted. */
export function tallyOf(
  profile: SegmentationProfile,
  selected: readonly string[],
  results: ReadonlyMap<string, NamespaceResult>,
): Tally {
  const { generation = 0 } = profile.metadata;
  const current: NamespaceResult[] = [];
  const pending: string[] = [];
  const failed: string[] = [];
  const notable: CurrentResult[] = [];
  let [enforced, audited, awaited, desired, applied] = [0, 0, 0, 0, 0];
  for (const namespace of selected) {
    const result = results.get(namespace);
    if (result !== undefined) {
      desired += result.desired;
      applied += result.applied;
    }
    if (result === undefined || result.generation !== generation) {
      pending.push(namespace);
      continue;
    }
    current.push(result);
    const { failure, conflicts, unresolved } = result;
    if (failure !== undefined || conflicts.length > 0 || unresolved.length > 0)
      notable.push([namespace, result]);
    if (result.state === 'enforced') enforced += 1;
    else if (result.state === 'audited') audited += 1;
    else if (result.state === 'awaited') awaited += 1;
    else if (result.state === 'failed') failed.push(namespace);
    else pending.push(namespace);
  }
  // Messages must not depend on the order in which namespaces became known, which a restart changes (I6).
  notable.sort(byKey);
  const unresolved = notable.filter(([, result]) => result.unresolved.length > 0);
  const unused = unusedConnections(
    profile,
    current.values().map(({ connections }) => connections),
  );
  const isComplete = current.length === selected.length;
  return {
    enforced,
    audited,
    pending,
    awaited,
    failed,
    desired,
    applied,
    notable,
    unresolved,
    unused,
    isComplete,
  };
}

/** Adds namespaces that the profile does not select, and that a person should look at. */
export function withNotable(tally: Tally, others: readonly CurrentResult[]): Tally {
  return others.length === 0 ? tally : { ...tally, notable: [...tally.notable, ...others].sort(byKey) };
}
