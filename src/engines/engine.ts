/** The network engines that the operator knows. Pure. */

export const ENGINES = ['Cilium', 'Calico', 'GKE'] as const;
export type Engine = (typeof ENGINES)[number];

/** `None`: no engine is looked for. `Auto`: the engine is found by evidence. */
export const ENGINE_SETTINGS = ['None', 'Auto', ...ENGINES] as const;
export type EngineSetting = (typeof ENGINE_SETTINGS)[number];

/** The kinds of policies that can carry the guards of profiles. */
export const GUARD_KINDS = ['ClusterNetworkPolicy', 'GlobalNetworkPolicy'] as const;
export type GuardKind = (typeof GUARD_KINDS)[number];

/** An engine for which the operator writes policies of a kind of its own. */
export interface WritingEngine {
  readonly engine: Engine;
  /** The kind of the policies. */
  readonly kind: {
    readonly group: string;
    readonly version: string;
    readonly plural: string;
    readonly namespaced: true;
  };
  /** The folder of config/ with the permission to write that kind. */
  readonly component: string;
  /** The first version whose kind has all fields that are written. */
  readonly since: string;
}
