/**
 * The groups of `spec.workloads`: for each, the policy of config/workloads that enforces it, its bindings for a profile,
 * and the judgement of objects that exist already. Pure.
 *
 * Under `action: Enforce` a group has two bindings: one refuses Pods, the other warns of workloads whose pods would be
 * refused. So a workload that breaks a limit can still be scaled, edited and deleted.
 */
import type { ProfileSpec, SegmentationProfile } from '../../api/profile.ts';
import {
  type AdmissionBinding,
  type BindingSpec,
  isEnforcing,
  namedBinding,
  namespacesOf,
  type ResourceRule,
} from '../admission/binding.ts';
import { imageViolations } from './images.ts';
import {
  ingressExposureViolations,
  podExposureViolations,
  routeExposureViolations,
  serviceExposureViolations,
} from './exposure.ts';
import type { Ingress, Pod, Route, Service } from './objects.ts';
import { privilegedViolations } from './privileged.ts';
import { resourceViolations } from './resources.ts';
import { serviceAccountViolations } from './service-accounts.ts';

type Workloads = NonNullable<ProfileSpec['workloads']>;
export type GroupName = Exclude<keyof Workloads, 'breakGlassGroups' | 'podSecurity'>;

/** The kinds of existing objects that are judged. */
export interface Judged {
  readonly Pod: Pod;
  readonly Service: Service;
  readonly Ingress: Ingress;
  readonly HTTPRoute: Route;
  readonly GRPCRoute: Route;
  readonly TLSRoute: Route;
}

interface Group<Name extends GroupName> {
  /** The ValidatingAdmissionPolicy. */
  readonly policyName: string;
  /** The requests that are refused under Enforce. */
  readonly refused: readonly ResourceRule[];
  /** The requests that only warn under Enforce. */
  readonly warned: readonly ResourceRule[];
  /** By kind: the limits that an object breaks, in the words of the policy. */
  readonly violations: {
    readonly [Kind in keyof Judged]?: (
      limits: NonNullable<Workloads[Name]>,
      object: Judged[Kind],
    ) => readonly string[];
  };
}

const WRITES = ['CREATE', 'UPDATE'];
const rule = (group: string, resources: readonly string[], operations = WRITES): ResourceRule => ({
  apiGroups: [group],
  apiVersions: ['v1'],
  resources,
  operations,
});
const PODS = [rule('', ['pods', 'pods/ephemeralcontainers'])];
const TEMPLATES = [
  rule('', ['replicationcontrollers']),
  rule('apps', ['deployments', 'statefulsets', 'daemonsets', 'replicasets']),
  rule('batch', ['jobs', 'cronjobs']),
];

const GROUPS: { readonly [Name in GroupName]: Group<Name> } = {
  images: {
    policyName: 'workload-images.segmentation.dev',
    refused: PODS,
    warned: TEMPLATES,
    violations: { Pod: (limits, { spec }) => imageViolations(limits, spec) },
  },
  resources: {
    policyName: 'workload-resources.segmentation.dev',
    refused: [rule('', ['pods'], ['CREATE']), rule('', ['pods/resize'], ['UPDATE'])],
    warned: TEMPLATES,
    violations: { Pod: (limits, { spec }) => resourceViolations(limits, spec) },
  },
  serviceAccounts: {
    policyName: 'workload-service-accounts.segmentation.dev',
    refused: [rule('', ['pods'], ['CREATE'])],
    warned: TEMPLATES,
    violations: { Pod: (limits, { spec }) => serviceAccountViolations(limits, spec) },
  },
  exposure: {
    policyName: 'workload-exposure.segmentation.dev',
    refused: [
      rule('', ['pods'], ['CREATE']),
      rule('', ['services']),
      rule('networking.k8s.io', ['ingresses']),
      { ...rule('gateway.networking.k8s.io', ['httproutes', 'grpcroutes', 'tlsroutes']), apiVersions: ['*'] },
    ],
    warned: TEMPLATES,
    violations: {
      Pod: (limits, { spec }) => podExposureViolations(limits, spec),
      Service: serviceExposureViolations,
      Ingress: ingressExposureViolations,
      HTTPRoute: routeExposureViolations,
      GRPCRoute: routeExposureViolations,
      TLSRoute: routeExposureViolations,
    },
  },
  privileged: {
    policyName: 'workload-privileged.segmentation.dev',
    refused: [
      rule('', ['pods'], ['CREATE']),
      rule('', ['pods/ephemeralcontainers'], ['UPDATE']),
      rule('', ['pods/exec', 'pods/attach', 'pods/portforward'], ['CONNECT']),
    ],
    warned: TEMPLATES,
    violations: { Pod: (limits, { spec }) => privilegedViolations(limits, spec) },
  },
};

