/**
 * The guards that an intent means for the flows of a namespace. Pure.
 *
 * A guard is compiled from the inputs of all namespaces, and an intent has those of one: its guard is the same whatever the
 * others are, or lies between two bounds. `least` passes what the guard has to pass by the inputs of the intent alone, `most`
 * what it may pass by all inputs of the round. Both are equal if the other namespaces have nothing of their own.
 */
import { LABEL_PROFILE } from '../../../../src/api/names.ts';
import type { NetworkPolicy, PolicyType } from '../../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../../src/api/profile.ts';
import type { GuardCarrier } from '../../../../src/engines/guards/carrier.ts';
import {
  type DirectionRule,
  isolates,
  rulesOf,
  withRules,
} from '../../../../src/policy/semantics/normalize.ts';
import type { LayeredPolicy } from '../../../support/judge/judge.ts';
import { type Combination, selects } from '../../schedule/combination.ts';
import type { Kind, Stored } from '../../server/kinds.ts';
import { effectsOf, type Place } from '../effects.ts';
import { type Compiled, guardBy, type GuardScope, modeOf } from '../guards.ts';

/** Each a list of guards that decide together: the priorities of two may be either way round. */
export interface Bounds {
  readonly least: readonly (readonly LayeredPolicy[])[];
  readonly most: readonly (readonly LayeredPolicy[])[];
}

export interface BoundsContext {
  readonly kind: Kind;
  readonly carrier: GuardCarrier;
  readonly place: Place;
  /** The NetworkPolicies of the intent. */
  readonly policies: readonly NetworkPolicy[];
  /** The inputs of the combination, and those of the round. */
  readonly own: GuardScope;
  readonly scope: GuardScope;
  /** The guards of a profile in each state that somebody else than the operator has left in this round. */
  readonly known: (profile: string) => readonly (readonly Stored[])[];
}

export function guardBounds(combination: Combination, context: BoundsContext): Bounds {
  const { place, own } = context;
  const guarding = combination.profiles.flatMap(({ asItIs }) =>
    asItIs !== undefined && modeOf(asItIs) === 'Enforce' && selects(asItIs, place.name, place.labels)
      ? [asItIs]
      : [],
  );
  const of = (bound: typeof leastGuard, scope: GuardScope) =>
    inEachOrder(guarding.flatMap((profile) => bound(profile, scope, { ...context, combination })));
  return { least: of(leastGuard, own), most: of(mostGuard, context.scope) };
}

type BoundContext = BoundsContext & { readonly combination: Combination };

/** The guard with all that the own NetworkPolicies allow, also by last known peers. */
function leastGuard(profile: SegmentationProfile, scope: GuardScope, context: BoundContext): LayeredPolicy[] {
  const { policies, combination } = context;
  const names = new Set(combination.profiles.map(({ asItIs }) => asItIs?.metadata.name ?? ''));
  const own = policies.filter(({ metadata }) => names.has(metadata.labels?.[LABEL_PROFILE] ?? 'nobody'));
  const found = compiledEffect(profile, scope, context);
  const guard = found.kind === 'too-large' ? nothing(profile.spec.isolation) : found.guard;
  if (guard === undefined) return [];
  return [
    isolates(guard.spec).reduce((to, direction) => widened(to, direction, allowances(own, direction)), guard),
  ];
}

/**
 * The guard with all that it may pass. A direction with unresolved peers keeps what it passed before, whatever that was: it is
 * as wide as every guard that the profile had, or open if it had none.
 */
function mostGuard(profile: SegmentationProfile, scope: GuardScope, context: BoundContext): LayeredPolicy[] {
  const found = compiledEffect(profile, scope, context);
  if (found.kind === 'too-large' || found.guard === undefined) return [];
  const { kind, place, known } = context;
  const before = known(profile.metadata.name).map((objects) =>
    objects.flatMap((each) => effectsOf(kind, each, place)),
  );
  const wasGuarded = (direction: PolicyType) =>
    before.every((each) => each.some(({ spec }) => isolates(spec).includes(direction)));
  const { guard, unresolved } = found;
  const policyTypes = isolates(guard.spec).filter((each) => !unresolved.has(each) || wasGuarded(each));
  if (policyTypes.length === 0) return [];
  const kept = (direction: PolicyType) =>
    unresolved.has(direction) ? before.flat().flatMap(({ spec }) => rulesOf(spec, direction)) : [];
  const directed: LayeredPolicy = { ...guard, spec: { ...guard.spec, policyTypes } };
  return [policyTypes.reduce((to, direction) => widened(to, direction, kept(direction)), directed)];
}

type CompiledEffect =
  | { readonly kind: 'too-large' }
  | {
      readonly kind: 'compiled';
      /** Undefined if it denies nothing. */
      readonly guard: LayeredPolicy | undefined;
      readonly unresolved: Compiled['unresolved'];
    };

function compiledEffect(
  profile: SegmentationProfile,
  scope: GuardScope,
  { kind, carrier, place, combination }: BoundContext,
): CompiledEffect {
  const made = guardBy(profile, scope, { cluster: combination.facts, carrier });
  if (made === undefined) return { kind: 'too-large' };
  const object = { ...carrier.objectOf(made.form, 1), metadata: { name: profile.metadata.name } };
  const [guard] = effectsOf(kind, object, place);
  return { kind: 'compiled', guard, unresolved: made.unresolved };
}

function allowances(own: readonly NetworkPolicy[], direction: PolicyType): DirectionRule[] {
  return own
    .filter(({ spec }) => isolates(spec).includes(direction))
    .flatMap(({ spec }) => rulesOf(spec, direction));
}

function nothing(directions: readonly PolicyType[]): LayeredPolicy {
  return { metadata: { name: 'least' }, spec: { podSelector: {}, policyTypes: directions }, layer: 'guard' };
}

function widened(
  guard: LayeredPolicy,
  direction: PolicyType,
  rules: readonly DirectionRule[],
): LayeredPolicy {
  return {
    ...guard,
    spec: withRules(guard.spec, direction, [...rulesOf(guard.spec, direction), ...rules]),
  };
}

function inEachOrder(guards: readonly LayeredPolicy[]): LayeredPolicy[][] {
  const orders = guards.length < 2 ? [guards] : [guards, guards.toReversed()];
  return orders.map((order) => order.map((each, index) => ({ ...each, priority: index - order.length })));
}
