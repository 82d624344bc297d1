/**
 * Compiles a profile into the NetworkPolicies of one namespace. Pure and deterministic: the same profile and facts
 * give the same objects, byte for byte.
 *
 * Shapes that widely used engines get wrong are not emitted: no object with rules covers both directions, and an
 * ipBlock with `except` has a rule of its own.
 */
import type { LabelSelector, OwnerReference } from '../api/meta.ts';
import {
  ANNOTATION_RULES,
  API_VERSION,
  KIND,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  LABEL_RULE,
  MANAGER,
  policyName,
  type Role,
} from '../api/names.ts';
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  PolicyType,
} from '../api/network-policy.ts';
import type { Peer, SegmentationProfile } from '../api/profile.ts';
import { baselineRules, webhookRules } from './baseline.ts';
import type { ClusterFacts, NamespaceFacts } from './facts.ts';
import { type DirectionRule, DIRECTIONS, peerKey, portKey, ruleKey, withRules } from './normalize.ts';
import { isDynamic, peerLabel, resolvePeer } from './peers/index.ts';
import type { Grant, PeerContext } from './peers/resolution.ts';
import { selectorKey } from './selector.ts';

/** What one rule of a generated object is for. Stored on the object, in the order of its rules. */
export interface RuleNote {
  /** A rule of the profile, or `baseline.NAME`. */
  readonly rule: string;
  /** Only for a peer that is resolved from the cluster: what its last known form is found by. */
  readonly peer?: string;
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
  readonly reason: string;
  readonly message: string;
  /** Whether the last known form stands in for it. If not, the rule allows nothing for this peer. */
  readonly held: boolean;
}

export interface Compiled {
  readonly policies: readonly NetworkPolicy[];
  readonly unresolved: readonly UnresolvedPeer[];
}

/**
 * The rules that an object carried so far for a peer that can't be resolved now; empty when nothing is known.
 * `object` is the name of the policy without an alternative for a taken name.
 */
export type LastKnown = (
  object: string,
  direction: PolicyType,
  rule: string,
  peer: string,
) => readonly DirectionRule[];

const nothingKnown: LastKnown = () => [];

/** The policies that `profile` wants in `namespace`, sorted by name, and the peers that could not be resolved. */
export function compile(
  profile: SegmentationProfile,
  namespace: NamespaceFacts,
  cluster: ClusterFacts,
  lastKnown: LastKnown = nothingKnown,
): Compiled {
  const { isolation } = profile.spec;
  const unresolved: UnresolvedPeer[] = [];
  const policies = [object(profile, namespace, 'default-deny', isolation)];
  for (const direction of DIRECTIONS.filter((each) => isolation.includes(each))) {
    const context: PeerContext = { direction, namespace, cluster };
    const role = direction === 'Ingress' ? 'ingress' : 'egress';
    for (const [ruleName, rules] of byObject(sourceRules(profile, direction, context))) {
      const name = policyName(profile.metadata.name, role, ruleName);
      const noted = rules.flatMap((rule) => {
        const result = compileRule(rule, context, (peer) => lastKnown(name, direction, rule.name, peer));
        unresolved.push(...result.unresolved);
        return result.noted;
      });
      const distinct = withoutRepeats(noted);
      // A rule of its own without any peer that resolves would be an object that selects pods and allows nothing:
      // the default-deny says the same.
      if (distinct.length > 0) {
        policies.push(
          object(profile, namespace, role, [direction], {
            rule: ruleName,
            podSelector: rules[0]?.podSelector,
            noted: distinct,
          }),
        );
      }
    }
  }
  return { policies: policies.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)), unresolved };
}

/** The baseline and every rule of one direction, in the order in which they are written. */
function sourceRules(
  profile: SegmentationProfile,
  direction: PolicyType,
  context: PeerContext,
): SourceRule[] {
  const { baseline, ingress = [], egress = [] } = profile.spec;
  const own =
    direction === 'Ingress'
      ? ingress.map(({ from, ...rule }): SourceRule => ({ ...rule, direction, peers: from }))
      : egress.map(({ to, ...rule }): SourceRule => ({ ...rule, direction, peers: to }));
  return [...baselineRules(baseline, direction), ...webhookRules(baseline, context), ...own];
}

/** Rules for all pods share one object (key undefined), which then changes atomically; the others have one each. */
function byObject(rules: readonly SourceRule[]): Map<string | undefined, SourceRule[]> {
  return Map.groupBy(rules, ({ name, podSelector }) =>
    podSelector === undefined || selectorKey(podSelector) === '{}' ? undefined : name,
  );
}

interface NotedRule {
  readonly note: RuleNote;
  readonly rule: DirectionRule;
}

