/**
 * The planner: from the policies that stand in a namespace and those that are wanted, the writes that lead from one
 * to the other. Pure.
 *
 * Guarantees, for each pod, each direction and each peer, at every prefix of the steps, and again when planning
 * starts anew from any prefix (a crash, a conflict):
 *   I1 never wider: what is allowed was allowed before or is allowed by what is wanted;
 *   I2 never cut:   what was allowed before and is allowed by what is wanted is allowed all the time.
 * Assumptions: writes are carried out in order, each before the next, and a failed one ends the plan. What another
 * writer changes meanwhile is seen at the next planning. With `hasPods` false there is no flow to cut, and the denies
 * go first.
 *
 * How: what adds goes before what removes. An object that does both while others change in the same direction is
 * first the union of its two forms. One whose pod selector changes while others change has its coming form written
 * beside it meanwhile. And since the first policy that selects a pod isolates it, pods that become (or cease to be)
 * isolated through several objects with rules are covered by an allow-all object meanwhile, which selects exactly
 * pods that are not isolated before (or after).
 */
import type { LabelSelector, ObjectMeta } from '../api/meta.ts';
import {
  alternativeName,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  LABEL_RULE,
  MANAGER,
  ANNOTATION_RULES,
  transitionName,
} from '../api/names.ts';
import type { NetworkPolicy, NetworkPolicySpec, PolicyType } from '../api/network-policy.ts';
import { complement } from './complement.ts';
import {
  type DirectionRule,
  DIRECTIONS,
  fingerprint,
  isolates,
  isProfileReference,
  ruleKey,
  rulesOf,
  withRules,
} from './normalize.ts';
import { EVERYTHING, selectorKey } from './selector.ts';

/** Why a write is made; also a label of the metrics. */
export type StepReason = 'missing' | 'changed' | 'unwanted' | 'transition';

/** `policy` is the whole object to send; for update and delete it carries no resourceVersion, the executor adds it. */
export type Step =
  | { readonly verb: 'create' | 'update'; readonly reason: StepReason; readonly policy: NetworkPolicy }
  | { readonly verb: 'delete'; readonly reason: StepReason; readonly name: string };

export interface PlanContext {
  /** Whether any pod runs in the namespace, as far as is known; true when in doubt. */
  readonly hasPods: boolean;
  /** Whether an observed policy is ours to change. Everything else is only taken into account. */
  readonly isOurs: (policy: NetworkPolicy) => boolean;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** Names that somebody else's object holds; our object stands under an alternative name. */
  readonly conflicts: readonly string[];
  /** Directions in which pods may cease to be isolated for good, all or some of them. */
  readonly opens: readonly PolicyType[];
}

/** Most allow-all objects that a transition may take; reached only with many multi-label foreign selectors. */
const MAX_COVERS = 32;

/** The cover of pods that other policies do not isolate would take too many objects. */
export class PlanTooComplexError extends Error {
  override name = 'PlanTooComplexError';
}

/**
 * The steps from `observed` (all policies of the namespace) to `desired` (ours). Empty exactly if nothing differs.
 * Throws PlanTooComplexError where foreign policies leave no bounded way that meets both guarantees.
 */
