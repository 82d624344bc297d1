/**
 * The capability `spec.workloads.podSecurity`: labels the selected namespaces with Pod Security levels.
 *
 * Each namespace is reconciled by itself: the API server is asked by dry runs if a label would have an effect, and which
 * running pods it would refuse. Only then the label is applied. Own labels are known by their field manager, so nothing has
 * to be remembered over a restart. Without a profile that asks, and without own labels, nothing is requested.
 */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import {
  type NamespaceItem,
  NAMESPACES,
  type ProfileItem,
  PROFILES,
  projectNamespace,
} from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isAborted, isNotFound } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource } from '../../kube/resource.ts';
import type { StoreChange } from '../../kube/watch/store.ts';
import { decide } from '../../policy/pod-security/decision.ts';
import { type Demand, demandOf, levelsOf } from '../../policy/pod-security/demand.ts';
import { levelOf, type Levels, MODES, levelKey } from '../../policy/pod-security/levels.ts';
import type { Clock, Random } from '../../util/clock.ts';
import type { Capability, CapabilityReport } from '../capability.ts';
import { KeyQueue, type Outcome as QueueOutcome, Priority, type Retry } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import { reportOf, type SelectedNamespace } from './report.ts';
import { LabelRequests } from './requests.ts';
import {
  demandKey,
  needsPermission,
  type Outcome,
  type Problem,
  problemOfError,
  type Standing,
} from './standing.ts';

export interface PodSecurityOptions {
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly clock: Clock;
  readonly random: Random;
  /** Called after each write, with all labels that the operator owns on the namespace. */
  readonly onWrite: (namespace: string, labels: StringMap) => void;
  /** Called when a namespace fails for a reason that may pass, and is tried again. */
  readonly onRetry: (retry: Retry<string>) => void;
}

/** An inspection makes the API server read the pods of a namespace: few at once. */
const CONCURRENCY = 2;
/** Milliseconds until a namespace is looked at again whose running pods violate the level. */
const VIOLATION_INTERVAL_MS = 2 * 60_000;
/** Milliseconds until a namespace is looked at again in which a request was refused. */
const REFUSED_INTERVAL_MS = 30_000;
/** Milliseconds until any other namespace is looked at again: the configuration of the API server may have changed. */
const RECHECK_INTERVAL_MS = 60 * 60_000;
/** Milliseconds until caches are expected to have what a live read has shown. */
const STALE_INTERVAL_MS = 1000;

export class PodSecurity implements Capability {
  readonly #options: PodSecurityOptions;
  readonly #requests: LabelRequests;
  readonly #profiles: Resource<SegmentationProfile>;
  readonly #queue: KeyQueue<string>;
  /** By namespace. */
  readonly #standings = new Map<string, Standing>();
  #onReport: (profile: string) => void = () => {};
  /** Until when the admission plugin counts as enabled without another probe, in monotonic milliseconds. */
  #pluginEnabledUntil = 0;
  /** A missing permission, and until when it counts without another request, in monotonic milliseconds. */
  #missing: { readonly problem: Problem; readonly until: number } | undefined;

