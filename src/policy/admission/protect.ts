/** The bindings of a profile's protection, and of its limit for the policies of tenants. Pure. */
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { type AdmissionBinding, isEnforcing, namespacesOf, profileBinding } from './binding.ts';

const ACTIONS = { Enforce: 'Deny', Warn: 'Warn', Audit: 'Audit' } as const;

/** True if the profile asks that changes of its policies by others are refused, or warned of. */
export function wantsProtection(profile: SegmentationProfile): boolean {
  const { protect = 'Disabled' } = profile.spec.admission ?? {};
  return protect !== 'Disabled' && isEnforcing(profile);
}

/** The protection selects policies by their labels, in any namespace: before a change, and after it. */
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

/** True if the profile asks that foreign policies which would widen it are refused, warned of, or audited. */
export function wantsTenantLimit(profile: SegmentationProfile): boolean {
  const { tenantPolicies = 'Any' } = profile.spec.admission ?? {};
  return tenantPolicies !== 'Any' && isEnforcing(profile);
}

/** The tenant limit selects all NetworkPolicies of the namespaces that the profile selects. */
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
