/**
 * The planner: the writes that lead from the observed policies of a namespace to the desired ones. Pure.
 *
 * Guarantees, for each pod, each direction and each peer, at every prefix of the steps, and again when planning
 * starts anew from any prefix (a crash, a write conflict):
 *   I1 never wider: a flow is allowed only if it was allowed before or is allowed by the desired policies;
 *   I2 never cut:   a flow that was allowed before and is allowed by the desired policies is allowed all the time.
 * Assumptions: writes are carried out in order, each after the one before it succeeded. The next planning sees the
 * changes that another writer makes meanwhile. With `hasPods` false there is no flow to cut, and the denies go first.
 *
 * How: additions go before removals. A policy that gains and loses rules, while others change in the same direction, is
 * first updated to the union of its two forms. If its pod selector changes too, a bridge carries its desired form
 * meanwhile. The first policy that selects a pod isolates it; so pods that become (or cease to be) isolated through
 * several policies with rules are covered by an allow-all policy meanwhile, which selects exactly the pods that are
 * not isolated before (or after).
 */
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../api/network-policy.ts';
import { isolates } from '../semantics/normalize.ts';
import { EVERYTHING, selectorKey } from '../semantics/selector.ts';
import { policyDeltas, type PolicyDelta, shareDirection } from './delta.ts';
import { carriesRules, isCover, isolatesAll, sameSelector } from './effect.ts';
import { withFreeNames } from './free-names.ts';
import { arranged, union } from './noted-rules.ts';
import {
  bridgeFor,
  isTransition,
  isTransitionalCover,
  type Transitions,
  transitionsFor,
  type UnknownIsolation,
} from './transition.ts';
import { updatedMetadata } from './updated-metadata.ts';

/** Why a write is made; also a label of the metrics. */
export type StepReason = 'missing' | 'changed' | 'unwanted' | 'transition';

/** `policy` is the whole object to send. For an update it has no resourceVersion: whoever sends it adds that. */
export type Step =
  | { readonly verb: 'create' | 'update'; readonly reason: StepReason; readonly policy: NetworkPolicy }
  | { readonly verb: 'delete'; readonly reason: StepReason; readonly name: string };

export interface PlanContext {
  /** False only if the namespace is known to have no pods. */
  readonly hasPods: boolean;
  /** The profile that owns a policy; undefined for a foreign one, which is taken into account, and never changed. */
  readonly ownerOf: (policy: NetworkPolicy) => string | undefined;
  /** Absent if the network engine has none. */
  readonly companions?: Companions | undefined;
  /** Policies that are not known may isolate pods too: those of the network engine's own kinds. Absent: there are none. */
  readonly unknown?: UnknownIsolation | undefined;
}

/**
 * Policies of the network engine that are written within the plan, by somebody else: they isolate their pods and allow flows as
 * NetworkPolicies do, and are written down as such. Only the keys of their rules matter here.
 */
export interface Companions {
  readonly before: readonly NetworkPolicy[];
  readonly after: readonly NetworkPolicy[];
  /** Policies of the engine's kind that are not the operator's, before and after; only the pods that they isolate matter. */
  readonly foreign: readonly NetworkPolicy[];
}

export interface Plan {
  readonly steps: readonly Step[];
  /** Names of desired policies that foreign policies have; the own policy gets an alternative name. */
  readonly conflicts: readonly string[];
  /** Directions in which some or all pods may cease to be isolated by the operator for good. */
  readonly opens: readonly PolicyType[];
  /** The number of steps before which companions are created and gain rules: at once, without any. */
  readonly widenAt: number;
  /** The number of steps before which companions lose rules and are deleted: after the last one, without any. */
  readonly narrowAt: number;
}

/**
 * The steps from `observed` (all policies of the namespace) to `desired` (own policies). Empty exactly if nothing differs.
 * Throws PlanTooComplexError if foreign policies leave no bounded way that meets both guarantees.
 */
