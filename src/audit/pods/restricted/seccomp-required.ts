import { isFilter, seccomp } from '../baseline/seccomp.ts';
import { isWindows, ofContainers, ofContexts, podCheck } from '../pod-check.ts';

export const seccompRequired = podCheck(
  {
    id: 'pod-seccomp-not-set',
    title: 'Every container has a seccomp filter',
    severity: 'low',
    controls: ['PSS Restricted', 'CIS 5.7.2', 'C-0055', 'C-0210'],
    why: 'Unless the kubelet is told otherwise, a container without a seccomp profile may make every system call.',
    remedy: 'Set securityContext.seccompProfile.type: RuntimeDefault for the pod.',
  },
  ({ spec }) => {
    if (isWindows(spec)) return [];
    const ofPod = spec.securityContext?.seccompProfile;
    const isPodFiltered = ofPod !== undefined && isFilter(ofPod);
    return [
      ...ofContexts(spec, ({ seccompProfile }) =>
        seccompProfile === undefined || isFilter(seccompProfile)
          ? []
          : [{ path: 'seccompProfile.type', message: `the seccomp profile is ${seccompProfile.type}` }],
      ),
      ...ofContainers(spec, ({ securityContext }) =>
        securityContext?.seccompProfile !== undefined || isPodFiltered
          ? []
          : [
              {
                path: 'securityContext.seccompProfile',
                message: 'a seccomp profile is set neither here nor for the pod',
              },
            ],
      ),
    ];
  },
  seccomp,
);
