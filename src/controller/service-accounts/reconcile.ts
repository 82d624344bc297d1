/**
 * Reconciles what peers of kind `serviceAccount` rely on: the API server labels the pods of the namespaces that they name,
 * and keeps the label true. One key of the work queue serves all profiles. The result is facts, which the compiler reads.
 *
 * The order gives such a peer its meaning:
 * 1. The bindings cover the namespace, and a probe shows that the API server has taken them up.
 * 2. Pods whose label is not true are counted: it was written earlier. While there are any, the peer is unresolved.
 * 3. The peer resolves. Pods that run as the account without a label are counted and reported.
 * In reverse, a namespace stays covered until live lists show that no profile names it and no policy relies on the label
 * there, whoever created the policy.
 */
import type { KubeObject } from '../../api/meta.ts';
import { isAborted, isCollectionMissing, isForbidden } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import { type Account, type AccountAnswer, accountBindings } from '../../policy/admission/accounts.ts';
import {
  advance,
  isChanged,
  overdue,
  type TakeUp,
  type TakeUpEvent,
  UNKNOWN,
} from '../../policy/admission/take-up.ts';
import type { AccountFailure, ServiceAccountFacts } from '../../policy/facts.ts';
import type { Random } from '../../util/clock.ts';
import { errorMessage } from '../../util/error-message.ts';
import type { Outcome } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import {
  type AccountBindings,
  coveredNamespaces,
  exists,
  nameFailure,
  type ObservedAccountBindings,
  stateOf,
} from './bindings.ts';
import { countPods } from './count-pods.ts';
import { type NamedAccount, NamedAccounts } from './named-accounts.ts';
import { LabelledNamespaces, type LabelledNamespacesOptions, type NeededNamespaces } from './namespaces.ts';
import type { AccountProbe } from './probe.ts';

export interface ServiceAccountsOptions extends LabelledNamespacesOptions {
  readonly bindings: AccountBindings;
  readonly probe: AccountProbe;
  readonly pods: Resource<KubeObject>;
  readonly random: Random;
  /** Bindings are needed, or exist: from now on their changes matter. */
  readonly onNeeded: () => void;
  /** The facts of a further account are needed: `reconcile` has to be called. */
  readonly onAccount: () => void;
}

type Unconfirmed = Exclude<AccountAnswer, 'inForce'>;

/** Until the API server is asked again whether it has taken up the bindings, which it does every second. */
const PROBE_INTERVAL_MS = 100;
/** Until the operator looks again for an object that a person has to create. */
const MISSING_INTERVAL_MS = 2_000;
/** The longest time for which the probe may give an answer. */
const PATIENCE_MS: Readonly<Record<Unconfirmed, number>> = { notYet: 15_000, unlabelled: 15_000 };
/** From the guard being in force in one API server until it is in all: they take up bindings within a second. */
const OTHER_SERVERS_MS = 1_500;
/** From then on no request is under way that began before the guard was in force: the API server gives each a minute. */
const UNDER_WAY_MS = 70_000;
/** Between two counts of pods: while some are unlabelled or mislabelled, and while none are. */
const RECOUNT_MS = 5_000;
const RECOUNT_CLEAN_MS = 300_000;

export class ServiceAccounts {
  readonly #options: ServiceAccountsOptions;
  readonly #namespaces: LabelledNamespaces;
  readonly #accounts = new NamedAccounts();
  #takeUp: TakeUp<Unconfirmed> = UNKNOWN;
  /** By namespace: since when the guard has been in force there without a gap, in monotonic milliseconds. */
  readonly #guardedSince = new Map<string, number>();
  /** True if bindings may exist. While they can't, and none are needed, nothing is read. */
  #mayExist = false;
  /** The error of the last reconcile, if it can't tell what is in force. */
  #error: string | undefined;

  constructor(options: ServiceAccountsOptions) {
    this.#options = options;
    this.#namespaces = new LabelledNamespaces(options);
  }

  /** Calls `listener` when the facts of an account have changed, or the reason why they are not known. */
  subscribe(listener: (account: Account) => void): void {
    this.#accounts.subscribe(listener);
  }

  /** The facts of the account's pods; undefined until they are found out. */
  facts(account: Account): ServiceAccountFacts | undefined {
    return this.#accounts.facts(account);
  }