export function plan(
  observed: readonly NetworkPolicy[],
  desired: readonly NetworkPolicy[],
  context: PlanContext,
): Plan {
  const foreign = observed.filter((policy) => !context.isOurs(policy));
  const { named, conflicts } = withFreeNames(desired, new Set(foreign.map(({ metadata }) => metadata.name)));
  const ours = new Map(observed.filter(context.isOurs).map((policy) => [policy.metadata.name, policy]));
  const changes = changesOf(ours, named);
  const after = [...foreign, ...named];
  const opens = DIRECTIONS.filter((direction) => isOpened(direction, observed, after));
  if (changes.length === 0) return { steps: [], conflicts, opens };

  const gains: Step[] = [];
  const denyGains: Step[] = [];
  const denyLosses: Step[] = [];
  const losses: Step[] = [];
  const cleanUp: Step[] = [];
  const finished: Step[] = [];
  const put = ({ old }: Change, policy: NetworkPolicy, reason: StepReason): Step =>
    old === undefined
      ? { verb: 'create', reason, policy }
      : { verb: 'update', reason, policy: merged(old, policy) };

  for (const change of changes) {
    if (change.wanted === undefined) {
      const { metadata, spec } = change.old;
      if (isTransition(change.old)) {
        // A bridge goes before a cover: it isolates, and the cover is what then keeps its pods open.
        (isCover(spec) ? finished : cleanUp).push({
          verb: 'delete',
          reason: 'transition',
          name: metadata.name,
        });
      } else {
        (carriesRules(spec) ? losses : denyLosses).push({
          verb: 'delete',
          reason: 'unwanted',
          name: metadata.name,
        });
      }
      continue;
    }
    const { old, wanted } = change;
    const reason = old === undefined ? 'missing' : 'changed';
    const final = put(change, wanted, reason);
    const adds = carriesRules(wanted.spec) ? gains : denyGains;
    const removes = old !== undefined && carriesRules(old.spec) ? losses : denyLosses;
    if (old === undefined || !change.loses) adds.push(final);
    else if (!change.gains) removes.push(final);
    else if (changes.every((other) => other === change || !meet(other, change))) adds.push(final);
    else if (sameSelector(old.spec, wanted.spec)) {
      adds.push(put(change, { ...wanted, spec: union(old.spec, wanted.spec) }, 'transition'));
      removes.push(final);
    } else {
      const bridge = transitional(
        wanted,
        `form ${fingerprint(wanted)} of ${wanted.metadata.name}`,
        wanted.spec,
      );
      if (!ours.has(bridge.metadata.name))
        adds.push({ verb: 'create', reason: 'transition', policy: bridge });
      removes.push(final);
      cleanUp.push({ verb: 'delete', reason: 'transition', name: bridge.metadata.name });
    }
  }

  const covers = context.hasPods ? coversFor(observed, after, changes, ours) : [];
  const steps = context.hasPods
    ? [...covers.map(create), ...gains, ...denyGains, ...denyLosses, ...losses]
    : [...denyGains, ...gains, ...denyLosses, ...losses];
  finished.push(
    ...covers.map(({ metadata }): Step => ({ verb: 'delete', reason: 'transition', name: metadata.name })),
  );
  return { steps: [...steps, ...uniqueDeletes([...cleanUp, ...finished])], conflicts, opens };
}

function isOpened(
  direction: PolicyType,
  before: readonly NetworkPolicy[],
  after: readonly NetworkPolicy[],
): boolean {
  if (after.some(({ spec }) => isolatesAll(spec, direction))) return false;
  const selectors = (policies: readonly NetworkPolicy[]) =>
    policies
      .filter(({ spec }) => isolates(spec).includes(direction))
      .map(({ spec }) => selectorKey(spec.podSelector ?? EVERYTHING));
  const kept = new Set(selectors(after));
  return selectors(before).some((each) => !kept.has(each));
}

/** `desired`, each under its own name or, where that is taken, the first free alternative one. */
export function withFreeNames(
  desired: readonly NetworkPolicy[],
  taken: ReadonlySet<string>,
): { named: NetworkPolicy[]; conflicts: string[] } {
  const conflicts: string[] = [];
  const named = desired.map((policy) => {
    const { name } = policy.metadata;
    if (!taken.has(name)) return policy;
    conflicts.push(name);
    const profile = policy.metadata.labels?.[LABEL_PROFILE] ?? '';
    let alternative = alternativeName(profile, name);
    // Somebody who also took the alternative meant it; the chain goes on, and is the same each time.
    while (taken.has(alternative)) alternative = alternativeName(profile, alternative);
    return { ...policy, metadata: { ...policy.metadata, name: alternative } };
  });
  return { named, conflicts };
}

/** An object that is to be created (no `old`), deleted (no `wanted`) or updated. */
type Change = {
  /** Whether something becomes allowed, or a pod isolated, that was not by this object. */
  readonly gains: boolean;
  /** Whether something that this object allowed, or a pod that it isolated, no longer is by it. */
  readonly loses: boolean;
} & (
  | { readonly old: NetworkPolicy | undefined; readonly wanted: NetworkPolicy }
  | { readonly old: NetworkPolicy; readonly wanted?: undefined }
);

