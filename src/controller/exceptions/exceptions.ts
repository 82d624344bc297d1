/**
 * The capability `spec.exceptions`: SegmentationExceptions open flows of their namespace until they expire.
 *
 * The policies of exceptions are planned and written together with the profile's own by the reconcile of the namespace. This
 * file has a namespace reconciled when the verdict on an exception changes (`verdicts.ts`): by an event, or by the clock
 * (`wall-clock.ts`). `statuses.ts` confirms exceptions and writes their status.
 *
 * Guarantees
 * - A verdict depends on the exceptions, the profiles, and the wall clock at that moment. The wall clock is read again every
 *   minute, so a step of the clock, forth or back, is followed within a minute.
 * - Before a policy opens anything, the exception is read live once in that form (I4).
 * - While exceptions can't be read, those in force stay in force until the end that is noted on their policies (I3), and no
 *   longer.
 */
import type { SegmentationException } from '../../api/exception.ts';
import { EXCEPTION_PLURAL } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import {
  exceptionOf,
  type NamespaceItem,
  type PolicyItem,
  type ProfileItem,
} from '../../cluster-state/items.ts';
import type { ClusterState, ExceptionLookup } from '../../cluster-state/state.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource } from '../../kube/resource.ts';
import type { StoreChange } from '../../kube/watch/store.ts';
import type { UnresolvedPeer } from '../../policy/rules.ts';
import { isGranting } from '../../policy/exceptions/grant.ts';
import type { Verdict } from '../../policy/exceptions/judge.ts';
import type { Clock, Random } from '../../util/clock.ts';
import { errorMessage } from '../../util/error-message.ts';
import type { Capability, CapabilityReport } from '../capability.ts';
import {
  type Added,
  type AdditionContext,
  type MissingInput,
  type PolicyAdditions,
  together,
} from '../namespace/additions.ts';
import type { Retry } from '../queue/key-queue.ts';
import type { Records } from '../records.ts';
import { CompiledExceptions } from './compiled.ts';
import { type ExceptionItem, EXCEPTIONS, notedEnd } from './items.ts';
import { hasPoliciesOf, policiesOfExceptions } from './policies.ts';
import { exceptionsReport } from './report.ts';
import { ExceptionSource } from './source.ts';
import { ExceptionStatuses } from './statuses.ts';
import { type ExceptionCounts, countVerdicts } from './tally.ts';
import { Verdicts } from './verdicts.ts';
import { WallClock } from './wall-clock.ts';

export interface ExceptionsOptions {
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  /** The results of namespaces. */
  readonly records: Pick<Records, 'resultsOf'>;
  readonly clock: Clock;
  readonly random: Random;
  /** All exceptions are listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  /** Called when a status is judged that differs from the stored one. */
  readonly onStatus: (exception: SegmentationException, status: SegmentationException['status']) => void;
  /** Called when exceptions can't be read. */
  readonly onError: (error: unknown) => void;
  /** Called when an exception fails for a reason that may pass, and is tried again. */
  readonly onRetry: (retry: Retry<string>) => void;
}

/** The exception that is being confirmed enqueues the namespace. */
const UNCONFIRMED: MissingInput = { resource: EXCEPTION_PLURAL, error: undefined };
const NOTHING: Added = { policies: [], extensions: [], unresolved: [] };

export class Exceptions implements Capability, PolicyAdditions, ExceptionLookup {
  readonly #options: ExceptionsOptions;
  readonly #source: ExceptionSource;
  readonly #verdicts: Verdicts;
  readonly #compiled: CompiledExceptions;
  readonly #statuses: ExceptionStatuses;
  readonly #wallClock: WallClock;
  #onReport: (profile: string) => void = () => {};
  #onAdditions: (namespace: string) => void = () => {};

