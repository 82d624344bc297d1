/**
 * The policies of config/admission by name, and the bindings that bring them into force. The operator writes bindings
 * only: every rule is in a policy that a person has installed. Pure.
 */
import { createHash } from 'node:crypto';
import type { KubeObject, LabelSelector } from '../../api/meta.ts';
import {
  API_VERSION,
  KIND,
  LABEL_MANAGED_BY,
  LABEL_NAMESPACE_NAME,
  LABEL_PROFILE,
  MANAGER,
} from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { isProfileReference } from '../semantics/normalize.ts';

/**
 * Names of the ValidatingAdmissionPolicies, by purpose. A refusal of the API server names the policy and its binding, and
 * some refusals have no other text: so each name says why.
 */
export const POLICY_NAMES = {
  gate: 'no-pod-before-default-deny.segmentation.dev',
  protect: 'protected-policies.segmentation.dev',
  tenantPolicies: 'tenant-policies.segmentation.dev',
  probe: 'probe.segmentation.dev',
} as const;

export type AdmissionPolicy = keyof typeof POLICY_NAMES;

export interface ResourceRule {
  readonly apiGroups: readonly string[];
  readonly apiVersions: readonly string[];
  readonly resources: readonly string[];
  readonly operations: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** The spec of an admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding, with every default written out. */
export interface BindingSpec {
  readonly policyName: string;
  readonly validationActions: readonly ('Deny' | 'Warn' | 'Audit')[];
  readonly matchResources: {
    readonly matchPolicy: 'Equivalent';
    readonly namespaceSelector: LabelSelector;
    readonly objectSelector: LabelSelector;
    readonly resourceRules?: readonly ResourceRule[];
  };
  readonly paramRef: {
    readonly name?: string;
    readonly selector?: LabelSelector;
    readonly parameterNotFoundAction: 'Allow' | 'Deny';
  };
}

export interface AdmissionBinding extends KubeObject {
  readonly spec: BindingSpec;
}

/** True if the profile writes policies and is not being deleted. For any other profile nothing is refused. */
export function isEnforcing({ spec, metadata }: SegmentationProfile): boolean {
  return spec.mode === 'Enforce' && metadata.deletionTimestamp === undefined;
}

/** Selects the namespaces of the profile, without those that it excludes and without `excluded`. */
export function namespacesOf({ spec }: SegmentationProfile, excluded: readonly string[]): LabelSelector {
  const { matchLabels, matchExpressions = [] } = spec.namespaceSelector;
  const names = new Set([...excluded, ...(spec.excludeNamespaces ?? [])]);
  return {
    ...(matchLabels && { matchLabels }),
    matchExpressions: [
      ...matchExpressions,
      ...(names.size > 0
        ? [{ key: LABEL_NAMESPACE_NAME, operator: 'NotIn' as const, values: [...names].sort() }]
        : []),
    ],
  };
}

/** The binding of a policy of config/admission for a profile. */
export function profileBinding(
  profile: SegmentationProfile,
  policy: AdmissionPolicy,
  spec: Omit<BindingSpec, 'policyName'>,
): AdmissionBinding {
  const policyName = POLICY_NAMES[policy];
  return namedBinding(profile, policyName, { policyName, ...spec });
}

/** A binding `PROFILE.NAME`. The profile owns it, so that it is deleted with the profile in any case. */
export function namedBinding(
  { metadata }: SegmentationProfile,
  bindingName: string,
  spec: BindingSpec,
): AdmissionBinding {
  const { name, uid = '' } = metadata;
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: {
      name: `${name}.${bindingName}`,
      labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: name },
      ownerReferences: [{ apiVersion: API_VERSION, kind: KIND, name, uid }],
    },
    spec,
  };
}

/** The name of the profile that an own binding belongs to. */
export function profileOf({ metadata: { labels, ownerReferences } }: AdmissionBinding): string {
  return ownerReferences?.find(isProfileReference)?.name ?? labels?.[LABEL_PROFILE] ?? '';
}

/** A digest of the fields that this operator sets; a field that a later API server adds does not change it. */
export function bindingKey({ metadata, spec }: AdmissionBinding): string {
  const { policyName, validationActions, matchResources, paramRef } = spec;
  const { matchPolicy, namespaceSelector, objectSelector, resourceRules = [] } = matchResources ?? {};
  return digest({
    name: metadata.name,
    labels: [metadata.labels?.[LABEL_MANAGED_BY] ?? null, metadata.labels?.[LABEL_PROFILE] ?? null],
    owners: (metadata.ownerReferences ?? []).map(({ uid }) => uid),
    policyName,
    validationActions,
    match: [matchPolicy, namespaceSelector ?? {}, objectSelector ?? {}],
    rules: resourceRules.map(({ apiGroups, apiVersions, resources, operations, resourceNames = [] }) => [
      apiGroups,
      apiVersions,
      resources,
      operations,
      resourceNames,
    ]),
    parameter: [paramRef?.name ?? null, paramRef?.selector ?? null, paramRef?.parameterNotFoundAction],
  });
}

/** 16 hexadecimal digits: equal for equal values, whatever the order of their keys. */
export function digest(value: unknown): string {
  const text = canonicalJSON(value);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
