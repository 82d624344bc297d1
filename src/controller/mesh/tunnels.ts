/** The tunnel of a mesh without sidecars: plans its policies for a namespace, from the intents of all of its profiles together. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import { cachedPolicies } from '../../cluster-state/policies/cached.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isTunnelDeny } from '../../engines/istio/ambient/objects.ts';
import { planTunnels, type TunnelPlan, type TunnelProfile } from '../../engines/istio/ambient/plan.ts';
import { withoutKnownMesh } from '../../engines/istio/ambient/unknown.ts';
import { AMBIENT } from '../../engines/istio/mesh-config.ts';
import { asksForTunnels, isAmbient, type MeshFacts, modeOf, trustDomainOf } from '../../policy/mesh.ts';
import { withOwnerLabels } from '../../policy/ownership.ts';
import { matches } from '../../policy/semantics/selector.ts';
import {
  isTunnel,
  keptTunnels,
  type MeshTunnels,
  NO_TUNNELS,
  type TunnelIntent,
  type TunnelIntents,
} from '../../policy/tunnels.ts';
import type { EngineObjects } from '../engines/objects.ts';

export interface TunnelsOptions {
  readonly clusterState: ClusterState;
  readonly facts: () => MeshFacts | undefined;
  /** The AuthorizationPolicies, which are watched from the first call on. */
  readonly authorization: () => EngineObjects;
  /** The same ones, if they are watched already. */
  readonly watched: () => EngineObjects | undefined;
}

interface PlannedProfiles {
  readonly profiles: readonly TunnelProfile[];
  /** The names of the profiles whose policies stay as they are. */
  readonly held: readonly string[];
}

export class Tunnels {
  readonly #options: TunnelsOptions;
  /** The profiles of namespaces that have a tunnel, as they were compiled last. */
  readonly #profiles = new Map<string, PlannedProfiles>();
  /** Namespaces for which a tunnel is asked, with the facts by which it was decided last; undefined if it could not be. */
  readonly #decidedBy = new Map<string, MeshFacts | undefined>();

  constructor(options: TunnelsOptions) {
    this.#options = options;
  }

