/** What a profile's status says of its admission. No I/O. */
import type { SegmentationProfile, WideningPolicy } from '../../api/profile.ts';
import { ApiError, isCollectionMissing } from '../../kube/errors.ts';
import { wideningOf } from '../../policy/admission/widening.ts';
import type { Probe } from './probe.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { errorMessage } from '../../util/error-message.ts';
import { compareText } from '../../util/order.ts';
import { shortList } from '../../util/list-text.ts';

/** Why nothing can be done. */
export interface AdmissionFailure {
  readonly reason: string;
  readonly message: string;
  /** A person must act. */
  readonly stalled: boolean;
}

export interface AdmissionReport {
  /** All that is asked for is in force. */
  readonly ready: boolean;
  readonly reason: string;
  readonly message: string;
  readonly stalled: boolean;
  /** How many namespaces' pods are refused now for want of the default-deny. */
  readonly refusing: number;
  /** Policies of others that widen the profile, sorted; undefined where it does not limit them. */
  readonly widening?: readonly WideningPolicy[];
}

export interface ReportInput {
  readonly profile: SegmentationProfile;
  readonly failure: AdmissionFailure | undefined;
  /** What is written is in force, and nothing is left to be written. */
  readonly settled: boolean;
  /** Namespaces that the gate does not cover yet; undefined: more than it can leave out. */
  readonly leftOut: readonly string[] | undefined;
  /** Namespaces in which pods are refused. */
  readonly refused: readonly string[];
}

/** How many namespaces a message names. */
const NAMED = 3;

export function reportOf({ profile, failure, settled, leftOut, refused }: ReportInput): AdmissionReport {
  const say = (status: 'True' | 'False', reason: string, message: string): AdmissionReport => ({
    ready: status === 'True',
    reason,
    message,
    stalled: false,
    refusing: refused.length,
  });
  if (refused.length > 0) {
    const also = failure === undefined ? '' : `; ${failure.message}`;
    return say(
      'False',
      'PodsRefused',
      `new pods are refused in ${named(refused)} until the default-deny stands there; to admit them all the same ` +
        `write \`gate: Disabled\`, or remove the binding if no operator runs${also}`,
    );
  }
  if (failure !== undefined) return { ...say('False', failure.reason, failure.message), ...failure };
  if (profile.spec.mode === 'Audit') return say('True', 'Audited', 'nothing is refused: mode is Audit');
  if (leftOut === undefined) {
    return say(
      'False',
      'AwaitingDefaultDeny',
      'the gate is changed once few enough namespaces are without their default-deny',
    );
  }
  if (!settled) return say('False', 'Progressing', 'the API server has not taken everything up yet');
  if (leftOut.length > 0) {
    return say(
      'False',
      'AwaitingDefaultDeny',
      `the gate leaves out ${named(leftOut)}, which had no default-deny when it was set up, until it stands there`,
    );
  }
  return say('True', 'InForce', `in force: ${inForce(profile).join('; ')}`);
}

/** What an answer of the probe means that waiting does not change. */
export const PROBE_FAILURES: Partial<Record<Awaited<ReturnType<Probe['ask']>>, AdmissionFailure>> = {
  ignored: {
    reason: 'NotTakenUp',
    message:
      'the API server does not take the bindings up: is its admission plugin ValidatingAdmissionPolicy disabled, or ' +
      'config/admission changed?',
    stalled: true,
  },
  stopped: {
    reason: 'CacheStopped',
    message:
      'the API server no longer follows the NetworkPolicies that gates look for: restart it ' +
      '(docs/admission.md#a-cache-that-stopped)',
    stalled: true,
  },
};

/** What a failed request means for admission. */
export function failureOf(error: unknown): AdmissionFailure {
  const message = errorMessage(error);
  if (isCollectionMissing(error)) {
    return {
      reason: 'Unsupported',
      message: `the API server does not know ValidatingAdmissionPolicies: Kubernetes 1.30 or later is needed (${message})`,
      stalled: true,
    };
  }
  const reason = error instanceof ApiError ? error.reason : 'Error';
  const hint = reason === 'Forbidden' ? '; kubectl apply -k config/admission' : '';
  return { reason, message: `${message}${hint}`, stalled: false };
}

/** Policies of others in the namespaces that allow more than the profile would admit now, sorted. */
export function wideningPolicies(
  profile: SegmentationProfile,
  namespaces: readonly NamespaceItem[],
  clusterState: ClusterState,
): WideningPolicy[] {
  return namespaces
    .flatMap(({ key }) => [...clusterState.policies.byNamespace(key)])
    .flatMap((item) => {
      const allows =
        clusterState.ownerOf(item) === undefined ? wideningOf(profile, item.peerScopes) : undefined;
      return allows === undefined ? [] : [{ namespace: item.namespace, name: item.name, allows }];
    })
    .sort((a, b) => compareText(a.namespace, b.namespace) || compareText(a.name, b.name));
}

function inForce({ spec }: SegmentationProfile): string[] {
  const { gate, protect, tenantPolicies, tenantPoliciesAction } = spec.admission ?? {};
  return [
    ...(gate === 'Enforce' ? ['no pod before its default-deny'] : []),
    ...(protect === 'Enforce' ? ['policies are protected'] : []),
    ...(protect === 'Warn' ? ['changes of policies are warned of'] : []),
    ...(tenantPolicies !== undefined && tenantPolicies !== 'Any'
      ? [`tenantPolicies ${tenantPolicies} (${tenantPoliciesAction})`]
      : []),
  ];
}

function named(namespaces: readonly string[]): string {
  const list = shortList([...namespaces].sort(), { most: NAMED });
  return `${namespaces.length === 1 ? 'namespace' : `${namespaces.length} namespaces:`} ${list}`;
}
