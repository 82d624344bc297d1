/** Reconciles one namespace, for all profiles that concern it: gather, compile, plan, apply, report. */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import {
  ApiError,
  classify,
  isAborted,
  isAlreadyExists,
  isConflict,
  isNamespaceTerminating,
  isNotFound,
} from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import { compile, type LastKnown } from '../../policy/compile.ts';
import { plan, type Plan, type Step } from '../../policy/planning/plan.ts';
import { PlanTooComplexError } from '../../policy/planning/transition.ts';
import { apply } from './apply.ts';
import type { Admission } from '../admission/reconcile.ts';
import { desiredOf, type Intent } from './desired.ts';
import type { Enforced } from './enforced.ts';
import type { LiveConfirmation } from './live-confirmation.ts';
import { lastKnownFrom } from '../../policy/peers/last-known.ts';
import { converged, keptPolicies, needsNoReading } from './cached-policies.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import type { PodProbe } from './pods.ts';
import { hasFinalizer } from '../profile/reconcile.ts';
import type { Outcome } from '../queue/key-queue.ts';
import { forgetOthers, noteEnforced, report, reportFailure, reportMissing } from './report.ts';
import type { Failure, Results } from '../results.ts';
import { RecordedFacts } from '../../cluster-state/peer-sources/dependencies.ts';
import type { PeerSources } from '../../cluster-state/peer-sources/sources.ts';
import { type Ground, postponed, type Postponed } from './postponed.ts';
import type { Send } from '../queue/request-lanes.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { errorMessage } from '../../util/error-message.ts';

export interface NamespaceReconciler {
  readonly clusterState: ClusterState;
  readonly sources: PeerSources;
  readonly results: Results;
  readonly enforced: Enforced;
  readonly admission: Pick<Admission, 'holds'>;
  readonly namespaces: Resource<KubeObject>;
  readonly profiles: Resource<SegmentationProfile>;
  readonly policies: Resource<NetworkPolicy>;
  readonly evidence: LiveConfirmation;
  readonly pods: PodProbe;
  /** Namespaces in which the cache turned out to be behind, until a reconcile succeeds; kept here. */
  readonly behind: Set<string>;
  /** How the requests of this reconcile are sent: nobody waits for some of them, and somebody for others. */
  readonly send: Send;
  readonly onWrite: (step: Step, before: NetworkPolicy | undefined, after: NetworkPolicy | undefined) => void;
}

/** The caches are behind what was read live: their events bring the namespace back, and at the latest this. */
const AGAIN: Outcome = { kind: 'again', afterMs: 1000 };

export async function reconcileNamespace(
  name: string,
  reconciler: NamespaceReconciler,
  signal: AbortSignal,
): Promise<Outcome> {
  const { clusterState, sources, results, enforced } = reconciler;
  const namespace = clusterState.namespaces.get(name);
  // The namespace controller deletes what is in a terminating namespace; nothing can be created there.
  if (namespace === undefined || namespace.terminating) return forget(name, reconciler);
  const concerned = clusterState.concerned(namespace);
  const facts = new RecordedFacts(sources.facts);
  const gathered: Gathered = { namespace, concerned, facts };
  const intents = intentsOf(gathered, clusterState);
  sources.subscribe(name, facts.dependencies);
  forgetOthers(name, concerned, results);
  const accepting = intents.filter(({ profile, relation }) => relation === 'enforce' && isAccepting(profile));
  if (accepting.length > 0) {
    reportFailure(name, accepting, 'pending', ACCEPTING, results);
    return DONE;
  }
  const { missing } = facts;
  if (missing.length > 0) {
    reportMissing(name, intents, missing, reconciler);
    return DONE;
  }
  const conflicts = hasUnresolved(intents) ? undefined : converged(name, intents, clusterState);
  if (conflicts !== undefined) {
    noteEnforced(name, intents, NONE, enforced);
    report(name, intents, NONE, conflicts, results);
    return DONE;
  }
  try {
    return await enforce(gathered, intents, reconciler, signal);
  } catch (error) {
    if (isConflict(error) || isAlreadyExists(error) || isNotFound(error)) reconciler.behind.add(name);
    return isAborted(error) ? givenUp(error, signal) : failed(name, intents, error, results);
  }
}

