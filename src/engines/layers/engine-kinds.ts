/** The kinds of policies that verdicts go by, each named once. Pure. */
import type { UnreadKindName } from './unread-kinds.ts';

/** The kinds of engines that are read, by engine: their policies, and the objects that these go by. */
export const ENGINE_KINDS = {
  Calico: ['CalicoNetworkPolicy', 'GlobalNetworkPolicy', 'Tier', 'NetworkSet', 'GlobalNetworkSet'],
  Cilium: ['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy'],
  GKE: ['FQDNNetworkPolicy'],
  ClusterNetworkPolicy: ['ClusterNetworkPolicy', 'AdminNetworkPolicy', 'BaselineAdminNetworkPolicy'],
} as const;

export type Engine = keyof typeof ENGINE_KINDS;

/** Besides, Calico's policies go by ServiceAccounts. */
export type EngineKind = (typeof ENGINE_KINDS)[Engine][number] | 'ServiceAccount';

/** The kinds of the mesh. */
export const MESH_KINDS = ['AuthorizationPolicy', 'PeerAuthentication'] as const;

export type LayerKind = EngineKind | (typeof MESH_KINDS)[number] | UnreadKindName;

/** Kinds that are no policies, and that policies go by. */
const AUXILIARY: readonly EngineKind[] = ['Tier', 'NetworkSet', 'GlobalNetworkSet'];

/** The kinds of an engine that are policies. */
export function policyKinds(engine: Engine): EngineKind[] {
  return ENGINE_KINDS[engine].filter((kind) => !AUXILIARY.includes(kind));
}
