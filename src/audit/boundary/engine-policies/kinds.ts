/** The kinds of engines' own policies that an audit compares with profiles, by engine. Pure. */
import type { KubeObject } from '../../../api/meta.ts';
import type { AuditSnapshot, KindName } from '../../snapshot.ts';
import { calicoPolicy, tiersOf } from './calico.ts';
import { ciliumPolicy } from './cilium.ts';
import { clusterNetworkPolicy } from './cluster-network-policy.ts';
import type { EnginePolicy } from './engine-policy.ts';

export type Engine = 'Calico' | 'Cilium' | 'ClusterNetworkPolicy';

export const ENGINE_KINDS: Readonly<Record<Engine, readonly KindName[]>> = {
  Calico: ['CalicoNetworkPolicy', 'GlobalNetworkPolicy', 'Tier'],
  Cilium: ['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy'],
  ClusterNetworkPolicy: ['ClusterNetworkPolicy', 'AdminNetworkPolicy', 'BaselineAdminNetworkPolicy'],
};

export interface OwnedPolicy extends EnginePolicy {
  readonly engine: Engine;
}

/**
 * The policies of all engines, as far as their kinds were read. Calico mirrors NetworkPolicies of Kubernetes under names
 * of their own: these are left out. So are a profile's own policies of an engine, which carry what the profile allows.
 */
export function enginePolicies({ objects, isRead, ownerOf }: AuditSnapshot): OwnedPolicy[] {
  const all = (engine: Engine, translate: (object: KubeObject) => EnginePolicy | undefined) =>
    ENGINE_KINDS[engine]
      .filter((kind) => kind !== 'Tier' && isRead(kind))
      .flatMap((kind) => objects(kind))
      .filter(({ metadata }) => ownerOf({ metadata, spec: {} }) === undefined)
      .flatMap((object): OwnedPolicy[] => {
        const policy = translate(object);
        return policy === undefined ? [] : [{ ...policy, engine }];
      });
  const tiers = tiersOf(objects('Tier'));
  const seen = new Set<string>();
  /** False for a policy that another group of Calico's serves too: there its name may begin with its tier. */
  const isFirst = ({ kind, metadata: { namespace = '', name } }: KubeObject) => {
    const key = `${kind} ${namespace}/${name.replace(/^default\./, '')}`;
    return seen.size < seen.add(key).size;
  };
  return [
    ...all('Calico', (object) =>
      object.metadata.name.startsWith('knp.') || !isFirst(object) ? undefined : calicoPolicy(object, tiers),
    ),
    ...all('Cilium', ciliumPolicy),
    ...all('ClusterNetworkPolicy', clusterNetworkPolicy),
  ];
}
