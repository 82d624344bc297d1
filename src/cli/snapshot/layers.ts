/** The layers by which a command judges, by its flags. */
import { layersOf, type SnapshotLayers } from '../../snapshot/layers.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';
import type { Flags } from '../shell/flags.ts';
import { ONLY_NETWORK_POLICIES } from './load.ts';

/** Undefined if NetworkPolicies alone decide. */
export function layersFor(snapshot: Snapshot, flags: Flags): SnapshotLayers | undefined {
  return flags.has(ONLY_NETWORK_POLICIES.name) ? undefined : layersOf(snapshot, flags.has('as-enforced'));
}
