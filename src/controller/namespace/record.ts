/** The memory of one namespace between its reconciles. No I/O. */
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';

/** Why a namespace is reconciled. */
export interface Cause {
  /** When the latest event of the namespace arrived whose policies are not in place yet; monotonic milliseconds. */
  readonly eventAt: number | undefined;
  /** True if the intent for the namespace has changed. */
  readonly isIntended: boolean;
  /** True if drift is the only cause: an own policy was changed or deleted by somebody else. */
  readonly isDriftOnly: boolean;
}

/** The isolation by one profile in the namespace, as this process wrote or found it last. */
export interface EnforcedProfile {
  /** The directions that it isolates. */
  readonly isolation: readonly PolicyType[];
  /**
   * Its policies, if last known peers are among them; else empty: all policies of a large cluster would be too many to
   * keep.
   */
  readonly lastWritten: readonly NetworkPolicy[];
}

/** A write whose answer has not come. */
interface WriteUnderWay {
  /** The name of the policy. */
  readonly policy: string;
  /** The revisions of its events since the write began; undefined for a deletion. */
  readonly events: (string | undefined)[];
}

export const NOTHING_ENFORCED: ReadonlyMap<string, EnforcedProfile> = new Map();

export class NamespaceRecord {
  /**
   * Everything that is enforced, by profile. It repairs drift even if deleted policies can't be read back: an isolated
   * namespace stays isolated, and unresolved peers keep their last known form.
   */
  enforced: ReadonlyMap<string, EnforcedProfile> = NOTHING_ENFORCED;
  /** True from a write that met an unexpected object, or whose answer was lost, to the next success: the cache may be behind. */
  isCacheBehind = false;
  /** True once this process has read the policies live: the cached ones may be older than what the process before it wrote. */
  hasReadPolicies = false;
  /** The uid of the namespace that this process has read live, and found as it was cached. */
  confirmedUid: string | undefined;
  /** How many events have told of changes of policies by others. */
  changesByOthers = 0;
  /** How many plans in a row have ended before all was written. */
  plansGivenUp = 0;
  #eventAt: number | undefined;
  #isIntended = false;
  #isDrifted = false;
  #write: WriteUnderWay | undefined;

  /** The namespace was created, or has changed. @param now monotonic milliseconds */
  noteEvent(now: number): void {
    this.#eventAt = now;
  }

  /** The intent for the namespace has changed. */
  noteIntent(): void {
    this.#isIntended = true;
  }

  /** Somebody else changed, created or deleted a policy there. */
  noteDrift(): void {
    this.#isDrifted = true;
  }

  /** A write of this policy begins. Its own event may come before its answer. */
  beginWrite(policy: string): void {
    this.#write = { policy, events: [] };
  }

  /**
   * A policy has changed by an event of this revision, or was deleted if there is none. Unless the policy is being written, the
   * event counts as a change by others.
   *
   * @returns true if the policy is being written: `endWrite` tells whose event it was
   */
  keepEvent(policy: string, revision: string | undefined): boolean {
    if (this.#write?.policy !== policy) {
      this.changesByOthers += 1;
      return false;
    }
    this.#write.events.push(revision);
    return true;
  }

  /**
   * The write has ended with this revision of the policy, or with its deletion if there is none.
   *
   * @returns true if an event that was kept is of another write
   */
  endWrite(revision: string | undefined): boolean {
    const { events = [] } = this.#write ?? {};
    this.#write = undefined;
    const isByOthers = events.some((event) => event !== revision);
    if (isByOthers) this.changesByOthers += 1;
    return isByOthers;
  }

  /** The write has failed, and may have been carried out all the same. @returns true if an event was kept */
  failWrite(): boolean {
    const { events = [] } = this.#write ?? {};
    this.#write = undefined;
    return events.length > 0;
  }

  /** True if an event waits for its policies. */
  get awaitsPolicies(): boolean {
    return this.#eventAt !== undefined;
  }

  /** The cause of a reconcile that begins now. */
  takeCause(): Cause {
    const [eventAt, isIntended, isDrifted] = [this.#eventAt, this.#isIntended, this.#isDrifted];
    this.#isIntended = false;
    this.#isDrifted = false;
    return { eventAt, isIntended, isDriftOnly: isDrifted && !isIntended && eventAt === undefined };
  }

  /** The reconcile did not succeed: the next one has the same cause. */
  returnCause({ isIntended, isDriftOnly }: Cause): void {
    if (isDriftOnly) this.#isDrifted = true;
    if (isIntended) this.#isIntended = true;
  }

  /** When the event behind a reconcile arrived; undefined if there is none, or a newer one arrived. */
  eventBehind({ eventAt }: Cause): number | undefined {
    return this.#eventAt === eventAt ? eventAt : undefined;
  }

  /** The policies of the latest event are in place, or the namespace is being deleted. */
  settleEvent(): void {
    this.#eventAt = undefined;
  }

  wasIsolatedBy(profile: string, direction: PolicyType): boolean {
    return this.enforced.get(profile)?.isolation.includes(direction) ?? false;
  }

  /** Policies with last known peers, as they were written last. */
  lastWritten(): readonly NetworkPolicy[] {
    return [...this.enforced.values()].flatMap(({ lastWritten }) => lastWritten);
  }
}
