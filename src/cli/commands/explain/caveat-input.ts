import type { NetworkPolicy } from '../../../api/network-policy.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import type { Answer } from './questions.ts';

/** Verdicts, and the state that they are of. */
export interface CaveatInput {
  readonly answers: readonly Answer[];
  readonly snapshot: Snapshot;
  /** The policies of the verdicts. */
  readonly policies: readonly NetworkPolicy[];
  /** True if profiles under Audit count as enforced. */
  readonly asEnforced: boolean;
  /** True if policies of engines and of the mesh are part of the verdicts. */
  readonly isLayered: boolean;
}
