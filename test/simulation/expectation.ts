// What must hold once everything has settled (I3 and I8), read off the model alone: the policies of each namespace are
// those that the profiles ask for, and each profile's status says so.
import type { NetworkPolicy, PolicyType } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { lastKnownFrom } from '../../src/controller/last-known.ts';
import type { LastKnown } from '../../src/policy/compile.ts';
import { DIRECTIONS, fingerprint, isolates, isProfileReference } from '../../src/policy/normalize.ts';
import { isolatesAll, withFreeNames } from '../../src/policy/plan.ts';
import { type Combination, hasUnresolved, intentOf, selects } from './inputs.ts';
import { NAMESPACES, PROFILES } from './plan.ts';
import { POD } from './server/kinds.ts';
import type { Storage } from './server/storage.ts';
import { hasLastingPods } from './users.ts';
import type { Witness } from './witness.ts';

/** What does not hold yet, in words; undefined once everything does. */
export function unsettled(witness: Witness, storage: Storage): string | undefined {
  const held = new Map<string, Set<string>>();
  for (const namespace of NAMESPACES) {
    const why = unsettledNamespace(namespace, witness, storage, held);
    if (why !== undefined) return `${namespace}: ${why}`;
  }
  for (const name of PROFILES) {
    const why = unsettledProfile(name, witness, held.get(name) ?? new Set());
    if (why !== undefined) return `profile ${name}: ${why}`;
  }
  return undefined;
}

/** @param held gets the namespaces in which each profile waits for a peer before it isolates pods */
function unsettledNamespace(
  namespace: string,
  witness: Witness,
  storage: Storage,
  held: Map<string, Set<string>>,
): string | undefined {
  const { picture, inputs } = witness;
  const now = picture.policies(namespace);
  const combination = inputs.present(namespace);
  if (combination.labels === undefined) return undefined;
  const others = now.filter((each) => picture.ownerOf(each) === undefined);
  for (const [index, { profile }] of combination.profiles.entries()) {
    const name = PROFILES[index] ?? '';
    const ours = now.filter((each) => picture.ownerOf(each) === name);
    const wanted = wantedOf(profile, namespace, combination, witness);
    const taken = new Set(others.map(({ metadata }) => metadata.name));
    if (wanted.some((each) => isSame(ours, withFreeNames(each, taken).named))) {
      const direction = DIRECTIONS.find((each) => isolatesTooSoon(each, name, index, namespace, witness));
      if (direction === undefined) continue;
      return `${name} isolates ${direction}, and should wait for a peer that was never resolved`;
    }
    const unresolved = intentOf(profile, namespace, combination, lastKnownFrom(now))?.unresolved ?? [];
    const hasPods =
      !hasLastingPods(namespace) ||
      [...storage.values(POD)].some(({ metadata }) => metadata.namespace === namespace);
    const mayWait = unresolved.some((each) => !each.held) && hasPods;
    // What somebody changes by hand meanwhile is not repaired either: nobody knows to which form.
    const byHand = witness.byHand(namespace).length > 0;
    if (mayWait && (byHand || staysAs(name, index, namespace, witness).some((each) => isSame(ours, each)))) {
      held.set(name, (held.get(name) ?? new Set()).add(namespace));
      continue;
    }
    return `of ${name} there are ${told(ours)}, and there should be ${told(wanted[0] ?? [])}`;
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
  const isolated = (policies: readonly NetworkPolicy[]) =>
    policies.some(({ spec }) => isolates(spec).includes(direction));
  if (!hasLastingPods(namespace) || !isolated(now.filter(isOwn)) || isolated(old.filter(isOwn))) return false;
  if (all(now.filter((each) => !isOwn(each))) || all(old) || witness.byHand(namespace).length > 0)
    return false;
  return inputs.combinations(namespace).every((each) => {
    const [own, ...others] = [index, 1 - index].map((at) =>
      intentOf(each.profiles[at]?.profile, namespace, each, lastKnownFrom(old)),
    );
    if (own === undefined || !isolated(own.policies)) return true;
    const waits = own.unresolved.some((peer) => !peer.held && peer.direction === direction);
    return waits && !others.some((other) => other !== undefined && all(other.policies));
  });
}

/** What the policies of a profile that waits for a peer may be: what they were at some time since the round began. */
function staysAs(
  name: string,
  index: number,
  namespace: string,
  { picture, inputs, before }: Witness,
): (readonly NetworkPolicy[])[] {
  const old = before.get(namespace) ?? [];
  const intents = inputs.combinations(namespace).map((each) => {
    const { profile } = each.profiles[index] ?? {};
    return intentOf(profile, namespace, each, lastKnownFrom(old))?.policies ?? [];
  });
  return [[], old.filter((each) => picture.ownerOf(each) === name), ...intents];
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
  forms.push(...witness.byHand(namespace).map(lastKnownFrom));
  // What was enforced for a while within the round is what is known last: with the peer resolved, or without the rule.
  const between = inputs
    .combinations(namespace)
    .flatMap((each) =>
      [profile, ...each.profiles.map((value) => value.profile)]
        .filter((version) => version === undefined || version.metadata.name === profile?.metadata.name)
        .map((version) => intentOf(version, namespace, each, forms[0]!)?.policies ?? []),
    );
  forms.push(...between.map(lastKnownFrom));
  if (witness.byHand(namespace).length > 0) forms.push(lastKnownFrom(picture.policies(namespace)));
  return [
    first.policies,
    ...forms.map((form) => intentOf(profile, namespace, combination, form)?.policies ?? []),
  ];
}

function unsettledProfile(
  name: string,
  { picture, inputs }: Witness,
  held: ReadonlySet<string>,
): string | undefined {
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
  const ours = policies.filter((each) => picture.ownerOf(each) === name);
  const isAudit = spec.mode === 'Audit';
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const resolved = status?.conditions?.find(({ type }) => type === 'PeersResolved');
  const enforced = isAudit ? 0 : matched.length - held.size;
  if (namespaces.enforced !== enforced)
    return `${enforced} namespaces are enforced, and it says ${namespaces.enforced}`;
  if (namespaces.failed > 0) return `${namespaces.failed} namespaces failed: ${ready?.message}`;
  if (held.size === 0 && !isAudit && (counts?.applied !== ours.length || counts.desired !== ours.length))
    return `there are ${ours.length} policies, and it says ${counts?.applied} of ${counts?.desired}`;
  const isReady = !matched.some(([namespace]) =>
    hasUnresolved(profile, namespace, inputs.present(namespace)),
  );
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
