import { ofContainers, podCheck } from '../pod-check.ts';

export const privileged = podCheck(
  {
    id: 'pod-privileged',
    title: 'No container is privileged',
    severity: 'critical',
    controls: ['PSS Baseline', 'CIS 5.2.2', 'C-0057', 'C-0193'],
    why: 'A privileged container has every power over its node, and with it over all pods there.',
    remedy: 'Leave securityContext.privileged out, and add the single capability that is needed.',
  },
  ({ spec }) =>
    ofContainers(spec, ({ securityContext }) =>
      securityContext?.privileged === true
        ? [{ path: 'securityContext.privileged', message: 'the container is privileged' }]
        : [],
    ),
);
