// What must hold once everything has settled (I3 and I8), read off the model alone: the policies of each namespace are
// those that the profiles ask for, and each profile's status says so.
import type { NetworkPolicy, PolicyType } from '../../../src/api/network-policy.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import type { Compiled } from '../../../src/policy/compile.ts';
import {
  DIRECTIONS,
  fingerprint,
  isolates,
  isProfileReference,
} from '../../../src/policy/semantics/normalize.ts';
import { isolatesAll } from '../../../src/policy/planning/effect.ts';
import { withFreeNames } from '../../../src/policy/planning/free-names.ts';
import { isTransitionalCover } from '../../../src/policy/planning/transition.ts';
import { hasUnresolved, intentOf, neverKnown, selects, withoutDirections } from '../schedule/inputs.ts';
import { intentAsEnforced, wrongLastKnown } from './last-known.ts';
import { NAMESPACES, PROFILES } from '../schedule/plan.ts';
import { POD } from '../server/kinds.ts';
import type { Storage } from '../server/storage.ts';
import { hasStablePods } from '../schedule/users.ts';
import type { Recorder } from './recorder.ts';

/** What a profile's status has to say of its namespaces. */
interface Seen {
  /** Namespaces in which it waits for a peer before it isolates pods. */
  waiting: number;
  desired: number;
  applied: number;
}

export interface Convergence {
  /** What does not hold yet, in words; undefined once everything does. */
  readonly why: string | undefined;
  /** Some profile waits for a peer, as it may: but it may also not have come to look yet. */
  readonly isWaiting: boolean;
  /** One waits, as it may while pods are there, where none is any more: at the next look it will not. */
  readonly isOutdated: boolean;
}

/** How what stands compares with what the profiles ask for. */
export function compareWithIntent(recorder: Recorder, storage: Storage): Convergence {
  const seen = new Map(
    PROFILES.map((name): [string, Seen] => [name, { waiting: 0, desired: 0, applied: 0 }]),
  );
  const waiting = new Set<string>();
  const why = unsettled(recorder, seen, waiting);
  const isWaiting = waiting.size > 0;
  return { why, isWaiting, isOutdated: [...waiting].some((namespace) => !hasPods(namespace, storage)) };
}

function hasPods(namespace: string, storage: Storage): boolean {
  return [...storage.values(POD)].some(({ metadata }) => metadata.namespace === namespace);
}

/**
 * @param seen is added to
 * @param waiting the namespaces in which a profile waits; is added to
 */
function unsettled(
  recorder: Recorder,
  seen: ReadonlyMap<string, Seen>,
  waiting: Set<string>,
): string | undefined {
  for (const namespace of NAMESPACES) {
    const why = unsettledNamespace(namespace, recorder, seen, waiting);
    if (why !== undefined) return `${namespace}: ${why}`;
  }
  for (const [name, each] of seen) {
    const why = unsettledProfile(name, recorder, each);
    if (why !== undefined) return `profile ${name}: ${why}`;
  }
  return undefined;
}

function unsettledNamespace(
  namespace: string,
  recorder: Recorder,
  seen: ReadonlyMap<string, Seen>,
  waiting: Set<string>,
): string | undefined {
  const { observed, inputs } = recorder;
  const now = observed.policies(namespace);
  const combination = inputs.present(namespace);
  if (combination.labels === undefined) return undefined;
  const cover = now.find(
    (each) => observed.operatorPolicies.has(each.metadata.uid ?? '') && isTransitionalCover(each),
  );
  if (cover !== undefined) return `${cover.metadata.name} was to be there for a moment`;
  const taken = new Set(
    now.filter((each) => observed.ownerOf(each) === undefined).map(({ metadata }) => metadata.name),
  );
  for (const [index, { profile }] of combination.profiles.entries()) {
    const name = PROFILES[index] ?? '';
    const ours = now.filter((each) => observed.ownerOf(each) === name);
    const { intent, kept } = intentAsEnforced(profile, namespace, combination, now);
    const wanted = intent?.policies ?? [];
    const waits = allowedPostponements(name, index, namespace, recorder);
    // One that was whole when a direction was added keeps its role.
    const roles = waits.length > 1 ? ['partial-deny', 'default-deny'] : ['default-deny'];
    const directions = waits.find((each) =>
      roles.some((role) => isSame(ours, withFreeNames(withoutDirections(wanted, each, role), taken).named)),
    );
    if (directions === undefined)
      return `of ${name} there are ${told(ours)}, and there should be ${told(wanted)}`;
    const lost = wrongLastKnown(kept, index, namespace, recorder);
    if (lost !== undefined) return `of ${name}, ${lost}`;
    const soon = DIRECTIONS.find(
      (each) => !directions.includes(each) && isolatesTooSoon(each, name, index, namespace, recorder),
    );
    if (soon !== undefined)
      return `${name} isolates ${soon}, and should wait for a peer that was never resolved`;
    const counts = seen.get(name)!;
    if (directions.length > 0) {
      counts.waiting += 1;
      waiting.add(namespace);
    }
    counts.desired += wanted.length;
    // A default-deny of fewer directions is not the one that is wanted.
    counts.applied += wanted.filter(
      ({ spec }) => !isolates(spec).some((each) => directions.includes(each)),
    ).length;
  }
  return undefined;
}

