/**
 * Compiles rules of a profile to rules of NetworkPolicies, each with a note that says which rule of the profile it was
 * written for. Pure.
 *
 * The part of a rule that depends on the profile alone is compiled once for each profile, and each resolution of a peer
 * once: the policies of all namespaces share these objects.
 */
import type { LabelSelector } from '../api/meta.ts';
import type { NetworkPolicyPeer, NetworkPolicyPort, PolicyType } from '../api/network-policy.ts';
import type { NamespaceScope } from '../api/profile.ts';
import type { ExtensionGrant, ExtensionRule } from './extensions.ts';
import type { ClusterFacts, NamespaceFacts } from './facts.ts';
import type { RuleNote } from './notes.ts';
import { type DirectionRule, includesRule, peerKey, portKey, ruleKey } from './semantics/normalize.ts';
import { matches } from './semantics/selector.ts';
import { isOutside, placeOf, related, relatedPeers, type Relation } from './connections/ends.ts';
import { namesOnPorts } from './peers/engine.ts';
import { type ClassifiedPeer, classifyPeer, resolvePeer, type RulePeer } from './peers/index.ts';
import {
  type Grant,
  isAtLeastOne,
  type PeerContext,
  type Resolution,
  type UnresolvedReason,
} from './peers/resolution.ts';
import { missingLabels, valuesOf } from './peers/selectors.ts';

/** A rule of the profile or its baseline, or one side of a connection. */
export interface SourceRule {
  readonly name: string;
  readonly kind?: 'connection';
  readonly direction: PolicyType;
  readonly description?: string;
  readonly podSelector?: LabelSelector;
  readonly peers: readonly RulePeer[];
  readonly ports?: readonly NetworkPolicyPort[];
  /** The selected namespaces in which the rule is written; absent: all. */
  readonly inNamespaces?: NamespaceScope;
  /** For a connection, how the peers' namespaces relate to that of the policy; absent if they do not. */
  readonly relation?: Relation;
}

/** A peer that could not be resolved in this namespace. */
export interface UnresolvedPeer {
  readonly direction: PolicyType;
  /** The name of the rule or connection. */
  readonly rule: string;
  /** For a connection, the end at which the peer is. */
  readonly end?: 'from' | 'to';
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

/** The context in which a rule is compiled. */
export interface RuleContext {
  readonly namespace: NamespaceFacts;
  readonly cluster: ClusterFacts;
  /** The last known rules of a peer of a rule, within one policy; empty if nothing is known. */
  readonly lastKnown: (rule: string, peer: string) => readonly DirectionRule[];
}

interface CompiledRule {
  readonly noted: readonly NotedRule[];
  readonly unresolved: readonly UnresolvedPeer[];
  readonly extensions: readonly ExtensionRule[];
  /** The peers whose last known extensions stay. */
  readonly retained: readonly RuleNote[];
}

const NO_EXTENSIONS = { extensions: [], retained: [] } as const;

/** A rule of a profile, with the parts that are the same in every namespace compiled already. */
export class PreparedRule {
  readonly #source: SourceRule;
  readonly #peers: readonly ClassifiedPeer[];
  /** The rules for the fixed peers of a rule without relation. */
  readonly #fixed: readonly NotedRule[];
  readonly #dynamic: readonly DynamicPeer[];

