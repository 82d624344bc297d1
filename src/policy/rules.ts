/**
 * Compiles rules of a profile to rules of NetworkPolicies, each with a note that says which rule of the profile it was
 * written for. Pure.
 *
 * The part of a rule that depends on the profile alone is compiled once for each profile, and each resolution of a peer
 * once: the policies of all namespaces share these objects.
 */
import type { LabelSelector } from '../api/meta.ts';
import type { NetworkPolicyPeer, NetworkPolicyPort, PolicyType } from '../api/network-policy.ts';
import type { Peer } from '../api/profile.ts';
import type { ClusterFacts, NamespaceFacts } from './facts.ts';
import type { RuleNote } from './notes.ts';
import { type DirectionRule, includesRule, peerKey, portKey, ruleKey } from './semantics/normalize.ts';
import { classifyPeer, resolvePeer } from './peers/index.ts';
import type { Grant, PeerContext, Resolution, UnresolvedReason } from './peers/resolution.ts';

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
  /** True if the last known form stays in force. If false, the rule allows nothing for the part that is unresolved. */
  readonly hasLastKnown: boolean;
}

/** A rule of a policy, with its notes as JSON. */
export interface NotedRule {
  readonly rule: DirectionRule;
  /** The name of the profile's rule. */
  readonly source: string;
  /** The note for the first of the rules of one source, and the note for the others. */
  readonly firstNote: string;
  readonly note: string;
  /** Equal for rules that allow the same for the same source: one of them is enough. */
  readonly identity: string;
}

/** The last known rules of a peer of a rule, within one policy; empty if nothing is known. */
type LastKnownOfRule = (rule: string, peer: string) => readonly DirectionRule[];

/** A rule of a profile, with the parts that are the same in every namespace compiled already. */
export class PreparedRule {
  readonly #source: SourceRule;
  readonly #fixed: readonly NotedRule[];
  readonly #dynamic: readonly DynamicPeer[];

  constructor(source: SourceRule) {
    this.#source = source;
    const peers = source.peers.map(classifyPeer);
    const fixed = peers.flatMap((each) => (each.kind === 'fixed' ? [each.fixed] : []));
    this.#fixed = splitRules(fixed, source.ports).map((rule) => this.#noted(rule));
    const dynamic = peers.flatMap((each) => (each.kind === 'dynamic' ? [each] : []));
    this.#dynamic = unique(dynamic, ({ label }) => label).map(({ label, peer }) => ({
      label,
      peer,
      rules: new WeakMap(),
    }));
  }

  /** The rules for one namespace, and the peers that are unresolved there. */
  compile(
    namespace: NamespaceFacts,
    cluster: ClusterFacts,
    lastKnown: LastKnownOfRule,
  ): { noted: readonly NotedRule[]; unresolved: readonly UnresolvedPeer[] } {
    if (this.#dynamic.length === 0) return { noted: this.#fixed, unresolved: [] };
    const { name: rule, direction, ports } = this.#source;
    const context: PeerContext = {
      namespace,
      cluster,
      impliesPorts: direction === 'Egress' && !isGiven(ports),
    };
    const noted = [...this.#fixed];
    const unresolved: UnresolvedPeer[] = [];
    for (const dynamic of this.#dynamic) {
      const { peer, label } = dynamic;
      const resolution = resolvePeer(peer, context);
      if (resolution.kind === 'unresolved') {
        const { reason, known = [], fallback } = resolution;
        const rules = lastKnown(rule, label);
        const hasLastKnown = rules.length > 0;
        const isFallback = !hasLastKnown && fallback !== undefined;
        const message = isFallback ? `${resolution.message}; ${fallback.message}` : resolution.message;
        noted.push(...rules.map((each) => this.#noted(each, label)));
        // The last known rules may list the known parts already: written twice, they would never be the last known form.
        const added = this.#grantRules(isFallback ? [...fallback.grants, ...known] : known, label);
        noted.push(...added.filter(({ rule: each }) => !rules.some((last) => includesRule(last, each))));
        unresolved.push({ direction, rule, peer: label, reason, message, hasLastKnown });
        continue;
      }
      noted.push(...this.#rulesOf(dynamic, resolution));
      if (resolution.kind === 'partly-resolved')
        unresolved.push({ direction, rule, peer: label, ...resolution.missing, hasLastKnown: false });
    }
    return { noted, unresolved };
  }

  #rulesOf({ label, rules }: DynamicPeer, resolution: Granting): readonly NotedRule[] {
    let noted = rules.get(resolution);
    if (noted === undefined) {
      noted = this.#grantRules(resolution.grants, label);
      rules.set(resolution, noted);
    }
    return noted;
  }

  #grantRules(grants: readonly Grant[], label: string): NotedRule[] {
    return grants
      .flatMap((grant) => grantRules(grant, this.#source.ports))
      .map((rule) => this.#noted(rule, label));
  }

  #noted(rule: DirectionRule, peer?: string): NotedRule {
    const { name, description } = this.#source;
    const note: RuleNote = { rule: name, ...(peer !== undefined && { peer }) };
    return {
      rule,
      source: name,
      firstNote: JSON.stringify({ ...note, ...(description && { description }) }),
      note: JSON.stringify(note),
      // Two sources may allow the same through dynamic peers. Each keeps its rule, so that each finds its last known form.
      identity: `${peer === undefined ? '' : `${name} ${peer}`} ${ruleKey(rule)}`,
    };
  }
}

type Granting = Exclude<Resolution, { kind: 'unresolved' }>;

interface DynamicPeer {
  readonly label: string;
  readonly peer: Peer;
  /** The rules that each resolution compiled to; namespaces share resolutions. */
  readonly rules: WeakMap<Resolution, readonly NotedRule[]>;
}

/** The rules of a grant; its ports are present only if the profile's rule has none of its own. */
function grantRules(grant: Grant, own: readonly NetworkPolicyPort[] | undefined): DirectionRule[] {
  const ports = grant.ports ?? own;
  return grant.peers === 'everyone' ? [withPorts({}, ports)] : splitRules(grant.peers, ports);
}

/** One rule for all peers without `except`, and one for each with it: engines confuse several in one rule. */
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

/** The protocol is written out, as the API server would default it: the stored policy equals the one that was sent. */
function withPorts(rule: DirectionRule, ports: readonly NetworkPolicyPort[] | undefined): DirectionRule {
  if (!isGiven(ports)) return rule;
  return {
    ...rule,
    ports: unique(ports, portKey).map((port) => ({ ...port, protocol: port.protocol ?? 'TCP' })),
  };
}

/** False for an empty list too: it means every port, as an absent one does. */
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
