/** Reconciles one namespace, for all profiles that concern it: gather, blocked?, converged?, enforce, record. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { cachedPolicies } from '../../cluster-state/policies/cached.ts';
import type { PeerSources } from '../../cluster-state/peer-sources/sources.ts';
import { type ClusterState, isWritten } from '../../cluster-state/state.ts';
import {
  ApiError,
  classify,
  isAborted,
  isAlreadyExists,
  isConflict,
  isNamespaceTerminating,
  isNotFound,
  mayHaveWritten,
} from '../../kube/errors.ts';
import { needsPerson } from '../../policy/planning/transition.ts';
import { errorMessage } from '../../util/error-message.ts';
import type { ControllerObserver } from '../observer.ts';
import type { Outcome } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import { atOnce, RequestLanes } from '../queue/request-lanes.ts';
import type { Records } from '../records.ts';
import type { PolicyAdditions } from './additions.ts';
import { type Blocked, readinessOf } from './blocked.ts';
import { type Converged, convergenceOf } from './cached-policies.ts';
import { desiredExtensions, desiredOverlay } from './desired.ts';
import { type Attempt, Enforcement, type EnforcementParts } from './enforce.ts';
import { gather, type Gathered, type ProfileIntent } from './gather.ts';
import type { Cause, NamespaceRecord } from './record.ts';
import { recordEnforced, recordFailure, recordResults } from './report.ts';
import { desiredStaged } from './staged.ts';

export interface NamespaceControllerOptions extends EnforcementParts {
  readonly clusterState: ClusterState;
  readonly sources: PeerSources;
  /** Capabilities that add policies. */
  readonly additions: readonly PolicyAdditions[];
  readonly records: Records;
  readonly observer: Pick<ControllerObserver, 'onWrite' | 'onEnforced'>;
}

/** The caches are behind what was read live: their events bring the namespace back, and at the latest this. */
const AGAIN: Outcome = { kind: 'again', afterMs: 1000 };

/** The policies are in place, but what is reported of them may have changed by their writes. */
const REPORT_AGAIN: Outcome = { kind: 'again', afterMs: 1000 };

const NOTHING_POSTPONED = new Map<string, never>();

export class NamespaceController {
  readonly #options: NamespaceControllerOptions;
  readonly #lanes = new RequestLanes();

  constructor(options: NamespaceControllerOptions) {
    this.#options = options;
  }

  /** A namespace with an event goes ahead: its requests wait for nobody, and the requests of others wait for it. */
  async reconcile(name: string, signal: AbortSignal): Promise<Outcome> {
    const { records, observer } = this.#options;
    const record = records.namespace(name);
    const cause = record.takeCause();
    const isUrgent = cause.eventAt !== undefined;
    const attempt: Attempt = {
      record,
      signal,
      send: isUrgent ? atOnce : this.#lanes.sendBackground,
      onWrite: (write) => observer.onWrite({ ...write, isDriftOnly: cause.isDriftOnly }),
    };
    const run = () => this.#reconcile(name, attempt);
    const outcome = await (isUrgent ? this.#lanes.runForeground(run) : run());
    if (outcome.kind === 'done' || outcome === REPORT_AGAIN) this.#settleEvent(name, record, cause);
    else record.returnCause(cause);
    return outcome;
  }

  async #reconcile(name: string, attempt: Attempt): Promise<Outcome> {
    const { clusterState, sources, records, additions, mesh } = this.#options;
    const namespace = clusterState.namespaces.get(name);
    // The namespace controller deletes the objects of a terminating namespace, and nothing can be created there.
    if (namespace === undefined || namespace.terminating) return this.#forget(name);
    for (const each of additions) each.begin?.(namespace);
    const gathered = gather(namespace, { clusterState, facts: sources.facts, additions, mesh });
    sources.subscribe(name, gathered.facts.dependencies);
    records.keepResults(name, new Set(gathered.profiles.map(({ metadata }) => metadata.name)));
    const readiness = readinessOf(gathered, (source) => sources.readError(source));
    if (readiness.kind === 'blocked') return this.#recordBlocked(name, readiness);
    // After a lost answer, the cache may lack a cover that is to be deleted.
    if (attempt.record.isCacheBehind) return this.#enforce(gathered, attempt);
    const convergence = convergenceOf(gathered, clusterState);
    if (convergence.kind === 'converged' && this.#areExtensionsConverged(gathered))
      return this.#recordConverged(gathered, convergence, attempt.record);
    return this.#enforce(gathered, attempt);
  }

  #recordBlocked(name: string, { intents, failure }: Blocked): Outcome {
    if (failure !== undefined)
      recordFailure(name, intents, { state: 'pending', failure }, this.#options.records);
    return DONE;
  }

  /** Both are always planned: they report what they find. */
  #areExtensionsConverged({ namespace, intents }: Gathered): boolean {
    const { engine, mesh, admission, clusterState } = this.#options;
    const isGated = (profile: string) => admission.holds(profile, namespace);
    const ownerOf = (policy: NetworkPolicy) => clusterState.ownerOfPolicy(policy);
    const observed = this.#keptPolicies(namespace.key, intents);
    if (observed === undefined) return false;
    const context = { observed, ownerOf, isGated };
    const plans = [
      engine.plan(namespace.key, desiredExtensions(intents, NOTHING_POSTPONED, isGated)),
      mesh.plan(namespace, () => desiredOverlay(intents, NOTHING_POSTPONED, context)),
    ];
    return plans.every(({ isEmpty }) => isEmpty);
  }

