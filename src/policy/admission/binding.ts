/**
 * The policies of config/admission by name, and the bindings that bring them into force: the operator writes bindings
 * only, never a rule of its own making.
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

/**
 * The ValidatingAdmissionPolicies, by what they are for. The API server's refusals name the policy and its binding, and
 * some say little else: the names have to.
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

/** admissionregistration.k8s.io/v1, ValidatingAdmissionPolicyBinding; with every default written out. */
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

/** Whether the profile writes policies, and stays: one that does not has nothing refused for its sake. */
export function isEnforcing({ spec, metadata }: SegmentationProfile): boolean {
  return spec.mode === 'Enforce' && metadata.deletionTimestamp === undefined;
}

/** The namespaces that the profile selects, but for its own exclusions and those of `others`. */
export function namespacesOf({ spec }: SegmentationProfile, others: readonly string[]): LabelSelector {
  const { matchLabels, matchExpressions = [] } = spec.namespaceSelector;
  const excluded = new Set([...others, ...(spec.excludeNamespaces ?? [])]);
  return {
    ...(matchLabels && { matchLabels }),
    matchExpressions: [
      ...matchExpressions,
      ...(excluded.size > 0
        ? [{ key: LABEL_NAMESPACE_NAME, operator: 'NotIn' as const, values: [...excluded].sort() }]
        : []),
    ],
  };
}

/** The binding of one policy for one profile. It goes with the profile, whoever removes that. */
export function profileBinding(
  { metadata }: SegmentationProfile,
  policy: AdmissionPolicy,
  spec: Omit<BindingSpec, 'policyName'>,
): AdmissionBinding {
  const { name, uid = '' } = metadata;
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: {
      name: `${name}.${POLICY_NAMES[policy]}`,
      labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: name },
      ownerReferences: [{ apiVersion: API_VERSION, kind: KIND, name, uid }],
    },
    spec: { policyName: POLICY_NAMES[policy], ...spec },
  };
}

/** Whether the binding is one that this operator writes. */
export function isOwnBinding({ metadata }: KubeObject): boolean {
  return metadata.labels?.[LABEL_MANAGED_BY] === MANAGER;
}

/** A digest of what is wanted of a binding: of the fields above, whatever a later API server adds to them. */
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

/** 16 hexadecimal digits, the same for values of the same contents. */
export function digest(value: unknown): string {
  const text = canonicalJSON(value);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
