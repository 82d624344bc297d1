/** Reconciles one namespace, for all profiles that concern it: gather, compile, plan, apply, report. */
import type { KubeObject } from '../api/meta.ts';
import type { NetworkPolicy, PolicyType } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import {
  ApiError,
  classify,
  isAborted,
  isAlreadyExists,
  isConflict,
  isNamespaceTerminating,
  isNotFound,
} from '../kube/errors.ts';
import type { Resource } from '../kube/resource.ts';
import { compile, type LastKnown } from '../policy/compile.ts';
import type { ClusterFacts } from '../policy/facts.ts';
import { excess } from '../policy/limits.ts';
import { fingerprint, isolates, isProfileReference } from '../policy/normalize.ts';
import {
  isolatesAll,
  plan,
  type Plan,
  PlanTooComplexError,
  type Step,
  withFreeNames,
} from '../policy/plan.ts';
import { apply } from './apply.ts';
import type { Admission } from './admission.ts';
import type { Enforced } from './enforced.ts';
import type { Evidence } from './evidence.ts';
import { lastKnownFrom } from './last-known.ts';
import { keptPolicies, needsNoReading } from './kept.ts';
import type { NamespaceItem } from './observed.ts';
import { DONE, retry } from './outcome.ts';
import type { PodProbe } from './pods.ts';
import { hasFinalizer } from './profile.ts';
import type { Outcome } from './queue.ts';
import { forgetOthers, noteEnforced, report, reportFailure, reportMissing } from './report.ts';
import type { Failure, Intent } from './report.ts';
import type { Results } from './results.ts';
import type { Sources } from './sources.ts';
import type { World } from './world.ts';

export interface NamespaceReconciler {
  readonly world: World;
  readonly sources: Sources;
  readonly results: Results;
  readonly enforced: Enforced;
  readonly admission: Pick<Admission, 'holds'>;
  readonly namespaces: Resource<KubeObject>;
  readonly profiles: Resource<SegmentationProfile>;
  readonly policies: Resource<NetworkPolicy>;
  readonly evidence: Evidence;
  readonly pods: PodProbe;
  /** Namespaces in which the cache turned out to be behind, until a reconcile succeeds; kept here. */
  readonly behind: Set<string>;
  readonly onWrite: (step: Step, before: NetworkPolicy | undefined, after: NetworkPolicy | undefined) => void;
}

/** The caches are behind what was read live: their events bring the namespace back, and at the latest this. */
const AGAIN: Outcome = { kind: 'again', afterMs: 1000 };

