/**
 * The part of a mesh in what an intent means for the flows of a namespace: its overlay of identities and its mutual TLS. Reads
 * the model only.
 *
 * `least` lets pass what the overlay has to, `most` what it may. They differ by what the operator need not know: which
 * namespaces are in the mesh (it looks again after a while), and the mesh itself, without which nothing is changed.
 */
import { LABEL_PROFILE } from '../../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../../src/api/profile.ts';
import { isTunnelDeny } from '../../../../src/engines/istio/ambient/objects.ts';
import { asksForTunnels } from '../../../../src/policy/mesh.ts';
import { type DirectionRule, isolates } from '../../../../src/policy/semantics/normalize.ts';
import type { LayeredPolicy, Tunnel } from '../../../support/judge/judge.ts';
import { NAMESPACES } from '../../schedule/actions.ts';
import type { Combination } from '../../schedule/combination.ts';
import { isUnresolved } from '../../schedule/inputs.ts';
import { AUTHORIZATION_POLICY, PEER_AUTHENTICATION, type Stored } from '../../server/kinds.ts';
import type { Server } from '../../server/server.ts';
import { effectsOf, membersFor, type Place, withoutIdentity } from '../effects.ts';
import {
  asksForAuthorization,
  asksForStrict,
  isAmbient,
  isFound,
  isInMesh,
  isLabelledAmbient,
  MESH_KINDS,
  overlaying,
  isProbeCIDR,
  TUNNEL_PORT,
} from '../mesh.ts';
import { areAllIdentified, isPastSidecars, overlayOf } from './overlay-bounds.ts';
import type { EngineObject } from '../references.ts';
import { isWritable } from '../standing.ts';

export interface MeshBoundsContext {
  readonly place: Place;
  /** The NetworkPolicies of the intent that belong to profiles. */
  readonly own: readonly NetworkPolicy[];
  /** The states that somebody else than the operator has left in this round. */
  readonly known: readonly KnownMesh[];
}

export interface KnownMesh {
  /** The objects of the operator. */
  readonly objects: readonly EngineObject[];
  /** True if NetworkPolicies isolate all pods for ingress. */
  readonly isIsolated: boolean;
  /** True if a NetworkPolicy of somebody else allows ingress. */
  readonly isOpened: boolean;
}

interface KeptContext {
  readonly owner: string | undefined;
  readonly namespace: string;
  readonly combinations: readonly Combination[];
}

export interface MeshBounds {
  readonly least: readonly LayeredPolicy[];
  readonly most: readonly LayeredPolicy[];
}

const STRICT = { metadata: { name: 'strict' }, spec: { mtls: { mode: 'STRICT' } } } as unknown as Stored;