/** What a reconcile works from. */
interface Gathered {
  readonly namespace: NamespaceItem;
  /** The profiles that concern it. */
  readonly concerned: readonly SegmentationProfile[];
  readonly facts: RecordedFacts;
}

const NONE: ReadonlyMap<string, Postponed> = new Map();

const ACCEPTING: Failure = {
  reason: 'Accepting',
  message: 'the profile is being taken up',
  kind: 'waiting',
};

/** Makes what stands what is wanted, and reports it. @throws ApiError, PlanTooComplexError */
async function enforce(
  gathered: Gathered,
  resolved: readonly Intent[],
  reconciler: NamespaceReconciler,
  signal: AbortSignal,
): Promise<Outcome> {
  const { clusterState, results, enforced, evidence, admission } = reconciler;
  const { namespace, concerned } = gathered;
  const name = namespace.key;
  const ownerOf = (policy: NetworkPolicy) => clusterState.ownerOfPolicy(policy);
  const heardOf = new Set([...clusterState.profiles.values()].map(({ uid }) => uid));
  const unresolved = hasUnresolved(resolved);
  // What is kept serves for most plans. Reading back peers, and what was in conflict before, take live objects.
  const kept =
    unresolved || reconciler.behind.has(name)
      ? undefined
      : keptPolicies(clusterState.policies.byNamespace(name));
  // Begun at once, so that it takes no time of its own.
  const confirmed = evidence.confirms(namespace, concerned, false, reconciler, signal);
  confirmed.catch(() => {});
  let observed = kept ?? (await read(name, reconciler, signal));
  // What this process wrote counts more than what stands, which somebody may have changed or deleted meanwhile.
  const lastKnown = unresolved ? lastKnownFrom([...observed, ...enforced.held(name)]) : undefined;
  const intents = unresolved ? intentsOf(gathered, clusterState, lastKnown) : resolved;
  // The facts may have changed while the policies were read.
  reconciler.sources.subscribe(name, gathered.facts.dependencies);
  const pods = lazy(() => reconciler.send(() => reconciler.pods.any(name, signal)));
  const waits = await postponedIn(name, intents, { observed, ownerOf }, reconciler, pods);
  const planFrom = (present: readonly NetworkPolicy[]) => {
    const desired = desiredOf(intents, waits, {
      observed: present,
      ownerOf,
      isGated: (profile) => admission.holds(profile, namespace),
    });
    return planFor(present, desired, (policy) => ownerOf(policy) !== undefined, pods);
  };
  let planned = await planFrom(observed);
  if (kept !== undefined && !needsNoReading(planned, kept)) {
    observed = await read(name, reconciler, signal);
    planned = await planFrom(observed);
  }
  const opens = planned.opens.length > 0;
  if (
    planned.steps.length > 0 &&
    !(await (opens ? evidence.confirms(namespace, concerned, true, reconciler, signal) : confirmed))
  )
    return AGAIN;
  // What belongs to a profile that went meanwhile passed for somebody else's, and of one that came nothing is compiled,
  // though its policies may stand here. Their events bring the namespace back.
  const uidOf = (profile: string | undefined) => profile && clusterState.profile(profile)?.metadata.uid;
  const went = concerned.some(({ metadata }) => uidOf(metadata.name) !== metadata.uid);
  const came = observed.some((policy) => {
    const uid = uidOf(ownerOf(policy));
    return uid !== undefined && !heardOf.has(uid);
  });
  if (went || came) return AGAIN;
  await apply(planned.steps, observed, {
    namespace: name,
    policies: reconciler.policies,
    store: clusterState.policies,
    signal,
    send: reconciler.send,
    onWrite: reconciler.onWrite,
  });
  reconciler.behind.delete(name);
  noteEnforced(name, intents, waits, enforced);
  report(name, intents, waits, planned.conflicts, results);
  return DONE;
}

