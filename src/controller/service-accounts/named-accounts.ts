/**
 * The ServiceAccounts that profiles name, also in revisions that some namespaces still have, and the facts of their pods that
 * peers are resolved from. No I/O.
 */
import type { SegmentationProfile } from '../../api/profile.ts';
import { type Account, accountsOf } from '../../policy/admission/accounts.ts';
import type { ServiceAccountFacts } from '../../policy/facts.ts';

export interface NamedAccount {
  readonly account: Account;
  /** Undefined until they are found out. */
  facts: ServiceAccountFacts | undefined;
  /** The time of the next count of its pods, in monotonic milliseconds. */
  countDue: number;
}

export class NamedAccounts {
  /** By NAMESPACE/NAME. */
  readonly #accounts = new Map<string, NamedAccount>();
  /** The accounts that namespaces depend on, by NAMESPACE/NAME: an earlier revision of a profile may name them alone. */
  readonly #needed = new Map<string, Account>();
  readonly #listeners = new Set<(account: Account) => void>();

  /** Calls `listener` when the facts of an account have changed, or the reason why they are not known. */
  subscribe(listener: (account: Account) => void): void {
    this.#listeners.add(listener);
  }

  facts(account: Account): ServiceAccountFacts | undefined {
    return this.#accounts.get(keyOf(account))?.facts;
  }

  values(): Iterable<NamedAccount> {
    return this.#accounts.values();
  }

  /** A namespace depends on the account. @returns true if it is not held yet: `follow` has to be called */
  need(account: Account): boolean {
    this.#needed.set(keyOf(account), account);
    return !this.#accounts.has(keyOf(account));
  }

  /** No namespace depends on the account any more. */
  release(account: Account): void {
    this.#needed.delete(keyOf(account));
  }

  /** Holds exactly the accounts that these profiles name, or namespaces depend on, with the facts known so far. */
  follow(profiles: Iterable<SegmentationProfile>): void {
    const named = new Map(this.#needed);
    for (const profile of profiles)
      for (const account of accountsOf(profile)) named.set(keyOf(account), account);
    for (const key of this.#accounts.keys()) if (!named.has(key)) this.#accounts.delete(key);
    for (const [key, account] of named)
      if (!this.#accounts.has(key)) this.#accounts.set(key, { account, facts: undefined, countDue: 0 });
  }

  /** Equal facts stay the same object, because compiled rules are cached by it. */
  set(named: NamedAccount, facts: ServiceAccountFacts | undefined): void {
    if (JSON.stringify(named.facts) === JSON.stringify(facts)) return;
    named.facts = facts;
    this.#notify(named.account);
  }

  /** Drops counts, without a notice: the policies made from them stay until the pods are counted again (I3). */
  dropCounts(): void {
    for (const named of this.#accounts.values()) {
      if (named.facts?.failure === undefined) named.facts = undefined;
      named.countDue = 0;
    }
  }

  /** Notifies of the accounts whose facts are not known: the reason why they are not has changed. */
  notifyUnknown(): void {
    for (const { account, facts } of this.#accounts.values()) if (facts === undefined) this.#notify(account);
  }

  #notify(account: Account): void {
    for (const listener of this.#listeners) listener(account);
  }
}

function keyOf({ namespace, name }: Account): string {
  return `${namespace}/${name}`;
}
