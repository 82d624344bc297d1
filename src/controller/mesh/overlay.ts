/**
 * Writes the overlay of identities: AuthorizationPolicies and PeerAuthentications beside the NetworkPolicies. Their kinds are
 * watched from the moment that a profile asks for them, or that objects of an earlier process are found.
 */
import type { KubeObject } from '../../api/meta.ts';
import { LABEL_PROFILE, LABEL_ROLE } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { type NamespaceItem, PODS } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { type Identities, identifiedNamespaces } from '../../engines/istio/authorization.ts';
import { pastSidecars, pastZtunnel, planMutualTLS, rulesOutOfMesh } from '../../engines/istio/mutual-tls.ts';
import { isolationPart } from '../../engines/istio/isolation.ts';
import {
  type AuthorizationMode,
  type OverlayContext,
  type OverlayPlan,
  planAuthorization,
  planOverlay,
} from '../../engines/istio/overlay.ts';
import { isTransition } from '../../engines/istio/transition.ts';
import type { ObjectStep } from '../../engines/object-step.ts';
import { ApiError, isAborted, isForbidden, isNamespaceTerminating } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource } from '../../kube/resource.ts';
import type { StoreChange } from '../../kube/watch/store.ts';
import {
  asksForOverlay,
  asksForTunnels,
  hasOverlay,
  injectsAll,
  type MeshConfiguration,
  type MeshFacts,
  type MeshMode,
  modeOf,
  trustDomainOf,
} from '../../policy/mesh.ts';
import { isMarked } from '../../policy/ownership.ts';
import { isTunnel, type MeshTunnels } from '../../policy/tunnels.ts';
import { isProfileReference } from '../../policy/semantics/normalize.ts';
import type { Clock, Random } from '../../util/clock.ts';
import { type EngineKind, EngineObjects, type OnObjectWrite } from '../engines/objects.ts';
import { hasOwnObjects } from '../engines/own-objects.ts';
import type { ExtensionWriteContext } from '../engine-support.ts';
import { type DesiredOverlay, type MeshSupport, NO_OVERLAY, type OverlayWrites } from '../mesh-support.ts';
import { AMBIENT_MODE, type Enrolment, SIDECARS } from './enrolment.ts';
import { Members } from './members.ts';
import { OverlayReports, unwrittenProfiles } from './report.ts';
import { ownershipWrites, type OverlayWrite } from './retained.ts';
import { Tunnels } from './tunnels.ts';
import { isStrict, type OwnedObjects, planWithoutMesh } from './without-mesh.ts';

export interface MeshOverlayOptions {
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly clock: Clock;
  readonly random: Random;
  /** All objects are listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  readonly facts: () => MeshFacts | undefined;
  readonly onWrite: OnObjectWrite;
  readonly onWatchError: (resource: string, error: unknown, retryInMs: number) => void;
}

export interface MeshOverlayListener {
  /** The overlay of the namespace has to be planned again. */
  readonly onIntent: (namespace: string) => void;
  /** Somebody else changed an object of the namespace. */
  readonly onDrift: (namespace: string) => void;
  readonly onReport: (profile: string) => void;
}

const kindOf = (plural: string): EngineKind => ({
  kind: { group: 'security.istio.io', version: 'v1', plural, namespaced: true },
  component: 'config/engines/istio-policies',
  // The first one with security.istio.io/v1.
  since: 'Istio 1.22',
});
const AUTHORIZATION: EngineKind = { ...kindOf('authorizationpolicies'), foreignPart: isolationPart };
const AUTHENTICATION = kindOf('peerauthentications');
export const OVERLAY_KINDS: readonly EngineKind[] = [AUTHORIZATION, AUTHENTICATION];

interface Kinds {
  readonly authorization: EngineObjects;
  readonly authentication: EngineObjects;
}

interface Planned {
  /** True if it restricts the tunnel of ambient mode, which NetworkPolicies open once that is accepted. */
  readonly hasTunnel: boolean;
  /** True if all waits until NetworkPolicies have closed the tunnel: without its overlay it leads to every port. */
  readonly closesFirst: boolean;
  readonly widen: readonly OverlayWrite[];
  readonly narrow: readonly OverlayWrite[];
}