  constructor(options: PodSecurityOptions) {
    const { transport, clock, random, onRetry } = options;
    this.#options = options;
    this.#requests = new LabelRequests(new Resource(transport, NAMESPACES));
    this.#profiles = new Resource(transport, PROFILES);
    this.#queue = new KeyQueue({
      concurrency: CONCURRENCY,
      clock,
      random,
      identify: (name) => name,
      observer: { onRetry },
    });
  }

  lead(onReport: (profile: string) => void): void {
    const { clusterState } = this.#options;
    this.#onReport = onReport;
    clusterState.profiles.subscribe((change) => this.#profileChanged(change));
    clusterState.namespaces.subscribe((change) => this.#namespaceChanged(change));
    for (const namespace of clusterState.namespaces.values())
      if (this.#isConcerned(namespace)) this.#queue.add(namespace.key, Priority.backfill);
    this.#queue.start((name, signal) => this.#reconcile(name, signal));
  }

  async stop(): Promise<void> {
    await this.#queue.close();
  }

  isJudged(profile: SegmentationProfile): boolean {
    return this.#selected(profile).every(({ outcome }) => outcome !== undefined);
  }

  report(profile: SegmentationProfile): CapabilityReport | undefined {
    const levels = levelsOf(profile);
    return levels && reportOf(profile, levels, this.#selected(profile));
  }

  /** False while a namespace has an own label that no other profile asks for, unless a person has to act first. */
  isReleased(profile: SegmentationProfile): boolean {
    const { clusterState } = this.#options;
    if (levelsOf(profile) === undefined) return true;
    for (const namespace of clusterState.namespaces.values()) {
      if (namespace.ownPodSecurity === undefined || !clusterState.selects(profile, namespace)) continue;
      const { levels = {} } = this.#demand(namespace) ?? {};
      const isLeft = MODES.some(
        (mode) => levels[mode] === undefined && namespace.ownPodSecurity?.includes(levelKey(mode)),
      );
      if (isLeft && this.#standings.get(namespace.key)?.outcome.kind !== 'failed') return false;
    }
    return true;
  }

  /** The namespaces that the profile asks levels for. */
  #selected(profile: SegmentationProfile): SelectedNamespace[] {
    const { clusterState } = this.#options;
    if (levelsOf(profile) === undefined) return [];
    const selected: SelectedNamespace[] = [];
    for (const namespace of clusterState.namespaces.values()) {
      if (clusterState.relation(profile, namespace) !== 'enforce') continue;
      const standing = this.#standings.get(namespace.key);
      const isCurrent = standing?.demand === demandKey(this.#demand(namespace));
      selected.push({ name: namespace.key, outcome: isCurrent ? standing?.outcome : undefined });
    }
    return selected;
  }

  #demand(
    namespace: NamespaceItem,
    profiles: Iterable<SegmentationProfile> = this.#askingProfiles(),
  ): Demand | undefined {
    const { clusterState } = this.#options;
    const asking: SegmentationProfile[] = [];
    for (const profile of profiles)
      if (levelsOf(profile) && clusterState.relation(profile, namespace) === 'enforce') asking.push(profile);
    return asking.length === 0 ? undefined : demandOf(asking, namespace.name);
  }

  /** The cached profiles that ask for levels. */
  #askingProfiles(): SegmentationProfile[] {
    const asking: SegmentationProfile[] = [];
    for (const { profile } of this.#options.clusterState.profiles.values())
      if (levelsOf(profile)) asking.push(profile);
    return asking;
  }

  /** True if the namespace is to have labels, or has own ones. */
  #isConcerned(namespace: NamespaceItem): boolean {
    if (namespace.terminating) return false;
    return namespace.ownPodSecurity !== undefined || this.#demand(namespace) !== undefined;
  }

  #profileChanged({ old, new: next }: StoreChange<ProfileItem>): void {
    const { clusterState } = this.#options;
    if (intentOf(old) === intentOf(next)) return;
    const items = [old, next].filter((item) => item !== undefined && levelsOf(item.profile) !== undefined);
    if (items.length === 0) return;
    for (const namespace of clusterState.namespaces.values()) {
      if (items.some((item) => item && clusterState.selects(item.profile, namespace)))
        this.#queue.add(namespace.key, Priority.backfill);
    }
  }

  #namespaceChanged({ old, new: next }: StoreChange<NamespaceItem>): void {
    const relevant = (item: NamespaceItem | undefined) =>
      item && JSON.stringify([item.uid, item.labels, item.ownPodSecurity, item.terminating]);
    if (relevant(old) === relevant(next)) return;
    const isConcerned = [old, next].some((item) => item !== undefined && this.#isConcerned(item));
    if (next === undefined) this.#standings.delete(old?.key ?? '');
    else if (isConcerned) this.#queue.add(next.key, Priority.live);
    if (isConcerned) for (const item of [old, next]) if (item !== undefined) this.#notify(item);
  }

  async #reconcile(name: string, signal: AbortSignal): Promise<QueueOutcome> {
    const namespace = this.#options.clusterState.namespaces.get(name);
    if (namespace === undefined || !this.#isConcerned(namespace)) {
      this.#standings.delete(name);
      return DONE;
    }
    const demand = this.#demand(namespace);
    try {
      const outcome = await this.#label(namespace, demand, signal);
      if (outcome === undefined) return { kind: 'again', afterMs: STALE_INTERVAL_MS };
      this.#settle(namespace, demand, outcome);
      return this.#again(outcome);
    } catch (error) {
      if (isAborted(error)) return givenUp(error, signal);
      if (isNotFound(error)) return DONE;
      const failure = problemOfError(error);
      if (failure.kind === 'retry') return retry(error);
      if (needsPermission(failure))
        this.#missing = { problem: failure, until: this.#options.clock.monotonic() + REFUSED_INTERVAL_MS };
      const outcome = { kind: 'failed', failure } as const;
      this.#settle(namespace, demand, outcome);
      return this.#again(outcome);
    }
  }

  /** @returns undefined if the caches lag @throws ApiError */
  async #label(
    namespace: NamespaceItem,
    demand: Demand | undefined,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    const { clock, onWrite } = this.#options;
    if (this.#missing !== undefined && this.#missing.until > clock.monotonic())
      return { kind: 'failed', failure: this.#missing.problem };
    const { name } = namespace;
    const live = await this.#requests.read(name, signal);
    if (live.metadata.uid !== namespace.uid || live.metadata.deletionTimestamp !== undefined)
      return undefined;
    const { levels = {}, isAcknowledged = false } = demand ?? {};
    let violations: readonly string[] = [];
    if (demand !== undefined) {
      if (!(await this.#isPluginEnabled(name, signal))) return { kind: 'pluginDisabled' };
      const inspection = await this.#requests.inspect(live, levels.enforce, signal);
      if (inspection.kind === 'exempt') return inspection;
      violations = inspection.violations;
    }
    const mayRaiseEnforce = isAcknowledged || violations.length === 0;
    const decision = decide(live.metadata, levels, mayRaiseEnforce);
    if (decision.lowers && !(await this.#isConfirmed(live, demand, signal))) return undefined;
    if (!decision.needsWrite) return judged(live, decision.obstacles, violations);
    const after = await this.#requests.apply(live, decision.labels, signal);
    onWrite(name, decision.labels);
    return judged(after, decision.obstacles, violations);
  }

  /** True if the profiles ask by a live read for what they ask for by the caches (I4). @throws ApiError */
  async #isConfirmed(live: KubeObject, demand: Demand | undefined, signal: AbortSignal): Promise<boolean> {
    const { items } = await this.#profiles.listAll({ signal });
    return demandKey(this.#demand(projectNamespace(live), items)) === demandKey(demand);
  }

  /** @throws ApiError */
  async #isPluginEnabled(namespace: string, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#options;
    if (clock.monotonic() < this.#pluginEnabledUntil) return true;
    const isEnabled = await this.#requests.isPluginEnabled(namespace, signal);
    if (isEnabled) this.#pluginEnabledUntil = clock.monotonic() + RECHECK_INTERVAL_MS;
    return isEnabled;
  }

  #settle(namespace: NamespaceItem, demand: Demand | undefined, outcome: Outcome): void {
    this.#standings.set(namespace.key, { demand: demandKey(demand), outcome });
    this.#notify(namespace);
  }

  /** Notifies of the profiles that have to do with the namespace, also of those that are being deleted. */
  #notify(namespace: NamespaceItem): void {
    const { clusterState } = this.#options;
    for (const profile of this.#askingProfiles())
      if (clusterState.selects(profile, namespace)) this.#onReport(profile.metadata.name);
  }

  /** Spread over a tenth of the interval, so that namespaces are not all looked at in the same moment. */
  #again(outcome: Outcome): QueueOutcome {
    const isViolated = outcome.kind === 'judged' && outcome.obstacles.enforce?.kind === 'ViolatingPods';
    const usual = isViolated ? VIOLATION_INTERVAL_MS : RECHECK_INTERVAL_MS;
    const intervalMs = outcome.kind === 'failed' ? REFUSED_INTERVAL_MS : usual;
    const afterMs = Math.ceil(intervalMs * (1 + this.#options.random() / 10));
    return { kind: 'again', afterMs, priority: Priority.backfill };
  }
}

function judged(
  { metadata: { labels = {} } }: KubeObject,
  obstacles: Extract<Outcome, { kind: 'judged' }>['obstacles'],
  violations: readonly string[],
): Outcome {
  const levels: Levels = Object.fromEntries(
    MODES.map((mode) => [mode, levelOf(mode, labels)] as const).filter(([, level]) => level !== undefined),
  );
  return { kind: 'judged', levels, obstacles, violations };
}

/** The parts of a profile that its Pod Security labels depend on, as one text. */
function intentOf(item: ProfileItem | undefined): string | undefined {
  if (item === undefined) return undefined;
  const { metadata, spec } = item.profile;
  const { mode, namespaceSelector, excludeNamespaces, deletionPolicy, workloads } = spec;
  const intent = [mode, namespaceSelector, excludeNamespaces, deletionPolicy, workloads?.podSecurity];
  return JSON.stringify([item.uid, metadata.deletionTimestamp, ...intent]);
}