  constructor(source: SourceRule) {
    this.#source = source;
    this.#peers = source.peers.map(classifyPeer);
    const fixed = this.#peers.flatMap((each) => (each.kind === 'fixed' ? [each.fixed] : []));
    this.#fixed = splitRules(fixed, source.ports).map((rule) => this.#noted(rule));
    const dynamic = this.#peers.flatMap((each) => (each.kind === 'dynamic' ? [each] : []));
    this.#dynamic = unique(dynamic, ({ label }) => label).map(({ label, peer }) => ({
      label,
      peer,
      isByName: 'fqdn' in peer && peer.fqdn !== undefined,
      rules: new WeakMap(),
    }));
  }

  /** True if the rule is written in this selected namespace. */
  isIn({ name, labels }: NamespaceFacts): boolean {
    const { names, selector } = this.#source.inNamespaces ?? {};
    return (names?.includes(name) ?? true) && (selector === undefined || matches(selector, labels));
  }

  /** True if a peer that is resolved for each namespace has a last known form. */
  wasKnown(lastKnown: RuleContext['lastKnown']): boolean {
    return this.#dynamic.some(({ label }) => lastKnown(this.#source.name, label).length > 0);
  }

  /** The rules for one namespace, and the peers that are unresolved there. */
  compile(context: RuleContext): CompiledRule {
    const { relation } = this.#source;
    if (relation?.kind === 'same-namespace') return this.#compileSameNamespace(context);
    if (relation?.kind === 'same-labels') return this.#compileSameLabels(relation, context);
    if (this.#dynamic.length === 0) return { noted: this.#fixed, unresolved: [], ...NO_EXTENSIONS };
    return this.#compileDynamic(this.#dynamic, context, (grant) => [grant], this.#fixed);
  }

  /** The peers in the namespace itself. */
  #compileSameNamespace(context: RuleContext): CompiledRule {
    const { namespace } = context;
    const relation = { kind: 'same-namespace' } as const;
    const peers = this.#peers.flatMap((each) => {
      if (each.kind === 'fixed') return related(each.fixed, relation, namespace);
      // A namespace always shares its own labels.
      const { sameNamespaceLabels, podSelector = {} } = each.peer;
      return sameNamespaceLabels === undefined ? [] : [{ podSelector }];
    });
    const dynamic = this.#dynamic.filter(({ peer }) => {
      const place = placeOf(peer);
      return peer.sameNamespaceLabels === undefined && (place === undefined || place === namespace.name);
    });
    const rules = splitRules(peers, this.#source.ports).map((rule) => this.#noted(rule));
    return this.#compileDynamic(dynamic, context, narrowTo(relation, namespace), rules);
  }

  /** The peers in namespaces that share the labels; without one of the labels, the last known ones. */
  #compileSameLabels(relation: SameLabels, context: RuleContext): CompiledRule {
    const { namespace, lastKnown } = context;
    const { name, ports } = this.#source;
    // Not the label of a peer: if the connection becomes a rule, its last known form is another one.
    const key = `shared ${relation.keys.join(', ')}`;
    const peers = this.#peers.flatMap((each) =>
      each.kind === 'fixed' ? related(each.fixed, relation, namespace) : [],
    );
    const rules = splitRules(peers, ports).map((rule) => this.#noted(rule, key));
    const compiled = this.#compileDynamic(this.#dynamic, context, narrowTo(relation, namespace), rules);
    const { missing } = valuesOf(relation.keys, namespace);
    if (missing.length === 0) return compiled;
    const last = [key, ...this.#dynamic.map(({ label }) => label)].flatMap((peer) =>
      lastKnown(name, peer).map((rule) => this.#noted(rule, peer)),
    );
    const { reason, message } = missingLabels(missing, namespace);
    const peer = { peer: relation.label, reason, message, hasLastKnown: last.length > 0 };
    return {
      ...compiled,
      noted: [...last, ...withoutIncluded(compiled.noted, last)],
      unresolved: [this.#unresolved(peer, true), ...compiled.unresolved],
      // Extensions for namespaces that share the labels stay with the rules for them.
      retained: [...compiled.retained, ...this.#dynamic.map(({ label }) => this.#note(label))],
    };
  }

  #compileDynamic(
    dynamic: readonly DynamicPeer[],
    { namespace, cluster, lastKnown }: RuleContext,
    narrow: (grant: Grant, peer: RulePeer) => readonly Grant[],
    fixed: readonly NotedRule[],
  ): CompiledRule {
    const { name, direction, ports, relation } = this.#source;
    const impliesPorts = direction === 'Egress' && !isGiven(ports);
    const context: PeerContext = { namespace, cluster, impliesPorts };
    const noted = [...fixed];
    const unresolved: UnresolvedPeer[] = [];
    const extensions: ExtensionRule[] = [];
    const retained: RuleNote[] = [];
    const narrowExtension = extensionNarrowing(relation, namespace);
    for (const each of dynamic) {
      const { peer, label } = each;
      const found = resolvePeer(peer, context);
      const resolution = each.isByName ? namesOnPorts(found, ports ?? [], cluster) : found;
      const rulesFor = (grants: readonly Grant[]) =>
        this.#grantRules(
          grants.flatMap((grant) => narrow(grant, peer)),
          label,
        );
      const { extensions: carried = [] } = resolution;
      if (carried.length > 0)
        extensions.push(
          ...this.#extensions(
            carried.flatMap((grant) => narrowExtension(grant, peer)),
            label,
          ),
        );
      if (resolution.kind === 'extended') continue;
      if (resolution.kind === 'unresolved') {
        retained.push(this.#note(label));
        const { reason, known = [], fallback } = resolution;
        const rules = lastKnown(name, label);
        const hasLastKnown = rules.length > 0;
        const isFallback = !hasLastKnown && fallback !== undefined;
        const message = isFallback ? `${resolution.message}; ${fallback.message}` : resolution.message;
        const last = rules.map((rule) => this.#noted(rule, label));
        const added = rulesFor(isFallback ? [...fallback.grants, ...known] : known);
        noted.push(...last, ...withoutIncluded(added, last));
        unresolved.push(this.#unresolved({ peer: label, reason, message, hasLastKnown }));
        continue;
      }
      noted.push(...(relation === undefined ? this.#rulesOf(each, resolution) : rulesFor(resolution.grants)));
      if (resolution.kind === 'partly-resolved')
        unresolved.push(this.#unresolved({ peer: label, ...resolution.missing, hasLastKnown: false }));
    }
    return { noted, unresolved, extensions, retained };
  }

  #extensions(grants: readonly ExtensionGrant[], label: string): ExtensionRule[] {
    const { ports: own } = this.#source;
    const note = this.#note(label);
    return grants.map(({ peer, ports = own }) => ({ ...withPorts({}, ports), peer, note }));
  }

  /** `isOwn`: the peer is the end of the connection in the policy's own namespace. */
  #unresolved(
    peer: Pick<UnresolvedPeer, 'peer' | 'reason' | 'message' | 'hasLastKnown'>,
    isOwn = false,
  ): UnresolvedPeer {
    const { name, kind, direction } = this.#source;
    const end = isOwn === (direction === 'Ingress') ? 'to' : 'from';
    return { direction, rule: name, ...(kind === 'connection' && { end }), ...peer };
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

  #note(peer?: string): RuleNote {
    const { name, kind } = this.#source;
    return { rule: name, ...(kind !== undefined && { kind }), ...(peer !== undefined && { peer }) };
  }

  #noted(rule: DirectionRule, peer?: string): NotedRule {
    const { name, description } = this.#source;
    const note = this.#note(peer);
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

type SameLabels = Extract<Relation, { kind: 'same-labels' }>;

/** The part of a peer's grants that relates to the namespace. */
function narrowTo(relation: Relation, namespace: NamespaceFacts): (grant: Grant, peer: RulePeer) => Grant[] {
  return (grant, peer) => {
    if (grant.peers === 'everyone' || isOutside(peer)) return [grant];
    const place = placeOf(peer);
    const isElsewhere = place !== undefined && place !== namespace.name;
    // The addresses of a Service without selector are in its namespace, whose labels are not known here.
    const possible = grant.peers.filter(({ ipBlock }) => ipBlock === undefined || !isElsewhere);
    const peers = relatedPeers(possible, relation, namespace);
    return isAtLeastOne(peers) ? [{ ...grant, peers }] : [];
  };
}

/** The part of a peer's extensions that relates to the namespace. */
function extensionNarrowing(
  relation: Relation | undefined,
  namespace: NamespaceFacts,
): (grant: ExtensionGrant, peer: RulePeer) => ExtensionGrant[] {
  if (relation === undefined || relation.kind === 'any') return (grant) => [grant];
  return (grant, peer) => {
    if (isOutside(peer) || placeOf(peer) === namespace.name) return [grant];
    // As for rules: addresses are in the namespace of their Service, whose labels are not known here.
    if (relation.kind !== 'same-labels' || grant.peer.kind !== 'serviceAccount') return [];
    const { matchLabels, missing } = valuesOf(relation.keys, namespace);
    return missing.length > 0 ? [] : [{ ...grant, peer: { ...grant.peer, namespaceLabels: matchLabels } }];
  };
}

/** The rules that no last known rule includes: written twice, they would never be the last known form. */
function withoutIncluded(noted: readonly NotedRule[], last: readonly NotedRule[]): NotedRule[] {
  return noted.filter(({ rule }) => !last.some((each) => includesRule(each.rule, rule)));
}

type Granting = Exclude<Resolution, { kind: 'unresolved' | 'extended' }>;

interface DynamicPeer {
  readonly isByName: boolean;
  readonly label: string;
  readonly peer: RulePeer;
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
