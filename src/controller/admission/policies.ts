/** Whether the policies of config/admission are installed, and meant for this operator. */
import type { KubeObject } from '../../api/meta.ts';
import { isNotFound } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { type AdmissionPolicy, POLICY_NAMES } from '../../policy/admission/binding.ts';
import type { AdmissionFailure } from './report.ts';

/** admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy, as far as it is read. */
export interface AdmissionPolicyObject extends KubeObject {
  readonly spec: { readonly matchConditions?: readonly { readonly expression: string }[] };
}

interface Installed {
  readonly admissionPolicies: Resource<AdmissionPolicyObject>;
  readonly account: (signal: AbortSignal) => Promise<string>;
}

/** These refuse everybody's writes but the operator's: if they except another account, the operator locks itself out. */
const EXCEPTING: readonly AdmissionPolicy[] = ['protect', 'tenantPolicies'];

/**
 * The failure if one of `policies` is not installed, or excepts another account than the operator's.
 *
 * @throws ApiError
 */
export async function missingPolicy(
  policies: readonly AdmissionPolicy[],
  { admissionPolicies, account }: Installed,
  signal: AbortSignal,
): Promise<AdmissionFailure | undefined> {
  for (const policy of policies) {
    const name = POLICY_NAMES[policy];
    try {
      const { spec } = await admissionPolicies.get(name, undefined, { signal });
      if (!EXCEPTING.includes(policy)) continue;
      const user = await account(signal);
      if (spec.matchConditions?.some(({ expression }) => expression.includes(`'${user}'`))) continue;
      const message = `the ValidatingAdmissionPolicy ${name} does not except ${user}, as which this operator runs: name it there, or the operator could not write any more`;
      return { reason: 'OtherAccount', message, stalled: true };
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const message = `the ValidatingAdmissionPolicy ${name} is not installed: kubectl apply -k config/admission`;
      return { reason: 'NotInstalled', message, stalled: false };
    }
  }
  return undefined;
}

interface SelfSubjectReview {
  readonly status: { readonly userInfo: { readonly username: string } };
}

/** Asks the API server once as whom it knows this operator; the answer is its user name. Rejects with an ApiError. */
export function accountOf(transport: Transport): (signal: AbortSignal) => Promise<string> {
  let known: string | undefined;
  return async (signal) => {
    known ??= (
      await transport.request<SelfSubjectReview>({
        method: 'POST',
        path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
        signal,
      })
    ).status.userInfo.username;
    return known;
  };
}
