import type { PodSpec } from '../../pod-spec.ts';
import { ofContainers, podCheck, type Violation } from '../pod-check.ts';

/** Containers whose /proc is not masked, whatever user namespace the pod is in. */
export function unmaskedProc(spec: PodSpec): Violation[] {
  return ofContainers(spec, ({ securityContext }) => {
    const type = securityContext?.procMount;
    if (type === undefined || type === 'Default') return [];
    return [{ path: 'securityContext.procMount', message: `the mount of /proc is ${type}` }];
  });
}

/** From 1.35 on, a pod in a user namespace may have an unmasked /proc. */
export const procMount = podCheck(
  {
    id: 'pod-proc-mount',
    title: 'No container outside of a user namespace has an unmasked /proc',
    severity: 'high',
    controls: ['PSS Baseline'],
    why: 'Parts of /proc write to the kernel of the node. The runtime masks them by default.',
    remedy: 'Leave securityContext.procMount out, or set hostUsers: false.',
  },
  ({ spec }) => (spec.hostUsers === false ? [] : unmaskedProc(spec)),
);
