/**
 * The policies that are asked before a guard, and the flows that they let pass although the guard denies them: those that
 * accept, and those of its tier that pass, such as other guards. Pure.
 *
 * Two views are compared, in both of which the guard is asked first of all policies: alone, and after the rules of one other
 * policy, which here spare a flow the guard and decide nothing else. The flows that this opens pass by that policy.
 */
import { TIED } from '../../analysis/layers/decision.ts';
import type { LayerObject } from '../../analysis/layers/layered-view.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { EnginePolicy, EngineRule, RuleOrder, UnclearPart } from '../../engines/layers/engine-policy.ts';
import { compareOrders } from '../../engines/layers/stand-ins.ts';
import { changesBetween, type GuardedLink, linkOf } from './changes.ts';
import type { SnapshotGuard } from './guards.ts';
import { layerPoliciesOf, layersOf } from '../layers.ts';
import type { Snapshot } from '../snapshot.ts';

/** A policy that lets flows pass which a guard denies. */
export interface Bypass {
  readonly policy: LayerObject;
  /** Between workloads, and with addresses; sorted by source, then by destination. */
  readonly flows: readonly GuardedLink[];
  /** The flows that it may let pass. */
  readonly unclear: readonly GuardedLink[];
  /** The parts of its rules that can't be evaluated, such as `domain names`. */
  readonly parts: readonly string[];
}

export interface BypassesOfGuard {
  readonly of: readonly Bypass[];
  /** Policies that are asked before the guard too, and were not compared, as they are so many. */
  readonly notCompared: readonly LayerObject[];
}

/** Policies that are compared for each guard at most; each takes as long as two reaches. */
const MAX_COMPARED = 20;

/** A tier before those of all policies. */
const FRONT = Number.NEGATIVE_INFINITY;

/**
 * The policies of all kinds that let pass what the guard denies, in the order in which they are asked.
 *
 * @param all the guards of all profiles: those that are enforced count beside the given one
 * @throws TooManyLinksError
 */
export function bypassesOf(
  guard: SnapshotGuard,
  all: readonly SnapshotGuard[],
  snapshot: Snapshot,
): BypassesOfGuard {
  const { object } = guard;
  if (object === undefined) return { of: [], notCompared: [] };
  const enforced = all.filter((each) => each !== guard && each.mode === 'Enforce');
  const options = {
    asEnforced: true,
    guards: [object, ...enforced.flatMap((each) => each.object ?? [])],
  } as const;
  const policies = layerPoliciesOf(snapshot, options);
  const own = policies.find((policy) => isOf(policy, object));
  if (own === undefined) return { of: [], notCompared: [] };
  const before = policies
    .filter((policy) => policy !== own)
    .flatMap((policy) => earlier(policy, own) ?? [])
    .sort((a, b) => compareOrders(a.first, b.first));
  const layersWith = (...inFront: EnginePolicy[]) => layersOf(snapshot, { ...options, inFront });
  const first = inTier(own, 0);
  const alone = before.length === 0 ? undefined : layersWith(first);
  const found = before.slice(0, MAX_COMPARED).flatMap(({ policy, parts }) => {
    const layers = [alone, layersWith(inTier(policy, -1), first)] as const;
    const { opened, unclear } = changesBetween(layers, [guard.guard.subject], snapshot);
    if (opened.length + unclear.length === 0) return [];
    return [{ policy: policy.object, flows: opened.map(linkOf), unclear: unclear.map(linkOf), parts }];
  });
  return { of: found, notCompared: before.slice(MAX_COMPARED).map(({ policy }) => policy.object) };
}

interface Earlier {
  /** The rules that are asked before the guard. */
  readonly policy: EnginePolicy;
  readonly first: RuleOrder;
  readonly parts: readonly string[];
}

/** The rules of a policy that are asked before the guard; undefined if none of them can spare a flow the guard. */
function earlier({ object, isOfAnyNamespace, rules, unclear }: EnginePolicy, own: EnginePolicy) {
  const [start] = own.rules.flatMap(({ order }) => order ?? []).sort(compareOrders);
  if (start === undefined) return undefined;
  const isTied = ({ order }: EngineRule) => order?.tie !== undefined && order.tie.among === start.tie?.among;
  const asked = <T extends EngineRule>(rule: T): T[] =>
    rule.order !== undefined && (isTied(rule) || compareOrders(rule.order, start) < 0)
      ? sparing(rule, rule.order, start)
      : [];
  const sure = rules.flatMap((rule) => (isTied(rule) ? [] : asked(rule)));
  const unsure = [
    ...unclear.flatMap((part) => asked(part)),
    ...rules.flatMap((rule) => (isTied(rule) ? asked(rule).map((each) => ({ ...each, what: TIED })) : [])),
  ];
  const isSparing = ({ order }: EngineRule) => order?.effect === 'pass';
  const [first] = [...sure, ...unsure].flatMap(({ order }) => order ?? []).sort(compareOrders);
  if (first === undefined || ![...sure, ...unsure].some(isSparing)) return undefined;
  const policy: EnginePolicy = {
    object,
    ...(isOfAnyNamespace && { isOfAnyNamespace }),
    rules: sure,
    unclear: unsure,
    isolates: [],
  };
  const parts = [...unsure.map(({ what }) => what), ...sure.flatMap(({ within }) => within ?? [])];
  return { policy, first, parts: [...new Set(parts)] } satisfies Earlier;
}

/** The rule as it spares flows the guard: to pass leads past the rest of its own tier alone. */
function sparing<T extends EngineRule>(rule: T, order: RuleOrder, guard: RuleOrder): T[] {
  if (order.effect === 'deny') return [rule];
  if (order.effect === 'pass' && order.tier !== guard.tier) return [];
  return [{ ...rule, order: { ...order, effect: 'pass' } }];
}

/** The policy in a tier before all others, among which a lower place comes first. */
function inTier({ object, isOfAnyNamespace, rules, unclear }: EnginePolicy, place: number): EnginePolicy {
  const moved = <T extends EngineRule | UnclearPart>({ order, ...rule }: T) => {
    if (order === undefined) return [];
    const { tie: _, ...kept } = order;
    return [{ ...rule, order: { ...kept, tier: FRONT, place: [place, ...order.place] } }];
  };
  return {
    object,
    ...(isOfAnyNamespace && { isOfAnyNamespace }),
    rules: rules.flatMap((rule) => moved(rule)),
    unclear: unclear.flatMap((part) => moved(part)),
    isolates: [],
  };
}

function isOf({ object }: EnginePolicy, { kind, metadata }: KubeObject): boolean {
  return object.kind === kind && object.name === metadata.name && object.namespace === undefined;
}
