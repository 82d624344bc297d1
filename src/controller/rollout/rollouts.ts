/**
 * The capability `spec.rollout`: brings the changes of a profile to its namespaces in waves.
 *
 * The state of a rollout is recorded in the profile's status, and which revision a namespace has follows from it
 * (src/rollout). So nothing has to be remembered over a restart. Without a profile that has a rollout, nothing is requested.
 * While revisions can't be read, the policies of their namespaces stay as they are.
 */
import { LABEL_PROFILE } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { InForce, RevisionIn, RevisionLookup } from '../../cluster-state/in-force.ts';
import type { NamespaceItem, ProfileItem } from '../../cluster-state/items.ts';
import { type ClusterState, isWritten } from '../../cluster-state/state.ts';
import { isForbidden } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { StoreChange } from '../../kube/watch/store.ts';
import type { ClusterFacts } from '../../policy/facts.ts';
import { advance, initialState, isStopped, type Next, type Progress } from '../../rollout/advance.ts';
import { assign, type RolloutState } from '../../rollout/assign.ts';
import { CONTROLLER_REVISIONS } from '../../rollout/recorded.ts';
import { RevisionForms } from '../../rollout/forms.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import type { Clock, Random, Timer } from '../../util/clock.ts';
import { errorMessage } from '../../util/error-message.ts';
import type { Capability, CapabilityReport } from '../capability.ts';
import type { Added, MissingInput, PolicyAdditions } from '../namespace/additions.ts';
import type { ControllerObserver } from '../observer.ts';
import type { Retry } from '../queue/key-queue.ts';
import type { Records } from '../records.ts';
import { ClosedFlows } from './closed-flows.ts';
import { GateWatches } from './gate-watches.ts';
import { type Survey, surveyOf } from './progress.ts';
import { changesOfLatest } from './revision-changes.ts';
import type { PrometheusQueries } from './query-watch.ts';
import { type Problem, PROMETHEUS_MISSING, readProblem, workloadProblem } from './problems.ts';
import { RevisionRecorder } from './recorder.ts';
import { problemReport, progressingReport, rolloutReport } from './report.ts';
import { RecordedRevisions } from './revisions.ts';

export interface RolloutsOptions {
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly records: Pick<Records, 'resultsOf'>;
  /** The operator's own namespace, which has the recorded revisions. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly random: Random;
  /** All revisions are listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  /** Undefined: the operator's configuration has no Prometheus. */
  readonly prometheus?: PrometheusQueries | undefined;
  /** Called when a revision could not be recorded, and is tried again. */
  readonly onRetry: (retry: Retry<string>) => void;
}

/** Namespaces of which closed flows are derived, at most. */
const MAX_DERIVED = 20;
const NOTHING_ADDED: Added = { policies: [], extensions: [], unresolved: [] };

export class Rollouts implements Capability, RevisionLookup {
  readonly #options: RolloutsOptions;
  readonly #revisions: RecordedRevisions;
  readonly #recorder: RevisionRecorder;
  readonly #gates: GateWatches;
  readonly #closed = new ClosedFlows();
  #facts: ClusterFacts | undefined;
  readonly #timers = new Map<string, { readonly timer: Timer; readonly at: number }>();
  /** The uids of profiles of which every namespace was reconciled since the start. */
  readonly #judged = new Set<string>();
  readonly #forms = new RevisionForms();
  /** Namespaces that wait for the revisions to be read. */
  readonly #waiting = new Set<string>();
  #onReport: (profile: string) => void = () => {};
  #onIntent: (namespace: string) => void = () => {};

