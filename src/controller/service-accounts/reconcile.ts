/**
 * Keeps what peers of kind `serviceAccount` rely on: that the API server labels the pods of the namespaces that they
 * name, and keeps the label true. One key of the work queue, for all profiles. What it finds out becomes facts, which
 * compiling asks for.
 *
 * The order, which a peer's meaning depends on:
 * 1. the bindings cover the namespace, and the API server has taken them up (it is asked by a probe);
 * 2. then pods are counted that have a label which is not true: it was written before. With any, the peer is unresolved;
 * 3. then the peer resolves. Pods that run as the account and have no label are counted, and reported.
 * The other way round: the bindings go from a namespace only when no profile names it and no policy relies on the label
 * there, whosever it is, by live lists.
 */
import type { KubeObject } from '../../api/meta.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../api/names.ts';
import type { Random } from '../../util/clock.ts';
import { isAborted, isCollectionMissing, isForbidden } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import { type Account, accountsOf } from '../../policy/admission/accounts.ts';
import type { ServiceAccountFacts } from '../../policy/facts.ts';
import { MOST_COUNTED } from '../../policy/peers/service-account.ts';
import type { AccountBindings, AccountFailure } from './bindings.ts';
import { AccountNamespaces, type AccountNamespacesOptions } from './namespaces.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import type { Outcome } from '../queue/key-queue.ts';
import { errorMessage } from '../../util/error-message.ts';

export interface ServiceAccountsOptions extends AccountNamespacesOptions {
  readonly bindings: AccountBindings;
  readonly pods: Resource<KubeObject>;
  readonly random: Random;
  /** Bindings are wanted, or there: from now on their changes matter. */
  readonly onNeeded: () => void;
  /** What is known of the account has changed. */
  readonly onChange: (account: Account) => void;
}

/** Of one account that a profile names. */
interface Known {
  readonly account: Account;
  facts: ServiceAccountFacts | undefined;
  /** When its pods are to be counted next; monotonic milliseconds. */
  due: number;
}

/** How soon the API server is asked again whether it has taken the bindings up: it does so every second. Milliseconds. */
const PROBE_INTERVAL = 100;
/** How soon something that a person has to bring is looked for again, in milliseconds. */
const MISSING_INTERVAL = 2_000;
/** From the guard being in force in this API server until the others follow, in milliseconds: they do within a second. */
const SETTLE = 1_500;
/** A request that was under way then has ended by now, in milliseconds: the API server gives each a minute. */
const UNDER_WAY = 70_000;
/** How often pods are counted while some are not as they should be, and while all are; milliseconds. */
const RECOUNT = 5_000;
const RECOUNT_CLEAN = 300_000;

export class ServiceAccounts {
  readonly #options: ServiceAccountsOptions;
  readonly #namespaces: AccountNamespaces;
  /** By NAMESPACE/NAME. */
  readonly #known = new Map<string, Known>();
  /** Since when the guard has been in force in each namespace, without a gap; monotonic milliseconds. */
  readonly #guarded = new Map<string, number>();
  /** Bindings may stand; until one was seen or wanted nothing is read. */
  #mayStand = false;
  /** The state of the bindings that is in force, by the probe. */
  #inForce: string | undefined;
  /** The state that this process left. */
  #left: string | undefined;
  /** Why it can't be found out how things stand. */
  #failure: string | undefined;

  constructor(options: ServiceAccountsOptions) {
    this.#options = options;
    this.#namespaces = new AccountNamespaces(options);
  }

  /** What is known of the pods of an account; undefined as long as it has to be found out. */
  facts({ namespace, name }: Account): ServiceAccountFacts | undefined {
    return this.#known.get(`${namespace}/${name}`)?.facts;
  }

  /** Why nothing is known of it, if that takes a reason. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** A binding of these was seen. @returns whether that is news */
  noteStanding(): boolean {
    const news = !this.#mayStand;
    this.#mayStand = true;
    return news;
  }

