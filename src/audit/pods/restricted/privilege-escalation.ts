import { isWindows, ofContainers, podCheck } from '../pod-check.ts';

export const privilegeEscalation = podCheck(
  {
    id: 'pod-privilege-escalation',
    title: 'Every container forbids privilege escalation',
    severity: 'low',
    controls: ['PSS Restricted', 'CIS 5.2.6', 'C-0016', 'C-0197'],
    why: 'Without the prohibition a process may gain powers by a setuid binary of the image.',
    remedy: 'Set securityContext.allowPrivilegeEscalation: false.',
  },
  ({ spec }) =>
    isWindows(spec)
      ? []
      : ofContainers(spec, ({ securityContext }) =>
          securityContext?.allowPrivilegeEscalation === false
            ? []
            : [
                {
                  path: 'securityContext.allowPrivilegeEscalation',
                  message: `allowPrivilegeEscalation is ${securityContext?.allowPrivilegeEscalation === true ? 'true' : 'not set, which means true'}`,
                },
              ],
        ),
);