function compileRule(
  rule: SourceRule,
  context: PeerContext,
  lastKnown: (peer: string) => readonly DirectionRule[],
): { noted: NotedRule[]; unresolved: UnresolvedPeer[] } {
  const { name, direction, description } = rule;
  const noted: NotedRule[] = [];
  const unresolved: UnresolvedPeer[] = [];
  const add = (rules: readonly DirectionRule[], peer?: string) => {
    for (const each of rules) {
      noted.push({
        note: { rule: name, ...(peer && { peer }), ...(description && { description }) },
        rule: each,
      });
    }
  };
  const together: NetworkPolicyPeer[] = [];
  for (const peer of rule.peers) {
    const label = peerLabel(peer);
    const resolution = resolvePeer(peer, context);
    if ('reason' in resolution) {
      const last = lastKnown(label);
      add(last, label);
      unresolved.push({ direction, rule: name, peer: label, ...resolution, held: last.length > 0 });
    } else if (isDynamic(peer)) {
      add(
        resolution.grants.flatMap((grant) => grantRules(grant, rule.ports)),
        label,
      );
    } else {
      // Static peers of one rule share their ports, and so one entry, but for those with exceptions.
      for (const { peers } of resolution.grants) {
        if (peers === 'everyone') continue;
        for (const each of peers) {
          if (each.ipBlock?.except === undefined) together.push(each);
          else add([ruleOf([each], rule.ports)]);
        }
      }
    }
  }
  if (together.length > 0) add([ruleOf(together, rule.ports)]);
  return { noted, unresolved };
}

/** The rules of a grant: one, or one for each peer that has exceptions. */
function grantRules({ peers, ports }: Grant, own: readonly NetworkPolicyPort[] | undefined): DirectionRule[] {
  const used = own !== undefined && own.length > 0 ? own : ports;
  if (peers === 'everyone') return [ruleOf(undefined, used)];
  const plain = peers.filter(({ ipBlock }) => ipBlock?.except === undefined);
  return [
    ...(plain.length > 0 ? [ruleOf(plain, used)] : []),
    ...peers.filter(({ ipBlock }) => ipBlock?.except !== undefined).map((peer) => ruleOf([peer], used)),
  ];
}

/** A rule with repeated peers and ports dropped. `peers` undefined is everyone, and the only way to say so. */
function ruleOf(
  peers: readonly NetworkPolicyPeer[] | undefined,
  ports: readonly NetworkPolicyPort[] | undefined,
): DirectionRule {
  return {
    ...(peers !== undefined && { peers: unique(peers, peerKey) }),
    ...(ports !== undefined && ports.length > 0 && { ports: unique(ports, portKey).map(explicitProtocol) }),
  };
}

/** The API server fills the protocol in; writing it makes what is sent equal to what is stored. */
function explicitProtocol(port: NetworkPolicyPort): NetworkPolicyPort {
  return { ...port, protocol: port.protocol ?? 'TCP' };
}

function withoutRepeats(noted: readonly NotedRule[]): NotedRule[] {
  // The note belongs to the identity: a dynamic peer must find its own last known form, whoever else shares it.
  return unique(
    noted,
    ({ note, rule }) => `${note.peer === undefined ? '' : `${note.rule} ${note.peer}`} ${ruleKey(rule)}`,
  );
}

function unique<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [key(item), item])).values()];
}

function object(
  profile: SegmentationProfile,
  namespace: NamespaceFacts,
  role: Exclude<Role, 'transition'>,
  policyTypes: readonly PolicyType[],
  rules?: { rule: string | undefined; podSelector: LabelSelector | undefined; noted: readonly NotedRule[] },
): NetworkPolicy {
  const { name: profileName } = profile.metadata;
  const owners = ownerReferences(profile);
  const [direction] = policyTypes;
  const spec = {
    podSelector: rules?.podSelector ?? {},
    policyTypes: DIRECTIONS.filter((each) => policyTypes.includes(each)),
  };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name: policyName(profileName, role, rules?.rule),
      namespace: namespace.name,
      labels: {
        [LABEL_MANAGED_BY]: MANAGER,
        [LABEL_PROFILE]: profileName,
        [LABEL_ROLE]: role,
        ...(rules?.rule !== undefined && { [LABEL_RULE]: rules.rule }),
      },
      ...(rules && {
        annotations: { [ANNOTATION_RULES]: JSON.stringify(rules.noted.map(({ note }) => note)) },
      }),
      ...(owners && { ownerReferences: owners }),
    },
    spec:
      rules === undefined || direction === undefined
        ? spec
        : withRules(
            spec,
            direction,
            rules.noted.map(({ rule }) => rule),
          ),
  };
}

/** Absent under Retain, so that the garbage collector leaves the policies when the profile goes. */
function ownerReferences({ spec, metadata }: SegmentationProfile): OwnerReference[] | undefined {
  if (spec.deletionPolicy === 'Retain' || metadata.uid === undefined) return undefined;
  return [
    {
      apiVersion: API_VERSION,
      kind: KIND,
      name: metadata.name,
      uid: metadata.uid,
      controller: true,
      blockOwnerDeletion: false,
    },
  ];
}
