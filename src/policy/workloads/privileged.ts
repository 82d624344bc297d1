/**
 * Judges the powers of a pod over its node by `spec.workloads.privileged`, as config/workloads/privileged.yaml does for new
 * pods. Pure. Who may add ephemeral containers and connect to pods is a matter of requests, not of objects.
 */
import type { ProfileSpec } from '../../api/profile.ts';
import { containersOf, type PodSpec } from './objects.ts';

export type PrivilegedLimits = NonNullable<NonNullable<ProfileSpec['workloads']>['privileged']>;

const HOST_NAMESPACES = ['hostNetwork', 'hostPID', 'hostIPC'] as const;

export function privilegedViolations(limits: PrivilegedLimits, spec: PodSpec): string[] {
  const shared = HOST_NAMESPACES.find((name) => limits[name] === 'Deny' && spec[name]);
  const path =
    limits.hostPath === 'Deny' ? spec.volumes?.find(({ hostPath }) => hostPath !== undefined) : undefined;
  const isHostProcess = spec.securityContext?.windowsOptions?.hostProcess ?? false;
  const privileged =
    limits.privileged === 'Deny'
      ? containersOf(spec).find(
          ({ securityContext: own }) =>
            own?.privileged || (own?.windowsOptions?.hostProcess ?? isHostProcess),
        )
      : undefined;
  return [
    ...(shared ? [`the pod has ${shared}, which its workloads.privileged.${shared} denies: remove it`] : []),
    ...(path
      ? [
          `the volume ${path.name} is a path of the node, which its workloads.privileged.hostPath denies: use another kind of volume`,
        ]
      : []),
    ...(privileged
      ? [
          `container ${privileged.name} is privileged, which its workloads.privileged.privileged denies: remove privileged and hostProcess from its securityContext`,
        ]
      : []),
    ...capabilityViolations(limits, spec),
  ];
}

function capabilityViolations({ capabilities }: PrivilegedLimits, spec: PodSpec): string[] {
  if (capabilities === undefined) return [];
  const [found] = containersOf(spec).flatMap(({ name, securityContext }) =>
    (securityContext?.capabilities?.add ?? [])
      .filter((each) => !capabilities.allowed.includes(each))
      .map((each) => `container ${name} adds the capability ${each}`),
  );
  return found === undefined
    ? []
    : [`${found}, which is none of its workloads.privileged.capabilities.allowed: remove it`];
}
