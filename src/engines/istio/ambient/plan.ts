/**
 * The objects by which connections through the tunnel of a mesh without sidecars pass in a namespace, and no others. Pure.
 *
 * The permits come first. Once the mesh has accepted them, the NetworkPolicies open the tunnel's port; these close it before a
 * permit goes. Each plan is made from what is observed, so that a crash between two writes needs no memory.
 */
import type { KubeObject, ObjectMeta } from '../../../api/meta.ts';
import { LABEL_EXCEPTION, LABEL_ROLE } from '../../../api/names.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { isTunnel, type MeshTunnels, type ProfileTunnels } from '../../../policy/tunnels.ts';
import type { UnresolvedPeer } from '../../../policy/rules.ts';
import type { NamespaceFacts } from '../../../policy/facts.ts';
import { notesOf } from '../../../policy/notes.ts';
import { profileNameOf, withOwnerLabels } from '../../../policy/ownership.ts';
import { isolatesAll } from '../../../policy/planning/effect.ts';
import { isTransitionalCover } from '../../../policy/planning/transition.ts';
import { isolates } from '../../../policy/semantics/normalize.ts';
import { recordOf, selectorOf } from '../../../policy/semantics/raw.ts';
import { canonicalJSON } from '../../../util/canonical-json.ts';
import { type AuthorizationPolicy, SECURITY_API_VERSION } from '../policy.ts';
import { isOverlayCover } from '../transition.ts';
import { acceptanceFailure, acceptanceOf } from './acceptance.ts';
import { type Choice, choose, type OwnEntrance, type Standing } from './choose.ts';
import {
  DENY_TUNNEL,
  type EntranceOwner,
  entrancesOf,
  isTunnelDeny,
  permitPolicies,
  permitsOf,
  type ProfileMetadata,
  tunnelPolicies,
} from './objects.ts';
import {
  blockedReports,
  egressReports,
  leftOutReports,
  type Report,
  unresolvedOf,
  waitingReports,
} from './reports.ts';
import {
  coversOf,
  labelsIn,
  openRulesOf,
  policiesOf,
  type ProfilePolicies,
  permitFor,
  type TunnelContext,
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
  /** The names of the profiles whose policies stay as they are. */
  readonly held: readonly string[];
  /** The names of the profiles whose policies or objects go. */
  readonly leaving: readonly string[];
  /** All NetworkPolicies of the namespace, own and foreign ones. Those of profiles have the labels of their owners. */
  readonly policies: readonly NetworkPolicy[];
  /** The own AuthorizationPolicies of the namespace, with the labels of their owners. */
  readonly objects: readonly KubeObject[];
  /** The namespaces of the mesh. */
  readonly ambient: readonly NamespaceFacts[];
}

export interface TunnelPlan {
  readonly profiles: MeshTunnels;
  /** False if connections have to close before others can open. */
  readonly isSettled: boolean;
  readonly objects: readonly AuthorizationPolicy[];
  /**
   * The form that an object takes before it is deleted, in which it permits nothing. Only the status of an object says that the
   * mesh goes by its present form: once it has accepted this one, the deletion changes nothing.
   *
   * @returns undefined once the object may be deleted
   */
  readonly emptied: (object: KubeObject) => AuthorizationPolicy | undefined;
}

const LABEL_WAYPOINT = 'istio.io/use-waypoint';

export function planTunnels(input: TunnelInput, context: TunnelContext): TunnelPlan {
  const { profiles, policies, objects, namespace, ambient } = input;
  // A held policy whose rules open the tunnel's port needs a permit too; the permits of held tunnels exist already.
  const held = input.held.map((profile) => ({
    profile,
    isAsking: false,
    policies: policiesOf(policies, new Set([profile])),
  }));
  const standings = new Map<string, Standing>([
    ...input.leaving.map((name) => [name, 'leaving'] as const),
    ...input.held.map((name) => [name, 'held'] as const),
    ...profiles.map(({ profile, isAsking }) => [profile, isAsking ? 'asking' : 'enforced'] as const),
  ]);
  const failure = acceptanceFailure(objects);
  const hasDeny = objects.some(isTunnelDeny);
  // Permits alone are left where somebody else has removed the policy that restricts: it is restored.
  const isRestricted = (hasDeny || objects.some(isTunnel)) && !objects.some(isOverlayCover);
  const wanted = wantedPassages([...profiles, ...held], { ...context, hasWaypoint: hasWaypoint(namespace) });
  const choice = choose(
    wanted,
    {
      entrances: entrancesOf(policies, context.port),
      openRules: openRulesOf(policies, standings, context.port),
      covers: coversOf(policies, context.port),
      permits: permitsOf(objects),
      isRestricted,
      isAccepted: hasDeny && isRestricted && failure === undefined,
    },
    {
      labelsOf: labelsIn(context.namespaces),
      standingOf: (profile) => standings.get(profile),
      permitFor: (passage) => {
        const permit = permitFor(passage, context);
        return 'message' in permit ? undefined : permit;
      },
    },
  );
  const leftOut = [...wanted.unsayable, ...choice.excluded.map((each) => each.wanted)];
  const leavesOut = leftOut.some(({ exception }) => exception === undefined);
  const blocking = wanted.unsayable.find(({ isOpen }) => isOpen)?.rule ?? choice.unpermitted;
  const isBlocked = blocking !== undefined || !mayBegin(input, leavesOut);
  const isWithoutOverlay = !isRestricted && isBlocked;
  // Before the namespace is isolated, no entrance takes the place of a cover.
  const isAwaited = isWithoutOverlay && !isIsolated(policies);
  const kept = isAwaited ? choice.passing : [...choice.passing, ...choice.covered];
  const reported = { wanted, choice, kept };
  const reports = [
    ...leftOutReports(reported),
    // Without an overlay nothing waits for it to be accepted.
    ...(isWithoutOverlay ? blockedReports(reported, blocking) : waitingReports(reported, failure)),
  ];
  const entrances = isAwaited ? [] : choice.entrances;
  const shared = { reports, ambient, port: context.port, isIsolated: isIsolated(policies) };
  return {
    profiles: new Map(
      profiles
        .filter(({ isAsking }) => isAsking)
        .map((each) => [each.profile, tunnelsOf(each, entrances, shared)]),
    ),
    isSettled: choice.isSettled,
    objects: isWithoutOverlay ? [] : overlayOf([...profiles, ...held], choice, context.trustDomain),
    emptied: (object) => emptiedForm(object, profiles),
  };
}

