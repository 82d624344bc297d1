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
import type { ObjectMeta } from '../../api/meta.ts';
import {
  ANNOTATION_RULES,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  LABEL_RULE,
} from '../../api/names.ts';
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import { type Change, changesOf, meet } from './diff.ts';
import { carriesRules, isCover, isolatesAll, sameSelector, union } from './effect.ts';
import { withFreeNames } from './free-names.ts';
import { DIRECTIONS, isolates, isProfileReference } from '../semantics/normalize.ts';
import { EVERYTHING, selectorKey } from '../semantics/selector.ts';
import { bridgeFor, coversFor, isTransition } from './transition.ts';

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
      const bridge = bridgeFor(wanted);
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
