import { ofContexts, podCheck } from '../pod-check.ts';

export const hostProcess = podCheck(
  {
    id: 'pod-windows-host-process',
    title: 'No container runs as a process of its Windows node',
    severity: 'critical',
    controls: ['PSS Baseline', 'CIS 5.2.11', 'C-0202'],
    why: 'A HostProcess container has the powers of the node.',
    remedy: 'Leave windowsOptions.hostProcess out.',
  },
  ({ spec }) =>
    ofContexts(spec, ({ windowsOptions }) =>
      windowsOptions?.hostProcess === true
        ? [{ path: 'windowsOptions.hostProcess', message: 'the container is a process of the Windows node' }]
        : [],
    ),
);
