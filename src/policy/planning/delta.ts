/** The policy deltas between the observed own policies of a namespace and the desired ones. Pure. */
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../api/network-policy.ts';
import { fingerprint, isolates } from '../semantics/normalize.ts';
import { exceeds, sameSelector } from './effect.ts';

/** A policy to create (nothing observed), to delete (not desired any more) or to update. */
export type PolicyDelta = {
  /** True if the policy begins to allow a flow, or to isolate a pod. */
  readonly gains: boolean;
  /** True if the policy ceases to allow a flow, or to isolate a pod. */
  readonly loses: boolean;
} & (
  | { readonly observed: NetworkPolicy | undefined; readonly desired: NetworkPolicy }
  | { readonly observed: NetworkPolicy; readonly desired?: undefined }
);

/** The deltas from `own`, by name, to `desired`; a policy without a difference has none. */
export function policyDeltas(
  own: ReadonlyMap<string, NetworkPolicy>,
  desired: readonly NetworkPolicy[],
): PolicyDelta[] {
  const names = new Set(desired.map(({ metadata }) => metadata.name));
  const writes = desired.flatMap((policy) => deltaOf(own.get(policy.metadata.name), policy) ?? []);
  const deletions = [...own.values()]
    .filter(({ metadata }) => !names.has(metadata.name))
    .map((observed): PolicyDelta => ({ observed, gains: false, loses: true }));
  return [...writes, ...deletions];
}

function deltaOf(observed: NetworkPolicy | undefined, desired: NetworkPolicy): PolicyDelta | undefined {
  if (observed === undefined) return { observed, desired, gains: true, loses: false };
  if (fingerprint(observed) === fingerprint(desired)) return undefined;
  const selectsOthers = !sameSelector(observed.spec, desired.spec);
  return {
    observed,
    desired,
    gains: selectsOthers || exceeds(desired.spec, observed.spec),
    loses: selectsOthers || exceeds(observed.spec, desired.spec),
  };
}

/** True if both deltas touch one direction. */
export function shareDirection(a: PolicyDelta, b: PolicyDelta): boolean {
  const touched = directionsOf(b);
  return directionsOf(a).some((direction) => touched.includes(direction));
}

function directionsOf({ observed, desired }: PolicyDelta): PolicyType[] {
  return DIRECTIONS.filter((direction) =>
    [observed, desired].some((policy) => policy !== undefined && isolates(policy.spec).includes(direction)),
  );
}
