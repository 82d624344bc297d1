/** The traces that a running engine leaves in a cluster, and the state in which they were found. Pure. */
import type { Engine } from '../engine.ts';

export interface EngineSignature {
  readonly engine: Engine;
  /** DaemonSets of the engine's agent, in the namespaces of usual installations. One of them is enough. */
  readonly agents: readonly AgentName[];
  /** A group of the engine's own kinds. It proves nothing alone: CRDs stay when an engine is uninstalled. */
  readonly group: string;
}

export interface AgentName {
  readonly namespace: string;
  readonly name: string;
}

/** The state of an agent's DaemonSet. `isReady`: it has a ready pod. */
export type AgentState =
  | { readonly kind: 'found'; readonly isReady: boolean }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly message: string };

/** The traces of one engine, as a cluster has them now. */
export interface EngineEvidence {
  readonly signature: EngineSignature;
  readonly agents: readonly { readonly name: AgentName; readonly state: AgentState }[];
  /** Undefined if the API server did not say. */
  readonly isGroupServed: boolean | undefined;
}
