/** The guards that the profiles of a combination ask for, and those of a converged cluster. Pure but for reads of the model. */
import type { KubeObject } from '../../../src/api/meta.ts';
import type { PolicyType } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import type { GuardKind } from '../../../src/engines/engine.ts';
import type { CompiledGuard, GuardCarrier, GuardForm } from '../../../src/engines/guards/carrier.ts';
import { GUARD_CARRIERS } from '../../../src/engines/guards/carriers.ts';
import { isSameForm, planGuard } from '../../../src/engines/guards/plan.ts';
import { isGranting } from '../../../src/policy/exceptions/grant.ts';
import { compileGuard, type GuardAdditions } from '../../../src/policy/guard/compile.ts';
import type { Guard } from '../../../src/policy/guard/guard.ts';
import type { ClusterFacts, NamespaceFacts } from '../../../src/policy/facts.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { Inputs } from '../schedule/inputs.ts';
import type { ObservedCluster } from '../judge/observed-cluster.ts';
import { NAMESPACES, PROFILES } from '../schedule/actions.ts';
import { cached, type Combination, selects } from '../schedule/combination.ts';
import { type ExceptionInForce, exceptionsInForce } from '../schedule/exception-policies.ts';
import { isHeldPolicy } from '../schedule/forms.ts';
import {
  CALICO_GLOBAL,
  CALICO_STAGED_GLOBAL,
  CALICO_TIER,
  CLUSTER_POLICY,
  type Kind,
} from '../server/kinds.ts';

/** The namespaces that the replicas never select. */
export const PROTECTED = ['kube-system', 'segmentation-system'];
/** The priorities of guards in the operator's configuration. */
export const PRIORITIES = { first: 500, last: 890 };
/** The tier of guards of Calico, as its component has it. */
export const TIER = { name: 'segmentation', spec: { order: 900, defaultAction: 'Pass' } };

export const GUARD_KINDS: Readonly<
  Record<GuardKind, { readonly guard: Kind; readonly others: readonly Kind[] }>
> = {
  ClusterNetworkPolicy: { guard: CLUSTER_POLICY, others: [] },
  GlobalNetworkPolicy: { guard: CALICO_GLOBAL, others: [CALICO_STAGED_GLOBAL, CALICO_TIER] },
};

export function carrierOf(kind: GuardKind): GuardCarrier {
  const carrier = GUARD_CARRIERS.find((each) => each.kind === kind);
  if (carrier === undefined) throw new Error(`no carrier of ${kind}`);
  return carrier;
}

/** The mode in which the guard of a profile is; under `mode: Audit`, none is enforced. */
export function modeOf(profile: SegmentationProfile | undefined): 'Enforce' | 'Audit' | 'Disabled' {
  if (profile === undefined || profile.metadata.deletionTimestamp !== undefined) return 'Disabled';
  const { guard, mode } = profile.spec;
  if (guard === undefined || guard.mode === 'Disabled') return 'Disabled';
  return guard.mode === 'Enforce' && mode === 'Enforce' ? 'Enforce' : 'Audit';
}

/** All that a guard may be compiled from in a round: the operator reads namespaces, profiles and exceptions apart from each other. */
export interface GuardScope {
  readonly profiles: readonly SegmentationProfile[];
  /** Each namespace with all labels that it had. */
  readonly namespaces: readonly NamespaceFacts[];
  readonly added: GuardAdditions;
  /** True if policies of a profile were of no known revision, so that nobody knows what they allow. */
  readonly isHeld: boolean;
}

