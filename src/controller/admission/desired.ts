/** The profiles that ask for admission, and the policies and gates that they need now. No I/O. */
import { policyName } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { type AdmissionPolicy, POLICY_NAMES } from '../../policy/admission/binding.ts';
import { isMarked } from '../../policy/ownership.ts';
import { type Gate, gateOf, wantsGate } from '../../policy/admission/gate.ts';
import { wantsProtection, wantsTenantLimit } from '../../policy/admission/protect.ts';
import { groupsInUse, workloadPoliciesOf } from '../../policy/workloads/groups.ts';
import type { Records } from '../records.ts';
import { selectorOf } from './active-gates.ts';
import type { ObservedBindings } from './bindings.ts';

/** The state that decides which namespaces a gate covers. */
export interface GateFacts {
  readonly clusterState: ClusterState;
  readonly records: Pick<Records, 'resultsOf'>;
}

/** True if the profile asks for anything that needs a binding, at least once its mode is Enforce. */
export function asks(profile: SegmentationProfile): boolean {
  const { gate = 'Disabled', protect = 'Disabled' } = profile.spec.admission ?? {};
  const isAsking = gate !== 'Disabled' || protect !== 'Disabled' || limitsTenants(profile);
  return (isAsking && profile.metadata.deletionTimestamp === undefined) || groupsInUse(profile).length > 0;
}

/** True if the profile has a tenant limit, also under Audit. */
export function limitsTenants({ spec }: SegmentationProfile): boolean {
  return (spec.admission?.tenantPolicies ?? 'Any') !== 'Any';
}

export function askingProfiles({ profiles }: ClusterState): SegmentationProfile[] {
  return [...profiles.values()].map(({ profile }) => profile).filter(asks);
}

/** The policies of config/admission that the profiles' bindings need. If there are any, the probe's is among them. */
export function policiesFor(asking: readonly SegmentationProfile[]): AdmissionPolicy[] {
  const policies: AdmissionPolicy[] = [
    ...(asking.some(wantsGate) ? (['gate'] as const) : []),
    ...(asking.some(wantsProtection) ? (['protect'] as const) : []),
    ...(asking.some(wantsTenantLimit) ? (['tenantPolicies'] as const) : []),
  ];
  const isProbed = policies.length > 0 || asking.some((profile) => workloadPoliciesOf(profile).length > 0);
  return isProbed ? [...policies, 'probe'] : [];
}

export function selectedNamespaces(
  profile: SegmentationProfile,
  clusterState: ClusterState,
): NamespaceItem[] {
  return [...clusterState.namespaces.values()].filter((namespace) =>
    clusterState.selects(profile, namespace),
  );
}

/** The gate that the profile may have now. It covers no namespace anew that lacks its default-deny. */
export function gateFor(profile: SegmentationProfile, observed: ObservedBindings, facts: GateFacts): Gate {
  const { name } = profile.metadata;
  const selected = selectedNamespaces(profile, facts.clusterState).map((namespace) => ({
    name: namespace.key,
    labels: namespace.labels,
    isDenied: isDenied(name, namespace, facts),
  }));
  const binding = observed.get(`${name}.${POLICY_NAMES.gate}`);
  const current = binding && isMarked(binding) ? selectorOf(binding) : undefined;
  return gateOf(profile, selected, facts.clusterState.protectedNamespaces, current);
}

/** True if the profile's default-deny is known to exist in the namespace, in the form that a gate looks for. */
export function isDenied(
  profile: string,
  { key }: NamespaceItem,
  { clusterState, records }: GateFacts,
): boolean {
  if (records.resultsOf(profile).get(key)?.state === 'enforced') return true;
  const deny = clusterState.policies.get(`${key}/${policyName(profile, 'default-deny')}`);
  return deny !== undefined && deny.profile === profile && !deny.isPartial;
}