/** Connections to a namespace with a waypoint come from the waypoint, under its identity. */
function hasWaypoint({ labels }: NamespaceFacts): boolean {
  return (labels[LABEL_WAYPOINT] ?? 'none') !== 'none';
}

/**
 * True if the overlay may begin in a namespace that is isolated already, or in which nothing is left out that would be cut:
 * neither rules that can't be said, nor peers that were never resolved.
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

/** True if NetworkPolicies isolate all pods of the namespace for ingress. */
export function isIsolated(policies: readonly NetworkPolicy[]): boolean {
  return policies.some((each) => isolatesAll(each.spec, 'Ingress') && !isTransitionalCover(each));
}

/** The profile and its exceptions that are in force, as the owners of entrances. */
export function ownersIn(profile: TunnelProfile): EntranceOwner[] {
  const exceptions = new Map(
    profile.policies.flatMap((policy) => {
      const name = policy.metadata.labels?.[LABEL_EXCEPTION];
      return name === undefined ? [] : [[name, policy] as const];
    }),
  );
  return [
    { profile: profile.profile, metadata: metadataOf(profile) },
    ...[...exceptions].map(([exception, policy]): EntranceOwner => {
      const note = notesOf(policy).find((each) => each !== undefined);
      return { profile: profile.profile, exception, metadata: policy.metadata, ...(note && { note }) };
    }),
  ];
}

/** The part of a profile. */
function tunnelsOf(
  profile: TunnelProfile,
  entrances: readonly OwnEntrance[],
  { reports, ambient, port, isIsolated: isStanding }: TunnelsContext,
): ProfileTunnels {
  const owners = ownersIn(profile);
  const unresolved = owners.map(
    ({ exception }) =>
      [
        exception,
        [
          ...unresolvedOf(profile.profile, exception, reports),
          ...egressReports(profile.policies, exception, { ambient, port }),
        ],
      ] as const,
  );
  return {
    policies: owners.flatMap((owner) => tunnelPolicies(owner, entrances, port)),
    // The isolation waits for istiod to accept what exceptions open, and never for what it can't carry of them.
    unresolved: unresolved.flatMap(([exception, own]) => {
      if (exception === undefined) return own;
      return isStanding ? [] : own.filter(({ reason }) => reason === 'NotAccepted');
    }),
    exceptions: new Map(
      unresolved.flatMap(([exception, own]) => (exception === undefined ? [] : [[exception, own] as const])),
    ),
  };
}

interface TunnelsContext {
  readonly reports: readonly Report[];
  readonly ambient: readonly NamespaceFacts[];
  readonly port: number;
  readonly isIsolated: boolean;
}

function overlayOf(
  profiles: readonly ProfilePolicies[],
  { permits }: Choice,
  trustDomain: string | undefined,
): AuthorizationPolicy[] {
  return profiles.flatMap((each) => [
    ...(each.isAsking ? denyOf(each) : []),
    ...permitPolicies(each.profile, permits, { trustDomain, metadata: metadataOf(each) }),
  ]);
}

/** The deletion of a profile does not wait for istiod: another profile owns what is left of it. */
function emptiedForm(
  object: KubeObject & { readonly spec?: unknown },
  profiles: readonly TunnelProfile[],
): AuthorizationPolicy | undefined {
  const { name, namespace, labels } = object.metadata;
  const spec = emptySpec(object.spec);
  const acceptance = acceptanceOf(object).kind;
  const isEmpty = canonicalJSON(object.spec ?? null) === canonicalJSON(spec);
  if (isEmpty && (acceptance === 'accepted' || acceptance === 'undated')) return undefined;
  const heir =
    profiles.find(({ profile }) => profile === profileNameOf(object.metadata)) ??
    profiles.find(({ isAsking }) => isAsking) ??
    profiles[0];
  if (heir === undefined) return undefined;
  const { ownerReferences } = metadataOf(heir);
  const metadata: ObjectMeta = {
    name,
    ...(namespace !== undefined && { namespace }),
    ...(labels && { labels }),
    ...(ownerReferences && { ownerReferences }),
  };
  const form = { apiVersion: SECURITY_API_VERSION, kind: 'AuthorizationPolicy', metadata, spec } as const;
  return withOwnerLabels(form, heir.profile);
}

/** An empty policy selects the same pods, so that it isolates no others. */
function emptySpec(spec: unknown): AuthorizationPolicy['spec'] {
  const { matchLabels } = recordOf(recordOf(spec)['selector']);
  const selected = selectorOf({ matchLabels }).matchLabels;
  return { action: 'ALLOW', ...(selected && { selector: { matchLabels: selected } }) };
}

function denyOf({ policies }: ProfilePolicies): AuthorizationPolicy[] {
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

function metadataOf({ policies }: ProfilePolicies): ProfileMetadata {
  const own = policies.find(({ metadata }) => metadata.labels?.[LABEL_EXCEPTION] === undefined);
  return own?.metadata ?? {};
}
