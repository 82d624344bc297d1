/**
 * From the rules of a profile to the rules of NetworkPolicies, each with a note of what it is for.
 *
 * What depends on the profile alone is made once for each profile, and what a peer resolved to becomes rules once for
 * each resolution: the same object then stands in the policies of every namespace.
 */
import type { LabelSelector } from '../api/meta.ts';
import type { NetworkPolicyPeer, NetworkPolicyPort, PolicyType } from '../api/network-policy.ts';
import type { Peer } from '../api/profile.ts';
import type { ClusterFacts, NamespaceFacts } from './facts.ts';
import { type DirectionRule, peerKey, portKey, ruleKey } from './semantics/normalize.ts';
import { fixedPeer, peerLabel, resolvePeer } from './peers/index.ts';
import type { Grant, PeerContext, Resolution, UnresolvedReason } from './peers/resolution.ts';

/** What one rule of a generated object is for. Stored on the object, in the order of its rules. */
export interface RuleNote {
  /** A rule of the profile, or `baseline.NAME`. */
  readonly rule: string;
  /** Only for a peer that is resolved from the cluster: what its last known form is found by. */
  readonly peer?: string;
  /** Of the profile's rule; only on the first note of each. */
  readonly description?: string;
}

/** A rule of the profile or its baseline, of either direction. */
export interface SourceRule {
  readonly name: string;
  readonly direction: PolicyType;
  readonly description?: string;
  readonly podSelector?: LabelSelector;
  readonly peers: readonly Peer[];
  readonly ports?: readonly NetworkPolicyPort[];
}

/** A peer that could not be resolved in this namespace. */
export interface UnresolvedPeer {
  readonly direction: PolicyType;
  readonly rule: string;
  readonly peer: string;
  readonly reason: UnresolvedReason;
  readonly message: string;
  /**
   * Whether the last known form stands in for it. If not, the rule allows nothing for this peer, or for what of it is
   * not resolved.
   */
  readonly held: boolean;
}

export interface NotedRule {
  readonly rule: DirectionRule;
  /** The name of the profile's rule. */
  readonly source: string;
  /** The RuleNote as JSON: for the first rule of those with one source, and for the others. */
  readonly firstNote: string;
  readonly note: string;
  /** Equal for rules that say the same for the same purpose: one of them is enough. */
  readonly identity: string;
}

/** The rules that an object carried so far for a peer that can't be resolved now; empty when nothing is known. */
type LastKnownOfRule = (rule: string, peer: string) => readonly DirectionRule[];

/** A rule of a profile, with the parts that are the same in every namespace made already. */
export class PreparedRule {
  readonly #source: SourceRule;
  /** For the peers that say themselves what they stand for. */
  readonly #fixed: readonly NotedRule[];
  readonly #dynamic: readonly DynamicPeer[];

  constructor(source: SourceRule) {
    this.#source = source;
    this.#fixed = fixedRules(source).map((rule) => this.#noted(rule));
    const labelled = new Map(
      source.peers.filter((peer) => fixedPeer(peer) === undefined).map((peer) => [peerLabel(peer), peer]),
    );
    this.#dynamic = [...labelled].map(([label, peer]) => ({ label, peer, rules: new WeakMap() }));
  }

  /** The rules for one namespace, and the peers that can't be resolved there. */
  compile(
    namespace: NamespaceFacts,
    cluster: ClusterFacts,
    lastKnown: LastKnownOfRule,
  ): { noted: readonly NotedRule[]; unresolved: readonly UnresolvedPeer[] } {
    if (this.#dynamic.length === 0) return { noted: this.#fixed, unresolved: [] };
    const { name, direction, ports } = this.#source;
    const context: PeerContext = {
      namespace,
      cluster,
      impliesPorts: direction === 'Egress' && !isGiven(ports),
    };
    const noted = [...this.#fixed];
    const unresolved: UnresolvedPeer[] = [];
    for (const { peer, label, rules } of this.#dynamic) {
      const resolution = resolvePeer(peer, context);
      if ('reason' in resolution) {
        const last = lastKnown(name, label);
        noted.push(...last.map((rule) => this.#noted(rule, label)));
        unresolved.push({ direction, rule: name, peer: label, ...resolution, held: last.length > 0 });
        continue;
      }
      let made = rules.get(resolution);
      if (made === undefined) {
        made = resolution.grants
          .flatMap((grant) => grantRules(grant, ports))
          .map((rule) => this.#noted(rule, label));
        rules.set(resolution, made);
      }
      noted.push(...made);
      if (resolution.incomplete)
        unresolved.push({ direction, rule: name, peer: label, ...resolution.incomplete, held: false });
    }
    return { noted, unresolved };
  }

  #noted(rule: DirectionRule, peer?: string): NotedRule {
    const { name, description } = this.#source;
    const note: RuleNote = { rule: name, ...(peer !== undefined && { peer }) };
    return {
      rule,
      source: name,
      firstNote: JSON.stringify({ ...note, ...(description && { description }) }),
      note: JSON.stringify(note),
      // The note belongs to the identity: a dynamic peer must find its own last known form, whoever else shares it.
      identity: `${peer === undefined ? '' : `${name} ${peer}`} ${ruleKey(rule)}`,
    };
  }
}

interface DynamicPeer {
  readonly label: string;
  readonly peer: Peer;
  /** What was made of a resolution; resolutions are remembered where they are the same for many namespaces. */
  readonly rules: WeakMap<Resolution, readonly NotedRule[]>;
}

/** The rules for peers that say themselves whom they mean. */
function fixedRules({ peers, ports }: SourceRule): DirectionRule[] {
  return splitRules(
    peers.flatMap((peer) => fixedPeer(peer) ?? []),
    ports,
  );
}

/** The rules of a grant. Its ports are only there where the profile's rule has none of its own. */
function grantRules(grant: Grant, own: readonly NetworkPolicyPort[] | undefined): DirectionRule[] {
  const ports = grant.ports ?? own;
  return grant.peers === 'everyone' ? [withPorts({}, ports)] : splitRules(grant.peers, ports);
}

/** One rule for all peers without exceptions and one for each with: engines confuse several in one rule. */
function splitRules(
  peers: readonly NetworkPolicyPeer[],
  ports: readonly NetworkPolicyPort[] | undefined,
): DirectionRule[] {
  const distinct = unique(peers, peerKey);
  const plain = distinct.filter(({ ipBlock }) => ipBlock?.except === undefined);
  const excepting = distinct.filter(({ ipBlock }) => ipBlock?.except !== undefined);
  return [...(plain.length > 0 ? [plain] : []), ...excepting.map((peer) => [peer])].map((each) =>
    withPorts({ peers: each }, ports),
  );
}

/** The protocol is written out, as the API server would fill it in: what is sent equals what is stored. */
function withPorts(rule: DirectionRule, ports: readonly NetworkPolicyPort[] | undefined): DirectionRule {
  if (!isGiven(ports)) return rule;
  return {
    ...rule,
    ports: unique(ports, portKey).map((port) => ({ ...port, protocol: port.protocol ?? 'TCP' })),
  };
}

/** An empty list of ports means the same as none. */
function isGiven(ports: readonly NetworkPolicyPort[] | undefined): ports is readonly NetworkPolicyPort[] {
  return ports !== undefined && ports.length > 0;
}

/** The first item of each key. */
export function unique<T>(items: readonly T[], key: (item: T) => string): T[] {
  const found = new Map<string, T>();
  for (const item of items) {
    const name = key(item);
    if (!found.has(name)) found.set(name, item);
  }
  return [...found.values()];
}