  async reconcile(signal: AbortSignal): Promise<Outcome> {
    try {
      const outcome = await this.#reconcile(signal);
      this.#failure = undefined;
      return outcome;
    } catch (error) {
      if (isAborted(error)) return givenUp(error, signal);
      const failure = failureOf(error);
      if (failure !== undefined) return this.#fail(failure);
      const message = errorMessage(error);
      const news = this.#failure !== message;
      this.#failure = message;
      // Whoever waits for it reports why.
      for (const { account, facts } of this.#known.values())
        if (news && facts === undefined) this.#options.onChange(account);
      return retry(error);
    }
  }

  async #reconcile(signal: AbortSignal): Promise<Outcome> {
    const { bindings, onNeeded } = this.#options;
    this.#follow();
    const needed = this.#namespaces.needed();
    if (needed.wanted.size === 0 && !this.#mayStand) {
      this.#judgeUnguarded(new Set());
      return DONE;
    }
    const before = await bindings.read(signal);
    this.#mayStand = [before.label, before.guard, before.probes.label, before.probes.guard].some(Boolean);
    if (needed.wanted.size === 0 && !this.#mayStand) {
      this.#judgeUnguarded(new Set());
      return DONE;
    }
    onNeeded();
    const installed = await bindings.installed(signal);
    if (typeof installed !== 'string') return this.#fail(installed);
    const taken = bindings.taken(before);
    if (taken !== undefined) return this.#fail(taken);

    const namespaces = await this.#namespaces.covering(needed, before.covered, signal);
    const covered = new Set(namespaces);
    for (const each of this.#guarded.keys()) if (!covered.has(each)) this.#guarded.delete(each);
    this.#judgeUnguarded(covered);
    if (namespaces.length === 0) {
      this.#lapse();
      await bindings.remove(before, signal);
      this.#mayStand = false;
      return DONE;
    }
    // Somebody changed or deleted the bindings, or the policies behind them: there may have been a gap.
    if (this.#left !== undefined && bindings.stateOf(before, installed) !== this.#left) this.#lapse();
    const standing = await bindings.put(namespaces, before, signal);
    this.#mayStand = true;
    const state = bindings.stateOf(standing, installed);
    this.#left = state;
    if (state !== this.#inForce) {
      const answer = await bindings.ask(state, standing, signal);
      if (typeof answer === 'object') return this.#fail(answer);
      // What was covered before and is now has been so all the time.
      if (!answer) return { kind: 'again', afterMs: PROBE_INTERVAL };
      this.#inForce = state;
    }
    const now = this.#options.clock.monotonic();
    for (const namespace of namespaces) if (!this.#guarded.has(namespace)) this.#guarded.set(namespace, now);
    await this.#count(signal);
    return this.#next();
  }

  /** Knows exactly the accounts that profiles name. */
  #follow(): void {
    const named = new Map<string, Account>();
    for (const { profile } of this.#options.clusterState.profiles.values())
      for (const account of accountsOf(profile)) named.set(`${account.namespace}/${account.name}`, account);
    for (const key of this.#known.keys()) if (!named.has(key)) this.#known.delete(key);
    for (const [key, account] of named)
      if (!this.#known.has(key)) this.#known.set(key, { account, facts: undefined, due: 0 });
  }

  /** Counts the pods of the accounts whose time it is. */
  async #count(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    for (const known of this.#known.values()) {
      const since = this.#guarded.get(known.account.namespace);
      const now = clock.monotonic();
      if (since === undefined) continue;
      if (now < since + SETTLE) known.due = since + SETTLE;
      if (now < known.due) continue;
      const facts = await this.#countOne(known.account, signal);
      const clean = facts.unlabelled === 0 && facts.mislabelled === 0;
      const interval = (clean ? RECOUNT_CLEAN : RECOUNT) * (0.9 + 0.2 * random());
      known.due = now < since + UNDER_WAY ? Math.min(now + interval, since + UNDER_WAY) : now + interval;
      this.#set(known, facts);
    }
  }

  async #countOne({ namespace, name }: Account, signal: AbortSignal): Promise<ServiceAccountFacts> {
    // Pods of the node's network are no peers of any policy, and finished ones have none.
    const running = 'status.phase!=Succeeded,status.phase!=Failed';
    const count = async (account: string, label: string) => {
      const fieldSelector = `spec.serviceAccountName${account},spec.hostNetwork=false,${running}`;
      const labelSelector = `${LABEL_SERVICE_ACCOUNT}${label}`;
      const limit = MOST_COUNTED + 1;
      const options = { namespace, fieldSelector, labelSelector, limit, signal, metadataOnly: true };
      return (await this.#options.pods.list(options)).items.length;
    };
    const [unlabelled, mislabelled] = await Promise.all([
      count(`=${name}`, `!=${name}`),
      count(`!=${name}`, `=${name}`),
    ]);
    return { unlabelled, mislabelled };
  }

  /** When to look again. */
  #next(): Outcome {
    const now = this.#options.clock.monotonic();
    const times = [
      ...[...this.#known.values()]
        .filter(({ account }) => this.#guarded.has(account.namespace))
        .map(({ due }) => due),
      ...this.#namespaces.due(),
    ];
    return times.length === 0
      ? DONE
      : { kind: 'again', afterMs: Math.max(PROBE_INTERVAL, Math.min(...times) - now) };
  }

  /** ServiceAccounts of namespaces that nothing is bound in, as only profiles name them that write no policies. */
  #judgeUnguarded(covered: ReadonlySet<string>): void {
    for (const known of this.#known.values()) {
      const { namespace } = known.account;
      if (!covered.has(namespace)) this.#set(known, failing(UNGUARDED));
      else if (known.facts?.failure?.reason === UNGUARDED.reason) this.#set(known, undefined);
    }
  }

  /** What was found out counts no more. What is enforced stays until it is found out again (I3). */
  #lapse(): void {
    this.#unsettle();
    for (const known of this.#known.values()) {
      if (known.facts?.failure === undefined) known.facts = undefined;
      known.due = 0;
    }
  }

  #unsettle(): void {
    this.#inForce = undefined;
    this.#left = undefined;
    this.#guarded.clear();
  }

  #fail(failure: AccountFailure): Outcome {
    this.#unsettle();
    for (const known of this.#known.values()) {
      known.due = 0;
      this.#set(known, failing(failure));
    }
    return { kind: 'again', afterMs: MISSING_INTERVAL };
  }

