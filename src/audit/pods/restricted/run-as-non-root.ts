import { ofContainers, podCheck } from '../pod-check.ts';

/** From 1.35 on, a pod in a user namespace may run as root: it is root of that namespace only. */
export const runAsNonRoot = podCheck(
  {
    id: 'pod-run-as-root-possible',
    title: 'Every container must run as another user than root',
    severity: 'low',
    controls: ['PSS Restricted', 'CIS 5.2.7', 'C-0013', 'C-0198'],
    why: 'Unless runAsNonRoot is set, the image decides, and a process that runs as root is root of the node once it leaves the container.',
    remedy: 'Set securityContext.runAsNonRoot: true for the pod, and a numeric USER in the image.',
  },
  ({ spec }) => {
    if (spec.hostUsers === false) return [];
    const ofPod = spec.securityContext?.runAsNonRoot;
    return [
      ...(ofPod === false
        ? [{ path: 'securityContext.runAsNonRoot', message: 'runAsNonRoot is false' }]
        : []),
      ...ofContainers(spec, ({ securityContext }) => {
        const own = securityContext?.runAsNonRoot;
        if (own === false)
          return [{ path: 'securityContext.runAsNonRoot', message: 'runAsNonRoot is false' }];
        if (own === true || ofPod !== undefined) return [];
        return [
          {
            path: 'securityContext.runAsNonRoot',
            message: 'runAsNonRoot is set neither here nor for the pod',
          },
        ];
      }),
    ];
  },
);
