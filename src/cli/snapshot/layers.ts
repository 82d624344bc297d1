/** The layers by which a command judges, by its flags. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { layersOf, type SnapshotLayers } from '../../snapshot/layers.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';
import type { Flags } from '../shell/flags.ts';
import { ONLY_NETWORK_POLICIES } from './load.ts';

/**
 * Undefined if NetworkPolicies alone decide.
 *
 * @param asEnforced as if every profile were enforced now
 */
export function layersFor(
  snapshot: Snapshot,
  flags: Flags,
  asEnforced = flags.has('as-enforced'),
): SnapshotLayers | undefined {
  return flags.has(ONLY_NETWORK_POLICIES.name) ? undefined : layersOf(snapshot, { asEnforced });
}

/** All policies that decide about flows. */
export interface DecidingPolicies {
  readonly policies: readonly NetworkPolicy[];
  /** Undefined if NetworkPolicies alone decide. */
  readonly layers: SnapshotLayers | undefined;
}

/** @param asEnforced as if every profile were enforced now */
export function decidingPolicies(snapshot: Snapshot, flags: Flags, asEnforced: boolean): DecidingPolicies {
  return { policies: snapshot.effective(asEnforced), layers: layersFor(snapshot, flags, asEnforced) };
}

/** NetworkPolicies, and those that stand for rules of other kinds: all by which addresses are told apart. */
export function withStandIns({ policies, layers }: DecidingPolicies): NetworkPolicy[] {
  return [...policies, ...(layers?.standIns ?? [])];
}