/** Milliseconds until objects are written again that the operator was not permitted to write. */
const REFUSAL_MS = 60_000;

export class MeshOverlay {
  readonly reports: OverlayReports;
  readonly #options: MeshOverlayOptions;
  readonly #listener: MeshOverlayListener;
  readonly #members: Members;
  /** The members without sidecars: identities that pods in ambient mode are shown. */
  readonly #ambientMembers: Members;
  readonly #tunnels: Tunnels;
  /** Namespaces that have an overlay, or are to have one. */
  readonly #namespaces = new Set<string>();
  /** Namespaces that a deleted profile leaves, and whose objects the operator may not write. */
  readonly #refused = new Set<string>();
  #kinds: Kinds | undefined;
  #isRestored = false;

  constructor(options: MeshOverlayOptions, listener: MeshOverlayListener) {
    const { transport, clusterState, clock, facts, onWatchError } = options;
    this.#options = options;
    this.#listener = listener;
    this.reports = new OverlayReports(listener.onReport);
    const members = (enrolment: Enrolment) =>
      new Members({
        enrolment,
        pods: new Resource(transport, PODS),
        clusterState,
        clock,
        facts,
        onChange: () => this.planAgain(),
        onError: (error) => onWatchError('pods', error, 0),
      });
    this.#members = members(SIDECARS);
    this.#ambientMembers = members(AMBIENT_MODE);
    this.#tunnels = new Tunnels({
      clusterState,
      facts,
      authorization: () => this.#watch().authorization,
      watched: () => this.#kinds?.authorization,
    });
    clusterState.namespaces.subscribe((change) => this.#namespaceChanged(change));
  }

  /**
   * Begins to watch if an earlier process has left objects, or if that can't be told.
   *
   * @throws ApiError if the signal is aborted
   */
  async restore(signal: AbortSignal): Promise<void> {
    for (const { kind } of OVERLAY_KINDS) {
      if (this.#kinds !== undefined) return;
      try {
        if (await hasOwnObjects(new Resource(this.#options.transport, kind), signal)) this.#watch();
      } catch (error) {
        if (!(error instanceof ApiError) || isAborted(error)) throw error;
        this.#watch();
      }
    }
  }

  async stop(): Promise<void> {
    await Promise.all([
      this.#members.stop(),
      this.#ambientMembers.stop(),
      this.#kinds?.authorization.stop(),
      this.#kinds?.authentication.stop(),
    ]);
  }

  /** Plans the overlays of all namespaces again, as the mesh or its members have changed. */
  planAgain(): void {
    for (const namespace of this.#namespaces) this.#listener.onIntent(namespace);
  }

  plan(namespace: NamespaceItem, wanted: () => DesiredOverlay): OverlayWrites {
    const desired = wanted();
    const isAsked =
      desired.profiles.length > 0 || [...desired.kept].some((name) => this.isAsked(name, namespace));
    if (isAsked) this.#namespaces.add(namespace.key);
    else if (this.#kinds === undefined) return NO_OVERLAY;
    this.#watch();
    const first = this.#plan(namespace, desired);
    const isEmpty = first === undefined || first.widen.length + first.narrow.length === 0;
    if (isEmpty && this.#tunnels.isSettled(namespace)) return NO_OVERLAY;
    const before = this.#tunnels.fingerprint(namespace);
    return {
      isEmpty: false,
      permit: async (context) => {
        if (first?.hasTunnel === true) await this.#apply(namespace.key, first.widen, context);
      },
      apply: async (context, { onlyWidens }) => {
        // The NetworkPolicies are others now.
        const last = this.#plan(namespace, desired);
        if (last?.closesFirst === false) {
          await this.#apply(namespace.key, last.widen, context);
          if (!onlyWidens) await this.#apply(namespace.key, last.narrow, context);
        }
        // The tunnel is closed where it had to be: more may open now.
        if (this.#tunnels.fingerprint(namespace) !== before) this.#listener.onIntent(namespace.key);
      },
    };
  }

  /** True if the form of the profile that is in force in the namespace is enforced there, and asks for an overlay. */
  isAsked(profile: string, namespace: NamespaceItem): boolean {
    const { clusterState } = this.#options;
    const found = clusterState.profile(profile);
    if (found === undefined) return false;
    const { relation, profile: inForce } = clusterState.inForce(found, namespace);
    return relation === 'enforce' && asksForOverlay(inForce.spec.mesh);
  }

  tunnels(...[namespace, intents, observe]: Parameters<MeshSupport['tunnels']>): MeshTunnels {
    // The mesh may become known before the overlay is planned.
    if (intents.enforced.some(({ profile }) => asksForTunnels(profile.spec)))
      this.#namespaces.add(namespace.key);
    return this.#tunnels.policies(namespace, intents, observe);
  }

  /**
   * True if no object of the profile is left that can be removed; under Retain, if none names it as its owner. While one of the
   * kinds can't be read, none of the other is removed either: the garbage collector deletes them.
   */
  isReleased({ metadata: { name }, spec: { deletionPolicy } }: SegmentationProfile): boolean {
    const isRemovable = this.missing === undefined;
    return this.#all.every(
      (objects) =>
        objects.state.kind !== 'available' ||
        !objects
          .all()
          .some(
            (each) =>
              objects.ownerOf(each) === name &&
              !this.#refused.has(each.metadata.namespace ?? '') &&
              (deletionPolicy === 'Delete'
                ? isRemovable
                : each.metadata.ownerReferences?.some(isProfileReference)),
          ),
    );
  }

  /** Why the kinds can't be written; undefined as long as they are not needed, or not known. */
  get missing(): { readonly reason: string; readonly message: string } | undefined {
    for (const { state } of this.#all) if (state.kind === 'missing') return state;
    return undefined;
  }

  /** The namespaces whose tunnel the profile holds open, while there are no AuthorizationPolicies to tell the ports behind it. */
  unheldTunnels(profile: string): string[] {
    const { state } = this.#kinds?.authorization ?? {};
    if (state?.kind !== 'missing' || state.reason !== 'Unsupported') return [];
    const namespaces = [...this.#options.clusterState.namespaces.values()];
    return namespaces
      .filter((each) => this.isAsked(profile, each) && this.#tunnels.isOpen(each.key))
      .map(({ key }) => key)
      .sort();
  }

  get isKnown(): boolean {
    return this.#all.length > 0 && this.#all.every(({ state }) => state.kind !== 'unknown');
  }

  get #all(): readonly EngineObjects[] {
    return this.#kinds === undefined ? [] : [this.#kinds.authorization, this.#kinds.authentication];
  }

  /** Undefined if nothing may be written: what is there stays. */
  #plan(namespace: NamespaceItem, desired: DesiredOverlay): Planned | undefined {
    const planned = this.#planObjects(namespace, desired);
    const { hasTunnel = false, closesFirst = false, widen = [], narrow = [] } = planned ?? {};
    const context = { planned: [...widen, ...narrow], clusterState: this.#options.clusterState };
    const owning = this.#all.flatMap((objects) => ownershipWrites(objects, namespace.key, context));
    return owning.length === 0 ? planned : { hasTunnel, closesFirst, widen, narrow: [...narrow, ...owning] };
  }

  #planObjects(namespace: NamespaceItem, desired: DesiredOverlay): Planned | undefined {
    const facts = this.#options.facts();
    if (this.#kinds === undefined || this.#refused.has(namespace.key)) return undefined;
    const { authorization, authentication } = this.#kinds;
    if (authorization.state.kind !== 'available' || authentication.state.kind !== 'available')
      return undefined;
    if (facts?.kind !== 'available')
      return facts === undefined ? undefined : this.#planWithoutMesh(namespace.key, desired, this.#kinds);
    // Without its tunnel, the objects of the tunnel would be taken for unwanted.
    if (!this.#tunnels.isDecided(namespace.key)) return undefined;
    const { policies, profiles, kept, excepting } = desired;
    const mode = modeOf(facts, { name: namespace.key, labels: namespace.labels });
    const hasTunnel = this.#tunnels.has(namespace.key);
    const access = hasTunnel
      ? this.#planTunnels(namespace, kept, { facts, authorization })
      : planAuthorization(
          authorization.in(namespace.key),
          { policies, modes: modesOf(mode === 'sidecars' ? profiles : []), kept, excepting },
          {
            identities: this.#identities(facts, this.#members),
            ...overlayContext(facts, authorization),
          },
        );
    const strict = new Set(
      hasOverlay(mode) ? profiles.filter(isStrict).map(({ metadata }) => metadata.name) : [],
    );
    const outOfMesh = strict.size > 0 ? this.#outOfMesh(facts, mode, policies) : [];
    const tls = planMutualTLS(
      authentication.in(namespace.key),
      {
        denies: policies.filter((each) => isDenyOfAny(each, strict)),
        isPossible: outOfMesh.length === 0,
        kept,
      },
      { ownerOf: (object) => authentication.ownerOf(object) },
    );
    const labels = { mode, injectsToo: mode === 'ambient' && injectsAll(facts, namespace.labels) };
    const owned = ownedIn(authorization, namespace.key);
    const waiting = unwrittenProfiles(profiles, owned, access);
    this.reports.record(namespace.key, profiles, {
      ...labels,
      hasTunnel,
      waiting,
      outOfMesh,
      tls: tls.state,
    });
    return {
      hasTunnel,
      closesFirst: !hasTunnel && this.#tunnels.isOpen(namespace.key),
      widen: stepsOf(authorization, access.widen),
      narrow: [...stepsOf(authorization, access.narrow), ...stepsOf(authentication, tls.steps)],
    };
  }

  #planWithoutMesh(namespace: string, desired: DesiredOverlay, kinds: Kinds): Planned | undefined {
    const { authorization, authentication } = kinds;
    const [access, tls] = [ownedIn(authorization, namespace), ownedIn(authentication, namespace)];
    const plans = planWithoutMesh(access, tls, desired, isDenyOfAny);
    if (plans === undefined) return undefined;
    return {
      hasTunnel: false,
      closesFirst: !plans.stays && this.#tunnels.isOpen(namespace),
      widen: stepsOf(authorization, plans.access.widen),
      narrow: [...stepsOf(authorization, plans.access.narrow), ...stepsOf(authentication, plans.tls.steps)],
    };
  }

  /** A profile that is being deleted waits for its last object. */
  async #apply(
    namespace: string,
    steps: readonly OverlayWrite[],
    { send, signal }: ExtensionWriteContext,
  ): Promise<void> {
    try {
      for (const [objects, step] of steps) {
        signal.throwIfAborted();
        const owner = step.verb === 'create' ? undefined : objects.ownerOf(step.before);
        await send(() => objects.write(step, signal));
        if (owner !== undefined && this.#isDeleted(owner)) this.#listener.onReport(owner);
      }
    } catch (error) {
      if (isForbidden(error) && !isNamespaceTerminating(error)) this.#giveUp(namespace);
      throw error;
    }
  }

  /** A deleted profile does not wait for a permission: its objects are left to the garbage collector. */
  #giveUp(namespace: string): void {
    const owners = this.#all.flatMap((objects) =>
      objects.in(namespace).flatMap((each) => objects.ownerOf(each) ?? []),
    );
    if (!owners.some((owner) => this.#isDeleted(owner))) return;
    this.#refused.add(namespace);
    this.#options.clock.schedule(REFUSAL_MS, () => {
      if (this.#refused.delete(namespace)) this.#listener.onIntent(namespace);
    });
  }

  #isDeleted(profile: string): boolean {
    return this.#options.clusterState.profile(profile)?.metadata.deletionTimestamp !== undefined;
  }

  #planTunnels(
    namespace: NamespaceItem,
    kept: DesiredOverlay['kept'],
    { facts, authorization }: { readonly facts: MeshConfiguration; readonly authorization: EngineObjects },
  ): OverlayPlan {
    const plan = this.#tunnels.overlay(namespace);
    if (plan === undefined) return { widen: [], narrow: [] };
    const { objects: policies, emptied } = plan;
    const context = { ...overlayContext(facts, authorization), emptied };
    return planOverlay(authorization.in(namespace.key), { policies, kept }, context);
  }

  /** The rules that strict mutual TLS would cut. */
  #outOfMesh(facts: MeshConfiguration, mode: MeshMode, policies: readonly NetworkPolicy[]): string[] {
    const [members, past] =
      mode === 'ambient' ? [this.#ambientMembers, pastZtunnel(facts)] : [this.#members, pastSidecars(facts)];
    return rulesOutOfMesh(policies, this.#identities(facts, members), past);
  }

  #identities(facts: MeshConfiguration, members: Members): Identities {
    return { trustDomain: trustDomainOf(facts), isInMesh: (namespace) => members.has(namespace) };
  }

  /** Entrances are told by labels of namespaces, and permits by their names. */
  #namespaceChanged({ old, new: next }: StoreChange<NamespaceItem>): void {
    if (next === undefined && old !== undefined) {
      this.#namespaces.delete(old.key);
      this.#refused.delete(old.key);
      this.#tunnels.forget(old.key);
      this.reports.forget(old.key);
    }
    if (JSON.stringify(old?.labels) === JSON.stringify(next?.labels)) return;
    for (const namespace of this.#tunnels.namespaces()) this.#listener.onIntent(namespace);
  }

  #watch(): Kinds {
    return (this.#kinds ??= {
      authorization: this.#objects(AUTHORIZATION),
      authentication: this.#objects(AUTHENTICATION),
    });
  }

  #objects(kind: EngineKind): EngineObjects {
    return new EngineObjects(kind, this.#options, {
      onState: () => this.#stateChanged(),
      onDrift: (namespace) => this.#listener.onDrift(namespace),
      onStatus: (namespace) => {
        if (this.#tunnels.has(namespace)) this.#listener.onIntent(namespace);
      },
    });
  }

  /** Once the objects are known, those of an earlier process say which namespaces are members. */
  #stateChanged(): void {
    const { authorization, authentication } = this.#kinds ?? {};
    if (
      !this.#isRestored &&
      authorization?.state.kind === 'available' &&
      authentication?.state.kind === 'available'
    ) {
      this.#isRestored = true;
      for (const object of [...authorization.all(), ...authentication.all()]) {
        if (!isMarked(object)) continue;
        this.#namespaces.add(object.metadata.namespace ?? '');
        // A transition policy may stand for permits of a tunnel.
        if (!isTunnel(object) && !isTransition(object))
          identifiedNamespaces(object).forEach((each) => this.#members.remember(each));
      }
    }
    this.planAgain();
    // Profiles that no namespace enforces yet report it too: whether the kinds can be written is part of their status.
    for (const { key, profile } of this.#options.clusterState.profiles.values())
      if (asksForOverlay(profile.spec.mesh)) this.#listener.onReport(key);
  }
}

function stepsOf(objects: EngineObjects, steps: readonly ObjectStep[]): readonly OverlayWrite[] {
  return steps.map((step) => [objects, step] as const);
}

function overlayContext(facts: MeshConfiguration, authorization: EngineObjects): OverlayContext {
  const roots = new Set(facts.controlPlanes.map(({ rootNamespace }) => rootNamespace));
  return {
    ownerOf: (object) => authorization.ownerOf(object),
    meshWide: [...roots].flatMap((root) => authorization.in(root)),
  };
}

function ownedIn(objects: EngineObjects, namespace: string): OwnedObjects {
  return { objects: objects.in(namespace), ownerOf: (object) => objects.ownerOf(object) };
}

function modesOf(profiles: readonly SegmentationProfile[]): Map<string, AuthorizationMode> {
  return new Map(
    profiles.flatMap(({ metadata, spec }) => {
      const mode = spec.mesh?.authorization;
      return mode === 'Enforce' || mode === 'Audit' ? [[metadata.name, mode] as const] : [];
    }),
  );
}

function isDenyOfAny({ metadata }: KubeObject, profiles: ReadonlySet<string>): boolean {
  const { labels = {} } = metadata;
  return labels[LABEL_ROLE]?.endsWith('-deny') === true && profiles.has(labels[LABEL_PROFILE] ?? '');
}
