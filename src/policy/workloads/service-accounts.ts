/**
 * Judges the ServiceAccount of a pod and its token by `spec.workloads.serviceAccounts`, as
 * config/workloads/service_accounts.yaml does for new pods. Pure.
 */
import type { ProfileSpec } from '../../api/profile.ts';
import type { PodSpec, Volume } from './objects.ts';

export type ServiceAccountLimits = NonNullable<NonNullable<ProfileSpec['workloads']>['serviceAccounts']>;

/** The prefix of the volume that the API server adds to a pod whose token is mounted automatically. */
const AUTOMOUNTED = 'kube-api-access-';

export function serviceAccountViolations(limits: ServiceAccountLimits, spec: PodSpec): string[] {
  const { defaultAccount, allowed = [], automountToken } = limits;
  const account = spec.serviceAccountName || 'default';
  const tokens = (spec.volumes ?? []).filter(hasToken);
  const isUnasked =
    spec.automountServiceAccountToken === undefined &&
    tokens.some(({ name }) => name.startsWith(AUTOMOUNTED));
  return [
    ...(defaultAccount === 'Deny' && account === 'default'
      ? [
          'the pod runs as the ServiceAccount default, which its workloads.serviceAccounts.defaultAccount denies: create a ServiceAccount for it, and name it as serviceAccountName',
        ]
      : []),
    ...(allowed.length > 0 && !allowed.includes(account)
      ? [
          `the pod runs as the ServiceAccount ${account}, which is none of its workloads.serviceAccounts.allowed: use ${allowed.join(', ')}`,
        ]
      : []),
    ...(automountToken === 'Deny' && tokens.length > 0
      ? [
          'the pod gets a token of its ServiceAccount, which its workloads.serviceAccounts.automountToken denies: write automountServiceAccountToken: false',
        ]
      : []),
    ...(automountToken === 'IfUsed' && isUnasked
      ? [
          'the pod gets a token of its ServiceAccount without asking for it, which its workloads.serviceAccounts.automountToken denies: write automountServiceAccountToken: false or, if the pod uses the API server, true',
        ]
      : []),
  ];
}

/** True for a token for the API server; one for another audience is of no use there. */
function hasToken({ projected }: Volume): boolean {
  return (projected?.sources ?? []).some(
    ({ serviceAccountToken }) => serviceAccountToken !== undefined && !serviceAccountToken.audience,
  );
}