  /** Facts that say the same stay the same object: what was made of them is remembered by it. */
  #set(known: Known, facts: ServiceAccountFacts | undefined): void {
    if (JSON.stringify(known.facts) === JSON.stringify(facts)) return;
    known.facts = facts;
    this.#options.onChange(known.account);
  }
}

const UNGUARDED: AccountFailure = {
  reason: 'NotGuarded',
  message:
    'the pods of its namespace are not labelled, as no profile that enforces names it: they are once one has `mode: Enforce`',
};

function failing({ reason, message }: AccountFailure): ServiceAccountFacts {
  return { failure: { reason, message }, unlabelled: 0, mislabelled: 0 };
}

/** What a failed request means; undefined for what passes. */
function failureOf(error: unknown): AccountFailure | undefined {
  const message = errorMessage(error);
  if (isCollectionMissing(error)) {
    return {
      reason: 'Unsupported',
      message:
        'the API server does not know MutatingAdmissionPolicies: peers by ServiceAccount need Kubernetes 1.36 or later; ' +
        `name the pods by a podSelector instead (${message})`,
    };
  }
  if (!isForbidden(error)) return undefined;
  return {
    reason: 'NotInstalled',
    message: `the operator lacks what peers by ServiceAccount need: kubectl apply -k config/service-accounts (Kubernetes 1.36 or later; ${message})`,
  };
}
