/**
 * The label that says as whom a pod runs: which namespaces need it, and the bindings that have the API server write it
 * and keep it true there. Pure.
 *
 * One pair of bindings serves all profiles. They do not belong to one, as the guard has to outlive every policy that
 * relies on the label, and a policy can outlive its profile. Nor do they carry the operator's usual label: an older
 * version, after a rollback, would take them for bindings that nobody asks for.
 */
import type { KubeObject, LabelSelector, StringMap } from '../../api/meta.ts';
import { GROUP, LABEL_NAMESPACE_NAME, LABEL_SERVICE_ACCOUNT } from '../../api/names.ts';
import { DIRECTIONS, type NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { rulesOf } from '../semantics/normalize.ts';
import { type BindingSpec, digest, isEnforcing, type ResourceRule } from './binding.ts';
import { probeRequest } from './probe.ts';

/** Policies and bindings of config/service-accounts: the mutating one, the validating one, and one of each to ask by. */
export const ACCOUNT_NAMES = {
  label: 'service-account-label.segmentation.dev',
  guard: 'service-account-guard.segmentation.dev',
  probe: 'service-account-probe.segmentation.dev',
} as const;

/** Marks the bindings that this operator writes. */
const OWN: StringMap = { [`${GROUP}/binds`]: 'service-accounts' };

/** A ServiceAccount that a profile names. */
export interface Account {
  readonly namespace: string;
  readonly name: string;
}

export type MutatingBinding = KubeObject & {
  readonly spec: Pick<BindingSpec, 'policyName' | 'matchResources'>;
};
export type GuardBinding = KubeObject & { readonly spec: Omit<BindingSpec, 'paramRef'> };

/** The accounts that the profile's rules name, each once. */
export function accountsOf({ spec }: SegmentationProfile): Account[] {
  const peers = [
    ...(spec.ingress ?? []).flatMap(({ from }) => from),
    ...(spec.egress ?? []).flatMap(({ to }) => to),
  ];
  const found = new Map<string, Account>();
  for (const { serviceAccount } of peers)
    if (serviceAccount) found.set(`${serviceAccount.namespace}/${serviceAccount.name}`, serviceAccount);
  return [...found.values()];
}

/** Namespaces whose pods are to be labelled for the profile's sake: none under Audit, which has nothing done. */
export function labelledFor(profile: SegmentationProfile): string[] {
  return isEnforcing(profile) ? [...new Set(accountsOf(profile).map(({ namespace }) => namespace))] : [];
}

/** Namespaces whose pods' label the policy relies on, as compile() writes such peers; whoever made it. Sorted. */
export function reliedOn({ spec }: NetworkPolicy): readonly string[] {
  let found: Set<string> | undefined;
  for (const direction of DIRECTIONS) {
    for (const { peers = [] } of rulesOf(spec, direction)) {
      for (const { namespaceSelector, podSelector } of peers) {
        const namespace = namespaceSelector?.matchLabels?.[LABEL_NAMESPACE_NAME];
        if (namespace === undefined || podSelector?.matchLabels?.[LABEL_SERVICE_ACCOUNT] === undefined)
          continue;
        (found ??= new Set()).add(namespace);
      }
    }
  }
  return found === undefined ? NONE : [...found].sort();
}

/** One for all policies: nearly every one relies on no label. */
const NONE: readonly string[] = [];

/** The binding by which new pods of `namespaces` are labelled. */
export function labelBinding(namespaces: readonly string[]): MutatingBinding {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingAdmissionPolicyBinding',
    metadata: { name: ACCOUNT_NAMES.label, labels: OWN },
    spec: { policyName: ACCOUNT_NAMES.label, matchResources: inNamespaces(namespaces) },
  };
}

/** The binding by which that label of the pods of `namespaces` stays true. */
export function guardBinding(namespaces: readonly string[]): GuardBinding {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: ACCOUNT_NAMES.guard, labels: OWN },
    spec: {
      policyName: ACCOUNT_NAMES.guard,
      validationActions: ['Deny'],
      matchResources: inNamespaces(namespaces),
    },
  };
}

