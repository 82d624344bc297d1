/**
 * The gate: no pod is admitted to a selected namespace before the profile's default-deny exists there. Pure.
 *
 * The gate's binding selects namespaces as the profile does. It finds the default-deny in the namespace of the pod by
 * labels, because a foreign object may hold its name. The gate is never extended over a namespace without default-deny:
 * namespaces that exist when the gate is set up, or when its profile comes to select more, are left out by name until
 * their default-deny exists. A namespace that is created or labelled later is covered from its first moment.
 */
import type { LabelSelector, StringMap } from '../../api/meta.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, LABEL_ROLE, MANAGER } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { matches } from '../semantics/selector.ts';
import { type AdmissionBinding, isEnforcing, namespacesOf, profileBinding } from './binding.ts';

/** Most namespaces that a binding leaves out by name. */
const MAX_LEFT_OUT = 500;

/** A namespace that the profile selects. */
export interface GatedNamespace {
  readonly name: string;
  readonly labels: StringMap;
  /** True if the profile's default-deny is known to exist there. */
  readonly isDenied: boolean;
}

export type Gate =
  /** `leftOut`: names of the selected namespaces that the gate does not cover yet, sorted. */
  | { readonly kind: 'bound'; readonly binding: AdmissionBinding; readonly leftOut: readonly string[] }
  /** Too many namespaces lack their default-deny for a binding to name them: the current gate stays as it is. */
  | { readonly kind: 'tooManyLeftOut' };

/** True if the profile asks for a gate. A profile that writes no policies must not have pods wait for them. */
export function wantsGate(profile: SegmentationProfile): boolean {
  return profile.spec.admission?.gate === 'Enforce' && isEnforcing(profile);
}

/**
 * The gate that the profile may have now.
 *
 * @param current the namespaceSelector of the observed gate; undefined if there is none
 */
export function gateOf(
  profile: SegmentationProfile,
  selected: readonly GatedNamespace[],
  protectedNamespaces: readonly string[],
  current: LabelSelector | undefined,
): Gate {
  const leftOut = selected
    .filter(({ labels, isDenied }) => !isDenied && !(current && matches(current, labels)))
    .map(({ name }) => name)
    .sort();
  if (leftOut.length > MAX_LEFT_OUT) return { kind: 'tooManyLeftOut' };
  const namespaceSelector = namespacesOf(profile, [...protectedNamespaces, ...leftOut]);
  const binding = profileBinding(profile, 'gate', {
    validationActions: ['Deny'],
    matchResources: { matchPolicy: 'Equivalent', namespaceSelector, objectSelector: {} },
    paramRef: {
      selector: {
        matchLabels: {
          [LABEL_MANAGED_BY]: MANAGER,
          [LABEL_PROFILE]: profile.metadata.name,
          [LABEL_ROLE]: 'default-deny',
        },
      },
      parameterNotFoundAction: 'Deny',
    },
  });
  return { kind: 'bound', binding, leftOut };
}
