/**
 * The objects by which connections through the tunnel of a mesh without sidecars pass in a namespace, and no others. Pure.
 *
 * The permits come first. Once the mesh has accepted them, the NetworkPolicies open the tunnel's port; these close it before a
 * permit goes. Each plan is made from what is observed, so that a crash between two writes needs no memory.
 */
import type { KubeObject, ObjectMeta } from '../../../api/meta.ts';
import { LABEL_ROLE } from '../../../api/names.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { isTunnel, type MeshTunnels } from '../../../policy/tunnels.ts';
import type { UnresolvedPeer } from '../../../policy/rules.ts';
import type { NamespaceFacts } from '../../../policy/facts.ts';
import { isolatesAll } from '../../../policy/planning/effect.ts';
import { isTransitionalCover } from '../../../policy/planning/transition.ts';
import { isolates } from '../../../policy/semantics/normalize.ts';
import { type AuthorizationPolicy, SECURITY_API_VERSION } from '../policy.ts';
import { acceptanceFailure } from './acceptance.ts';
import { type Choice, choose } from './choose.ts';
import { rulesBeyondTunnel } from './egress.ts';
import {
  DENY_TUNNEL,
  entrancesOf,
  isOverlayCover,
  isTunnelDeny,
  permitPolicies,
  permitsOf,
  tunnelPolicies,
} from './objects.ts';
import { common, type Entrance, type Passage } from './passages.ts';
import {
  coversOf,
  labelsIn,
  openRulesOf,
  type ProfilePolicies,
  permitFor,
  type TunnelContext,
  type Wanted,
  wantedPassages,
} from './wanted.ts';

/** A profile that is enforced in the namespace. */
export interface TunnelProfile extends ProfilePolicies {
  /** The peers that are unresolved without regard to the tunnel. */
  readonly unresolved: readonly UnresolvedPeer[];
}

export interface TunnelInput {
  readonly namespace: NamespaceFacts;
  readonly profiles: readonly TunnelProfile[];
  /** All NetworkPolicies of the namespace, own and foreign ones. */
  readonly policies: readonly NetworkPolicy[];
  /** The own AuthorizationPolicies of the namespace. */
  readonly objects: readonly KubeObject[];
  /** The namespaces of the mesh. */
  readonly ambient: readonly NamespaceFacts[];
}

export interface TunnelPlan {
  readonly profiles: MeshTunnels;
  /** False if connections have to close before others can open. */
  readonly isSettled: boolean;
  readonly objects: readonly AuthorizationPolicy[];
}

const LABEL_WAYPOINT = 'istio.io/use-waypoint';

export function planTunnels(input: TunnelInput, context: TunnelContext): TunnelPlan {
  const { profiles, policies, objects, namespace } = input;
  const failure = acceptanceFailure(objects);
  const hasDeny = objects.some(isTunnelDeny);
  // Permits alone are left where somebody else has removed the policy that restricts: it is restored.
  const isRestricted = (hasDeny || objects.some(isTunnel)) && !objects.some(isOverlayCover);
  const wanted = wantedPassages(profiles, { ...context, hasWaypoint: hasWaypoint(namespace) });
  const choice = choose(
    wanted,
    {
      entrances: entrancesOf(policies, context.port),
      openRules: openRulesOf(policies, profiles, context.port),
      covers: coversOf(policies, context.port),
      permits: permitsOf(objects),
      isRestricted,
      isAccepted: hasDeny && isRestricted && failure === undefined,
    },
    {
      labelsOf: labelsIn(context.namespaces),
      permitFor: (passage) => {
        const permit = permitFor(passage, context);
        return 'message' in permit ? undefined : permit;
      },
    },
  );
  const leavesOut = wanted.unsayable.length + choice.excluded.length > 0;
  const blocking = wanted.unsayable.find(({ isOpen }) => isOpen)?.rule ?? choice.unpermitted;
  const isBlocked = blocking !== undefined || !mayBegin(input, leavesOut);
  const isWithoutOverlay = !isRestricted && isBlocked;
  // Before the namespace is isolated, no entrance takes the place of a cover.
  const isAwaited = isWithoutOverlay && !isIsolated(policies);
  const kept = isAwaited ? choice.passing : [...choice.passing, ...choice.covered];
  const reports = [
    ...wanted.unsayable.map(({ profile, rule, message, entrance }) =>
      report({ profile, rule, reason: 'Unsupported', message }, entrance, kept),
    ),
    ...exclusionReports(choice, kept),
    // Without an overlay nothing waits for it to be accepted.
    ...(isWithoutOverlay
      ? blockedReports(wanted, choice, { blocking, kept })
      : waitingReports(choice, kept, failure)),
  ];
  const asking = profiles.filter(({ isAsking }) => isAsking);
  return {
    profiles: new Map(
      asking.map((each) => {
        const metadata = metadataOf(each);
        const entrances = isAwaited ? [] : choice.entrances;
        return [
          each.profile,
          {
            policies: tunnelPolicies(each.profile, entrances, { port: context.port, metadata }),
            unresolved: [...unresolvedOf(each.profile, reports), ...egressReports(each, input, context.port)],
          },
        ];
      }),
    ),
    isSettled: choice.isSettled,
    objects: isWithoutOverlay ? [] : overlayOf(profiles, choice, context.trustDomain),
  };
}

/** Connections to a namespace with a waypoint come from the waypoint, under its identity. */
function hasWaypoint({ labels }: NamespaceFacts): boolean {
  return (labels[LABEL_WAYPOINT] ?? 'none') !== 'none';
}