/** The inputs of all namespaces in a round together. @param observed the policies that last known peers are read from */
export function guardScope(
  combinations: ReadonlyMap<string, readonly Combination[]>,
  observed: (namespace: string) => readonly NetworkPolicy[],
): GuardScope {
  const profiles = new Set<SegmentationProfile>();
  const namespaces = new Map<string, NamespaceFacts>();
  const added: ExceptionInForce[] = [];
  let isHeld = false;
  for (const [name, list] of combinations)
    for (const each of list) {
      if (each.labels !== undefined)
        namespaces.set(`${name} ${JSON.stringify(each.labels)}`, { name, labels: each.labels });
      isHeld ||= each.profiles.some((form) => form.isHeld);
      for (const form of formsOf(each)) profiles.add(form);
      if ([...profiles].some(isGranting)) added.push(...exceptionsInForce(each, name, observed(name)));
    }
  return { profiles: [...profiles], namespaces: [...namespaces.values()], added: additionsOf(added), isHeld };
}

/** The inputs of one combination in its own namespace: no guard that is compiled from it has less. */
export function leastScope(
  combination: Combination,
  namespace: string,
  policies: readonly NetworkPolicy[],
): GuardScope {
  const { labels } = combination;
  return {
    profiles: formsOf(combination),
    namespaces: labels === undefined ? [] : [{ name: namespace, labels }],
    added: additionsOf(exceptionsInForce(combination, namespace, policies)),
    isHeld: combination.profiles.some((form) => form.isHeld),
  };
}

/** The forms of the profiles that may be enforced. */
function formsOf({ profiles }: Combination): SegmentationProfile[] {
  return profiles.flatMap(({ asItIs, profile }) => {
    const forms = asItIs !== undefined && isLeaving(asItIs) ? [] : [asItIs, profile];
    return forms.flatMap((each) => (each?.spec.mode === 'Enforce' ? [each] : []));
  });
}

/** True if the policies of the profile go with it. */
function isLeaving({ metadata, spec }: SegmentationProfile): boolean {
  return metadata.deletionTimestamp !== undefined && spec.deletionPolicy !== 'Retain';
}

function additionsOf(added: readonly ExceptionInForce[]): GuardAdditions {
  return {
    policies: added.flatMap(({ policies }) => policies),
    extensions: added.flatMap(({ extensions }) => extensions),
    unresolved: added.flatMap(({ unresolved }) => unresolved),
  };
}

interface GuardContext {
  readonly cluster: ClusterFacts;
  readonly carrier: GuardCarrier;
}

/** Cached by the identity of inputs, profile and facts, which are never changed in place. */
const compilations = new WeakMap<
  GuardScope,
  WeakMap<SegmentationProfile, WeakMap<ClusterFacts, { readonly made: Compiled | undefined }>>
>();

/** The guard of a profile by these inputs; undefined if it is too large. */
export function guardBy(
  profile: SegmentationProfile,
  scope: GuardScope,
  context: GuardContext,
): Compiled | undefined {
  const byProfile = cached(compilations, scope, () => new WeakMap());
  const byFacts = cached(byProfile, profile, () => new WeakMap());
  return cached(byFacts, context.cluster, () => ({ made: compileBy(profile, scope, context) })).made;
}

function compileBy(
  profile: SegmentationProfile,
  { profiles, namespaces, added, isHeld }: GuardScope,
  { cluster, carrier }: GuardContext,
): Compiled | undefined {
  const guard = compileGuard(profile, {
    profiles: [...new Set([...profiles, profile])],
    namespaces: namespaces.filter(({ name, labels }) => selects(profile, name, labels)),
    protectedNamespaces: PROTECTED,
    cluster,
    added,
  });
  return compiledGuard(isHeld ? { ...guard, held: [] } : guard, carrier);
}

/** A read-only view of the recorder of NetworkPolicies and of the operator's inputs. */
export interface GuardRecorder {
  readonly observed: ObservedCluster;
  readonly inputs: Inputs;
}