  constructor(options: ExceptionsOptions) {
    const { transport, clusterState } = options;
    this.#options = options;
    this.#source = new ExceptionSource({ ...options, onRead: () => this.#readAnew() });
    this.#verdicts = new Verdicts({ ...options, items: this.#source.items });
    this.#compiled = new CompiledExceptions(clusterState);
    this.#statuses = new ExceptionStatuses({
      ...options,
      exceptions: new Resource(transport, EXCEPTIONS),
      source: this.#source,
      verdicts: this.#verdicts,
      compiled: this.#compiled,
      onRead: (namespace) => this.#touch(namespace),
    });
    this.#wallClock = new WallClock({
      ...options,
      verdicts: this.#verdicts,
      onVerdicts: (namespace) => this.#touch(namespace),
      onNotice: (key) => this.#statuses.enqueue(key),
      onReleased: (namespace) => this.#onAdditions(namespace),
    });
  }

  /** By the status, as a verdict depends on the owners of policies. */
  grantedBy(uid: string): string | undefined {
    for (const { uid: each, exception } of this.#source.items.values())
      if (each === uid) return exception.status?.profile ?? exception.spec.profile;
    return undefined;
  }

  get additions(): PolicyAdditions {
    return this;
  }

  lead(
    onReport: (profile: string) => void,
    _onIntent: (namespace: string) => void,
    onAdditions: (namespace: string) => void,
  ): void {
    const { clusterState } = this.#options;
    this.#onReport = onReport;
    this.#onAdditions = onAdditions;
    clusterState.profiles.subscribe((change) => this.#profileChanged(change));
    clusterState.namespaces.subscribe(({ old, new: next }) => this.#touch((next ?? old)?.key ?? ''));
    clusterState.policies.subscribe((change) => this.#policyChanged(change));
    this.#source.items.subscribe((change) => this.#exceptionChanged(change));
    if (this.#granting().length > 0) this.#source.start();
    else void this.#source.startIfServed();
    this.#closeOverdue();
    this.#statuses.start();
    this.#wallClock.tick();
  }

  async stop(): Promise<void> {
    this.#wallClock.stop();
    await Promise.all([this.#statuses.stop(), this.#source.stop()]);
  }

  isJudged(profile: SegmentationProfile): boolean {
    if (!isGranting(profile) || this.#source.error !== undefined) return true;
    return (
      this.#source.isRead && !this.#verdicts.namespaces().some((each) => this.#verdicts.isBeingRead(each))
    );
  }

  report(profile: SegmentationProfile): CapabilityReport | undefined {
    if (!isGranting(profile)) return undefined;
    const { name } = profile.metadata;
    const inForce = [...this.#verdicts.all()].filter(
      ([, verdict]) => verdict.kind === 'in-force' && verdict.profile.metadata.name === name,
    );
    return exceptionsReport(this.#source, inForce.length);
  }

  /** The policies of exceptions are removed together with those of the profile. */
  isReleased(): boolean {
    return true;
  }

  /** A rollout may have changed which form of a profile is in force, which is no event of an exception. */
  begin(namespace: NamespaceItem): void {
    if (this.#source.isRead) this.#follow(namespace.key, this.#verdicts.in(namespace));
  }

  missing(profiles: readonly SegmentationProfile[], namespace: NamespaceItem): MissingInput | undefined {
    if (!profiles.some(isGranting)) return undefined;
    if (this.#source.isRead) return this.#isAwaited(namespace) ? UNCONFIRMED : undefined;
    const { key } = namespace;
    const { clusterState, clock } = this.#options;
    const now = clock.now();
    const { error } = this.#source;
    // Until the first answer, an exception may be in force whose policies are still to be written.
    const mayBeInForce =
      error === undefined ||
      [...policiesOfExceptions(clusterState, key)].some((item) => notedEnd(item) > now);
    if (!mayBeInForce) return undefined;
    this.#wallClock.wait(key);
    return { resource: EXCEPTION_PLURAL, error: error === undefined ? undefined : errorMessage(error) };
  }

  of(profile: SegmentationProfile, namespace: NamespaceItem, context: AdditionContext): Added {
    if (!isGranting(profile) || !this.#source.isRead) return NOTHING;
    const added = [...this.#verdicts.in(namespace)].flatMap(([item, verdict]) => {
      if (verdict.kind !== 'in-force' || verdict.profile.metadata.name !== profile.metadata.name) return [];
      const { compiled, isChanged } = this.#compiled.compile(item, verdict, { namespace, ...context });
      if (isChanged) this.#statuses.enqueue(item.key);
      const { end: until } = verdict;
      if (this.#verdicts.isConfirmed(item)) return [{ ...compiled, until }];
      // Nothing opens before the exception is confirmed; what is open already stays.
      const policies = compiled.policies.filter((each) => this.#compiled.exists(each, item));
      return [{ ...compiled, policies, extensions: policies.length > 0 ? compiled.extensions : [], until }];
    });
    return added.length === 0 ? NOTHING : together(added);
  }

  tunnelled(
    { key: namespace }: NamespaceItem,
    exception: string,
    unresolved: readonly UnresolvedPeer[],
  ): void {
    const key = `${namespace}/${exception}`;
    if (this.#compiled.tunnelled(key, unresolved)) this.#statuses.enqueue(key);
  }

  /** For metrics: how many exceptions there are by state; undefined until they were read. */
  sample(): ExceptionCounts | undefined {
    if (!this.#source.isRead) return undefined;
    const { clusterState, clock } = this.#options;
    const hasPolicies = ({ exception: { metadata } }: ExceptionItem) =>
      hasPoliciesOf(clusterState, metadata.namespace ?? '', metadata.name);
    return countVerdicts(this.#verdicts.all(), clock.now(), hasPolicies);
  }

  #granting(): SegmentationProfile[] {
    return [...this.#options.clusterState.profiles.values()].map(({ profile }) => profile).filter(isGranting);
  }

  /**
   * True if an exception in force is still to be confirmed. Its policies are not written before that, and until they are, what
   * a profile isolates or ceases to allow would cut its flows (I2).
   */
  #isAwaited(namespace: NamespaceItem): boolean {
    return [...this.#verdicts.in(namespace)].some(
      ([item, verdict]) => verdict.kind === 'in-force' && !this.#verdicts.isConfirmed(item),
    );
  }

  /** Has the namespaces reconciled first in which an exception ended while no operator ran. */
  #closeOverdue(): void {
    if (this.#granting().length === 0) return;
    const now = this.#options.clock.now();
    for (const item of this.#options.clusterState.policies.values())
      if (exceptionOf(item) !== undefined && notedEnd(item) <= now) this.#onAdditions(item.namespace);
  }

  #profileChanged({ old, new: next }: StoreChange<ProfileItem>): void {
    const grants = [old, next].some((item) => item !== undefined && isGranting(item.profile));
    if (!grants) return this.#touchRefused();
    this.#source.start();
    for (const namespace of this.#verdicts.namespaces()) this.#touch(namespace.key);
  }

  /** A profile that grants no exception may be the reason of a refusal. */
  #touchRefused(): void {
    const { items } = this.#source;
    const namespaces = new Set(
      [...items.values()].map(({ exception }) => exception.metadata.namespace ?? ''),
    );
    for (const namespace of namespaces) this.#touch(namespace);
  }

  #policyChanged({ old, new: next }: StoreChange<PolicyItem>): void {
    for (const item of [old, next]) {
      const exception = item && exceptionOf(item);
      if (exception !== undefined) this.#statuses.enqueue(`${item?.namespace}/${exception}`);
    }
  }

  #exceptionChanged({ old, new: next, origin }: StoreChange<ExceptionItem>): void {
    const item = next ?? old;
    if (item === undefined) return;
    if (next === undefined) {
      this.#verdicts.forget(item.key);
      this.#statuses.forget(item.key);
      this.#compiled.forget(item.key);
    }
    if (origin === 'own') return;
    this.#statuses.enqueue(item.key);
    this.#touch(item.exception.metadata.namespace ?? '');
    this.#wallClock.schedule();
  }

  /** All exceptions were read, or can't be. */
  #readAnew(): void {
    this.#wallClock.release();
    for (const { key } of this.#source.items.values()) this.#statuses.enqueue(key);
    for (const profile of this.#granting()) this.#onReport(profile.metadata.name);
    this.#wallClock.tick();
  }

  /** Judges the exceptions of a namespace again, and has it reconciled if a verdict has changed. */
  #touch(namespace: string): void {
    // Until all are read, the namespace would be reconciled without some of them.
    if (!this.#source.isRead) return;
    const item = this.#options.clusterState.namespaces.get(namespace);
    const verdicts = item === undefined ? new Map<ExceptionItem, Verdict>() : this.#verdicts.in(item);
    if (this.#follow(namespace, verdicts)) this.#onAdditions(namespace);
  }

  /** Reports the exceptions of a namespace if a verdict has changed; returns if one has. */
  #follow(namespace: string, verdicts: ReadonlyMap<ExceptionItem, Verdict>): boolean {
    if (!this.#verdicts.follow(namespace, verdicts)) return false;
    this.#wallClock.schedule();
    for (const each of verdicts.keys()) this.#statuses.enqueue(each.key);
    for (const profile of this.#granting()) this.#onReport(profile.metadata.name);
    return true;
  }
}