/** Whether a profile began to isolate pods that are open otherwise, though a peer could not be resolved at any time. */
function isolatesTooSoon(
  direction: PolicyType,
  name: string,
  index: number,
  namespace: string,
  recorder: Recorder,
): boolean {
  const { observed, inputs, before } = recorder;
  const now = observed.policies(namespace);
  const old = before.get(namespace) ?? [];
  const all = (policies: readonly NetworkPolicy[]) =>
    policies.some(({ spec }) => isolatesAll(spec, direction));
  const isOwn = (each: NetworkPolicy) => observed.ownerOf(each) === name;
  // Of any profile: where one leaves, what its last policies isolated must not be open until the peer is known.
  const isOurs = (each: NetworkPolicy) => observed.ownerOf(each) !== undefined;
  const isolated = (policies: readonly NetworkPolicy[]) =>
    policies.some(({ spec }) => isolates(spec).includes(direction));
  if (!hasStablePods(namespace) || !isolated(now.filter(isOwn)) || isolated(old.filter(isOurs))) return false;
  if (all(now.filter((each) => !isOwn(each))) || all(old) || recorder.userEdits(namespace).length > 0)
    return false;
  return inputs.combinations(namespace).every((each) => {
    const [own, ...others] = [index, 1 - index].map((at) =>
      intentOf(each.profiles[at]?.profile, namespace, each, lastKnownFrom(old)),
    );
    if (own === undefined || !isolated(own.policies)) return true;
    const isReady = (other: Compiled | undefined) =>
      other !== undefined && all(other.policies) && !neverKnown(other).includes(direction);
    return neverKnown(own).includes(direction) && !others.some(isReady);
  });
}

/**
 * The sets of directions in which a profile may wait for a peer: nothing was ever known of it, pods run (or ran, when
 * somebody looked) that would be cut, and nobody else isolates them.
 */
function allowedPostponements(
  name: string,
  index: number,
  namespace: string,
  { observed, inputs }: Recorder,
): (readonly PolicyType[])[] {
  const now = observed.policies(namespace);
  const combination = inputs.present(namespace);
  const intent = intentOf(combination.profiles[index]?.profile, namespace, combination, lastKnownFrom(now));
  if (intent === undefined) return [[]];
  const others = now.filter((each) => observed.ownerOf(each) !== name);
  const open = neverKnown(intent).filter(
    (direction) => !others.some(({ spec }) => isolatesAll(spec, direction)),
  );
  return [[], ...open.map((each) => [each]), ...(open.length > 1 ? [open] : [])];
}

function unsettledProfile(name: string, { observed, inputs }: Recorder, seen: Seen): string | undefined {
  const profile = observed.profile(name);
  const policies = NAMESPACES.flatMap((namespace) => observed.policies(namespace));
  if (profile === undefined) {
    const left = policies.find(({ metadata }) =>
      metadata.ownerReferences?.some((each) => isProfileReference(each) && each.name === name),
    );
    return (
      left && `it is gone, and ${left.metadata.namespace}/${left.metadata.name} still names it as its owner`
    );
  }
  const { metadata, spec, status } = profile;
  if (metadata.deletionTimestamp !== undefined) return 'it is still being deleted';
  if (status?.observedGeneration !== metadata.generation) return 'its status is of an older generation';
  const matched = [...observed.labels].filter(
    ([namespace, labels]) => NAMESPACES.includes(namespace) && selects(profile, namespace, labels),
  );
  const { namespaces, policies: counts } = status?.namespaces ? status : {};
  if (namespaces?.matched !== matched.length)
    return `it matches ${matched.length} namespaces, and says ${namespaces?.matched}`;
  const isAudit = spec.mode === 'Audit';
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const resolved = status?.conditions?.find(({ type }) => type === 'PeersResolved');
  const enforced = isAudit ? 0 : matched.length - seen.waiting;
  if (namespaces.enforced !== enforced)
    return `${enforced} namespaces are enforced, and it says ${namespaces.enforced}`;
  if (namespaces.failed > 0) return `${namespaces.failed} namespaces failed: ${ready?.message}`;
  if (!isAudit && (counts?.applied !== seen.applied || counts.desired !== seen.desired))
    return `there are ${seen.applied} of ${seen.desired} policies, and it says ${counts?.applied} of ${counts?.desired}`;
  const isReady = !matched.some(([namespace]) => {
    const present = inputs.present(namespace);
    return hasUnresolved(present.profiles[PROFILES.indexOf(name)]?.profile ?? profile, namespace, present);
  });
  if (resolved?.status !== (isReady ? 'True' : 'False'))
    return `PeersResolved is ${resolved?.status}: ${resolved?.message}`;
  if (ready?.status !== (isReady ? 'True' : 'False')) return `Ready is ${ready?.status}: ${ready?.message}`;
  return undefined;
}

function isSame(a: readonly NetworkPolicy[], b: readonly NetworkPolicy[]): boolean {
  const key = (policies: readonly NetworkPolicy[]) =>
    policies
      .map((each) => `${each.metadata.name} ${fingerprint(each)}`)
      .sort()
      .join();
  return key(a) === key(b);
}

function told(policies: readonly NetworkPolicy[]): string {
  return `[${policies.map(({ metadata, spec }) => `${metadata.name} ${JSON.stringify(spec)}`).join(', ')}]`;
}
