/** The condition AdmissionReady of a profile, and the foreign policies that widen it. No I/O. */
import type { SegmentationProfile, WideningPolicy } from '../../api/profile.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { ApiError, isCollectionMissing, isPermissionMissing } from '../../kube/errors.ts';
import type { Gate } from '../../policy/admission/gate.ts';
import type { ProbeAnswer } from '../../policy/admission/probe.ts';
import { wideningOf } from '../../policy/admission/widening.ts';
import { groupsInUse } from '../../policy/workloads/groups.ts';
import { errorMessage } from '../../util/error-message.ts';
import { shortList } from '../../util/list-text.ts';
import { compareText } from '../../util/order.ts';

/** Why the operator can't bring into force what a profile asks for. */
export interface AdmissionFailure {
  readonly reason: string;
  readonly message: string;
  /** *stalled*: a person must act. *waiting*: something is missing that may come. */
  readonly kind: 'stalled' | 'waiting';
}

export interface AdmissionReport {
  /** True if everything that the profile asks for is in force. */
  readonly ready: boolean;
  readonly reason: string;
  readonly message: string;
  /** True if a person must act. */
  readonly stalled: boolean;
  /** The number of namespaces in which pods are refused until their default-deny exists. */
  readonly refusing: number;
  /** Foreign policies that widen the profile, sorted; undefined if the profile does not limit them. */
  readonly widening?: readonly WideningPolicy[];
}

export interface ReportInput {
  readonly profile: SegmentationProfile;
  readonly failure: AdmissionFailure | undefined;
  /** True if every binding that the profile asks for is in force. */
  readonly isSettled: boolean;
  /** The profile's gate; undefined if it has none. */
  readonly gate: Gate | undefined;
  /** Namespaces in which pods are refused. */
  readonly refused: readonly string[];
}

export function reportOf(input: ReportInput): AdmissionReport {
  const { profile, failure, isSettled, refused } = input;
  const refusing = refused.length;
  if (refusing > 0) return { ...notReady('PodsRefused', refusalMessage(refused, failure)), refusing };
  if (failure !== undefined) {
    const { reason, message, kind } = failure;
    return { ...notReady(reason, message), stalled: kind === 'stalled' };
  }
  if (profile.spec.mode === 'Audit') return ready('Audited', 'nothing is refused: mode is Audit');
  if (input.gate?.kind === 'tooManyLeftOut') {
    return notReady(
      'AwaitingDefaultDeny',
      'too many selected namespaces lack their default-deny: the gate is changed once there are fewer',
    );
  }
  if (!isSettled) return notReady('Progressing', 'the API server has not taken up all bindings yet');
  const leftOut = input.gate?.leftOut ?? [];
  if (leftOut.length > 0) {
    return notReady(
      'AwaitingDefaultDeny',
      `the gate leaves out ${named(leftOut)}, which had no default-deny when the gate was set up, until it exists there`,
    );
  }
  return ready('InForce', `in force: ${inForce(profile).join('; ')}`);
}

function ready(reason: string, message: string): AdmissionReport {
  return { ready: true, reason, message, stalled: false, refusing: 0 };
}

function notReady(reason: string, message: string): AdmissionReport {
  return { ...ready(reason, message), ready: false };
}

function refusalMessage(refused: readonly string[], failure: AdmissionFailure | undefined): string {
  const also = failure === undefined ? '' : `; ${failure.message}`;
  return (
    `new pods are refused in ${named(refused)} until the default-deny exists there; to admit them without it ` +
    `write \`gate: Disabled\`, or delete the binding if no operator runs${also}`
  );
}

/** The failure that an answer of the probe means once it is overdue. */
export const PROBE_FAILURES: Readonly<Record<Exclude<ProbeAnswer, 'inForce'>, AdmissionFailure>> = {
  notYet: {
    reason: 'NotTakenUp',
    message:
      'the API server does not take up the bindings: enable its admission plugin ValidatingAdmissionPolicy if that is ' +
      'disabled, and apply config/admission again if its policies were changed',
    kind: 'stalled',
  },
  parametersBehind: {
    reason: 'CacheStopped',
    message:
      'the API server no longer follows the NetworkPolicies that gates look for: restart it ' +
      '(docs/admission.md#a-cache-that-stopped)',
    kind: 'stalled',
  },
};

/** The failure that a failed request means. */
export function failureOf(error: unknown): AdmissionFailure {
  const message = errorMessage(error);
  if (isCollectionMissing(error)) {
    return {
      reason: 'Unsupported',
      message: `the API server has no ValidatingAdmissionPolicies: Kubernetes 1.30 or later is needed (${message})`,
      kind: 'stalled',
    };
  }
  const reason = error instanceof ApiError ? error.reason : 'Error';
  const hint = isPermissionMissing(error) ? '; kubectl apply -k config/admission' : '';
  return { reason, message: `${message}${hint}`, kind: 'waiting' };
}

/** Foreign policies in the namespaces that allow more than the profile would admit now, sorted. */
export function wideningPolicies(
  profile: SegmentationProfile,
  namespaces: readonly NamespaceItem[],
  clusterState: ClusterState,
): WideningPolicy[] {
  return namespaces
    .flatMap(({ key }) => [...clusterState.policies.byNamespace(key)])
    .filter((item) => clusterState.ownerOf(item) === undefined)
    .flatMap(({ namespace, name, peerScopes }) => {
      const allows = wideningOf(profile, peerScopes);
      return allows === undefined ? [] : [{ namespace, name, allows }];
    })
    .sort((a, b) => compareText(a.namespace, b.namespace) || compareText(a.name, b.name));
}

/** Each part of `spec.admission` and `spec.workloads` that is in force, in words. */
function inForce(profile: SegmentationProfile): string[] {
  const { spec } = profile;
  const { gate, protect, tenantPolicies, tenantPoliciesAction } = spec.admission ?? {};
  return [
    ...(gate === 'Enforce' ? ['no pod before its default-deny'] : []),
    ...(protect === 'Enforce' ? ['policies are protected'] : []),
    ...(protect === 'Warn' ? ['changes of policies are warned of'] : []),
    ...(tenantPolicies !== undefined && tenantPolicies !== 'Any'
      ? [`tenantPolicies ${tenantPolicies} (${tenantPoliciesAction})`]
      : []),
    ...groupsInUse(profile).map((group) => `workloads.${group} (${spec.workloads?.[group]?.action})`),
  ];
}

function named(namespaces: readonly string[]): string {
  const list = shortList(namespaces.toSorted(compareText));
  return `${namespaces.length === 1 ? 'namespace' : `${namespaces.length} namespaces:`} ${list}`;
}
