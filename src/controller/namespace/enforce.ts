/** Brings the policies of one namespace to what the profiles want: observe, compile, plan, confirm, apply. */
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import type { PeerSources } from '../../cluster-state/peer-sources/sources.ts';
import { cachedPolicies } from '../../cluster-state/policies/cached.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import type { Resource } from '../../kube/resource.ts';
import { lastKnownFrom } from '../../policy/peers/last-known.ts';
import { type Plan, plan } from '../../policy/planning/plan.ts';
import type { UnknownIsolation } from '../../policy/planning/transition.ts';
import type { Admission } from '../admission/reconcile.ts';
import type { PolicyWrite } from '../observer.ts';
import type { Clock } from '../../util/clock.ts';
import type { EngineSupport, ExtensionWrites } from '../engine-support.ts';
import type { GuardSupport } from '../guard-support.ts';
import type { MeshSupport, OverlayWrites } from '../mesh-support.ts';
import type { Send } from '../queue/request-lanes.ts';
import { apply } from './apply.ts';
import { isSafeFromCache, type Observed } from './cached-policies.ts';
import {
  type DesiredContext,
  desiredExtensions,
  desiredOf,
  desiredOverlay,
  type DesiredPolicies,
} from './desired.ts';
import { compileIntents, type Gathered, hasUnresolvedPeers, type ProfileIntent } from './gather.ts';
import type { LiveConfirmation } from './live-confirmation.ts';
import type { PodProbe } from './pods.ts';
import { postponed, type Postponed } from './postponed.ts';
import type { NamespaceRecord } from './record.ts';

export interface EnforcementParts {
  readonly clusterState: ClusterState;
  readonly sources: PeerSources;
  readonly admission: Pick<Admission, 'holds'>;
  readonly confirmation: LiveConfirmation;
  readonly engine: Pick<EngineSupport, 'isKnown' | 'unknownIsolation' | 'plan' | 'staged' | 'stage'>;
  readonly guard: Pick<GuardSupport, 'widened'>;
  readonly mesh: Pick<MeshSupport, 'plan' | 'tunnels'>;
  readonly policies: Resource<NetworkPolicy>;
  /** Somebody else changed a policy of the namespace while it was being written. */
  readonly onDrift: (namespace: string) => void;
  readonly pods: PodProbe;
  readonly clock: Clock;
}

/** How one reconcile may act. */
export interface Attempt {
  readonly record: NamespaceRecord;
  readonly send: Send;
  readonly signal: AbortSignal;
  readonly onWrite: (write: Omit<PolicyWrite, 'isDriftOnly'>) => void;
}

export type EnforcementResult =
  /** All policies are in place, but for what is postponed. */
  | ({
      readonly kind: 'enforced';
      readonly conflicts: readonly string[];
      /** The profiles that want no policy, and whose policies stay until an admission gate has ended. */
      readonly gated: ReadonlySet<string>;
      /** True if the next reconcile may report other unresolved peers, without any change. */
      readonly mayReportElse: boolean;
    } & Decision)
  /** The caches are behind what was read live, or the plan has ended meanwhile: nothing more was written. */
  | { readonly kind: 'outdated' };

/** The intents of the profiles, and the directions that are postponed, by profile. */
export interface Decision {
  readonly intents: readonly ProfileIntent[];
  readonly postponed: ReadonlyMap<string, Postponed>;
}

/** A policy of the plan had to end, or another one was changed by others, before all was written: nothing more of the plan is. */
class PlanEndedError extends Error {
  override name = 'PlanEnded';
}

/** A namespace can't be opened before it is known what isolates its pods. */
export class EngineUnknownError extends Error {
  override name = 'EngineUnknown';
  constructor() {
    super("waiting to read the network engine's own policies, which may isolate pods too");
  }
}

/**
 * How many plans in a row may be given up because others change policies meanwhile. The next one is carried out all the same:
 * somebody who changes policies all the time must not keep a namespace from being enforced.
 */
const MOST_PLANS_GIVEN_UP = 3;

/** The writes beside the plan of the NetworkPolicies. */
interface WritesBeside {
  readonly extensions: ExtensionWrites;
  readonly overlay: OverlayWrites;
  /** The directions whose opening is delayed. */
  readonly delayed: readonly PolicyType[];
}

