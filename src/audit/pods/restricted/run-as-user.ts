import { ofContexts, podCheck } from '../pod-check.ts';

export const runAsUser = podCheck(
  {
    id: 'pod-run-as-root',
    title: 'No container sets its user to root',
    severity: 'medium',
    controls: ['PSS Restricted', 'CIS 5.2.7', 'C-0013', 'C-0198'],
    why: 'A process that runs as root is root of the node once it leaves the container.',
    remedy:
      'Set securityContext.runAsUser to another number than 0, or leave it out and let the image decide.',
  },
  ({ spec }) =>
    spec.hostUsers === false
      ? []
      : ofContexts(spec, ({ runAsUser }) =>
          runAsUser === 0 ? [{ path: 'runAsUser', message: 'the user is 0, which is root' }] : [],
        ),
);
