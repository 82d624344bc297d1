/**
 * The label that names a pod's ServiceAccount: the namespaces that need it, and the bindings by which the API server
 * writes the label on their pods and keeps it true. Pure.
 *
 * All profiles share a pair of bindings. A profile does not own it, because the guard has to outlive every policy that
 * relies on the label, and a policy can outlive its profile. The pair does not carry the operator's usual label either: an
 * older version, after a rollback, would delete bindings that carry it and that no profile asks for.
 */
import type { KubeObject, LabelSelector, StringMap } from '../../api/meta.ts';
import { GROUP, LABEL_NAMESPACE_NAME, LABEL_SERVICE_ACCOUNT } from '../../api/names.ts';
import { DIRECTIONS, type NetworkPolicy, type NetworkPolicySpec } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { AccountFailure } from '../facts.ts';
import { rulesOf } from '../semantics/normalize.ts';
import { type BindingSpec, digest, isEnforcing, type ResourceRule } from './binding.ts';
import { probeRequest } from './probe.ts';

/** @param missing kind and name of a policy of config/service-accounts */
export function notInstalled(missing: string): AccountFailure {
  const install = 'kubectl apply -k config/service-accounts (Kubernetes 1.36 or later)';
  return { reason: 'NotInstalled', message: `${missing} is not installed: ${install}` };
}

/** The policies of config/service-accounts, and their bindings, by name. There are two probes, one of each kind. */
export const ACCOUNT_NAMES = {
  /** The MutatingAdmissionPolicy that labels pods. */
  label: 'service-account-label.segmentation.dev',
  /** The ValidatingAdmissionPolicy that keeps the label true. */
  guard: 'service-account-guard.segmentation.dev',
  probe: 'service-account-probe.segmentation.dev',
} as const;

/** The label of the bindings that this operator writes. */
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
export type AccountBinding = MutatingBinding | GuardBinding;

/** The binding that labels pods and the binding that guards the label; or the probes of both. */
export interface AccountBindingPair {
  readonly label: MutatingBinding;
  readonly guard: GuardBinding;
}

/** The ServiceAccounts that the profile's rules and connections name, without duplicates. */
export function accountsOf({ spec }: SegmentationProfile): Account[] {
  const peers = [
    ...(spec.ingress ?? []).flatMap(({ from }) => from),
    ...(spec.egress ?? []).flatMap(({ to }) => to),
    ...(spec.connections ?? []).flatMap(({ from, to }) => [...from, ...to]),
  ];
  const found = new Map<string, Account>();
  for (const { serviceAccount } of peers)
    if (serviceAccount) found.set(`${serviceAccount.namespace}/${serviceAccount.name}`, serviceAccount);
  return [...found.values()];
}

/** Namespaces whose pods have to be labelled for the profile: none under Audit, and none for a deleted profile. */
export function labelledFor(profile: SegmentationProfile): string[] {
  return isEnforcing(profile) ? [...new Set(accountsOf(profile).map(({ namespace }) => namespace))] : [];
}

/** Namespaces whose pods' label the policy's peers rely on, in the form that compile() writes; whoever created it. Sorted. */
export function reliedOn({ spec }: Pick<NetworkPolicy, 'spec'>): readonly string[] {
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
  return found === undefined ? NO_NAMESPACES : [...found].sort();
}

/** True if the policy is for the pods of a ServiceAccount: then it also relies on the label in its own namespace. */
export function selectsAccount({ podSelector }: NetworkPolicySpec): boolean {
  return podSelector?.matchLabels?.[LABEL_SERVICE_ACCOUNT] !== undefined;
}

/** Shared by nearly all policies of the cluster. */
const NO_NAMESPACES: readonly string[] = [];

/** The pair of bindings that covers `namespaces`. */
export function accountBindings(namespaces: readonly string[]): AccountBindingPair {
  return { label: labelBinding(namespaces), guard: guardBinding(namespaces) };
}

