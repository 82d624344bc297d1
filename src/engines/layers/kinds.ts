/** The policies of all engines, by the readers of their folders. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import { calicoPolicy, tiersOf } from '../calico/read-policy.ts';
import { calicoObjects } from '../calico/read-ends.ts';
import { ciliumPolicy } from '../cilium/read-policy.ts';
import { fqdnNetworkPolicy } from '../gke/read-policy.ts';
import { clusterNetworkPolicy } from '../cluster-network-policy/read-policy.ts';
import { type Engine, policyKinds } from './engine-kinds.ts';
import type { EngineObjects, EnginePolicy } from './engine-policy.ts';

/** True if pods of Cilium's agent run in the cluster. */
export function usesCilium({ pods }: Pick<EngineObjects, 'pods'>): boolean {
  return pods.some(({ labels }) => labels['k8s-app'] === 'cilium');
}

export interface OwnedPolicy extends EnginePolicy {
  readonly engine: Engine;
  /** True for the guard of a profile: it is not reported, and it denies what foreign policies allow. */
  readonly isGuard?: boolean;
}

/**
 * The policies of all engines, as far as their kinds were read. Calico mirrors NetworkPolicies of Kubernetes under names
 * of their own: these are left out. So are a profile's own policies of an engine, which carry what the profile allows; its
 * guard is among them.
 */
export function enginePolicies(
  snapshot: EngineObjects,
  { withOwn = false }: { readonly withOwn?: boolean } = {},
): OwnedPolicy[] {
  const { objects, isRead, ownerOf, places } = snapshot;
  const isOwn = ({ metadata }: KubeObject) => ownerOf({ metadata }) !== undefined;
  const all = (engine: Engine, translate: (object: KubeObject) => EnginePolicy | undefined) =>
    policyKinds(engine)
      .filter(isRead)
      .flatMap((kind) => objects(kind))
      .filter((object) => withOwn || engine === 'ClusterNetworkPolicy' || !isOwn(object))
      .flatMap((object): OwnedPolicy[] => {
        const policy = translate(object);
        return policy === undefined ? [] : [{ ...policy, engine, ...(isOwn(object) && { isGuard: true }) }];
      });
  const tiers = tiersOf(objects('Tier'));
  const others = calicoObjects(snapshot);
  const onCilium = usesCilium(snapshot);
  const seen = new Set<string>();
  /** False for a policy that another group of Calico's serves too: there its name may begin with its tier. */
  const isFirst = ({ kind, metadata: { namespace = '', name } }: KubeObject) => {
    const key = `${kind} ${namespace}/${name.replace(/^default\./, '')}`;
    return seen.size < seen.add(key).size;
  };
  return [
    ...all('Calico', (object) =>
      object.metadata.name.startsWith('knp.') || !isFirst(object)
        ? undefined
        : calicoPolicy(object, tiers, others),
    ),
    ...all('Cilium', (object) => ciliumPolicy(object, places)),
    ...all('GKE', fqdnNetworkPolicy),
    ...all('ClusterNetworkPolicy', (object) => clusterNetworkPolicy(object, { onCilium, places })),
  ];
}