/**
 * True if the overlay may begin in a namespace that is isolated already, or in which nothing is left out that would be cut: neither
 * rules that can't be said, nor peers that were never resolved.
 */
function mayBegin({ policies, profiles }: TunnelInput, leavesOut: boolean): boolean {
  return (
    isIsolated(policies) ||
    (!leavesOut &&
      profiles.every(({ unresolved }) =>
        unresolved.every(({ direction, hasLastKnown }) => direction === 'Egress' || hasLastKnown),
      ))
  );
}

function isIsolated(policies: readonly NetworkPolicy[]): boolean {
  return policies.some((each) => isolatesAll(each.spec, 'Ingress') && !isTransitionalCover(each));
}

interface Report extends Pick<UnresolvedPeer, 'rule' | 'reason' | 'message'> {
  readonly profile: string;
  readonly hasLastKnown: boolean;
}

/** @param kept what passes now and stays */
function report(
  reported: Omit<Report, 'hasLastKnown'>,
  { pods, source }: Entrance,
  kept: readonly Passage[],
): Report {
  const every = { pods, source, ports: 'every' } as const;
  return { ...reported, hasLastKnown: kept.some((each) => common(each, every) !== undefined) };
}

function exclusionReports({ excluded }: Choice, kept: readonly Passage[]): Report[] {
  return excluded.map(({ wanted, by }) => {
    const message =
      `pods that rule ${by.rule} lets in would get the ports of this rule, or the reverse: the mesh tells pods by namespace and ` +
      'service account, and not by labels. Give both rules the same ports, or write serviceAccount peers';
    return report(
      { profile: wanted.profile, rule: wanted.rule, reason: 'Unsupported', message },
      wanted,
      kept,
    );
  });
}

function waitingReports(
  { waiting }: Choice,
  kept: readonly Passage[],
  failure: string | undefined,
): Report[] {
  const message =
    failure ?? 'its AuthorizationPolicies have to be accepted, or other connections to close, first';
  return waiting.map((each) =>
    report({ profile: each.profile, rule: each.rule, reason: 'NotAccepted', message }, each, kept),
  );
}

/** Any overlay would cut connections of a rule that it can't say. So there is none, and the rules with ports stay closed. */
function blockedReports(
  { passages }: Wanted,
  { excluded }: Choice,
  { blocking, kept }: { readonly blocking: string | undefined; readonly kept: readonly Passage[] },
): Report[] {
  if (blocking === undefined) return [];
  const reported = new Set(excluded.map(({ wanted }) => wanted));
  const message =
    `no AuthorizationPolicy can say rule ${blocking}, and any would cut its connections: none is written in the namespace until ` +
    'that rule is changed';
  return passages
    .filter((each) => each.needsEntrance && !reported.has(each))
    .map((each) =>
      report({ profile: each.profile, rule: each.rule, reason: 'Unsupported', message }, each, kept),
    );
}

/** Each rule and message once. */
function unresolvedOf(profile: string, reports: readonly Report[]): UnresolvedPeer[] {
  const own = reports.filter((each) => each.profile === profile);
  const byText = Map.groupBy(own, ({ rule, message }) => JSON.stringify([rule, message]));
  return [...byText.values()].flatMap(([first, ...more]) => {
    if (first === undefined) return [];
    const { rule, reason, message } = first;
    const hasLastKnown = [first, ...more].every((each) => each.hasLastKnown);
    return [{ direction: 'Ingress', rule, peer: 'pods of the mesh', reason, message, hasLastKnown }];
  });
}

function egressReports(
  { policies }: TunnelProfile,
  { ambient }: TunnelInput,
  port: number,
): UnresolvedPeer[] {
  return rulesBeyondTunnel(policies, ambient, port).map((rule) => ({
    direction: 'Egress',
    rule,
    peer: 'pods of the mesh',
    reason: 'Unsupported',
    message:
      `port ${port} carries the connections to pods of the mesh, and only the destination tells their ports apart: write the ` +
      'rule without ports, and hold the ports by the ingress rules of the destination',
    hasLastKnown: false,
  }));
}

function overlayOf(
  profiles: readonly TunnelProfile[],
  { permits }: Choice,
  trustDomain: string | undefined,
): AuthorizationPolicy[] {
  return profiles.flatMap((each) => [
    ...(each.isAsking ? denyOf(each) : []),
    ...permitPolicies(each.profile, permits, { trustDomain, metadata: metadataOf(each) }),
  ]);
}

function denyOf({ policies }: TunnelProfile): AuthorizationPolicy[] {
  const deny = policies.find(
    ({ metadata, spec }) =>
      metadata.labels?.[LABEL_ROLE] === 'default-deny' && isolates(spec).includes('Ingress'),
  );
  if (deny === undefined) return [];
  const { name, namespace, labels, ownerReferences } = deny.metadata;
  const metadata: ObjectMeta = {
    name,
    ...(namespace !== undefined && { namespace }),
    ...(labels && { labels }),
    ...(ownerReferences && { ownerReferences }),
  };
  return [{ apiVersion: SECURITY_API_VERSION, kind: 'AuthorizationPolicy', metadata, spec: DENY_TUNNEL }];
}

function metadataOf({ policies }: TunnelProfile): Pick<ObjectMeta, 'namespace' | 'ownerReferences'> {
  return policies[0]?.metadata ?? {};
}