function changesOf(ours: ReadonlyMap<string, NetworkPolicy>, desired: readonly NetworkPolicy[]): Change[] {
  const changes: Change[] = [];
  const wantedNames = new Set(desired.map(({ metadata }) => metadata.name));
  for (const wanted of desired) {
    const old = ours.get(wanted.metadata.name);
    if (old === undefined) changes.push({ old, wanted, gains: true, loses: false });
    else if (fingerprint(old) !== fingerprint(wanted)) {
      const moved = !sameSelector(old.spec, wanted.spec);
      changes.push({
        old,
        wanted,
        gains: moved || exceeds(wanted.spec, old.spec),
        loses: moved || exceeds(old.spec, wanted.spec),
      });
    }
  }
  for (const old of ours.values()) {
    if (!wantedNames.has(old.metadata.name)) changes.push({ old, gains: false, loses: true });
  }
  return changes;
}

/** Whether `a` isolates a direction or holds a rule there that `b` does not. Both select the same pods. */
function exceeds(a: NetworkPolicySpec, b: NetworkPolicySpec): boolean {
  return isolates(a).some((direction) => {
    if (!isolates(b).includes(direction)) return true;
    const known = new Set(rulesOf(b, direction).map(ruleKey));
    return rulesOf(a, direction).some((rule) => !known.has(ruleKey(rule)));
  });
}

/** Whether two changes touch a direction in common. */
function meet(a: Change, b: Change): boolean {
  const touched = directionsOf(b);
  return directionsOf(a).some((direction) => touched.includes(direction));
}

function directionsOf({ old, wanted }: Change): PolicyType[] {
  return DIRECTIONS.filter((direction) =>
    [old, wanted].some((policy) => policy !== undefined && isolates(policy.spec).includes(direction)),
  );
}

/** All that either form isolates and allows; both select the same pods. Wanted rules first, as their notes count. */
function union(old: NetworkPolicySpec, wanted: NetworkPolicySpec): NetworkPolicySpec {
  const policyTypes = DIRECTIONS.filter(
    (each) => isolates(old).includes(each) || isolates(wanted).includes(each),
  );
  return policyTypes.reduce<NetworkPolicySpec>(
    (spec, direction) => {
      const rules = [wanted, old].flatMap((form) => activeRules(form, direction));
      return withRules(spec, direction, [...new Map(rules.map((rule) => [ruleKey(rule), rule])).values()]);
    },
    { podSelector: wanted.podSelector ?? {}, policyTypes },
  );
}

/** The rules of a direction that have an effect: those of one that is isolated. */
function activeRules(spec: NetworkPolicySpec, direction: PolicyType): DirectionRule[] {
  return isolates(spec).includes(direction) ? rulesOf(spec, direction) : [];
}

function carriesRules(spec: NetworkPolicySpec): boolean {
  return DIRECTIONS.some((direction) => activeRules(spec, direction).length > 0);
}

function sameSelector(a: NetworkPolicySpec, b: NetworkPolicySpec): boolean {
  return selectorKey(a.podSelector ?? EVERYTHING) === selectorKey(b.podSelector ?? EVERYTHING);
}

/** Whether `spec` isolates every pod of its namespace in `direction`. */
export function isolatesAll(spec: NetworkPolicySpec, direction: PolicyType): boolean {
  return isolates(spec).includes(direction) && selectorKey(spec.podSelector ?? EVERYTHING) === '{}';
}

/** Whether every pod that `b` isolates in a direction is isolated in it by `a` too. */
export function isolatesNoLess(a: NetworkPolicySpec, b: NetworkPolicySpec): boolean {
  return sameSelector(a, b) && isolates(b).every((direction) => isolates(a).includes(direction));
}

/** Whether the object allows everything in its directions: its presence alone cuts nothing. */
function isCover(spec: NetworkPolicySpec): boolean {
  return isolates(spec).every((direction) =>
    rulesOf(spec, direction).some(({ peers, ports }) => !peers && !ports),
  );
}

/** Whether a policy is a short-lived one that allows everything: what no other one isolates is open. */
export function isTransitionalCover(policy: NetworkPolicy): boolean {
  return isTransition(policy) && isCover(policy.spec);
}

function isTransition({ metadata }: NetworkPolicy): boolean {
  return metadata.labels?.[LABEL_ROLE] === 'transition';
}

/**
 * The allow-all objects that the transition needs. In a direction where two or more objects begin to allow something,
 * pods that no policy isolates yet would be cut between the first and the last; where two or more cease to, so would
 * pods that no policy isolates in the end.
 */