export async function reconcileNamespace(
  name: string,
  reconciler: NamespaceReconciler,
  signal: AbortSignal,
): Promise<Outcome> {
  const { world, sources, results, enforced, evidence } = reconciler;
  const namespace = world.namespaces.get(name);
  // The namespace controller deletes what is in a terminating namespace; nothing can be created there.
  if (namespace === undefined || namespace.terminating) {
    sources.forget(name);
    results.forgetNamespace(name);
    enforced.note(name, new Map());
    reconciler.evidence.forget(name);
    reconciler.behind.delete(name);
    return DONE;
  }
  const concerned = world.concerned(namespace);
  const view = sources.view(name);
  const facts = { name, labels: namespace.labels };
  let intents = concerned.map((profile) => intentOf(profile, namespace, reconciler, facts, view.facts));
  forgetOthers(name, concerned, results);
  const accepting = intents.filter(({ profile, relation }) => relation === 'enforce' && isAccepting(profile));
  if (accepting.length > 0) {
    const failure: Failure = {
      reason: 'Accepting',
      message: 'the profile is being taken up',
      kind: 'waiting',
    };
    reportFailure(name, accepting, 'pending', failure, results);
    return DONE;
  }
  if (view.missing.size > 0) {
    reportMissing(name, intents, view.missing, reconciler);
    return DONE;
  }
  const unresolved = intents.some(({ compiled }) => compiled.unresolved.length > 0);
  const settled = unresolved ? undefined : converged(name, intents, world);
  if (settled !== undefined) {
    noteEnforced(name, intents, new Map(), enforced);
    report(name, intents, new Map(), settled, results);
    return DONE;
  }

  try {
    // What is kept serves for most plans. Reading back peers, and what was in conflict before, take live objects.
    const kept =
      unresolved || reconciler.behind.has(name) ? undefined : keptPolicies(world.policies.byNamespace(name));
    // Begun at once, so that it takes no time of its own.
    const confirmed = evidence.confirms(namespace, concerned, false, reconciler, signal);
    confirmed.catch(() => {});
    let observed = kept ?? (await read(name, reconciler, signal));
    if (unresolved) {
      // What this process wrote counts more than what stands, which somebody may have changed or deleted meanwhile.
      const lastKnown = lastKnownFrom([...observed, ...enforced.held(name)]);
      intents = concerned.map((profile) =>
        intentOf(profile, namespace, reconciler, facts, view.facts, lastKnown),
      );
    }
    const pods = lazy(() => reconciler.pods.any(name, signal));
    const blocked = await blockedProfiles(name, intents, observed, reconciler, pods);
    const planFrom = (present: readonly NetworkPolicy[]) =>
      planFor(present, desiredOf(namespace, intents, blocked, present, reconciler), world, pods);
    let planned = await planFrom(observed);
    if (kept !== undefined && !needsNoReading(planned, kept)) {
      observed = await read(name, reconciler, signal);
      planned = await planFrom(observed);
    }
    // What belongs to a profile that went meanwhile passed for somebody else's; its event brings the namespace back.
    if (concerned.some(({ metadata: { name: each, uid } }) => world.profile(each)?.metadata.uid !== uid))
      return AGAIN;
    const opens = planned.opens.length > 0;
    if (
      planned.steps.length > 0 &&
      !(await (opens ? evidence.confirms(namespace, concerned, true, reconciler, signal) : confirmed))
    )
      return AGAIN;
    await apply(planned.steps, observed, {
      namespace: name,
      policies: reconciler.policies,
      store: world.policies,
      signal,
      onWrite: reconciler.onWrite,
    });
    reconciler.behind.delete(name);
    noteEnforced(name, intents, blocked, enforced);
    report(name, intents, blocked, planned.conflicts, results);
    return DONE;
  } catch (error) {
    if (isConflict(error) || isAlreadyExists(error) || isNotFound(error)) reconciler.behind.add(name);
    return failed(name, intents, error, results);
  }
}

/** What shall stand: what each profile wants, and of those that are blocked what stands already. */
function desiredOf(
  namespace: NamespaceItem,
  intents: readonly Intent[],
  blocked: ReadonlyMap<string, Failure>,
  observed: readonly NetworkPolicy[],
  { world, admission }: NamespaceReconciler,
): NetworkPolicy[] {
  return intents.flatMap(({ profile, relation, compiled }) => {
    const { name, deletionTimestamp } = profile.metadata;
    // As long as a gate looks for the default-deny, its end would have pods refused: the gate goes first.
    const held = relation !== 'enforce' && admission.holds(name, namespace);
    if (blocked.has(name) || held) {
      const present = observed.filter((each) => world.ownerOfPolicy(each) === name);
      // It goes under Retain: what stays must not be the garbage collector's.
      return deletionTimestamp === undefined || held ? present : present.map(disowned);
    }
    return relation === 'enforce' ? compiled.policies : [];
  });
}

function disowned(policy: NetworkPolicy): NetworkPolicy {
  const ownerReferences = policy.metadata.ownerReferences?.filter((each) => !isProfileReference(each)) ?? [];
  return { ...policy, metadata: { ...policy.metadata, ownerReferences } };
}

function intentOf(
  profile: SegmentationProfile,
  namespace: NamespaceItem,
  { world }: NamespaceReconciler,
  facts: { name: string; labels: NamespaceItem['labels'] },
  cluster: ClusterFacts,
  lastKnown?: LastKnown,
): Intent {
  const relation = world.relation(profile, namespace);
  const compiled =
    relation === 'none' ? { policies: [], unresolved: [] } : compile(profile, facts, cluster, lastKnown);
  return { profile, relation, compiled };
}

/**
 * The names that somebody else holds, if what the cache knows is exactly what is wanted: then nothing is read and
 * nothing written (invariant I6). Undefined if anything differs.
 */