export const GROUP_NAMES = Object.keys(GROUPS) as readonly GroupName[];

/** The names of the policies that enforce the groups. */
export const WORKLOAD_POLICIES: readonly string[] = GROUP_NAMES.map((name) => GROUPS[name].policyName);

/** True if objects of the resource may be limited. */
export function isLimited(group: string, plural: string): boolean {
  return GROUP_NAMES.some((name) =>
    [...GROUPS[name].refused, ...GROUPS[name].warned].some(
      ({ apiGroups, resources }) => apiGroups.includes(group) && resources.includes(plural),
    ),
  );
}

/** The groups that the profile uses, whatever its mode; none of a profile that is being deleted. */
export function groupsInUse({ spec, metadata }: SegmentationProfile): GroupName[] {
  if (metadata.deletionTimestamp !== undefined) return [];
  return GROUP_NAMES.filter((name) => (spec.workloads?.[name]?.action ?? 'Disabled') !== 'Disabled');
}

/** The policies that the profile's bindings need. */
export function workloadPoliciesOf(profile: SegmentationProfile): string[] {
  return isEnforcing(profile) ? groupsInUse(profile).map((name) => GROUPS[name].policyName) : [];
}

/** The bindings of the profile's groups. A profile under Audit has none. */
export function workloadBindings(
  profile: SegmentationProfile,
  protectedNamespaces: readonly string[],
): AdmissionBinding[] {
  if (!isEnforcing(profile)) return [];
  const namespaceSelector = namespacesOf(profile, protectedNamespaces);
  const paramRef = { name: profile.metadata.name, parameterNotFoundAction: 'Allow' } as const;
  return groupsInUse(profile).flatMap((name) => {
    const { policyName, refused, warned } = GROUPS[name];
    const bound = (
      bindingName: string,
      action: BindingSpec['validationActions'][number],
      resourceRules: readonly ResourceRule[],
    ) =>
      namedBinding(profile, bindingName, {
        policyName,
        validationActions: [action],
        matchResources: { matchPolicy: 'Equivalent', namespaceSelector, objectSelector: {}, resourceRules },
        paramRef,
      });
    const action = profile.spec.workloads?.[name]?.action;
    if (action !== 'Enforce')
      return [bound(policyName, action === 'Warn' ? 'Warn' : 'Audit', [...refused, ...warned])];
    return [
      bound(policyName, 'Deny', refused),
      ...(warned.length > 0 ? [bound(`templates.${policyName}`, 'Warn', warned)] : []),
    ];
  });
}

/** The kinds of objects that the profile's groups judge. */
export function judgedKinds(profile: SegmentationProfile): (keyof Judged)[] {
  const kinds = groupsInUse(profile).flatMap(
    (group) => Object.keys(GROUPS[group].violations) as (keyof Judged)[],
  );
  return [...new Set(kinds)];
}

/** A limit that an object breaks. */
export interface Violation {
  readonly group: GroupName;
  readonly message: string;
}

/** The limits of the profile that the object breaks, whatever the profile's mode; at most one of each group. */
export function violationsOf<Kind extends keyof Judged>(
  profile: SegmentationProfile,
  kind: Kind,
  object: Judged[Kind],
): Violation[] {
  return groupsInUse(profile).flatMap((group) => {
    // Each group is given its own limits.
    const { violations } = GROUPS[group] as Group<GroupName>;
    const limits = profile.spec.workloads?.[group];
    const [message] = (limits && violations[kind]?.(limits, object)) ?? [];
    return message === undefined ? [] : [{ group, message }];
  });
}