function coversFor(
  before: readonly NetworkPolicy[],
  after: readonly NetworkPolicy[],
  changes: readonly Change[],
  ours: ReadonlyMap<string, NetworkPolicy>,
): NetworkPolicy[] {
  const covers = DIRECTIONS.flatMap((direction) => {
    // Written among the objects with rules, though it may (changed by hand) only isolate in this direction.
    const allows = (policy: NetworkPolicy | undefined) =>
      policy !== undefined && isolates(policy.spec).includes(direction) && carriesRules(policy.spec);
    const beginning = changes.filter(({ gains, wanted }) => gains && allows(wanted)).length;
    const ceasing = changes.filter(
      ({ loses, old }) => loses && old && allows(old) && !isTransitionalCover(old),
    ).length;
    const selectors = [
      ...(beginning > 1 ? uncovered(before, direction) : []),
      ...(ceasing > 1 ? uncovered(after, direction) : []),
    ];
    const model = changes.find(({ old, wanted }) => allows(old) || allows(wanted));
    const owner = model?.wanted ?? model?.old;
    if (owner === undefined) return [];
    const distinct = new Map(selectors.map((selector) => [selectorKey(selector), selector]));
    return [...distinct].map(([key, podSelector]) =>
      transitional(
        owner,
        `allow all ${direction} ${key}`,
        withRules({ podSelector, policyTypes: [direction] }, direction, [{}]),
      ),
    );
  });
  return covers.filter(({ metadata }) => !ours.has(metadata.name));
}

/** Selectors that together match exactly the pods that none of `policies` isolates in `direction`. */
function uncovered(policies: readonly NetworkPolicy[], direction: PolicyType): readonly LabelSelector[] {
  const isolating = policies.filter(({ spec }) => isolates(spec).includes(direction));
  const selectors = complement(
    isolating.map(({ spec }) => spec.podSelector ?? EVERYTHING),
    MAX_COVERS,
  );
  if (selectors !== undefined) return selectors;
  throw new PlanTooComplexError(
    `other policies of the namespace isolate pods by so many label combinations that its ${direction} policies ` +
      'cannot be switched without cutting or opening some; give one of them an empty podSelector, or remove it',
  );
}

/** A short-lived object beside `owner`, with its namespace, profile and owner. */
function transitional(owner: NetworkPolicy, purpose: string, spec: NetworkPolicySpec): NetworkPolicy {
  const profile =
    owner.metadata.labels?.[LABEL_PROFILE] ??
    owner.metadata.ownerReferences?.find(isProfileReference)?.name ??
    '';
  const { namespace, ownerReferences } = owner.metadata;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name: transitionName(profile, purpose),
      ...(namespace !== undefined && { namespace }),
      labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: profile, [LABEL_ROLE]: 'transition' },
      ...(ownerReferences && { ownerReferences }),
    },
    spec,
  };
}

/** What is sent to make `old` into `wanted`: labels, annotations, owners and finalizers of others are kept. */
function merged(old: NetworkPolicy, wanted: NetworkPolicy): NetworkPolicy {
  const { labels = {}, annotations = {}, ownerReferences = [], finalizers, name, namespace } = old.metadata;
  const managed = [LABEL_MANAGED_BY, LABEL_PROFILE, LABEL_ROLE, LABEL_RULE];
  const metadata: ObjectMeta = {
    name,
    ...(namespace !== undefined && { namespace }),
    ...(finalizers && { finalizers }),
    labels: { ...without(labels, managed), ...wanted.metadata.labels },
    annotations: { ...without(annotations, [ANNOTATION_RULES]), ...wanted.metadata.annotations },
    ownerReferences: [
      ...ownerReferences.filter((reference) => !isProfileReference(reference)),
      ...(wanted.metadata.ownerReferences ?? []),
    ],
  };
  return { ...wanted, metadata };
}

function without(map: Readonly<Record<string, string>>, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !keys.includes(key)));
}

function create(policy: NetworkPolicy): Step {
  return { verb: 'create', reason: 'transition', policy };
}

function uniqueDeletes(steps: readonly Step[]): Step[] {
  return [
    ...new Map(
      steps.map((step) => [step.verb === 'delete' ? step.name : step.policy.metadata.name, step]),
    ).values(),
  ];
}
