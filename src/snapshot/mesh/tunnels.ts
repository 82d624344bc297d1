/**
 * The tunnels of namespaces in ambient mode, and the AuthorizationPolicies that hold them to the rules, as they are once istiod
 * has accepted these. Pure.
 */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { ACCEPTED } from '../../engines/istio/ambient/acceptance.ts';
import { planTunnels, type TunnelPlan } from '../../engines/istio/ambient/plan.ts';
import type { Compiled } from '../../policy/compile.ts';
import type { NamespaceFacts } from '../../policy/facts.ts';
import { asksForTunnels, isAmbient, type MeshFacts, modeOf, trustDomainOf } from '../../policy/mesh.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';

/** A profile in a namespace. */
export interface TunnelledProfile {
  readonly profile: SegmentationProfile;
  readonly compiled: Compiled;
  /** Its policies there, with those of exceptions. */
  readonly policies: readonly NetworkPolicy[];
}

export interface TunnelScope {
  readonly mesh: MeshFacts | undefined;
  readonly namespaces: readonly NamespaceFacts[];
  /** The NetworkPolicies of others in the namespace; asked for only where a tunnel is planned. */
  readonly foreign: () => readonly NetworkPolicy[];
}

/** Plans until nothing changes any more; each one goes on from the objects of the one before. */
const MOST_PLANS = 10;

/** The plan that leads to nothing else; undefined if no profile asks for a tunnel there, or the mesh is not known. */
export function plannedTunnels(
  namespace: NamespaceFacts,
  profiles: readonly TunnelledProfile[],
  { mesh, namespaces, foreign }: TunnelScope,
): TunnelPlan | undefined {
  if (mesh?.kind !== 'available' || !profiles.some(({ profile }) => asksForTunnels(profile.spec)))
    return undefined;
  if (modeOf(mesh, namespace) !== 'ambient') return undefined;
  const input = {
    namespace,
    profiles: profiles.map(({ profile, compiled, policies }) => ({
      profile: profile.metadata.name,
      isAsking: asksForTunnels(profile.spec),
      policies,
      unresolved: compiled.unresolved,
    })),
    held: [],
    leaving: [],
    ambient: namespaces.filter(({ labels }) => isAmbient(mesh, labels)),
  };
  const context = { port: mesh.ambient.port, trustDomain: trustDomainOf(mesh), namespaces };
  const others = [...foreign(), ...profiles.flatMap(({ policies }) => policies)];
  let plan: TunnelPlan | undefined;
  for (let count = 0; count < MOST_PLANS; count++) {
    const tunnels = [...(plan?.profiles.values() ?? [])].flatMap(({ policies }) => policies);
    const objects = (plan?.objects ?? []).map(accepted);
    const next = planTunnels({ ...input, policies: [...others, ...tunnels], objects }, context);
    if (plan !== undefined && textOf(plan) === textOf(next)) break;
    plan = next;
  }
  return plan;
}

/** The object as istiod leaves it. */
function accepted(object: KubeObject): KubeObject & { readonly status: object } {
  const status = { conditions: [{ type: ACCEPTED, status: 'True', observedGeneration: '1' }] };
  return { ...object, metadata: { ...object.metadata, generation: 1 }, status };
}

function textOf({ profiles, objects }: TunnelPlan): string {
  return canonicalJSON([[...profiles], objects]);
}
