/** The traces that a running engine leaves in a cluster, and the state in which they were found. Pure. */
import type { Engine } from '../engine.ts';

export interface EngineSignature {
  readonly engine: Engine;
  /** DaemonSets of the engine's agent, in the namespaces of usual installations. One of them is enough. */
  readonly agents: readonly AgentName[];
  /**
   * Groups of the engine's own kinds, of which an installation serves at least one. They prove nothing alone: CRDs stay when
   * an engine is uninstalled.
   */
  readonly groups: readonly string[];
}

export interface AgentName {
  readonly namespace: string;
  readonly name: string;
}

/** The state of an agent's DaemonSet. `isReady`: it has a ready pod. */
export type AgentState =
  | { readonly kind: 'found'; readonly isReady: boolean }
  | { readonly kind: 'absent' }
  | { readonly kind: 'forbidden' }
  /** It can't be read for another reason. */
  | { readonly kind: 'unreadable'; readonly message: string };

/** The traces of one engine, as a cluster has them now. */
export interface EngineEvidence {
  readonly signature: EngineSignature;
  readonly agents: readonly { readonly name: AgentName; readonly state: AgentState }[];
  /** The groups of the signature that the API server serves; undefined if it did not say. */
  readonly servedGroups: readonly string[] | undefined;
}
