/** Checks that the policies of config/admission are installed, and that they except this operator's own writes. */
import type { KubeObject } from '../../api/meta.ts';
import { isForbidden, isNotFound } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { Resource } from '../../kube/resource.ts';
import { type AdmissionPolicy, POLICY_NAMES } from '../../policy/admission/binding.ts';
import type { AdmissionFailure } from './report.ts';

/** admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy: the fields that are read. */
export interface AdmissionPolicyObject extends KubeObject {
  readonly spec: { readonly matchConditions?: readonly { readonly expression: string }[] };
}

export interface PolicyCheckOptions {
  readonly admissionPolicies: Resource<AdmissionPolicyObject>;
  /** The user name by which the API server knows this operator. */
  readonly account: (signal: AbortSignal) => Promise<string>;
}

/**
 * Policies that refuse everybody's writes but the operator's. If such a policy excepts another account, its binding would
 * lock the operator out.
 */
const EXCEPTING: readonly AdmissionPolicy[] = ['protect', 'tenantPolicies'];

/**
 * The first failure among `policies`: a policy that is not installed, or that excepts another account than the operator's.
 *
 * @throws ApiError
 */
export async function policyFailure(
  policies: readonly AdmissionPolicy[],
  options: PolicyCheckOptions,
  signal: AbortSignal,
): Promise<AdmissionFailure | undefined> {
  for (const policy of policies) {
    const failure = await failureOfPolicy(policy, options, signal);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

async function failureOfPolicy(
  policy: AdmissionPolicy,
  { admissionPolicies, account }: PolicyCheckOptions,
  signal: AbortSignal,
): Promise<AdmissionFailure | undefined> {
  const name = POLICY_NAMES[policy];
  try {
    const { spec } = await admissionPolicies.get(name, undefined, { signal });
    if (!EXCEPTING.includes(policy)) return undefined;
    const user = await account(signal);
    if (spec.matchConditions?.some(({ expression }) => expression.includes(`'${user}'`))) return undefined;
    const message = `ValidatingAdmissionPolicy ${name} does not except ${user}, the account of this operator: name the account in its matchConditions, or a binding would refuse the operator's own writes`;
    return { reason: 'OtherAccount', message, kind: 'stalled' };
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const message = `ValidatingAdmissionPolicy ${name} is not installed: kubectl apply -k config/admission`;
    return { reason: 'NotInstalled', message, kind: 'waiting' };
  }
}

/**
 * The policies of config/workloads among `names` that are not installed, or that the operator may not read: then the
 * component is not installed. Only the profiles that need one of them are affected.
 *
 * @throws ApiError
 */
export async function missingWorkloadPolicies(
  names: ReadonlySet<string>,
  { admissionPolicies }: Pick<PolicyCheckOptions, 'admissionPolicies'>,
  signal: AbortSignal,
): Promise<Map<string, AdmissionFailure>> {
  const missing = new Map<string, AdmissionFailure>();
  for (const name of names) {
    try {
      await admissionPolicies.get(name, undefined, { signal });
    } catch (error) {
      if (!isNotFound(error) && !isForbidden(error)) throw error;
      const message = `ValidatingAdmissionPolicy ${name} of spec.workloads is not installed, or the operator may not read it: kubectl apply -k config/workloads`;
      missing.set(name, { reason: 'NotInstalled', message, kind: 'waiting' });
    }
  }
  return missing;
}

interface SelfSubjectReview {
  readonly status: { readonly userInfo: { readonly username: string } };
}

/**
 * Returns a function that resolves the user name by which the API server knows this operator. It asks once, by a
 * SelfSubjectReview, and remembers the answer; it rejects with an ApiError.
 */
export function accountOf(transport: Transport): (signal: AbortSignal) => Promise<string> {
  let username: string | undefined;
  return async (signal) => {
    if (username === undefined) {
      const { status } = await transport.request<SelfSubjectReview>({
        method: 'POST',
        path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
        signal,
      });
      username = status.userInfo.username;
    }
    return username;
  };
}
