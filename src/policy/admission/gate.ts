/**
 * The gate: no pod is admitted to a selected namespace before the profile's default-deny stands there. Pure.
 *
 * The binding selects namespaces as the profile does, and looks for the default-deny by its labels (not by its name,
 * which somebody else's object may hold) in the namespace of the pod. It is never extended over a namespace that has
 * no default-deny: those that are there when the gate is set up, or when its profile comes to select more, are left
 * out by name until theirs stands. A namespace that is made or labelled later is covered from its first moment.
 */
import type { LabelSelector, StringMap } from '../../api/meta.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, LABEL_ROLE, MANAGER } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { matches } from '../semantics/selector.ts';
import { type AdmissionBinding, isEnforcing, namespacesOf, profileBinding } from './binding.ts';

/** Most namespaces that a binding leaves out because their default-deny does not stand yet. */
const MAX_LEFT_OUT = 500;

/** A namespace that the profile selects. */
export interface GatedNamespace {
  readonly name: string;
  readonly labels: StringMap;
  /** Whether the profile's default-deny is known to stand there. */
  readonly denied: boolean;
}

export interface Gate {
  readonly binding: AdmissionBinding;
  /** Namespaces that the profile selects and the gate does not cover yet, sorted. */
  readonly leftOut: readonly string[];
}

/** Whether the profile asks for a gate now: one that writes no policies must not have pods wait for them. */
export function wantsGate(profile: SegmentationProfile): boolean {
  return profile.spec.admission?.gate === 'Enforce' && isEnforcing(profile);
}

/**
 * The gate's binding as it may be now.
 *
 * @param standing the namespaceSelector of the binding that is there; undefined without one
 * @returns undefined where too many namespaces wait for their default-deny: whatever is there stays meanwhile
 */
export function gateOf(
  profile: SegmentationProfile,
  selected: readonly GatedNamespace[],
  protectedNamespaces: readonly string[],
  standing: LabelSelector | undefined,
): Gate | undefined {
  const leftOut = selected
    .filter(({ labels, denied }) => !denied && !(standing && matches(standing, labels)))
    .map(({ name }) => name)
    .sort();
  if (leftOut.length > MAX_LEFT_OUT) return undefined;
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
  return { binding, leftOut };
}