  constructor(options: RolloutsOptions) {
    this.#options = options;
    this.#revisions = new RecordedRevisions({
      ...options,
      onChange: (uid, number) => this.#revisionChanged(uid, number),
      onRead: () => {
        for (const profile of this.#profiles()) this.#formsChanged(profile);
        this.#enqueueWaiting();
      },
    });
    this.#gates = new GateWatches({
      ...options,
      prometheus: options.prometheus,
      onChange: (profile) => this.#onReport(profile),
    });
    this.#recorder = new RevisionRecorder({
      ...options,
      revisions: this.#revisions,
      next: (profile) => this.#advance(profile, this.#survey(profile)),
      onReport: (profile) => this.#onReport(profile),
    });
  }

  lead(
    onReport: (profile: string) => void,
    onIntent: (namespace: string) => void,
    _onAdditions: (namespace: string) => void,
    facts: ClusterFacts,
  ): void {
    const { clusterState } = this.#options;
    this.#facts = facts;
    this.#onReport = onReport;
    this.#onIntent = onIntent;
    clusterState.profiles.subscribe((change) => this.#profileChanged(change));
    clusterState.namespaces.subscribe(({ old, new: next }) => this.#namespaceChanged(old, next));
    this.#recorder.start();
    if (this.#profiles().next().done !== true) this.#revisions.watch();
  }

  async stop(): Promise<void> {
    for (const { timer } of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    await Promise.all([this.#recorder.stop(), this.#revisions.stop(), this.#gates.stop()]);
  }

  /** A rollout adds no policies; it has namespaces wait until it is known which revision they have. */
  readonly additions: PolicyAdditions = {
    missing: (profiles, namespace) => this.#missing(profiles, namespace),
    of: () => NOTHING_ADDED,
  };

  /**
   * While a revision is unread, its policies are not known, and what leaves the namespace may open what they isolate (I1).
   * Without the permission to read it that may last: where no other profile could leave, exceptions begin and end beside the
   * policies, which stay as they are.
   */
  #missing(profiles: readonly SegmentationProfile[], { key }: NamespaceItem): MissingInput | undefined {
    const { isRead, error } = this.#revisions;
    if (isRead || !profiles.some((each) => this.#isUnread(each))) return undefined;
    this.#waiting.add(key);
    if (isForbidden(error) && profiles.every((each) => this.#isUnread(each))) return undefined;
    const { plural } = CONTROLLER_REVISIONS;
    return { resource: plural, error: error === undefined ? undefined : errorMessage(error) };
  }

  /** True until the revisions of the profile are read, or can't be. */
  #isBeingRead(profile: SegmentationProfile): boolean {
    const { isRead, error } = this.#revisions;
    return !isRead && error === undefined && this.#isUnread(profile);
  }

  #isUnread(profile: SegmentationProfile): boolean {
    const { metadata, spec, status } = profile;
    if (metadata.deletionTimestamp !== undefined && spec.deletionPolicy !== 'Retain') return false;
    const known = this.#revisions.of(profile);
    return status?.rollout?.inForce.some(({ revision }) => !known.has(revision)) ?? false;
  }

  #enqueueWaiting(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const namespace of waiting) this.#onIntent(namespace);
  }

  readonly observer: Partial<ControllerObserver> = {
    onWrite: (write) => {
      const { clusterState } = this.#options;
      const { metadata } = write.after ?? write.before ?? {};
      const profile = clusterState.profile(metadata?.labels?.[LABEL_PROFILE] ?? '');
      const namespace = clusterState.namespaces.get(metadata?.namespace ?? '');
      const state = profile?.spec.rollout && profile.status?.rollout;
      if (!profile || !namespace || !state || state.phase === 'Complete' || isStopped(state)) return;
      const { revision } = clusterState.inForce(profile, namespace);
      if (revision === state.revision) this.#closed.note(profile.metadata.name, revision, write);
    },
  };

  /**
   * A profile whose rollout was removed keeps to what is recorded until its status has been cleared of it: otherwise a
   * rollout that is added again could begin from a state that had ceased to be so.
   */
  revisionIn(profile: SegmentationProfile, namespace: NamespaceItem): RevisionIn | undefined {
    if (profile.spec.rollout === undefined && profile.status?.rollout === undefined) return undefined;
    const { name } = profile.metadata;
    const found = assign(profile.status?.rollout, this.#revisions.of(profile), namespace, name);
    if (found.kind === 'held') return { kind: 'held', isBeingRead: this.#isBeingRead(profile) };
    if (found.kind === 'nothing') return found;
    const { revision } = found;
    return { kind: 'revision', number: revision.number, profile: this.#forms.formOf(profile, revision) };
  }

  isJudged(profile: SegmentationProfile): boolean {
    const { name, uid = '' } = profile.metadata;
    if (profile.spec.rollout === undefined || this.#judged.has(uid)) return true;
    if (this.#problemOf(name) !== undefined) return true;
    const isJudged = this.#revisions.isRead && this.#survey(profile).isCurrent;
    if (isJudged) this.#judged.add(uid);
    return isJudged;
  }

  report(profile: SegmentationProfile): CapabilityReport | undefined {
    if (profile.spec.rollout === undefined) return undefined;
    const { name, deletionTimestamp } = profile.metadata;
    const state = this.#stateOf(profile);
    if (deletionTimestamp !== undefined) return progressingReport('the profile is being deleted', state);
    const problem = this.#problemOf(name);
    if (problem !== undefined) return problemReport(problem, state);
    if (!this.#revisions.isRead) return progressingReport('the recorded revisions are being read', state);
    const survey = this.#survey(profile);
    const revisions = this.#revisions.of(profile);
    const { state: advanced, wakeAt, record, obstacle } = this.#advance(profile, survey);
    const next = this.#withClosedFlows(profile, advanced, survey.progress);
    this.#gates.follow(profile, next, { revisions, progress: survey.progress });
    const gateProblem = workloadProblem(this.#gates.unread(name));
    if (wakeAt !== undefined) this.#wake(name, wakeAt);
    if (record !== undefined) this.#recorder.enqueue(name);
    if (next.revision === 0 || record !== undefined)
      return progressingReport(`revision ${record ?? 1} is being recorded`, next);
    if (gateProblem !== undefined) return problemReport(gateProblem, next);
    if (this.#gates.lacksPrometheus(profile, next)) return problemReport(PROMETHEUS_MISSING, next);
    const lacking = survey.progress.filter(
      (each) => each.revision !== next.revision || each.state !== 'applied',
    );
    return rolloutReport(next, revisions, { lacking: lacking.length, obstacle });
  }

  isReleased(): boolean {
    return true;
  }

  /** The recorded state; a profile that has none yet, begins. */
  #stateOf(profile: SegmentationProfile): RolloutState {
    const { clusterState, clock } = this.#options;
    if (profile.status?.rollout !== undefined) return profile.status.rollout;
    const hasPolicies = clusterState.namespacesWithPoliciesOf(profile.metadata.name).length > 0;
    return initialState(profile, hasPolicies, clock.now());
  }

  #survey(profile: SegmentationProfile): Survey {
    const { clusterState, records } = this.#options;
    return surveyOf(profile, records.resultsOf(profile.metadata.name), clusterState);
  }

  #advance(profile: SegmentationProfile, { progress, convergence }: Survey): Next {
    const revisions = this.#revisions.of(profile);
    const now = this.#options.clock.now();
    const gates = this.#gates.input(profile);
    return advance(this.#stateOf(profile), { profile, revisions, progress, convergence, gates, now });
  }

  /** The state with the flows that the rollout has closed; if it has just failed, its message names those there. */
  #withClosedFlows(
    profile: SegmentationProfile,
    state: RolloutState,
    progress: readonly Progress[],
  ): RolloutState {
    const { failure, phase } = state;
    if (phase === 'Complete' || phase === 'Recording') return state;
    const { name } = profile.metadata;
    const isNew = isStopped(state) && profile.status?.rollout?.phase !== phase;
    if (isNew && failure) this.#deriveClosedFlows(profile, state, progress);
    const closed = this.#closed.recorded(name, state);
    const text = isNew && failure && this.#closed.text(name, state, failure.namespace);
    return {
      ...state,
      ...(closed && { closed }),
      ...(failure && text && { failure: { ...failure, message: `${failure.message}; ${text}` } }),
    };
  }

  /**
   * Adds the flows that the failed revision closes where it is in place: the process that wrote the policies may have died
   * before it recorded them.
   */
  #deriveClosedFlows(profile: SegmentationProfile, state: RolloutState, progress: readonly Progress[]): void {
    const [facts, recorded] = [this.#facts, profile.status?.rollout];
    if (facts === undefined || recorded === undefined) return;
    const { revision, failure } = state;
    const namespaces = progress
      .filter((each) => each.revision === revision && each.state === 'applied')
      .map(({ name }) => name)
      .filter((name) => name === (failure?.namespace ?? name));
    const { clusterState } = this.#options;
    const context = { clusterState, facts, revisions: this.#revisions.of(profile), forms: this.#forms };
    const changes = changesOfLatest(profile, recorded, namespaces.slice(0, MAX_DERIVED), context);
    for (const change of changes) this.#closed.derive(profile.metadata.name, state, change);
  }

  #problemOf(profile: string): Problem | undefined {
    const { error } = this.#revisions;
    return error === undefined
      ? this.#recorder.problem(profile)
      : readProblem(error, this.#options.namespace);
  }

  *#profiles(): Generator<SegmentationProfile> {
    for (const { profile } of this.#options.clusterState.profiles.values())
      if (profile.spec.rollout !== undefined) yield profile;
  }

  #revisionChanged(uid: string, number: number): void {
    for (const profile of this.#profiles()) {
      if (profile.metadata.uid !== uid) continue;
      const isInForce = profile.status?.rollout?.inForce.some(({ revision }) => revision === number);
      if (isInForce) this.#formsChanged(profile);
      else this.#onReport(profile.metadata.name);
    }
  }

  /** Revisions that namespaces have can be read now. */
  #formsChanged(profile: SegmentationProfile): void {
    const { clusterState } = this.#options;
    this.#onReport(profile.metadata.name);
    // Policies that were held may be of a namespace that the revision does not select.
    const withPolicies = new Set(clusterState.namespacesWithPoliciesOf(profile.metadata.name));
    for (const namespace of clusterState.namespaces.values())
      if (withPolicies.has(namespace.key) || isWritten(clusterState.inForce(profile, namespace)))
        this.#onIntent(namespace.key);
  }

  #profileChanged({ old, new: next }: StoreChange<ProfileItem>): void {
    if (old !== undefined && next === undefined) {
      this.#recorder.forget(old.key);
      this.#judged.delete(old.uid);
      this.#gates.forget(old.key);
      this.#closed.forget(old.key);
      this.#timers.get(old.key)?.timer.cancel();
      this.#timers.delete(old.key);
      this.#enqueueWaiting();
    }
    if (next === undefined) return;
    if (next.profile.spec.rollout === undefined) {
      this.#gates.forget(next.key);
      this.#recorder.forget(next.key);
    } else this.#revisions.watch();
    if (canonicalJSON(stateIn(old)) === canonicalJSON(stateIn(next))) return;
    this.#onReport(next.key);
    this.#enqueueWaiting();
    if (old === undefined) return;
    const [before, after] = [old, next].map(({ profile }) => profile.status?.rollout);
    if (before?.revision !== after?.revision || after?.phase === 'Complete') this.#closed.forget(next.key);
    const { clusterState } = this.#options;
    const withPolicies = new Set(clusterState.namespacesWithPoliciesOf(next.key));
    for (const namespace of clusterState.namespaces.values()) {
      const forms = [old, next].map(({ profile }) => clusterState.inForce(profile, namespace));
      const [form, newForm] = forms;
      if (form?.relation === newForm?.relation && form?.revision === newForm?.revision) continue;
      if (forms.some(isConcerned) || withPolicies.has(namespace.key)) this.#onIntent(namespace.key);
    }
  }

  /** A namespace that comes, goes or changes its labels changes the members of waves. */
  #namespaceChanged(old: NamespaceItem | undefined, next: NamespaceItem | undefined): void {
    const { clusterState } = this.#options;
    for (const profile of this.#profiles())
      if ([old, next].some((each) => each && clusterState.selects(profile, each)))
        this.#onReport(profile.metadata.name);
  }

  #wake(profile: string, at: number): void {
    const { clock } = this.#options;
    const pending = this.#timers.get(profile);
    if (pending?.at === at) return;
    pending?.timer.cancel();
    const timer = clock.schedule(Math.max(0, at - clock.now()), () => {
      this.#timers.delete(profile);
      this.#onReport(profile);
    });
    this.#timers.set(profile, { timer, at });
  }
}

function isConcerned(form: InForce): boolean {
  return form.isAwaited || isWritten(form);
}

function stateIn(item: ProfileItem | undefined): unknown {
  return item?.profile.status?.rollout ?? null;
}