  /** @param observe all NetworkPolicies, with the labels of their owners; undefined if they have to be read first */
  policies(
    namespace: NamespaceItem,
    { enforced, held }: TunnelIntents,
    observe: () => readonly NetworkPolicy[] | undefined,
  ): MeshTunnels {
    this.forget(namespace.key);
    const facts = this.#options.facts();
    const asking = enforced.filter(({ profile }) => asksForTunnels(profile.spec));
    if (asking.length === 0 && !this.#isRestrictedBy(namespace.key, held)) return NO_TUNNELS;
    if (!isOfMesh(facts, namespace)) {
      this.#decidedBy.set(namespace.key, facts);
      return NO_TUNNELS;
    }
    const { state } = this.#options.authorization();
    const observed = observe();
    const unknown =
      state.kind === 'missing'
        ? state.message
        : facts?.kind === 'available' && state.kind === 'available' && observed !== undefined
          ? undefined
          : 'the service mesh and its policies have not been read yet';
    this.#decidedBy.set(namespace.key, unknown === undefined ? facts : undefined);
    const planned = { profiles: enforced.map(tunnelProfile), held };
    if (unknown !== undefined) {
      const kept = keptTunnels(asking, observed ?? [], unknown);
      return withoutKnownMesh(kept, {
        profiles: planned.profiles,
        leaving: this.#leaving(namespace.key, observed ?? [], planned),
        policies: observed ?? [],
        namespaces: [...this.#options.clusterState.namespaces.values()],
        port: (facts === undefined || facts.kind === 'none' ? AMBIENT : facts.ambient).port,
      });
    }
    this.#profiles.set(namespace.key, planned);
    return this.#plan(namespace, observed)?.profiles ?? NO_TUNNELS;
  }

  /**
   * False if a tunnel is asked for, and the NetworkPolicies were planned before its objects, or the mesh as it is, were known:
   * the next reconcile decides.
   */
  isDecided(namespace: string): boolean {
    if (!this.#decidedBy.has(namespace)) return true;
    const facts = this.#decidedBy.get(namespace);
    return facts !== undefined && facts === this.#options.facts();
  }

  /** True if the namespace has a tunnel whose overlay is known. */
  has(namespace: string): boolean {
    return this.#profiles.has(namespace);
  }

  /** The AuthorizationPolicies of the tunnel, by what is cached now; undefined if they can't be told. */
  overlay(namespace: NamespaceItem): Pick<TunnelPlan, 'objects' | 'emptied'> | undefined {
    return this.#planCached(namespace);
  }

  /** False if something has to close before the rest can open. */
  isSettled(namespace: NamespaceItem): boolean {
    return this.#planCached(namespace)?.isSettled ?? true;
  }

  /** Equal as long as the policies that the plan leads to are. */
  fingerprint(namespace: NamespaceItem): string {
    const plan = this.#planCached(namespace);
    return plan === undefined ? '' : JSON.stringify([...plan.profiles, plan.objects]);
  }

  /** The namespaces that have a tunnel. */
  namespaces(): readonly string[] {
    return [...this.#profiles.keys()];
  }

  /** True if an own policy opens the tunnel of the namespace. One that a deleted profile has left there stays open. */
  isOpen(namespace: string): boolean {
    const { clusterState } = this.#options;
    const items = [...clusterState.policies.byNamespace(namespace)];
    return items.some(
      (item) =>
        isTunnel({ metadata: { name: item.name, ...item.content }, spec: item.content?.spec }) &&
        clusterState.ownerOf(item) !== undefined,
    );
  }

  forget(namespace: string): void {
    this.#profiles.delete(namespace);
    this.#decidedBy.delete(namespace);
  }

  /** True if an object of a held profile restricts the tunnel of the namespace: what others open needs their permits. */
  #isRestrictedBy(namespace: string, held: readonly string[]): boolean {
    const objects = held.length === 0 ? undefined : this.#options.watched();
    return (
      objects
        ?.in(namespace)
        .some((each) => isTunnelDeny(each) && held.includes(objects.ownerOf(each) ?? '')) === true
    );
  }

  /** The profiles whose policies or objects go. */
  #leaving(
    namespace: string,
    policies: readonly NetworkPolicy[],
    { profiles, held }: PlannedProfiles,
  ): readonly string[] {
    const { clusterState } = this.#options;
    const authorization = this.#options.authorization();
    const owners = new Set([
      ...policies.flatMap((each) => clusterState.ownerOfPolicy(each) ?? []),
      ...authorization.in(namespace).flatMap((each) => authorization.ownerOf(each) ?? []),
    ]);
    const staying = new Set([...profiles.map(({ profile }) => profile), ...held]);
    return [...owners.difference(staying)];
  }

  #planCached(namespace: NamespaceItem): TunnelPlan | undefined {
    const { clusterState } = this.#options;
    const policies = cachedPolicies(clusterState.policies.byNamespace(namespace.key));
    return this.#plan(
      namespace,
      policies?.map((policy) => withOwnerLabels(policy, clusterState.ownerOfPolicy(policy))),
    );
  }

  #plan(namespace: NamespaceItem, policies: readonly NetworkPolicy[] | undefined): TunnelPlan | undefined {
    const facts = this.#options.facts();
    const planned = this.#profiles.get(namespace.key);
    if (facts?.kind !== 'available' || planned === undefined || policies === undefined) return undefined;
    const authorization = this.#options.authorization();
    const namespaces = [...this.#options.clusterState.namespaces.values()];
    const ambient = namespaces.filter(({ labels }) => isAmbient(facts, labels));
    const objects = authorization.in(namespace.key).flatMap((each) => {
      const owner = authorization.ownerOf(each);
      return owner === undefined ? [] : [withOwnerLabels(each, owner)];
    });
    const leaving = this.#leaving(namespace.key, policies, planned);
    return planTunnels(
      { namespace, ...planned, leaving, policies, objects, ambient },
      { port: facts.ambient.port, trustDomain: trustDomainOf(facts), namespaces },
    );
  }
}

function tunnelProfile({ profile, compiled }: TunnelIntent): TunnelProfile {
  const { metadata, spec } = profile;
  return {
    profile: metadata.name,
    isAsking: asksForTunnels(spec),
    policies: compiled.policies,
    unresolved: compiled.unresolved,
  };
}

/** Until the mesh is known, its own default label tells. */
function isOfMesh(facts: MeshFacts | undefined, namespace: NamespaceItem): boolean {
  const { key: name, labels } = namespace;
  return facts?.kind === 'available'
    ? modeOf(facts, { name, labels }) === 'ambient'
    : matches(AMBIENT.namespaceSelector, labels);
}
