/**
 * One side of a connection: the egress of its `from` ends, or the ingress of its `to` ends. For a namespace, the policies
 * that carry it there: one for each distinct set of pods that the ends are. Pure; prepared once for each profile.
 */
import type { NetworkPolicyPort, PolicyType } from '../../api/network-policy.ts';
import type { Connection, Peer } from '../../api/profile.ts';
import type { ClusterFacts, NamespaceFacts } from '../facts.ts';
import { classifyPeer, resolvePods } from '../peers/index.ts';
import type { Selection } from '../peers/last-known.ts';
import type { Unresolved } from '../peers/resolution.ts';
import { PreparedRule, type SourceRule } from '../rules.ts';
import {
  type EndPods,
  isOutside,
  liesIn,
  placeOf,
  podsOf,
  related,
  relationKey,
  relationOf,
  type Relation,
} from './ends.ts';

/** The ends of one side that lie in a namespace and are the same pods there. */
export interface SidePolicy {
  readonly pods: EndPods;
  /** Tells the policies of a side in one namespace apart; absent if there is one. */
  readonly end?: string;
  /** @param ports of the pods, if they are a Service that serves them */
  readonly rules: (ports?: readonly NetworkPolicyPort[]) => readonly PreparedRule[];
}

interface End {
  readonly peer: Peer;
  readonly pods: EndPods;
  readonly relation: Relation;
}

export class ConnectionSide {
  readonly name: string;
  readonly direction: PolicyType;
  /** True if the pods' own ports are the rule's: a Service is connected to, and the connection lists no ports. */
  readonly #servesPorts: boolean;
  readonly #source: SourceRule;
  readonly #ends: readonly End[];
  readonly #rules = new Map<string, PreparedRule>();

  constructor(connection: Connection, direction: PolicyType) {
    const { name, description, from, to, ports = [] } = connection;
    const [own, others] = direction === 'Egress' ? [from, to] : [to, from];
    this.name = name;
    this.direction = direction;
    this.#servesPorts = direction === 'Ingress' && ports.length === 0;
    this.#source = {
      name,
      kind: 'connection',
      direction,
      ...(description !== undefined && { description }),
      peers: others,
      ports,
    };
    this.#ends = own
      .filter((peer) => !isOutside(peer))
      .map((peer) => ({ peer, pods: podsOf(peer), relation: relationOf(peer) }));
  }

  /** The policies of this side in `namespace`. */
  in(namespace: NamespaceFacts): readonly SidePolicy[] {
    const ends = this.#ends.filter(
      ({ peer, relation }) => liesIn(peer, namespace) && this.#hasOther(relation, namespace),
    );
    if (ends.length === 0) return [];
    const groups = [...Map.groupBy(ends, ({ pods }) => pods.key).values()].map((group) =>
      this.#policy(group),
    );
    // All pods with all of the other ends: the other groups would allow a part of it once more.
    const whole = groups.find(({ pods, relations }) => isAllPods(pods) && relations.some(isAny));
    if (whole !== undefined) return [whole];
    const own = groups.filter(({ pods }) => !isAllPods(pods));
    return groups.map((group) =>
      own.length > 1 && own.includes(group) ? { ...group, end: group.pods.key } : group,
    );
  }

  #policy(group: readonly End[]): SidePolicy & { readonly relations: readonly Relation[] } {
    const distinct = new Map(group.map(({ relation }) => [relationKey(relation), relation]));
    const any = [...distinct.values()].find(isAny);
    // An end that relates to any namespace allows all that the others do.
    const relations = any === undefined ? [...distinct.values()] : [any];
    return {
      pods: (group[0] as End).pods,
      relations,
      rules: (ports) => relations.map((relation) => this.#rule(relation, ports)),
    };
  }

  /** Resolves the pods of a Service or ServiceAccount, which lies in its namespace. */
  resolve(peer: Peer, namespace: NamespaceFacts, cluster: ClusterFacts): ResolvedPods {
    const resolution = resolvePods(peer, { namespace, cluster, impliesPorts: this.#servesPorts });
    // A Service without selector is addresses, which get no rule; the other side reports that there are none.
    if (resolution.kind === 'unresolved')
      return resolution.reason === 'NoEndpoints' ? { kind: 'outside' } : resolution;
    if (resolution.kind === 'extended') return { kind: 'outside' };
    const [{ peers, ports }] = resolution.grants;
    const podSelector = peers === 'everyone' ? undefined : peers[0].podSelector;
    if (podSelector === undefined) return { kind: 'outside' };
    const missing = resolution.kind === 'partly-resolved' ? resolution.missing : undefined;
    return { kind: 'pods', podSelector, ...(ports && { ports }), ...(missing && { missing }) };
  }

  /** True if some pods, addresses or entities can be the other end of one with this relation. */
  #hasOther(relation: Relation, namespace: NamespaceFacts): boolean {
    if (relation.kind !== 'same-namespace') return true;
    return this.#source.peers.some((peer) => {
      const place = placeOf(peer);
      if (place !== undefined) return place === namespace.name;
      const classified = classifyPeer(peer);
      return classified.kind === 'dynamic' || related(classified.fixed, relation, namespace).length > 0;
    });
  }

  #rule(relation: Relation, ports?: readonly NetworkPolicyPort[]): PreparedRule {
    const key = `${relationKey(relation)} ${JSON.stringify(ports)}`;
    let rule = this.#rules.get(key);
    if (rule === undefined) {
      const source = { ...this.#source, ...(ports && { ports }) };
      rule = new PreparedRule(relation.kind === 'any' ? source : { ...source, relation });
      this.#rules.set(key, rule);
    }
    return rule;
  }
}

export type ResolvedPods =
  | (Selection & { readonly kind: 'pods'; readonly missing?: Unresolved })
  | { readonly kind: 'outside' }
  | ({ readonly kind: 'unresolved' } & Unresolved);

function isAny({ kind }: Relation): boolean {
  return kind === 'any';
}

/** True if a policy for these pods is for all pods of its namespace. */
export function isAllPods(pods: EndPods): boolean {
  return pods.kind === 'selector' && pods.key === '{}';
}
