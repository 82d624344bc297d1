// What must hold once everything has settled (I3 and I8), read off the model alone: the policies of each namespace are
// those that the profiles ask for, and each profile's status says so.
import type { NetworkPolicy, PolicyType } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { lastKnownFrom } from '../../src/controller/last-known.ts';
import type { Compiled, LastKnown } from '../../src/policy/compile.ts';
import { DIRECTIONS, fingerprint, isolates, isProfileReference } from '../../src/policy/normalize.ts';
import { isolatesAll } from '../../src/policy/effect.ts';
import { withFreeNames } from '../../src/policy/free-names.ts';
import {
  type Combination,
  hasUnresolved,
  intentOf,
  neverKnown,
  selects,
  withoutDirections,
} from './inputs.ts';
import { NAMESPACES, PROFILES } from './plan.ts';
import { POD } from './server/kinds.ts';
import type { Storage } from './server/storage.ts';
import { hasLastingPods } from './users.ts';
import type { Witness } from './witness.ts';

/** What a profile's status has to say of its namespaces. */
interface Seen {
  /** Namespaces in which it waits for a peer before it isolates pods. */
  waiting: number;
  desired: number;
  applied: number;
}

/** What does not hold yet, in words; undefined once everything does. */
export function unsettled(witness: Witness, storage: Storage): string | undefined {
  const seen = new Map(
    PROFILES.map((name): [string, Seen] => [name, { waiting: 0, desired: 0, applied: 0 }]),
  );
  for (const namespace of NAMESPACES) {
    const why = unsettledNamespace(namespace, witness, storage, seen);
    if (why !== undefined) return `${namespace}: ${why}`;
  }
  for (const [name, each] of seen) {
    const why = unsettledProfile(name, witness, each);
    if (why !== undefined) return `profile ${name}: ${why}`;
  }
  return undefined;
}

/** @param seen is added to */
function unsettledNamespace(
  namespace: string,
  witness: Witness,
  storage: Storage,
  seen: ReadonlyMap<string, Seen>,
): string | undefined {
  const { picture, inputs } = witness;
  const now = picture.policies(namespace);
  const combination = inputs.present(namespace);
  if (combination.labels === undefined) return undefined;
  const taken = new Set(
    now.filter((each) => picture.ownerOf(each) === undefined).map(({ metadata }) => metadata.name),
  );
  for (const [index, { profile }] of combination.profiles.entries()) {
    const name = PROFILES[index] ?? '';
    const ours = now.filter((each) => picture.ownerOf(each) === name);
    const wanted = wantedOf(profile, namespace, combination, witness);
    const waits = mayWait(name, index, namespace, witness, storage);
    // One that was whole when a direction was added keeps its role.
    const roles = waits.length > 1 ? ['partial-deny', 'default-deny'] : ['default-deny'];
    const found = waits
      .map((directions) => ({
        directions,
        form: wanted.find((each) =>
          roles.some((role) =>
            isSame(ours, withFreeNames(withoutDirections(each, directions, role), taken).named),
          ),
        ),
      }))
      .find(({ form }) => form !== undefined);
    if (found?.form === undefined)
      return `of ${name} there are ${told(ours)}, and there should be ${told(wanted[0] ?? [])}`;
    const { directions, form } = found;
    const soon = DIRECTIONS.find(
      (each) => !directions.includes(each) && isolatesTooSoon(each, name, index, namespace, witness),
    );
    if (soon !== undefined)
      return `${name} isolates ${soon}, and should wait for a peer that was never resolved`;
    const counts = seen.get(name)!;
    if (directions.length > 0) counts.waiting += 1;
    counts.desired += form.length;
    // A default-deny of fewer directions is not the one that is wanted.
    counts.applied += form.filter(
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
  witness: Witness,
): boolean {
  const { picture, inputs, before } = witness;
  const now = picture.policies(namespace);
  const old = before.get(namespace) ?? [];
  const all = (policies: readonly NetworkPolicy[]) =>
    policies.some(({ spec }) => isolatesAll(spec, direction));
  const isOwn = (each: NetworkPolicy) => picture.ownerOf(each) === name;
  // Of any profile: where one leaves, what its last policies isolated must not be open until the peer is known.
  const isOurs = (each: NetworkPolicy) => picture.ownerOf(each) !== undefined;
  const isolated = (policies: readonly NetworkPolicy[]) =>
    policies.some(({ spec }) => isolates(spec).includes(direction));
  if (!hasLastingPods(namespace) || !isolated(now.filter(isOwn)) || isolated(old.filter(isOurs)))
    return false;
  if (all(now.filter((each) => !isOwn(each))) || all(old) || witness.byHand(namespace).length > 0)
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
 * The sets of directions in which a profile may wait for a peer: nothing was ever known of it, pods run that would be
 * cut, and nobody else isolates them.
 */
function mayWait(
  name: string,
  index: number,
  namespace: string,
  { picture, inputs }: Witness,
  storage: Storage,
): (readonly PolicyType[])[] {
  const now = picture.policies(namespace);
  const combination = inputs.present(namespace);
  const intent = intentOf(combination.profiles[index]?.profile, namespace, combination, lastKnownFrom(now));
  const hasPods =
    !hasLastingPods(namespace) ||
    [...storage.values(POD)].some(({ metadata }) => metadata.namespace === namespace);
  if (intent === undefined || !hasPods) return [[]];
  const others = now.filter((each) => picture.ownerOf(each) !== name);
  const open = neverKnown(intent).filter(
    (direction) => !others.some(({ spec }) => isolatesAll(spec, direction)),
  );
  return [[], ...open.map((each) => [each]), ...(open.length > 1 ? [open] : [])];
}

/**
 * What a profile asks for, in each form that a peer that can't be resolved may be kept in: as it stands, as it stood
 * when the round began, or as somebody's hand left it. What stood must be kept where nobody else has taken it away.
 */
function wantedOf(
  profile: SegmentationProfile | undefined,
  namespace: string,
  combination: Combination,
  witness: Witness,
): (readonly NetworkPolicy[])[] {
  const { picture, inputs } = witness;
  const forms: LastKnown[] = [lastKnownFrom(witness.before.get(namespace) ?? [])];
  const first = intentOf(profile, namespace, combination, forms[0]!);
  if (first === undefined) return [[]];
  if (first.unresolved.length === 0) return [first.policies];
  // Whoever wrote it remembers it, whatever somebody's hand makes of it.
  const byHand = witness.remembers ? [] : witness.byHand(namespace);
  forms.push(...byHand.map(lastKnownFrom));
  // What was enforced for a while within the round is what is known last: with the peer resolved, or without the rule.
  const between = inputs
    .combinations(namespace)
    .flatMap((each) =>
      [profile, ...each.profiles.map((value) => value.profile)]
        .filter((version) => version === undefined || version.metadata.name === profile?.metadata.name)
        .map((version) => intentOf(version, namespace, each, forms[0]!)?.policies ?? []),
    );
  forms.push(...between.map(lastKnownFrom));
  if (byHand.length > 0) forms.push(lastKnownFrom(picture.policies(namespace)));
  return [
    first.policies,
    ...forms.map((form) => intentOf(profile, namespace, combination, form)?.policies ?? []),
  ];
}

function unsettledProfile(name: string, { picture, inputs }: Witness, seen: Seen): string | undefined {
  const profile = picture.profile(name);
  const policies = NAMESPACES.flatMap((namespace) => picture.policies(namespace));
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
  const matched = [...picture.labels].filter(
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
