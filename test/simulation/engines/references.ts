/** The objects of network engines that a combination of inputs asks for beside the NetworkPolicies. Pure. */
import type { KubeObject } from '../../../src/api/meta.ts';
import { LABEL_PROFILE } from '../../../src/api/names.ts';
import type { NetworkPolicy, PolicyType } from '../../../src/api/network-policy.ts';
import type { ExtensionEngine } from '../../../src/engines/extensions/engine.ts';
import { EXTENSION_ENGINES } from '../../../src/engines/extensions/engines.ts';
import { type ExtensionPlan, planExtensions } from '../../../src/engines/extensions/plan.ts';
import type { EngineFacts, ExtensionPolicy } from '../../../src/policy/extensions.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import { PROFILES } from '../schedule/actions.ts';
import type { Combination } from '../schedule/combination.ts';
import { exceptionsInForce } from '../schedule/exception-policies.ts';
import { intentOf } from '../schedule/inputs.ts';
import { definitionName } from '../server/definitions.ts';
import type { Kind, Stored } from '../server/kinds.ts';
import { EXTENSION_KIND } from './users.ts';

export interface EngineObject {
  readonly kind: Kind;
  readonly object: Stored;
}

/** The policies and objects of a namespace at one time. */
export interface NamespaceState {
  readonly policies: readonly NetworkPolicy[];
  readonly objects: readonly EngineObject[];
  /** The AuthorizationPolicies of the namespace that ztunnel goes by; absent for a state that is meant. */
  readonly pushed?: readonly Stored[];
}

const NONE_POSTPONED: PostponedDirections = new Map();

export type OwnerOf = (object: KubeObject) => string | undefined;

/** The facts by which the operator knows that the extensions of an engine can't be written. */
export const MISSING: EngineFacts = {
  kind: 'missing',
  carries: new Set(EXTENSION_ENGINES.flatMap(({ carries }) => [...carries])),
  reason: 'Unsupported',
  message: 'not served',
};

export function engineNamed(name: string): ExtensionEngine | undefined {
  return EXTENSION_ENGINES.find(({ engine }) => engine === name);
}

/** The engine whose extensions are objects of the kind. */
export function engineOfKind(kind: Kind): ExtensionEngine | undefined {
  return EXTENSION_ENGINES.find(({ engine }) => EXTENSION_KIND[engine] === kind);
}

/** The engine that carries extensions by these facts. */
export function engineOf(facts: EngineFacts | undefined): ExtensionEngine | undefined {
  return facts?.kind === 'available'
    ? EXTENSION_ENGINES.find(({ carries }) => carries === facts.carries)
    : undefined;
}

/** The directions that profiles postpone in a namespace, by profile. */
export type PostponedDirections = ReadonlyMap<string, readonly PolicyType[]>;

/** The extensions that all profiles and exceptions ask for. */
export function desiredExtensions(
  combination: Combination,
  namespace: string,
  base: readonly NetworkPolicy[],
): ExtensionPolicy[] {
  const lastKnown = lastKnownFrom(base);
  const inForce = exceptionsInForce(combination, namespace, base);
  return [
    ...combination.profiles.flatMap(({ profile, retained, labels, asItIs }) => {
      const intent =
        asItIs === undefined
          ? intentOf(retained, namespace, { ...combination, labels }, lastKnown)
          : intentOf(profile, namespace, combination, lastKnown);
      return intent?.extensions ?? [];
    }),
    ...inForce.flatMap(({ extensions }) => extensions),
  ];
}

/** The writes that lead from the state to the extensions of a combination; undefined if no engine carries any. */
export function extensionPlan(
  combination: Combination,
  namespace: string,
  { policies, objects }: NamespaceState,
  {
    ownerOf,
    postponed = NONE_POSTPONED,
  }: { readonly ownerOf: OwnerOf; readonly postponed?: PostponedDirections },
): ExtensionPlan | undefined {
  const engine = engineOf(combination.facts.engine());
  if (engine === undefined) return undefined;
  const kind = EXTENSION_KIND[engine.engine];
  const observed = objects.filter((each) => each.kind === kind).map(({ object }) => object);
  const prefix = engine.namePrefix ?? '';
  const desired = desiredExtensions(combination, namespace, policies).filter(
    ({ metadata, direction }) => !postponed.get(metadata.labels?.[LABEL_PROFILE] ?? '')?.includes(direction),
  );
  return planExtensions(observed, desired, {
    engine,
    ownerOf: (object) => (object.metadata.name.startsWith(prefix) ? ownerOf(object) : undefined),
    kept: new Set(PROFILES.filter((_, index) => combination.profiles[index]?.isHeld === true)),
  });
}

/** The objects once the extensions of a combination are in place: those of other engines stay as they are. */
export function objectsOf(
  combination: Combination,
  namespace: string,
  state: NamespaceState,
  ownerOf: OwnerOf,
): readonly EngineObject[] {
  const found = extensionPlan(combination, namespace, state, { ownerOf });
  const engine = engineOf(combination.facts.engine());
  if (found === undefined || engine === undefined) return state.objects;
  const kind = EXTENSION_KIND[engine.engine];
  const after = new Map(state.objects.map((each) => [keyOf(each), each]));
  for (const step of [...found.widen, ...found.narrow]) {
    if (step.verb === 'delete') after.delete(keyOf({ kind, object: step.before as Stored }));
    else after.set(keyOf({ kind, object: step.object as Stored }), { kind, object: step.object as Stored });
  }
  return [...after.values()];
}

function keyOf({ kind, object: { metadata } }: EngineObject): string {
  return `${definitionName(kind)} ${metadata.namespace ?? ''}/${metadata.name}`;
}
