/**
 * The namespaces whose pods have to be labelled with their ServiceAccount: those that profiles name by such a peer and
 * those where a policy relies on the label, whosever it is. What nothing needs any more goes late, and only by live
 * lists (invariant I4).
 */
import { LABEL_MANAGED_BY, MANAGER } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { Clock } from '../../util/clock.ts';
import type { Resource } from '../../kube/resource.ts';
import { labelledFor, reliedOn } from '../../policy/admission/accounts.ts';
import type { ClusterState } from '../../cluster-state/state.ts';

export interface AccountNamespacesOptions {
  readonly clusterState: ClusterState;
  readonly profiles: Resource<SegmentationProfile>;
  readonly policies: Resource<NetworkPolicy>;
  readonly clock: Clock;
}

export interface Needed {
  /** Their bindings are written. */
  readonly wanted: ReadonlySet<string>;
  /** Their bindings stay where they are. */
  readonly relied: ReadonlySet<string>;
}

/** How long nothing may need a namespace's bindings until they go, in milliseconds: a reconcile may be under way. */
const GRACE = 5_000;

export class AccountNamespaces {
  readonly #options: AccountNamespacesOptions;
  /** Since when nothing has needed the bindings in a namespace; monotonic milliseconds. */
  readonly #unneeded = new Map<string, number>();

  constructor(options: AccountNamespacesOptions) {
    this.#options = options;
  }

  /** What is needed, by what is watched. */
  needed(): Needed {
    const { clusterState } = this.#options;
    const wanted = new Set<string>();
    for (const { profile } of clusterState.profiles.values())
      for (const namespace of labelledFor(profile)) wanted.add(namespace);
    const relied = new Set<string>();
    for (const { reliesOn, fingerprint } of clusterState.policies.values()) {
      for (const namespace of reliesOn) {
        relied.add(namespace);
        // A retained one of ours, whose binding somebody took away.
        if (fingerprint !== undefined) wanted.add(namespace);
      }
    }
    return { wanted, relied };
  }

  /**
   * The namespaces to be covered now: what is needed, and what must not go yet.
   *
   * @param covered those that are
   * @returns sorted
   * @throws ApiError
   */
  async covering(
    { wanted, relied }: Needed,
    covered: readonly string[],
    signal: AbortSignal,
  ): Promise<string[]> {
    const now = this.#options.clock.monotonic();
    const unneeded = covered.filter((each) => !wanted.has(each) && !relied.has(each));
    for (const each of this.#unneeded.keys()) if (!unneeded.includes(each)) this.#unneeded.delete(each);
    for (const each of unneeded) if (!this.#unneeded.has(each)) this.#unneeded.set(each, now);
    const due = unneeded.filter((each) => now - (this.#unneeded.get(each) ?? now) >= GRACE);
    const live = due.length > 0 ? await this.#neededLive(signal) : new Set<string>();
    const gone = new Set(due.filter((each) => !live.has(each)));
    for (const each of gone) this.#unneeded.delete(each);
    return [...new Set([...wanted, ...covered.filter((each) => !gone.has(each))])].sort();
  }

  /** When the time of each namespace ends that nothing needs; monotonic milliseconds. */
  due(): number[] {
    return [...this.#unneeded.values()].map((since) => since + GRACE);
  }

  /** The same question to the API server, whose answer decides: what is watched may be behind (I4). */
  async #neededLive(signal: AbortSignal): Promise<Set<string>> {
    const { profiles, policies } = this.#options;
    const labelSelector = `${LABEL_MANAGED_BY}=${MANAGER}`;
    const [named, made] = await Promise.all([
      profiles.listAll({ signal }),
      policies.listAll({ labelSelector, signal }),
    ]);
    return new Set([...named.items.flatMap(labelledFor), ...made.items.flatMap(reliedOn)]);
  }
}