  /** A namespace depends on the facts of the account. */
  need(account: Account): void {
    if (this.#accounts.need(account)) this.#options.onAccount();
  }

  /** No namespace depends on them any more. */
  release(account: Account): void {
    this.#accounts.release(account);
  }

  /** Why facts are not known; undefined if they are only not known yet. */
  get failure(): string | undefined {
    return this.#error;
  }

  /** A binding of label or guard was seen. @returns true if none was known to exist */
  noteBinding(): boolean {
    const isNew = !this.#mayExist;
    this.#mayExist = true;
    return isNew;
  }

  async reconcile(signal: AbortSignal): Promise<Outcome> {
    try {
      const outcome = await this.#reconcile(signal);
      this.#error = undefined;
      return outcome;
    } catch (error) {
      if (isAborted(error)) return givenUp(error, signal);
      const failure = failureOf(error);
      if (failure !== undefined) return this.#fail(failure);
      const message = errorMessage(error);
      const isNew = this.#error !== message;
      this.#error = message;
      if (isNew) this.#accounts.notifyUnknown();
      return retry(error);
    }
  }

  async #reconcile(signal: AbortSignal): Promise<Outcome> {
    const { bindings, clusterState, onNeeded } = this.#options;
    this.#accounts.follow([...clusterState.profiles.values()].map(({ profile }) => profile));
    const needed = this.#namespaces.needed();
    if (this.#isUnused(needed)) return this.#rest();
    const observed = await bindings.read(signal);
    this.#mayExist = exists(observed);
    if (this.#isUnused(needed)) return this.#rest();
    onNeeded();

    const policies = await bindings.installedPolicies(signal);
    if (policies.kind === 'missing') return this.#fail(policies.failure);
    const taken = nameFailure(observed);
    if (taken !== undefined) return this.#fail(taken);

    const covered = coveredNamespaces(observed);
    const namespaces = await this.#namespaces.toCover(needed, covered, signal);
    this.#markUnguarded(new Set(namespaces));
    if (namespaces.length === 0) return this.#unbind(observed, signal);
    if (!(await this.#cover(namespaces, observed, policies.id, signal))) return this.#awaitTakeUp();
    this.#markGuarded(namespaces);
    await this.#countDuePods(signal);
    return this.#next();
  }

  #isUnused({ desired }: NeededNamespaces): boolean {
    return desired.size === 0 && !this.#mayExist;
  }

  /** No namespace is covered, and none has to be. */
  #rest(): Outcome {
    this.#markUnguarded(new Set());
    return DONE;
  }

  async #unbind(observed: ObservedAccountBindings, signal: AbortSignal): Promise<Outcome> {
    this.#lapse();
    this.#takeUp = UNKNOWN;
    await this.#options.bindings.delete(observed, signal);
    this.#mayExist = false;
    return DONE;
  }

  /**
   * Makes the bindings cover the namespaces, and asks the probe unless they are known to be in force.
   *
   * @returns true if they are in force
   * @throws ApiError
   */
  async #cover(
    namespaces: readonly string[],
    observed: ObservedAccountBindings,
    policies: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { bindings, probe, clock } = this.#options;
    const found = stateOf(observed, policies);
    // Somebody changed or deleted the bindings, or the policies behind them: pods may have been unguarded for a while.
    if (isChanged(this.#takeUp, found)) this.#lapse();
    this.#advance({ kind: 'stored', state: found });
    const beforeWrite = () => this.#advance({ kind: 'writing' });
    const stored = await bindings.write(accountBindings(namespaces), observed, beforeWrite, signal);
    this.#mayExist = true;
    const state = stateOf(stored, policies);
    this.#advance({ kind: 'stored', state });
    if (this.#takeUp.stage === 'inForce') return true;
    const answer = await probe.ask(state, observed.probe, signal);
    this.#advance({ kind: 'answered', state, answer, nowMs: clock.monotonic() });
    return answer === 'inForce';
  }

  #awaitTakeUp(): Outcome {
    const answer = overdue(this.#takeUp, PATIENCE_MS, this.#options.clock.monotonic());
    // A namespace that was covered before and still is has been guarded all the time.
    if (answer === undefined) return { kind: 'again', afterMs: PROBE_INTERVAL_MS };
    const plugin = answer === 'unlabelled' ? 'MutatingAdmissionPolicy' : 'ValidatingAdmissionPolicy';
    return this.#fail({
      reason: 'NotTakenUp',
      message:
        `the API server does not take up the bindings: enable its admission plugin ${plugin} if that is disabled, and ` +
        'apply config/service-accounts again if its policies were changed',
    });
  }

  #markGuarded(namespaces: readonly string[]): void {
    const now = this.#options.clock.monotonic();
    for (const each of namespaces) if (!this.#guardedSince.has(each)) this.#guardedSince.set(each, now);
  }

  /** In a namespace that is not covered, the label proves nothing. Only profiles under Audit name such a namespace. */
  #markUnguarded(covered: ReadonlySet<string>): void {
    for (const each of this.#guardedSince.keys()) if (!covered.has(each)) this.#guardedSince.delete(each);
    for (const named of this.#accounts.values()) {
      if (!covered.has(named.account.namespace)) this.#accounts.set(named, failing(UNGUARDED));
      else if (named.facts?.failure?.reason === UNGUARDED.reason) this.#accounts.set(named, undefined);
    }
  }

  /** Counts the pods of each account in a guarded namespace whose time has come. */
  async #countDuePods(signal: AbortSignal): Promise<void> {
    const { clock, pods } = this.#options;
    for (const named of this.#accounts.values()) {
      const since = this.#guardedSince.get(named.account.namespace);
      if (since === undefined) continue;
      const now = clock.monotonic();
      if (now < since + OTHER_SERVERS_MS) named.countDue = since + OTHER_SERVERS_MS;
      if (now < named.countDue) continue;
      const facts = await countPods(named.account, pods, signal);
      named.countDue = this.#nextCount(facts, since, now);
      this.#accounts.set(named, facts);
    }
  }