  /** The own policies where some may stay as they are; undefined if they have to be read. */
  #keptPolicies(namespace: string, intents: readonly ProfileIntent[]): NetworkPolicy[] | undefined {
    const { clusterState } = this.#options;
    if (intents.every(({ relation }) => relation === 'enforce')) return [];
    const items = [...clusterState.policies.byNamespace(namespace)];
    return cachedPolicies(items.filter((item) => clusterState.ownerOf(item) !== undefined));
  }

  #recordConverged(
    { namespace, intents }: Gathered,
    { conflicts }: Converged,
    record: NamespaceRecord,
  ): Outcome {
    const result = { intents, postponed: NOTHING_POSTPONED, conflicts };
    recordEnforced(record, result);
    recordResults(namespace.key, result, this.#options.records);
    this.#stage(namespace.key, intents, this.#options.engine.staged(namespace.key));
    return DONE;
  }

  /**
   * Staged policies come after the enforced ones: a profile that begins to enforce is staged until then.
   *
   * @param staged those that were known before the intents were compiled
   */
  #stage(
    namespace: string,
    intents: readonly ProfileIntent[],
    staged: readonly NetworkPolicy[] | undefined,
  ): void {
    if (staged !== undefined) this.#options.engine.stage(namespace, desiredStaged(intents, staged));
  }

  async #enforce(gathered: Gathered, attempt: Attempt): Promise<Outcome> {
    const name = gathered.namespace.key;
    const { record, signal } = attempt;
    const { records, engine } = this.#options;
    const staged = engine.staged(name);
    const enforced = enforcedProfiles(gathered);
    if (enforced.some((profile) => records.profile(profile).isReleasing)) return AGAIN;
    records.beginEnforcing(name, enforced);
    try {
      const result = await new Enforcement(gathered, attempt, this.#options).run();
      if (result.kind === 'outdated') return this.#beginAgain(gathered);
      recordEnforced(record, result);
      recordResults(name, result, records);
      this.#stage(name, result.intents, staged);
      return result.mayReportElse ? REPORT_AGAIN : DONE;
    } catch (error) {
      if (isUnexpected(error) || mayHaveWritten(error)) record.isCacheBehind = true;
      return isAborted(error) ? givenUp(error, signal) : this.#fail(gathered, error);
    } finally {
      records.endEnforcing(name, enforced);
    }
  }

  /** The intents may have been compiled again, and lack an input that nobody asked for before. */
  #beginAgain(gathered: Gathered): Outcome {
    const readiness = readinessOf(gathered, (source) => this.#options.sources.readError(source));
    return readiness.kind === 'blocked' ? this.#recordBlocked(gathered.namespace.key, readiness) : AGAIN;
  }

  #fail({ namespace, intents }: Gathered, error: unknown): Outcome {
    if (isNamespaceTerminating(error)) return DONE;
    // Somebody else wrote first: no failure of the namespace, but backed off from like one, so that nobody fights.
    if (isConflict(error) || isAlreadyExists(error)) return retry(error);
    const kind = needsPerson(error) ? 'stalled' : classify(error);
    const reason = error instanceof ApiError ? error.reason : error instanceof Error ? error.name : 'Error';
    const failure = { reason, message: errorMessage(error), kind };
    const state = kind === 'retry' ? 'pending' : 'failed';
    recordFailure(namespace.key, intents, { state, failure }, this.#options.records);
    return retry(error);
  }

  #forget(name: string): Outcome {
    const { sources, records, engine } = this.#options;
    sources.unsubscribe(name);
    engine.stage(name, undefined);
    records.forgetNamespace(name);
    return DONE;
  }

  /** The reconcile is done: its event is answered, unless a profile's result is pending. */
  #settleEvent(name: string, record: NamespaceRecord, cause: Cause): void {
    const { observer, clock } = this.#options;
    const eventAt = record.eventBehind(cause);
    if (eventAt === undefined) return;
    const states = this.#statesOf(name);
    // The namespace waits for something to be read, and stays as urgent as it is.
    if (states.includes('pending')) return;
    record.settleEvent();
    if (states.length > 0 && !states.includes('failed'))
      observer.onEnforced(name, clock.monotonic() - eventAt);
  }

  /** The state of the namespace's result for each profile that selects it. */
  #statesOf(name: string): string[] {
    const { clusterState, records } = this.#options;
    const namespace = clusterState.namespaces.get(name);
    if (namespace === undefined) return [];
    return clusterState
      .concerned(namespace)
      .filter((profile) => isWritten(clusterState.inForce(profile, namespace)))
      .map(({ metadata }) => records.resultsOf(metadata.name).get(name)?.state ?? 'pending');
  }
}

/** The profiles that are enforced. */
function enforcedProfiles({ intents }: Gathered): string[] {
  return intents.filter(({ relation }) => relation === 'enforce').map(({ profile }) => profile.metadata.name);
}

/** True if a write met an object that the cache does not have, or has otherwise. */
function isUnexpected(error: unknown): boolean {
  return isConflict(error) || isAlreadyExists(error) || isNotFound(error);
}