/** The binding by which new pods of `namespaces` are labelled. */
export function labelBinding(namespaces: readonly string[]): MutatingBinding {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingAdmissionPolicyBinding',
    metadata: { name: ACCOUNT_NAMES.label, labels: OWN },
    spec: { policyName: ACCOUNT_NAMES.label, matchResources: inNamespaces(namespaces) },
  };
}

/** The binding by which the label of pods of `namespaces` stays true. */
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

/** The namespaces that the binding covers; none if somebody changed its selector to another form. */
export function coveredBy(binding: MutatingBinding | undefined): readonly string[] {
  const { matchLabels, matchExpressions = [] } = binding?.spec.matchResources?.namespaceSelector ?? {};
  const [only, ...others] = matchExpressions;
  const isOwnForm = matchLabels === undefined && others.length === 0 && only?.operator === 'In';
  return isOwnForm && only.key === LABEL_NAMESPACE_NAME ? (only.values ?? []) : [];
}

/**
 * The bindings of the two probes. If they are in force, so are the bindings that make up `state`, which were written
 * before them.
 *
 * @param namespace the operator's own
 */
export function accountProbes(state: string, namespace: string): AccountBindingPair {
  const rule: ResourceRule = {
    apiGroups: ['networking.k8s.io'],
    apiVersions: ['v1'],
    resources: ['networkpolicies'],
    operations: ['CREATE'],
    resourceNames: [accountProbeRequest(state, namespace).metadata.name],
  };
  const matchResources = { ...inNamespaces([namespace]), resourceRules: [rule] };
  const { label, guard } = accountBindings([]);
  const metadata = { name: ACCOUNT_NAMES.probe, labels: OWN };
  const policyName = ACCOUNT_NAMES.probe;
  return {
    label: { ...label, metadata, spec: { policyName, matchResources } },
    guard: { ...guard, metadata, spec: { ...guard.spec, policyName, matchResources } },
  };
}

/** The NetworkPolicy that the operator asks to create, as a dry run. */
export function accountProbeRequest(state: string, namespace: string): NetworkPolicy {
  return probeRequest(`accounts-${state}`, namespace);
}

export type AccountAnswer =
  /** Label and guard are in force. */
  | 'inForce'
  /** The guard is in force; pods are not labelled yet. */
  | 'unlabelled'
  /** The guard is not in force yet. */
  | 'notYet';

/** @param refusal the message with which the request was refused; undefined if it was admitted */
export function accountAnswer(refusal: string | undefined): AccountAnswer {
  if (refusal?.includes('the label and its guard are in force')) return 'inForce';
  return refusal?.includes('the guard is in force, the label is not') ? 'unlabelled' : 'notYet';
}

/** True if this operator wrote the binding. */
export function isAccountBinding({ metadata }: KubeObject): boolean {
  return Object.entries(OWN).every(([key, value]) => metadata.labels?.[key] === value);
}

/** A digest of the fields that this operator sets; a field that a later API server adds does not change it. */
export function accountBindingKey(binding: AccountBinding): string {
  const { policyName, matchResources } = binding.spec;
  const { matchPolicy, namespaceSelector, objectSelector, resourceRules = [] } = matchResources ?? {};
  return digest({
    own: isAccountBinding(binding),
    policyName,
    actions: 'validationActions' in binding.spec ? binding.spec.validationActions : null,
    // Neither kind has a parameter. Somebody may have added one.
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

/** Matches by name, and so also the pods of a namespace that is created later. */
function inNamespaces(namespaces: readonly string[]): BindingSpec['matchResources'] {
  const namespaceSelector: LabelSelector = {
    matchExpressions: [
      { key: LABEL_NAMESPACE_NAME, operator: 'In', values: [...new Set(namespaces)].sort() },
    ],
  };
  return { matchPolicy: 'Equivalent', namespaceSelector, objectSelector: {} };
}