function forget(
  name: string,
  { sources, results, enforced, evidence, behind }: NamespaceReconciler,
): Outcome {
  sources.unsubscribe(name);
  results.forgetNamespace(name);
  enforced.note(name, new Map());
  evidence.forget(name);
  behind.delete(name);
  return DONE;
}

function intentsOf(
  { namespace, concerned, facts }: Gathered,
  clusterState: ClusterState,
  lastKnown?: LastKnown,
): Intent[] {
  const own = { name: namespace.key, labels: namespace.labels };
  return concerned.map((profile) => {
    const relation = clusterState.relation(profile, namespace);
    // What was known of a peer is told by policies that stand, and under Audit none does for long.
    const compiled =
      relation === 'none'
        ? { policies: [], unresolved: [] }
        : compile(profile, own, facts, relation === 'enforce' ? lastKnown : undefined);
    return { profile, relation, compiled };
  });
}

function hasUnresolved(intents: readonly Intent[]): boolean {
  return intents.some(({ compiled }) => compiled.unresolved.length > 0);
}

/** The namespace's policies, live. */
async function read(
  namespace: string,
  { policies }: NamespaceReconciler,
  signal: AbortSignal,
): Promise<readonly NetworkPolicy[]> {
  return (await policies.listAll({ namespace, signal })).items;
}

/**
 * Whether our finalizer is still missing: the profile's deletion would not be ordered. Nothing is changed in its
 * namespaces meanwhile, for any profile: what another one ceases to allow, or to isolate, this one may take over (I1, I2).
 */
function isAccepting(profile: SegmentationProfile): boolean {
  return !hasFinalizer(profile) && profile.metadata.deletionTimestamp === undefined;
}

/** What is not begun with. Whether a pod runs is asked only where it matters. */
async function postponedIn(
  namespace: string,
  intents: readonly Intent[],
  standing: Pick<Ground, 'observed' | 'ownerOf'>,
  { enforced }: NamespaceReconciler,
  pods: () => Promise<boolean>,
): Promise<ReadonlyMap<string, Postponed>> {
  const enforcing = intents.filter(({ relation }) => relation === 'enforce');
  const ground: Ground = {
    ...standing,
    hasPods: true,
    wasEnforced: (profile, direction) => enforced.isolates(namespace, profile, direction),
  };
  const cautious = postponed(enforcing, ground);
  const waits = [...cautious.values()].some(({ failure }) => failure.kind === 'waiting');
  return waits && !(await pods()) ? postponed(enforcing, { ...ground, hasPods: false }) : cautious;
}

async function planFor(
  observed: readonly NetworkPolicy[],
  desired: readonly NetworkPolicy[],
  isOurs: (policy: NetworkPolicy) => boolean,
  pods: () => Promise<boolean>,
): Promise<Plan> {
  const empty = plan(observed, desired, { hasPods: false, isOurs });
  // Only when several objects are needed does it matter whether a pod could be cut between them: for fewer the plans
  // are the same.
  if (empty.steps.length < 2 || !(await pods())) return empty;
  return plan(observed, desired, { hasPods: true, isOurs });
}

function failed(namespace: string, intents: readonly Intent[], error: unknown, results: Results): Outcome {
  if (isNamespaceTerminating(error)) return DONE;
  // Somebody wrote first: not a failure of the namespace, but backed off from like one, so that nobody fights.
  if (isConflict(error) || isAlreadyExists(error)) return retry(error);
  const kind = error instanceof PlanTooComplexError ? 'stalled' : classify(error);
  const reason = error instanceof ApiError ? error.reason : error instanceof Error ? error.name : 'Error';
  const message = errorMessage(error);
  reportFailure(
    namespace,
    intents,
    kind === 'retry' ? 'pending' : 'failed',
    { reason, message, kind },
    results,
  );
  return retry(error);
}

/** Asks at most once. */
function lazy<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => (answer ??= ask());
}