/** The namespaces that a binding of these covers; none where somebody has changed it so that this can't be told. */
export function coveredBy(binding: MutatingBinding | undefined): readonly string[] {
  const { matchLabels, matchExpressions = [] } = binding?.spec.matchResources?.namespaceSelector ?? {};
  const [only, ...others] = matchExpressions;
  const plain = matchLabels === undefined && others.length === 0 && only?.operator === 'In';
  return plain && only.key === LABEL_NAMESPACE_NAME ? (only.values ?? []) : [];
}

/**
 * The bindings that are asked by, of each kind: their being in force means that all which make up `state` are.
 *
 * @param namespace the operator's own
 */
export function accountProbes(
  state: string,
  namespace: string,
): { readonly label: MutatingBinding; readonly guard: GuardBinding } {
  const matchResources = {
    ...inNamespaces([namespace]),
    resourceRules: [
      {
        apiGroups: ['networking.k8s.io'],
        apiVersions: ['v1'],
        resources: ['networkpolicies'],
        operations: ['CREATE'],
        resourceNames: [accountProbeRequest(state, namespace).metadata.name],
      } satisfies ResourceRule,
    ],
  };
  const [label, guard] = [labelBinding([]), guardBinding([])];
  const metadata = { name: ACCOUNT_NAMES.probe, labels: OWN };
  const policyName = ACCOUNT_NAMES.probe;
  return {
    label: { ...label, metadata, spec: { policyName, matchResources } },
    guard: { ...guard, metadata, spec: { ...guard.spec, policyName, matchResources } },
  };
}

/** The object that is asked for, as a dry run. */
export function accountProbeRequest(state: string, namespace: string): NetworkPolicy {
  return probeRequest(`accounts-${state}`, namespace);
}

export type AccountAnswer =
  /** Label and guard are in force. */
  | 'inForce'
  /** The guard is; pods are not labelled yet. */
  | 'unlabelled'
  | 'notYet';

/** @param refusal the message with which the request was refused; undefined if it was not */
export function accountAnswer(refusal: string | undefined): AccountAnswer {
  if (refusal?.includes('the label and its guard are in force')) return 'inForce';
  return refusal?.includes('the guard is in force, the label is not') ? 'unlabelled' : 'notYet';
}

/** Whether the binding is one that this operator writes. */
export function isAccountBinding({ metadata }: KubeObject): boolean {
  return Object.entries(OWN).every(([key, value]) => metadata.labels?.[key] === value);
}

/** A digest of what is wanted of a binding, whatever a later API server adds to it. */
export function accountBindingKey(binding: MutatingBinding | GuardBinding): string {
  const { policyName, matchResources } = binding.spec;
  const { matchPolicy, namespaceSelector, objectSelector, resourceRules = [] } = matchResources ?? {};
  return digest({
    own: isAccountBinding(binding),
    policyName,
    actions: 'validationActions' in binding.spec ? binding.spec.validationActions : null,
    // Neither kind relies on a parameter.
    parameter: 'paramRef' in binding.spec ? binding.spec.paramRef : null,
    match: [matchPolicy, namespaceSelector ?? {}, objectSelector ?? {}],
    exclude: (matchResources as { excludeResourceRules?: unknown })?.excludeResourceRules ?? null,
    rules: resourceRules.map(({ operations, resources, resourceNames = [] }) => [
      operations,
      resources,
      resourceNames,
    ]),
  });
}

/** Also all pods of a namespace that is made later. */
function inNamespaces(namespaces: readonly string[]): BindingSpec['matchResources'] {
  const namespaceSelector: LabelSelector = {
    matchExpressions: [
      { key: LABEL_NAMESPACE_NAME, operator: 'In', values: [...new Set(namespaces)].sort() },
    ],
  };
  return { matchPolicy: 'Equivalent', namespaceSelector, objectSelector: {} };
}