export function plan(
  observed: readonly NetworkPolicy[],
  desired: readonly NetworkPolicy[],
  { hasPods, ownerOf, companions, unknown }: PlanContext,
): Plan {
  const foreign = observed.filter((policy) => ownerOf(policy) === undefined);
  const owned = observed.filter((policy) => ownerOf(policy) !== undefined);
  const own = new Map(owned.map((policy) => [policy.metadata.name, policy]));
  const { named, conflicts } = withFreeNames(desired, new Set(foreign.map(({ metadata }) => metadata.name)));
  const deltas = policyDeltas(own, named);
  const before = [...observed, ...(companions?.before ?? [])];
  const after = [...foreign, ...named, ...(companions?.after ?? [])];
  const opens = openedDirections(owned, named, companions);
  const others = companions === undefined ? [] : companionDeltas(companions);
  if (deltas.length + others.length === 0) return { steps: [], conflicts, opens, widenAt: 0, narrowAt: 0 };
  const transitions = hasPods
    ? transitionsFor({
        before,
        after,
        deltas,
        own,
        ownerOf,
        unknown,
        companionDeltas: others,
        beside: companions?.foreign ?? [],
      })
    : NO_TRANSITIONS;
  const staged = [
    ...deltas.flatMap((delta) => stagesOf(delta, deltas, own)),
    ...transitionStages(transitions, own),
  ];
  const steps = inOrder(staged, hasPods);
  const at = companions === undefined ? { widenAt: 0, narrowAt: steps.length } : companionsAt(steps, hasPods);
  return { steps: steps.map(({ step }) => step), conflicts, opens, ...at };
}

const NO_TRANSITIONS: Transitions = { covers: [], bridges: [] };

function transitionStages(
  { covers, bridges }: Transitions,
  own: ReadonlyMap<string, NetworkPolicy>,
): StagedStep[] {
  return [
    ...covers.flatMap((cover): StagedStep[] => [
      { stage: 'cover', step: createTransition(cover) },
      { stage: 'uncover', step: deleteTransition(cover) },
    ]),
    ...bridges
      .filter(({ metadata }) => !own.has(metadata.name))
      .map((bridge): StagedStep => ({ stage: 'addBridges', step: createTransition(bridge) })),
    ...bridges
      .toReversed()
      .map((bridge): StagedStep => ({ stage: 'removeBridges', step: deleteTransition(bridge) })),
  ];
}

function companionDeltas({ before, after }: Companions): PolicyDelta[] {
  return policyDeltas(new Map(before.map((policy) => [policy.metadata.name, policy])), after);
}

/** Companions gain as policies with rules do, before all of these, and lose after all of these. */
function companionsAt(steps: readonly StagedStep[], hasPods: boolean): Pick<Plan, 'widenAt' | 'narrowAt'> {
  const stages = hasPods ? STAGES : STAGES_WITHOUT_PODS;
  const before = (stage: Stage) =>
    steps.filter((each) => stages.indexOf(each.stage) < stages.indexOf(stage)).length;
  return { widenAt: before('addRules'), narrowAt: before('removeBridges') };
}

/** Groups of steps; within a group, order does not matter to the guarantees. */
type Stage =
  | 'cover'
  | 'addBridges'
  | 'addRules'
  | 'addDenies'
  | 'removeDenies'
  | 'removeRules'
  // A bridge is deleted before a cover: the bridge isolates pods, and the cover keeps them open.
  | 'removeBridges'
  | 'uncover';

const STAGES: readonly Stage[] = [
  'cover',
  'addBridges',
  'addRules',
  'addDenies',
  'removeDenies',
  'removeRules',
  'removeBridges',
  'uncover',
];
const STAGES_WITHOUT_PODS: readonly Stage[] = [
  'addDenies',
  'addRules',
  'removeDenies',
  'removeRules',
  'removeBridges',
  'uncover',
];

interface StagedStep {
  readonly stage: Stage;
  readonly step: Step;
}