interface Planned {
  readonly plan: Plan;
  /** The policies that the plan was made from. */
  readonly observed: readonly NetworkPolicy[];
  /** The profiles whose policies it leaves for an admission gate. */
  readonly gated: ReadonlySet<string>;
}

export class Enforcement {
  readonly #gathered: Gathered;
  readonly #attempt: Attempt;
  readonly #parts: EnforcementParts;
  /** The uids of the profiles that were known when the reconcile began. */
  readonly #knownProfiles: ReadonlySet<string>;
  #hasPods: Promise<boolean> | undefined;
  /** The changes by others that were known when the policies were read. */
  #knownChanges = 0;

  constructor(gathered: Gathered, attempt: Attempt, parts: EnforcementParts) {
    this.#gathered = gathered;
    this.#attempt = attempt;
    this.#parts = parts;
    this.#knownProfiles = new Set([...parts.clusterState.profiles.values()].map(({ uid }) => uid));
  }

  /** @throws ApiError, PlanTooComplexError, IsolationUnknownError */
  async run(): Promise<EnforcementResult> {
    const { signal, record } = this.#attempt;
    // Begun at once, so that it takes no time of its own.
    const confirmed = this.#parts.confirmation.confirmOnce(this.#gathered, signal);
    confirmed.catch(() => {});
    const observed = await this.#observe();
    const decision = await this.#decide(observed.policies);
    if (this.#lacksInput(decision)) return { kind: 'outdated' };
    const desired = this.#desired(decision, observed.policies);
    const { delayed } = desired;
    // The engine may become known while the plan is made: its policies that isolate are no part of that plan.
    const isEngineKnown = this.#parts.engine.isKnown;
    const extensions = this.#planExtensions(decision, delayed);
    const planned = await this.#plan(decision, { observed, desired }, extensions);
    const overlay = this.#planOverlay(decision, planned.observed);
    const isQuiet = planned.plan.steps.length === 0 && extensions.isEmpty && overlay.isEmpty;
    if (!isQuiet) await this.#parts.guard.widened(signal);
    const opens = planned.plan.opens.length > 0 || !overlay.isEmpty;
    if (opens && !isEngineKnown) throw new EngineUnknownError();
    if (!isQuiet && !(await this.#confirm(opens, confirmed))) return { kind: 'outdated' };
    if (this.#haveProfilesChanged(planned.observed)) return { kind: 'outdated' };
    const written = await this.#write(decision, planned, { extensions, overlay, delayed });
    if (written === 'ended') return { kind: 'outdated' };
    record.isCacheBehind = false;
    record.plansGivenUp = 0;
    // Where nothing was cached, all policies are those just written.
    record.hasReadPolicies ||= planned.observed.length === 0;
    // Last known peers are read back from policies, which are others now. What merely waits for something is no reason.
    const mayReportElse = written > 0 && hasUnresolvedPeers(decision.intents);
    const {
      gated,
      plan: { conflicts },
    } = planned;
    return { kind: 'enforced', ...decision, conflicts, gated, mayReportElse };
  }

  /** Cached policies serve for most plans. Last known peers, and what was in conflict before, take live ones. */
  async #observe(): Promise<Observed> {
    const { namespace, intents } = this.#gathered;
    const { record } = this.#attempt;
    const isReadBack = hasUnresolvedPeers(intents) || record.isCacheBehind;
    this.#knownChanges = record.changesByOthers;
    const cached = isReadBack
      ? undefined
      : cachedPolicies(this.#parts.clusterState.policies.byNamespace(namespace.key));
    return cached === undefined
      ? { policies: await this.#readPolicies(), isCached: false }
      : { policies: cached, isCached: true };
  }

  async #readPolicies(): Promise<readonly NetworkPolicy[]> {
    const { signal, record } = this.#attempt;
    const namespace = this.#gathered.namespace.key;
    this.#knownChanges = record.changesByOthers;
    const { items } = await this.#parts.policies.listAll({ namespace, signal });
    record.hasReadPolicies = true;
    return items;
  }

  async #decide(observed: readonly NetworkPolicy[]): Promise<Decision> {
    const intents = hasUnresolvedPeers(this.#gathered.intents)
      ? this.#compileWithLastKnown(observed)
      : this.#gathered.intents;
    return { intents, postponed: await this.#postpone(intents, observed) };
  }

  #compileWithLastKnown(observed: readonly NetworkPolicy[]): ProfileIntent[] {
    const { clusterState, sources, engine } = this.#parts;
    const { namespace, facts } = this.#gathered;
    const staged = engine.staged(namespace.key);
    // Policies as this process wrote them come last, and win: somebody may have changed or deleted the observed ones.
    const lastKnown = {
      enforce: lastKnownFrom([...observed, ...this.#attempt.record.lastWritten()]),
      ...(staged && { audit: lastKnownFrom([...observed, ...staged]) }),
    };
    const intents = compileIntents(this.#gathered, clusterState, { lastKnown, observed });
    // The facts may have changed since, and have been asked other questions now.
    sources.subscribe(namespace.key, facts.dependencies);
    return intents;
  }

  /**
   * True if the intents were compiled again after the live read of policies, and an input is missing for that: one of a
   * capability, which was there when the reconcile began, without which own policies would be taken for unwanted; or a peer
   * source that nobody asked for before, as the last known form of one end of a connection brings in its other end.
   */
  #lacksInput({ intents }: Decision): boolean {
    const { additions, profiles, namespace, facts } = this.#gathered;
    if (intents === this.#gathered.intents) return false;
    if (facts.missing.length > 0) return true;
    return additions.some((each) => each.missing(profiles, namespace) !== undefined);
  }

  /** Listing pods costs a request, so it happens only when the decision depends on the answer. */
  async #postpone(
    intents: readonly ProfileIntent[],
    observed: readonly NetworkPolicy[],
  ): Promise<ReadonlyMap<string, Postponed>> {
    const enforced = intents.filter(({ relation }) => relation === 'enforce');
    const { record } = this.#attempt;
    const context = {
      observed,
      ownerOf: this.#ownerOf,
      wasEnforced: record.wasIsolatedBy.bind(record),
    };
    const cautious = postponed(enforced, { ...context, hasPods: true });
    const isWaiting = [...cautious.values()].some(({ failure }) => failure.kind === 'waiting');
    return isWaiting && !(await this.#podsExist())
      ? postponed(enforced, { ...context, hasPods: false })
      : cautious;
  }

  async #plan(
    decision: Decision,
    { observed, desired }: { readonly observed: Observed; readonly desired: DesiredPolicies },
    extensions: ExtensionWrites,
  ): Promise<Planned> {
    const planned = await this.#planTo(desired, observed.policies, extensions);
    const { hasReadPolicies } = this.#attempt.record;
    const isSafe = isSafeFromCache(planned.plan, observed.policies, { hasReadPolicies });
    if (!observed.isCached || isSafe) return planned;
    const live = await this.#readPolicies();
    return this.#planTo(this.#desired(decision, live), live, extensions);
  }

  async #planTo(
    { policies: desired, gated }: DesiredPolicies,
    observed: readonly NetworkPolicy[],
    { companions, isEmpty }: ExtensionWrites,
  ): Promise<Planned> {
    const ownerOf = this.#ownerOf;
    const withoutPods = plan(observed, desired, { hasPods: false, ownerOf, companions });
    // Pods could be cut only between several writes: plans of one step are the same with and without pods.
    const isSingle = withoutPods.steps.length < 2 && (companions === undefined || isEmpty);
    if (isSingle || !(await this.#podsExist())) return { plan: withoutPods, observed, gated };
    const unknown = this.#unknownIsolation();
    return {
      plan: plan(observed, desired, { hasPods: true, ownerOf, companions, unknown }),
      observed,
      gated,
    };
  }

  /** The fence lets the operator create nothing but covers in a protected namespace, from which it only removes policies. */
  #unknownIsolation(): UnknownIsolation | undefined {
    const { clusterState, engine } = this.#parts;
    const { key } = this.#gathered.namespace;
    return clusterState.protectedNamespaces.includes(key) ? undefined : engine.unknownIsolation(key);
  }

  #desired({ intents, postponed: waiting }: Decision, observed: readonly NetworkPolicy[]): DesiredPolicies {
    return desiredOf(intents, waiting, this.#contextOf(observed));
  }

  #contextOf(observed: readonly NetworkPolicy[]): DesiredContext {
    return { observed, ownerOf: this.#ownerOf, isGated: this.#isGated };
  }

  #planExtensions(
    { intents, postponed: waiting }: Decision,
    delayed: readonly PolicyType[],
  ): ExtensionWrites {
    const { engine } = this.#parts;
    const desired = desiredExtensions(intents, waiting, this.#isGated);
    return engine.plan(this.#gathered.namespace.key, { ...desired, staying: delayed });
  }

  #planOverlay({ intents, postponed: waiting }: Decision, observed: readonly NetworkPolicy[]): OverlayWrites {
    return this.#parts.mesh.plan(this.#gathered.namespace, () =>
      desiredOverlay(intents, waiting, this.#contextOf(observed)),
    );
  }

  /**
   * @param opens true if a write may open a flow
   * @param once the confirmation that has begun with the reconcile
   */
  async #confirm(opens: boolean, once: Promise<boolean>): Promise<boolean> {
    const { confirmation } = this.#parts;
    return opens ? confirmation.confirmAgain(this.#gathered, this.#attempt.signal) : once;
  }

  /**
   * True if profiles were created or deleted while we read: policies of deleted ones looked foreign, and new ones were
   * not compiled, though they may own observed policies. Their events bring the namespace back.
   */
  #haveProfilesChanged(observed: readonly NetworkPolicy[]): boolean {
    const { clusterState } = this.#parts;
    const uidOf = (profile: string | undefined) =>
      profile === undefined ? undefined : clusterState.profile(profile)?.metadata.uid;
    return (
      this.#gathered.profiles.some(({ metadata }) => uidOf(metadata.name) !== metadata.uid) ||
      observed.some((policy) => {
        const uid = uidOf(this.#ownerOf(policy));
        return uid !== undefined && !this.#knownProfiles.has(uid);
      })
    );
  }

  /** @returns the number of writes; `ended` if the plan has ended before all was written */
  async #write(
    { intents }: Decision,
    planned: Planned,
    { extensions, overlay, delayed }: WritesBeside,
  ): Promise<number | 'ended'> {
    const { clock } = this.#parts;
    const until = Math.min(...intents.flatMap(({ added }) => added?.until ?? []));
    let written = 0;
    const attempt: Attempt = {
      ...this.#attempt,
      // Reads, and writes before this one, may have taken long.
      send: (request) =>
        this.#attempt.send(() => {
          if (clock.now() >= until || this.#isOvertaken()) throw new PlanEndedError();
          written += 1;
          return request();
        }),
    };
    try {
      await overlay.permit(attempt);
      await this.#apply(planned, extensions, attempt);
      await overlay.apply(attempt, { onlyWidens: delayed.includes('Ingress') });
      return written;
    } catch (error) {
      if (!(error instanceof PlanEndedError)) throw error;
      this.#attempt.record.plansGivenUp += 1;
      return 'ended';
    }
  }

  /**
   * True if others have changed policies since these were read. What the plan still deletes may be all that allows, or
   * isolates, what a policy did that they have deleted. API servers have no precondition on another object.
   */
  #isOvertaken(): boolean {
    const { record } = this.#attempt;
    return record.changesByOthers !== this.#knownChanges && record.plansGivenUp < MOST_PLANS_GIVEN_UP;
  }

  /** Extensions only add: the new ones come before any flow needs them, and the old ones go when none does. */
  #apply(
    { plan: { steps, widenAt, narrowAt }, observed }: Planned,
    extensions: ExtensionWrites,
    attempt: Attempt,
  ): Promise<void> {
    const { policies, clusterState, onDrift } = this.#parts;
    const { key: namespace } = this.#gathered.namespace;
    return apply(steps, observed, {
      ...attempt,
      namespace,
      onDrift: () => onDrift(namespace),
      policies,
      store: clusterState.policies,
      between: async (done) => {
        if (done === widenAt) await extensions.widen(attempt);
        if (done === narrowAt) await extensions.narrow(attempt);
      },
    });
  }

  /** True if an admission gate may still look for the profile's default-deny. */
  readonly #isGated = (profile: string): boolean =>
    this.#parts.admission.holds(profile, this.#gathered.namespace);

  readonly #ownerOf = (policy: NetworkPolicy): string | undefined =>
    this.#parts.clusterState.ownerOfPolicy(policy);

  /** Asks at most once. */
  #podsExist(): Promise<boolean> {
    const { send, signal } = this.#attempt;
    return (this.#hasPods ??= send(() => this.#parts.pods.any(this.#gathered.namespace.key, signal)));
  }
}