  /** The time of the next count: at the latest when every request has ended that began before the guard was in force. */
  #nextCount({ unlabelled, mislabelled }: ServiceAccountFacts, since: number, now: number): number {
    const intervalMs = unlabelled === 0 && mislabelled === 0 ? RECOUNT_CLEAN_MS : RECOUNT_MS;
    const next = now + intervalMs * (0.9 + 0.2 * this.#options.random());
    return now < since + UNDER_WAY_MS ? Math.min(next, since + UNDER_WAY_MS) : next;
  }

  /** Reconciles again for the next count, or at the end of a grace period. */
  #next(): Outcome {
    const guarded = (named: NamedAccount) => this.#guardedSince.has(named.account.namespace);
    const counts = [...this.#accounts.values()].filter(guarded).map(({ countDue }) => countDue);
    const times = [...counts, ...this.#namespaces.graceEnds()];
    if (times.length === 0) return DONE;
    const afterMs = Math.min(...times) - this.#options.clock.monotonic();
    return { kind: 'again', afterMs: Math.max(PROBE_INTERVAL_MS, afterMs) };
  }

  #advance(event: TakeUpEvent<Unconfirmed>): void {
    this.#takeUp = advance(this.#takeUp, event);
  }

  /** Earlier probes and counts no longer prove anything. */
  #lapse(): void {
    this.#advance({ kind: 'lapsed' });
    this.#guardedSince.clear();
    this.#accounts.dropCounts();
  }

  #fail(failure: AccountFailure): Outcome {
    this.#advance({ kind: 'lapsed' });
    this.#guardedSince.clear();
    for (const named of this.#accounts.values()) {
      named.countDue = 0;
      this.#accounts.set(named, failing(failure));
    }
    return { kind: 'again', afterMs: MISSING_INTERVAL_MS };
  }
}

const UNGUARDED: AccountFailure = {
  reason: 'NotGuarded',
  message:
    'the pods of its namespace are not labelled, because no profile that enforces names it: they are once one has `mode: Enforce`',
};

function failing({ reason, message }: AccountFailure): ServiceAccountFacts {
  return { failure: { reason, message }, unlabelled: 0, mislabelled: 0 };
}

/** The failure that a failed request means; undefined if a retry may succeed. */
function failureOf(error: unknown): AccountFailure | undefined {
  const message = errorMessage(error);
  if (isCollectionMissing(error)) {
    return {
      reason: 'Unsupported',
      message:
        'the API server has no MutatingAdmissionPolicies: peers by ServiceAccount need Kubernetes 1.36 or later; ' +
        `name the pods by a podSelector instead (${message})`,
    };
  }
  if (!isForbidden(error)) return undefined;
  return {
    reason: 'NotInstalled',
    message: `the operator lacks permissions that peers by ServiceAccount need: kubectl apply -k config/service-accounts (Kubernetes 1.36 or later; ${message})`,
  };
}