function converged(
  namespace: string,
  intents: readonly Intent[],
  world: World,
): readonly string[] | undefined {
  const desired = intents.flatMap(({ relation, compiled }) =>
    relation === 'enforce' ? compiled.policies : [],
  );
  const ours = new Map<string, string | undefined>();
  const taken = new Set<string>();
  for (const item of world.policies.byNamespace(namespace)) {
    if (world.ownerOf(item) === undefined) taken.add(item.name);
    else ours.set(item.name, item.fingerprint);
  }
  const { named, conflicts } = withFreeNames(desired, taken);
  const same =
    ours.size === named.length &&
    named.every((policy) => ours.get(policy.metadata.name) === fingerprint(policy));
  return same ? conflicts : undefined;
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

/**
 * Profiles whose policies stay as they are in this namespace, and why. What the API server would refuse for its size is
 * not begun with, since half of it would cut what the other half allows. And one must not begin to isolate pods while a
 * rule has a peer that can't be resolved and never was: what it allows today would be cut (invariants I2 and I3). Where
 * the pods are isolated already, or will be by another profile, where the profile was enforced and somebody deleted its
 * policies, or no pod runs, such a rule just allows nothing yet.
 */
async function blockedProfiles(
  namespace: string,
  intents: readonly Intent[],
  observed: readonly NetworkPolicy[],
  { world, enforced }: NamespaceReconciler,
  pods: () => Promise<boolean>,
): Promise<Map<string, Failure>> {
  const blocked = new Map<string, Failure>();
  const enforcing = intents.filter(({ relation }) => relation === 'enforce');
  for (const { profile, compiled } of enforcing) {
    const message = compiled.policies.map(excess).find((each) => each !== undefined);
    if (message !== undefined)
      blocked.set(profile.metadata.name, { reason: 'PoliciesTooLarge', message, kind: 'stalled' });
  }
  const isolated = new Set<PolicyType>();
  const isStanding = (name: string, direction: PolicyType) =>
    isolated.has(direction) ||
    enforced.isolates(namespace, name, direction) ||
    observed.some(
      (each) =>
        isolatesAll(each.spec, direction) ||
        (isolates(each.spec).includes(direction) && world.ownerOfPolicy(each) === name),
    );
  const waits = ({ profile, compiled }: Intent) =>
    compiled.unresolved.some(({ held, direction }) => !held && !isStanding(profile.metadata.name, direction));
  // What one profile isolates in any case is no reason for another one to wait, which may then isolate more.
  let waiting = enforcing.filter(({ profile }) => !blocked.has(profile.metadata.name));
  for (let ready = waiting; ready.length > 0; ) {
    ready = waiting.filter((each) => !waits(each));
    waiting = waiting.filter(waits);
    for (const { profile } of ready) for (const direction of profile.spec.isolation) isolated.add(direction);
  }
  if (waiting.length === 0 || !(await pods())) return blocked;
  const message =
    'not isolated yet: pods run here, and a rule has a peer that is unresolved, from which they would be cut off';
  for (const { profile } of waiting)
    blocked.set(profile.metadata.name, { reason: 'PeersUnresolved', message, kind: 'waiting' });
  return blocked;
}

async function planFor(
  observed: readonly NetworkPolicy[],
  desired: readonly NetworkPolicy[],
  world: World,
  pods: () => Promise<boolean>,
): Promise<Plan> {
  const isOurs = (policy: NetworkPolicy) => world.ownerOfPolicy(policy) !== undefined;
  const empty = plan(observed, desired, { hasPods: false, isOurs });
  // Only when several objects are needed does it matter whether a pod could be cut between them: for fewer the plans
  // are the same.
  if (empty.steps.length < 2 || !(await pods())) return empty;
  return plan(observed, desired, { hasPods: true, isOurs });
}

function failed(namespace: string, intents: readonly Intent[], error: unknown, results: Results): Outcome {
  // Shutting down, or no longer the leader: nothing failed.
  if (isAborted(error)) return DONE;
  if (isNamespaceTerminating(error)) return DONE;
  // Somebody wrote first: not a failure of the namespace, but backed off from like one, so that nobody fights.
  if (isConflict(error) || isAlreadyExists(error)) return retry(error);
  const kind = error instanceof PlanTooComplexError ? 'stalled' : classify(error);
  const reason = error instanceof ApiError ? error.reason : error instanceof Error ? error.name : 'Error';
  const message = error instanceof Error ? error.message : String(error);
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