function inOrder(staged: readonly StagedStep[], hasPods: boolean): StagedStep[] {
  const steps = (hasPods ? STAGES : STAGES_WITHOUT_PODS).flatMap((stage) =>
    staged.filter((each) => each.stage === stage),
  );
  // A transition policy that a crash left behind and that this plan uses again is to be deleted twice: the last time counts.
  const deleted = new Map(steps.map((each) => [each.step.verb === 'delete' ? each.step.name : '', each]));
  return steps.filter((each) => each.step.verb !== 'delete' || deleted.get(each.step.name) === each);
}

/** The steps for one delta, each with its stage. */
function stagesOf(
  delta: PolicyDelta,
  deltas: readonly PolicyDelta[],
  own: ReadonlyMap<string, NetworkPolicy>,
): StagedStep[] {
  const { observed, desired } = delta;
  if (desired === undefined) return [deletion(delta.observed)];
  const add: Stage = carriesRules(desired.spec) ? 'addRules' : 'addDenies';
  if (observed === undefined)
    return [{ stage: add, step: { verb: 'create', reason: 'missing', policy: desired } }];
  const remove: Stage = carriesRules(observed.spec) ? 'removeRules' : 'removeDenies';
  const final = updateStep(updated(observed, desired), 'changed');
  if (!delta.loses) return [{ stage: add, step: final }];
  if (!delta.gains) return [{ stage: remove, step: final }];
  // No other policy changes in this direction: a single write changes all at once.
  if (deltas.every((other) => other === delta || !shareDirection(other, delta)))
    return [{ stage: add, step: final }];
  if (sameSelector(observed.spec, desired.spec)) {
    const both = updated(observed, union(observed, desired));
    return [
      { stage: add, step: updateStep(both, 'transition') },
      { stage: remove, step: updateStep(updated(both, desired), 'changed') },
    ];
  }
  const bridge = bridgeFor(desired);
  return [
    ...(own.has(bridge.metadata.name) ? [] : [{ stage: add, step: createTransition(bridge) }]),
    { stage: remove, step: final },
    { stage: 'removeBridges', step: deleteTransition(bridge) },
  ];
}

function deletion(policy: NetworkPolicy): StagedStep {
  const { metadata, spec } = policy;
  if (isTransition(policy)) {
    const bridged: Stage = carriesRules(spec) ? 'removeBridges' : 'removeDenies';
    return { stage: isCover(spec) ? 'uncover' : bridged, step: deleteTransition(policy) };
  }
  return {
    stage: carriesRules(spec) ? 'removeRules' : 'removeDenies',
    step: { verb: 'delete', reason: 'unwanted', name: metadata.name },
  };
}

function createTransition(policy: NetworkPolicy): Step {
  return { verb: 'create', reason: 'transition', policy };
}

function updateStep(policy: NetworkPolicy, reason: StepReason): Step {
  return { verb: 'update', reason, policy };
}

function deleteTransition({ metadata }: NetworkPolicy): Step {
  return { verb: 'delete', reason: 'transition', name: metadata.name };
}

/**
 * Isolation by foreign policies and companions does not count: somebody may delete them before the plan has been carried out,
 * and the deletions of the plan would open the pods then. The cover of a held profile stays, and isolates nobody: with it alone, pods
 * are as open as without.
 */
function openedDirections(
  owned: readonly NetworkPolicy[],
  named: readonly NetworkPolicy[],
  companions: Companions | undefined,
): PolicyType[] {
  const before = [...owned, ...(companions?.before ?? [])];
  const after = [...named, ...(companions?.after ?? [])].filter((policy) => !isTransitionalCover(policy));
  return DIRECTIONS.filter((direction) => isOpened(direction, before, after));
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
  const isolatedAfter = new Set(selectors(after));
  return selectors(before).some((each) => !isolatedAfter.has(each));
}

/** `desired` with the labels, annotations, owners and finalizers of others, and the positions of rules, of `observed`. */
function updated(observed: NetworkPolicy, desired: NetworkPolicy): NetworkPolicy {
  const arrangedPolicy = arranged(observed, desired);
  const metadata = updatedMetadata(observed.metadata, arrangedPolicy.metadata);
  return { ...arrangedPolicy, metadata };
}
