/** The bindings that keep others from changing a profile's policies, and from widening it by policies of their own. Pure. */
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { type AdmissionBinding, isEnforcing, namespacesOf, profileBinding } from './binding.ts';

const ACTIONS = { Enforce: 'Deny', Warn: 'Warn', Audit: 'Audit' } as const;

export function wantsProtection(profile: SegmentationProfile): boolean {
  const { protect = 'Disabled' } = profile.spec.admission ?? {};
  return protect !== 'Disabled' && isEnforcing(profile);
}

/** It finds the profile's policies by their labels, in any namespace: before a change, and after it. */
export function protectionOf(profile: SegmentationProfile): AdmissionBinding {
  const { name } = profile.metadata;
  const { protect } = profile.spec.admission ?? {};
  return profileBinding(profile, 'protect', {
    validationActions: [protect === 'Warn' ? 'Warn' : 'Deny'],
    matchResources: {
      matchPolicy: 'Equivalent',
      namespaceSelector: {},
      objectSelector: { matchLabels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: name } },
    },
    paramRef: { name, parameterNotFoundAction: 'Allow' },
  });
}

export function wantsTenantLimit(profile: SegmentationProfile): boolean {
  const { tenantPolicies = 'Any' } = profile.spec.admission ?? {};
  return tenantPolicies !== 'Any' && isEnforcing(profile);
}

/** It is about all NetworkPolicies of the namespaces that the profile selects. */
export function tenantLimitOf(
  profile: SegmentationProfile,
  protectedNamespaces: readonly string[],
): AdmissionBinding {
  const { tenantPoliciesAction = 'Enforce' } = profile.spec.admission ?? {};
  return profileBinding(profile, 'tenantPolicies', {
    validationActions: [ACTIONS[tenantPoliciesAction]],
    matchResources: {
      matchPolicy: 'Equivalent',
      namespaceSelector: namespacesOf(profile, protectedNamespaces),
      objectSelector: {},
    },
    paramRef: { name: profile.metadata.name, parameterNotFoundAction: 'Allow' },
  });
}