export class MeshJudge {
  readonly #server: Server;
  /** Namespaces that were in the mesh all the time of this round, and those that were at any time. */
  #always: ReadonlySet<string> = new Set();
  #ever: ReadonlySet<string> = new Set();
  #now: readonly string[] = [];
  /** Namespaces that own objects named when the round began: every leader remembers them. */
  #named: ReadonlySet<string> = new Set();
  /** True if the mesh was not found at some time, or its kinds could not be written. */
  #isDoubted = false;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Changes with all that the bounds depend on. */
  get key(): string {
    return JSON.stringify([[...this.#always], [...this.#ever], [...this.#named], this.#isDoubted]);
  }

  /** @param own the operator's objects of all namespaces */
  beginRound(own: readonly EngineObject[]): void {
    this.#always = this.#ever = new Set(this.#members());
    this.#named = new Set(own.flatMap(({ object }) => namesIn(object)));
    this.#isDoubted = false;
    this.follow();
  }

  /** Looks at the cluster after a change. True if namespaces have entered or left the mesh. */
  follow(): boolean {
    const before = this.#now;
    this.#now = this.#members();
    const now = new Set(this.#now);
    this.#always = this.#always.intersection(now);
    this.#ever = this.#ever.union(now);
    this.#isDoubted ||=
      !isFound(this.#server.storage) || MESH_KINDS.some((kind) => !isWritable(this.#server, kind));
    return before.join() !== this.#now.join();
  }

  place(place: Omit<Place, 'isInMesh'>): Place {
    const { storage } = this.#server;
    return {
      ...place,
      isInMesh: (each) => isInMesh(storage, each),
      isAmbient: (each) => isAmbient(storage, each),
    };
  }

  /** The tunnel between the namespaces that are in ambient mode now; undefined if none are. */
  tunnel(): Tunnel | undefined {
    const names = NAMESPACES.filter((each) => isAmbient(this.#server.storage, each));
    if (names.length === 0) return undefined;
    return {
      key: names.join(),
      port: TUNNEL_PORT,
      carries: (namespace, peer) => names.includes(namespace) && names.includes(peer),
    };
  }

  /**
   * A policy of an intent as it has to take effect. Of rules for egress that name ports, the tunnel carries none: only the
   * destination tells ports apart. So these are held to what they open by themselves.
   */
  atLeast(combination: Combination, context: MeshBoundsContext): (policy: LayeredPolicy) => LayeredPolicy {
    const carried = carriedProfiles(combination, context);
    return (policy) =>
      policy.layer === undefined &&
      !isolates(policy.spec).includes('Egress') &&
      carried.has(policy.metadata.labels?.[LABEL_PROFILE] ?? '')
        ? { ...policy, sees: 'either' }
        : policy;
  }

  bounds(combination: Combination, context: MeshBoundsContext): MeshBounds {
    const { place } = context;
    if (membersFor(place) === undefined) return { least: [], most: [] };
    const strict = this.#strict(combination, context);
    const overlay =
      place.isAmbient?.(place.name) === true
        ? tunnelled(combination, context)
        : this.#overlay(combination, context);
    return {
      least: [...overlay.least, ...strict.least],
      most: [...overlay.most, ...strict.most],
    };
  }

  /**
   * True if an object of a profile restricts the namespace to identities, and the profile asks for that by all combinations: then
   * the last such object may not be deleted, also where policies of somebody else allow what it denies.
   */
  isKept({ kind, object }: EngineObject, { owner, namespace, combinations }: KeptContext): boolean {
    const isStrict = kind === PEER_AUTHENTICATION;
    const isForTunnel = kind === AUTHORIZATION_POLICY && isTunnelDeny(object);
    if (!isStrict && !isForTunnel && !(kind === AUTHORIZATION_POLICY && isDeny(object))) return false;
    return combinations.every((combination) => {
      const { labels } = combination;
      const isTunnelled = isLabelledAmbient(labels);
      const hasSidecars = labels?.['istio-injection'] === 'enabled' && !isTunnelled;
      const asks = ({ spec, metadata }: SegmentationProfile) =>
        metadata.name === owner &&
        (isStrict
          ? spec.mesh?.mtls === 'Strict'
          : isForTunnel
            ? asksForTunnels(spec)
            : spec.mesh?.authorization === 'Enforce');
      const hasMode = isStrict ? isTunnelled || hasSidecars : isForTunnel ? isTunnelled : hasSidecars;
      return hasMode && overlaying(combination, namespace).some(asks);
    });
  }

  #overlay(combination: Combination, context: MeshBoundsContext): MeshBounds {
    const { place, own, known } = context;
    const isStanding = ({ kind, object }: EngineObject) => kind === AUTHORIZATION_POLICY && isDeny(object);
    const isAsked = asking(combination, place.name, asksForAuthorization);
    const isKept =
      combination.profiles.some(({ isHeld }) => isHeld) &&
      known.some(({ objects }) => objects.some(isStanding));
    const stays =
      isAsked &&
      known.every(({ objects }) => objects.some(isStanding)) &&
      this.#isCertain(combination, place.name);
    const told = (names: ReadonlySet<string>) => ({
      isTold: (name: string) => names.has(name),
      isInMesh: place.isInMesh,
    });
    return {
      least: isAsked || isKept ? overlayOf(own, told(this.#ever.union(this.#named))) : [],
      most: stays ? overlayOf(own, told(this.#always.intersection(this.#named))) : [],
    };
  }

  /** It is written only if no rule has a peer without an identity, and then stays as long as a profile asks for it. */
  #strict(combination: Combination, { place, own, known }: MeshBoundsContext): MeshBounds {
    if (!asking(combination, place.name, asksForStrict)) return { least: [], most: [] };
    const isStrict = ({ kind }: EngineObject) => kind === PEER_AUTHENTICATION;
    const wasStrict = known.some(({ objects }) => objects.some(isStrict));
    const stays =
      known.every(({ objects }) => objects.some(isStrict)) && this.#isCertain(combination, place.name);
    const isTold = (name: string) => this.#ever.has(name) || this.#named.has(name);
    const isPast = place.isAmbient?.(place.name) === true ? isProbe : isPastSidecars;
    const mayBegin = wasStrict || areAllIdentified(own, { isTold }, isPast);
    const strict = effectsOf(PEER_AUTHENTICATION, STRICT, place);
    return { least: mayBegin ? strict : [], most: stays ? strict : [] };
  }

  /** True if nothing keeps the operator from holding the overlay of the intent to what it means. */
  #isCertain(combination: Combination, namespace: string): boolean {
    return (
      !this.#isDoubted &&
      !isUnresolved(combination, namespace) &&
      combination.labels?.['istio-injection'] === 'enabled'
    );
  }

  #members(): string[] {
    const { storage } = this.#server;
    return NAMESPACES.filter((each) => isInMesh(storage, each) || isAmbient(storage, each));
  }
}

/**
 * The profiles whose rules for ingress the tunnel has to carry if it did before. Of a profile that does not ask for it, the
 * tunnel carries what its NetworkPolicies open by themselves. Nor has it to carry rules that it may be unable to, which are
 * reported and closed: where another profile begins to isolate pods that were open, and where somebody else's policy has opened
 * the tunnel to more than it permits.
 */
function carriedProfiles(combination: Combination, { place, known }: MeshBoundsContext): ReadonlySet<string> {
  const enforced = overlaying(combination, place.name);
  const asked = enforced.filter(({ spec }) => asksForTunnels(spec));
  const wasIsolated = known.every(({ isIsolated }) => isIsolated);
  const isOpened = known.some(({ isOpened }) => isOpened);
  const isSure = !isOpened && (wasIsolated || enforced.length === 1);
  return new Set(isSure ? asked.map(({ metadata }) => metadata.name) : []);
}

/**
 * In ambient mode, an overlay has to let pass what own rules mean that the tunnel carries, and not what somebody else's do. It
 * may let pass everything: that NetworkPolicies and it together let pass no more than what rules mean is judged by these.
 */
function tunnelled(combination: Combination, context: MeshBoundsContext): MeshBounds {
  const { place, own } = context;
  const isAsked = overlaying(combination, place.name).some(({ spec }) => asksForTunnels(spec));
  const members = membersFor(place);
  if (!isAsked || members === undefined) return { least: [], most: [] };
  const carried = carriedProfiles(combination, context);
  const plain: LayeredPolicy = {
    metadata: { name: 'plain' },
    spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: withoutIdentity(members.names) }] },
    layer: 'overlay',
  };
  const allows = own
    .filter(({ spec }) => isolates(spec).includes('Ingress'))
    .map(
      ({ metadata, spec: { podSelector, ingress } }): LayeredPolicy => ({
        metadata,
        spec: { podSelector: podSelector ?? {}, policyTypes: ['Ingress'], ...(ingress && { ingress }) },
        layer: 'overlay',
        sees: carried.has(metadata.labels?.[LABEL_PROFILE] ?? '') ? 'either' : 'tunnel',
      }),
    );
  return { least: [plain, ...allows], most: [] };
}

/** True if a profile that is enforced in the namespace asks for it, as it is or in the form that is in force. */
function asking(combination: Combination, namespace: string, asks: typeof asksForStrict): boolean {
  const names = new Set(overlaying(combination, namespace).map(({ metadata }) => metadata.name));
  return combination.profiles.some(
    ({ asItIs, profile }) => names.has(asItIs?.metadata.name ?? '') && (asks(asItIs) || asks(profile)),
  );
}

function isDeny({ metadata, spec }: Stored): boolean {
  return metadata.annotations?.['istio.io/dry-run'] !== 'true' && JSON.stringify(spec ?? {}) === '{}';
}

function namesIn({ spec }: Stored): string[] {
  const { rules = [] } = (spec ?? {}) as {
    readonly rules?: readonly {
      readonly from?: readonly {
        readonly source: { namespaces?: readonly string[]; principals?: readonly string[] };
      }[];
    }[];
  };
  return rules.flatMap(({ from = [] }) =>
    from.flatMap(({ source: { namespaces = [], principals = [] } }) => [
      ...namespaces,
      ...principals.flatMap((each) => each.split('/')[2] ?? []),
    ]),
  );
}

function isProbe({ peers = [] }: DirectionRule): boolean {
  return peers.length > 0 && peers.every(({ ipBlock }) => ipBlock !== undefined && isProbeCIDR(ipBlock.cidr));
}