/** The guard of a profile as the cluster is now. */
export function currentGuard(profile: SegmentationProfile, { observed, inputs }: GuardRecorder): Guard {
  const { name } = profile.metadata;
  const namespaces = [...observed.labels]
    .filter(([each, labels]) => !PROTECTED.includes(each) && selects(profile, each, labels))
    .map(([each, labels]) => ({ name: each, labels }));
  const inScope = namespaces.filter((each) => NAMESPACES.includes(each.name));
  const combinations = inScope.map((each) => ({ namespace: each.name, current: inputs.current(each.name) }));
  const { profiles: all, facts } = inputs.current(NAMESPACES[0] ?? '');
  // A namespace may be labelled later, also if the profile selects none now: all profiles that enforce count.
  const enforcing = all.flatMap(({ asItIs }) =>
    asItIs === undefined || isLeaving(asItIs) || asItIs.spec.mode !== 'Enforce' ? [] : [asItIs],
  );
  const forms = new Set([profile, ...enforcing]);
  const held = new Map<string, string[]>();
  for (const { namespace, current } of combinations)
    for (const [index, { asItIs, profile: form, isHeld }] of current.profiles.entries()) {
      if (asItIs === undefined || isLeaving(asItIs)) continue;
      const { spec, status } = asItIs;
      if (spec.rollout === undefined && status?.rollout === undefined) continue;
      // A revision may be that of a namespace that it does not select.
      const labels = observed.labels.get(namespace) ?? {};
      if (form?.spec.mode === 'Enforce' && selects(form, namespace, labels)) forms.add(form);
      const other = PROFILES[index] ?? '';
      if (isHeld && observed.policies(namespace).some((each) => isHeldPolicy(each, other)))
        held.set(other, [...(held.get(other) ?? []), namespace]);
    }
  const guard = compileGuard(profile, {
    profiles: [...forms].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
    namespaces,
    protectedNamespaces: PROTECTED,
    cluster: facts,
    added: addedIn(combinations, [...forms].some(isGranting), observed),
  });
  const list = [...held].map(([each, names]) => ({ profile: each, namespaces: names.sort() }));
  return list.length === 0 ? { ...guard, profile: name } : { ...guard, held: list };
}

function addedIn(
  combinations: readonly { readonly namespace: string; readonly current: Combination }[],
  isGranted: boolean,
  observed: ObservedCluster,
): GuardAdditions {
  const added = isGranted
    ? combinations.flatMap(({ namespace, current }) =>
        exceptionsInForce(current, namespace, observed.policies(namespace)),
      )
    : [];
  return {
    policies: added.flatMap(({ policies }) => policies),
    extensions: added.flatMap(({ extensions }) => extensions),
    unresolved: added.flatMap(({ unresolved }) => unresolved),
  };
}

export type Compiled = CompiledGuard & { readonly unresolved: ReadonlySet<PolicyType> };

/** The compiled guard with the directions that may be passed too little; undefined if it is too large. */
export function compiledGuard(guard: Guard, carrier: GuardCarrier): Compiled | undefined {
  const made = carrier.compile(guard);
  if (made.kind !== 'compiled') return undefined;
  const lacking = guard.directions.filter((each) => guard.held !== undefined || each.unresolved.length > 0);
  return { ...made, unresolved: new Set(lacking.map(({ direction }) => direction)) };
}

/** Describes how objects differ from the one that a guard should be; undefined if they don't. @param read its form */
export function unmetForm(
  objects: readonly KubeObject[],
  made: Compiled,
  {
    carrier,
    read,
  }: { readonly carrier: GuardCarrier; readonly read: (object: KubeObject) => GuardForm | undefined },
): string | undefined {
  if (objects.length > 1) return `it has ${objects.length} guards`;
  const [object] = objects;
  const form = object && read(object);
  if (object !== undefined && form === undefined) return `its guard ${object.metadata.name} can't be read`;
  const { final } = planGuard(form, made.form, { unresolved: made.unresolved, carrier });
  if (final === undefined)
    return object === undefined ? undefined : `its guard ${object.metadata.name} denies nothing`;
  if (form === undefined) return 'it has no guard';
  return isSameForm(form, final)
    ? undefined
    : `its guard has the form ${JSON.stringify(form)}, and should have ${JSON.stringify(final)}`;
}
